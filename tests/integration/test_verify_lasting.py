"""All packages verify after years of change: compaction, expiry, new SQL, new contracts, a move."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from period_kit import BY_MONTH, STATE
from verify_kit import LATE, MONTH, Copy, flip, make, naming

from dagster_project.components.steps.keeping import keep
from dagster_project.components.steps.verifying import verify as verifying
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake import sums
from dagster_project.lineage.receipts import programme
from dagster_project.reporting.identity import own_card
from dagster_project.reporting.rotation import rotate
from dagster_project.settings import Keep, load_site, save_site
from tests.delivery_kit import rows

pytestmark = pytest.mark.xdist_group("verify")
MAY = date(2023, 5, 31)
STATE_OF = f"140321-{STATE}-20230531-r1"
DATA = Path("data", "permit_by_month.parquet")


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Copy:
    """A county whose SQL, contract, key, data and place changed, and whose lake was compacted."""
    assert keys.is_dir()
    county = make(tmp_path_factory.mktemp("lasting"))
    change(county.sql / "gold" / "permit_month.sql", "COUNT(*)", "COUNT(*) + 1")
    contract = county.workshop.schemas / "report" / f"{STATE}.yaml"
    change(contract, "version: 1.0.0", "version: 1.1.0")
    change(contract, "unit, value: 件", "unit, value: 个")
    county.renew()
    rotate(county.workshop.home, overlap=timedelta(days=1), why="换密钥")
    county.take("许可_3.csv", [*rows([1], "2023-03-01"), *rows(range(2, 41), "2023-04-01")])
    assert {one.period for one in county.report(BY_MONTH, MAY).new} == {"202303", "202304"}
    assert county.report(STATE, MAY).new
    shutil.move(county.workshop.home.root, county.root / "elsewhere")
    shutil.rmtree(county.sql)
    shutil.rmtree(county.workshop.schemas)
    copy = Copy.of(Workshop.at(county.root / "elsewhere").home, county.root / "deeper" / "place")
    shutil.rmtree(county.root / "elsewhere")
    tidy(copy)
    compact(copy)
    return copy


def change(path: Path, old: str, new: str) -> None:
    """Write a file anew."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def tidy(copy: Copy) -> None:
    """What ``lake gc`` does at a site that keeps no past day for its own sake."""
    site = load_site(copy.home)
    save_site(copy.home, site.model_copy(update={"keep": Keep(days=0)}))
    done = keep(Workshop.at(copy.home.root).renewed())
    assert done.expired
    assert done.compacted


def compact(copy: Copy) -> None:
    """By the engine's own means: drop what can be made again, merge, expire all but receipts'."""
    with Workshop.at(copy.home.root).lake.reader() as con:
        made = con.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
            " WHERE database_name = 'lake' AND schema_name IN ('gold', 'report')"
        ).fetchall()
        held = {int(n) for (n,) in con.execute("SELECT snapshot FROM ops.receipt").fetchall()}
        every = [
            int(n)
            for (n,) in con.execute(
                "SELECT snapshot_id FROM __ducklake_metadata_lake.ducklake_snapshot"
            ).fetchall()
        ]
    assert len(made) == 4
    files = len(list(copy.home.data.rglob("*.parquet")))
    gone = ", ".join(str(n) for n in every if n not in held and n != max(every))
    copy.lies(
        *(f"DROP TABLE lake.{name}" for (name,) in made),
        "CALL ducklake_merge_adjacent_files('lake')",
        f"CALL ducklake_expire_snapshots('lake', versions => [{gone}])",
        "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)",
    )
    assert len(list(copy.home.data.rglob("*.parquet"))) < files
    sums.note(Workshop.at(copy.home.root).lake)


def test_all_packages_verify(lasting: Copy) -> None:
    """Each comes out again in the same bytes, by the SQL and the contract of its own time."""
    done = lasting.verify(files=True)
    assert (done.looked["answers"], done.looked["landed files"]) == (1, 3)
    assert (done.every_fault, done.every_note) == ((), ())
    assert [one.made for one in done.verdicts] == ["same bytes"] * 9
    assert done.looked["batches of bronze"] == 3
    assert {one.package_id for one in done.verdicts} >= {MONTH, LATE}
    assert len(own_card(lasting.home).listed) == 2


def test_all_is_named_at_once(lasting: Copy, tmp_path: Path) -> None:
    """Eight things change behind the packages, and each is named."""
    copy = Copy.of(lasting.home, tmp_path / "spoilt")
    file = copy.landed("许可_1")
    flip(file)
    flip(copy.home.outbox / MONTH / DATA)
    flip(copy.home.outbox / LATE / "receipts.json")
    (answer,) = (copy.home.acknowledgements / MONTH).iterdir()
    flip(answer)
    bronze = copy.files_of("bronze.permit")[0]
    flip(bronze)
    copy.lies(
        "UPDATE lake.silver.permit SET holder = NULL WHERE _source_row = 5",
        "UPDATE lake.ops.receipt SET receipt = replace(receipt, '20230531', '20230601')"
        f" WHERE package_id = '{STATE_OF}'",
    )
    faults = copy.verify().every_fault
    for words in (
        (file.name, "its bytes are not those that were received", "许可_1"),
        (MONTH, str(DATA), "the file was changed", "SHA-256 and SM3"),
        (LATE, "receipts.json", "the file was changed"),
        (answer.name, "the signed answer was changed"),
        ("silver.permit", "rows do not agree with their own hash", "row 5", ".parquet"),
        (bronze.name, "the file was changed after it was written"),
        (f"ops.receipt of {STATE_OF}", "hash is not that of what it says"),
    ):
        assert naming(faults, *words), (words, faults)


@pytest.mark.thorough
def test_another_engine_is_told(lasting: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other versions than the receipt's the content decides, and both are named."""

    def later(con: object) -> object:
        return programme(con).model_copy(update={"duckdb": "9.9.9"})  # type: ignore[arg-type]

    monkeypatch.setattr(verifying, "programme", later)
    done = lasting.verify(MONTH)
    (one,) = done.verdicts
    assert (done.every_fault, one.made) == ((), "content equal; engine differs")
    assert one.engine.endswith("then, 9.9.9 now")
    assert one.engine.startswith("duckdb ")
    assert done.every_note == (f"{MONTH}: content equal; engine differs: {one.engine}.",)


@pytest.mark.thorough
def test_a_snapshot_that_is_gone_is_named(lasting: Copy, tmp_path: Path) -> None:
    """Of a package whose snapshot somebody expired, everything else is still looked at."""
    copy = Copy.of(lasting.home, tmp_path / "expired")
    with Workshop.at(copy.home.root).lake.reader() as con:
        ((snapshot,),) = con.execute(
            "SELECT snapshot FROM ops.receipt WHERE package_id = ?", [MONTH]
        ).fetchall()
    copy.lies(f"CALL ducklake_expire_snapshots('lake', versions => [{snapshot}])")
    faults = copy.verify(MONTH).every_fault
    assert naming(faults, MONTH, f"no longer holds snapshot {snapshot}")


@pytest.mark.thorough
def test_a_snapshot_past_its_time_is_noted(lasting: Copy, tmp_path: Path) -> None:
    """A site that keeps packages for a year says so of older ones; their files still count."""
    copy = Copy.of(lasting.home, tmp_path / "old")
    site = load_site(copy.home)
    save_site(copy.home, site.model_copy(update={"keep": Keep(packages_years=1)}))
    with Workshop.at(copy.home.root).lake.reader() as con:
        ((snapshot,),) = con.execute(
            "SELECT snapshot FROM ops.receipt WHERE package_id = ?", [MONTH]
        ).fetchall()
    copy.lies(
        f"CALL ducklake_expire_snapshots('lake', versions => [{snapshot}])",
        "UPDATE lake.ops.package SET sealed_at = sealed_at - INTERVAL 3 YEAR"
        f" WHERE package_id = '{MONTH}'",
    )
    done = copy.verify(MONTH)
    (fault,) = done.every_fault
    assert "sealed_at is told otherwise" in fault
    assert naming(done.every_note, MONTH, "kept for 1 year", "not made again")


@pytest.mark.thorough
def test_the_command_says_it(lasting: Copy, tmp_path: Path) -> None:
    """On the screen, as JSON, by exit code; wrong names are sentences."""
    done = call(lasting, "--all")
    assert (done.returncode, done.stderr) == (0, "")
    assert "9 packages: 9 same bytes" in done.stdout
    assert "0 faults" in done.stdout
    told = json.loads(call(lasting, "--report", BY_MONTH, "--json").stdout)
    assert {one["report"] for one in told["packages"]} == {BY_MONTH}
    assert told["faults"] == []
    for arguments, words in (
        ([], "say which package"),
        ([MONTH, "--all"], "say which package"),
        (["--all", "--quick", "--files"], "reads no landed file"),
        ([f"{MONTH}9"], f"there is no package {MONTH}9; the nearest"),
        (["--report", "nothing"], "no package of a report nothing"),
    ):
        wrong = call(lasting, *arguments)
        assert (wrong.returncode, wrong.stdout) == (2, ""), wrong
        assert words in wrong.stderr
    copy = Copy.of(lasting.home, tmp_path / "spoilt")
    (copy.home.outbox / MONTH / "status.json").chmod(0o644)
    (copy.home.outbox / MONTH / "status.json").write_text("{}")
    spoilt = call(copy, MONTH, "--quick")
    assert spoilt.returncode == 1
    assert "status.json: the file was changed" in spoilt.stderr
    assert f"{MONTH}: not made again" in spoilt.stdout


def call(copy: Copy, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command for a home."""
    return subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "verify", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "COUNTYLAKE_HOME": str(copy.home.root),
            "COUNTYLAKE_THREADS": "1",
            "COLUMNS": "200",
        },
    )
