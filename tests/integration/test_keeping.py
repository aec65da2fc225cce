"""Keeping a lake: what is held reads as before, what is not held goes, and nothing else does."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from keeping_kit import PastLake, keeper, past_lake

from dagster_project.errors import LakeError, UsageError
from dagster_project.lake import maintenance, sums
from dagster_project.lake.compaction import Change, carry_out
from dagster_project.lake.retention import Rule
from dagster_project.paths import Home
from dagster_project.transform.models.content import content_hash

LATER = timedelta(days=2)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> PastLake:
    """A lake of twelve commits, three of which a package was made of; nobody changes it."""
    return past_lake(tmp_path_factory.mktemp("keeping") / "home")


@pytest.fixture
def past(lived: PastLake, tmp_path: Path) -> PastLake:
    """A copy of that lake."""
    shutil.copytree(lived.root, tmp_path / "home", ignore=shutil.ignore_patterns("tmp"))
    return PastLake(tmp_path / "home", [*lived.sealed])


def catalog(past: PastLake) -> str:
    """The catalog's bytes, as a hash."""
    return hashlib.sha256(Home(past.root).catalog.read_bytes()).hexdigest()


@contextlib.contextmanager
def unchanged(past: PastLake) -> Iterator[None]:
    """Whatever happens within: the catalog, the data files and the folder stay as they were."""
    before = catalog(past), past.files(), sorted((past.root / "lake").iterdir())
    yield
    assert (catalog(past), past.files(), sorted((past.root / "lake").iterdir())) == before


def test_what_is_sealed_reads_as_before_and_the_rest_is_given_up(past: PastLake) -> None:
    """Row by row: each held state, and the newest, after giving up, merging and writing again."""
    before = {at: past.rows(at) for at in past.sealed}
    newest = past.rows(past.snapshots()[-1])
    count, versions = len(past.files()), past.versions()
    done = past.keep()
    assert all(past.versions()[name] >= at for name, at in versions.items())
    # Rows only went from this one, and nothing of that is left but a state that saw them.
    assert past.versions()["silver.road"] == versions["silver.road"]
    assert len(done[0].expired) > 12
    assert {one.table for some in done for one in some.compacted} >= {"ops.delivery"}
    assert {at: past.rows(at) for at in past.sealed} == before
    assert past.rows(past.snapshots()[-1]) == newest
    assert set(past.sealed) <= set(past.snapshots())
    assert not {one.id for one in done[0].expired} & set(past.snapshots())
    maintenance.gc(past.lake, at=datetime.now(UTC) + LATER)
    assert len(past.files()) < count
    assert {at: past.rows(at) for at in past.sealed} == before


@pytest.mark.thorough
def test_a_lake_lives_on_after_it_was_kept(past: PastLake) -> None:
    """Commits, packages and keeping in turns; every sealed state stays what it was."""
    before = {}
    for first in (12, 20):
        before |= {at: past.rows(at) for at in past.sealed}
        past.keep()
        past.live(8, first=first)
        maintenance.gc(past.lake, at=datetime.now(UTC) + LATER)
        assert {at: past.rows(at) for at in before} == before


@pytest.mark.thorough
def test_young_states_and_packages_of_an_age(past: PastLake) -> None:
    """The young are all held; where packages have an age, the older ones let theirs go."""
    before = past.snapshots()
    assert not any(done.expired for done in past.keep(Rule()))
    assert set(before) < set(past.snapshots())
    past.commit("UPDATE ops.package SET sealed_at = TIMESTAMPTZ '2001-01-01 00:00:00+08'")
    past.keep(Rule(young=timedelta(0), packages=timedelta(days=366)))
    assert not set(past.sealed) & set(past.snapshots())


def test_a_receipt_that_does_not_fit_stops_it(past: PastLake) -> None:
    """A receipt that says something else of an input: named, and nothing is changed."""
    past.commit(
        "UPDATE ops.receipt SET receipt ="
        " replace(receipt, 'content_hash\": \"', 'content_hash\": \"0')"
        f" WHERE snapshot = {past.sealed[1]}"
    )
    with (
        unchanged(past),
        pytest.raises(LakeError, match=f"ops.delivery at snapshot {past.sealed[1]}"),
    ):
        carry_out_merge(past)


def test_a_changed_data_file_stops_it(past: PastLake) -> None:
    """One value changed in a file behind a receipt: what is there now is not made to last."""
    file = past.files("ops.delivery")[0]
    con = duckdb.connect()
    con.execute(f"CREATE TABLE t AS FROM read_parquet('{file}')")
    con.execute("UPDATE t SET delivery_id = 'x9'")
    con.execute(f"COPY t TO '{file}' (FORMAT parquet, FIELD_IDS 'auto')")
    con.close()
    with unchanged(past), pytest.raises(LakeError):
        carry_out_merge(past)


def test_a_decayed_data_file_stops_it(past: PastLake) -> None:
    """A file for which no receipt speaks, changed since it was written: named by its path."""
    sums.note(past.lake)
    file = past.files("ops.task_run")[0]
    with file.open("r+b") as data:
        data.seek(40)
        byte = data.read(1)
        data.seek(40)
        data.write(bytes([byte[0] ^ 1]))
    with unchanged(past), pytest.raises(LakeError, match=file.name):
        carry_out_merge(past, "ops.task_run")


@pytest.mark.thorough
def test_a_missing_data_file_stops_it(past: PastLake) -> None:
    """A file that a held state needs and that is gone: named, and nothing is given up."""
    file = past.files()[0]
    aside = file.rename(past.root / "aside.parquet")
    with unchanged(past), pytest.raises(LakeError, match="missing"):
        past.keep()
    aside.rename(file)
    assert past.keep()


def test_an_older_reader_keeps_its_files(past: PastLake) -> None:
    """Files that were given up stay for a day, and while somebody reads by an older catalog."""
    now = datetime.now(UTC)
    with past.lake.reader() as con:
        query = "SELECT count(*) FROM lake.ops.delivery AT (VERSION => 8)"
        count = con.execute(query).fetchone()
        idle, files = past.idle, past.files()
        past.keep()
        maintenance.gc(past.lake, at=now + LATER)
        assert set(files) <= {*past.files(), *idle}
        assert con.execute(query).fetchone() == count
    assert maintenance.gc(past.lake, at=now).given_up == ()
    told = maintenance.gc(past.lake, at=now + LATER, dry_run=True)
    done = maintenance.gc(past.lake, at=now + LATER)
    assert told == done
    assert done.given_up
    assert done.size > 0
    assert maintenance.gc(past.lake, at=now + LATER) == maintenance.Removed()
    with pytest.raises(UsageError, match="no snapshot 8"), past.lake.reader(snapshot=8):
        pass


@pytest.mark.parametrize("step", [-1, -2])
def test_a_kill_at_the_turn_loses_nothing(past: PastLake, step: int) -> None:
    """Right before the new catalog takes the old one's place, and right after."""
    before = past.rows(past.sealed[0]), past.rows(past.sealed[-1])
    count = len(past.snapshots())
    assert keeper(past.root, at=step) == []
    assert (past.rows(past.sealed[0]), past.rows(past.sealed[-1])) == before
    assert (len(past.snapshots()) == count) == (step == -1)


def test_leavings_of_a_killed_keeper_go(past: PastLake) -> None:
    """Copies of the catalog whose maker died are removed; those of the living stay."""
    dead = past.root / "lake" / "keep-999999999-x.sqlite"
    mine = past.root / "lake" / f"keep-{os.getpid()}-x.sqlite"
    dead.touch()
    mine.touch()
    maintenance.gc(past.lake, at=datetime.now(UTC))
    assert (dead.exists(), mine.exists()) == (False, True)


@pytest.mark.thorough
def test_a_hot_journal_is_rolled_back_first(past: PastLake) -> None:
    """A journal that a killed writer left is not carried over to the new catalog."""
    journal = Home(past.root).catalog.with_name("catalog.sqlite-journal")
    journal.write_bytes(b"")
    past.keep()
    assert not journal.exists()
    assert past.rows(past.sealed[0])


@pytest.mark.thorough
def test_others_who_have_the_lake_open_see_the_new_catalog(past: PastLake) -> None:
    """A writer's attachment that was kept from before is not used for the old catalog."""
    with past.lake.writer("before"):
        pass
    past.keep()
    at = past.commit("INSERT INTO silver.house VALUES (7777, '南街', 1)")
    assert any(row[0] == 7777 for row in past.rows(at)["silver.house"])


def carry_out_merge(past: PastLake, table: str = "ops.delivery") -> None:
    """Only make one table compact."""
    carry_out(past.lake, Change(tables=(table,)), past.claimant(), content_hash)
