"""Killed anywhere on the way from a source to the lake, a feed holds what its source holds.

The whole step runs, on a real home, against real counterparts: connection, spool, landing, commit
with its watermark, removal of what was fetched. The source changes before every kill.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from kill_kit import MOMENTS, Moment, stepped
from object_kit import Objects
from sftp_kit import Drop
from source_kit import (
    InboxFiles,
    Pages,
    SftpFiles,
    Source,
    StoredFiles,
    county_of,
    of_dialect,
    of_mariadb,
    of_postgres,
    of_sqlite,
)

from dagster_project import clock
from dagster_project.lake.maintenance import gc
from tests.database_kit import reached, running_mariadb, running_postgres
from tests.delivery_kit import County
from tests.interface_kit import Interface, serving

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("databases")]
KILLS = 10
LIVE = (
    "SELECT permit_no, holder, issued_date::VARCHAR, strftime(updated_at, '%Y-%m-%d %H:%M:%S')"
    " FROM silver.permit WHERE NOT _is_deleted ORDER BY 1"
)
BOOKS = """
SELECT d.outcome, b.batch_id IS NOT NULL, d.path, d.bytes, d.mtime_ns, d.sha256
FROM ops.delivery d LEFT JOIN ops.batch b USING (batch_id) ORDER BY d.received_at
"""
COUNTS = """
SELECT count(*), sum(read), sum(accepted), sum(rejected),
    sum(read) = sum(accepted + rejected + duplicate + superseded + dropped) FROM ops.batch
"""
VERSIONS = "SELECT DISTINCT permit_no, holder, issued_date, updated_at FROM bronze.permit"


@pytest.fixture(params=[*MOMENTS, "whole"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    """A counterpart of each kind."""
    with ExitStack() as stack:
        match request.param:
            case "inbox":
                made: Source = InboxFiles(tmp_path)
            case "sftp":
                (tmp_path / "root").mkdir()
                drop = Drop(tmp_path / "root")
                stack.callback(drop.close)
                made = SftpFiles(drop)
            case "s3":
                store = Objects()
                stack.callback(store.close)
                store.empty()
                made = StoredFiles(store)
            case "api":
                made = Pages(stack.enter_context(serving(Interface([]))))
            case "postgresql":
                postgres = stack.enter_context(running_postgres())
                made = of_postgres(postgres, stack.enter_context(reached(postgres.socket)))
            case "mysql":
                mariadb = stack.enter_context(running_mariadb())
                made = of_mariadb(mariadb, stack.enter_context(reached(Path(mariadb.host))))
            case "sqlalchemy":
                made = of_dialect(stack.enter_context(running_mariadb()))
            case "whole":
                made = of_sqlite(tmp_path, "full")
            case _:
                made = of_sqlite(tmp_path)
        yield made


def test_ten_kills_lose_and_double_nothing(source: Source, tmp_path: Path) -> None:
    """After ten kills one run makes silver equal to the source; a further one brings nothing."""
    county, chance = county_of(source, tmp_path), random.Random(source.kind)  # noqa: S311
    source.change(chance)
    moments = list(MOMENTS[source.kind])
    if source.delivery == "full":
        moments = [moment for moment in moments if moment.name != "between"]  # it is one extract
    chance.shuffle(moments)
    for moment in moments:
        source.change(chance)
        assert stepped(county.workshop, moment, source.secrets), f"{moment} was not reached"
    for number in range(KILLS - len(moments)):
        source.change(chance)
        line = round(200 * 30 ** chance.random())
        while not stepped(county.workshop, Moment(f"line {number}", "", line), source.secrets):
            source.change(chance)
            line = line * 2 // 3
    source.change(chance)
    assert not stepped(county.workshop, None, source.secrets)
    prove(county, source)
    before = county.ask(COUNTS)
    assert not stepped(county.workshop, None, source.secrets)
    prove(county, source)
    ((_, _, accepted, *_),) = county.ask(COUNTS)
    assert accepted == before[0][2], "the same rows were accepted again"
    if source.kind in {"inbox", "sftp", "s3"}:
        assert county.ask(COUNTS) == before


def prove(county: County, source: Source) -> None:
    """Silver is the source, the books are right, and nothing lies about."""
    assert county.ask(LIVE) == sorted(record.cells for record in source.records)
    books = county.ask(BOOKS)
    assert all(outcome in {"merged", "unchanged"} for outcome, *_ in books)
    assert all(has_batch == (outcome == "merged") for outcome, has_batch, *_ in books)
    marks = [mark for _, _, *mark, _ in books]
    assert len({tuple(mark) for mark in marks}) == len(marks), "one delivery stands there twice"
    ((batches, read, accepted, rejected, holds),) = county.ask(COUNTS)
    assert holds
    assert batches == sum(outcome == "merged" for outcome, *_ in books)
    assert rejected == 0
    assert county.ask("SELECT count(*) FROM bronze.permit") == [(read,)]
    assert accepted == len(county.ask(VERSIONS)), "a version of a row was accepted twice"
    home = county.workshop.home
    gc(county.workshop.lake, at=clock.now() + timedelta(days=2))
    landed = {path.name: path.read_bytes() for path in home.landing.iterdir()}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in landed.items())
    assert {sha256 for *_, sha256 in books} <= set(landed)
    left = [path for path in home.spool.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []
