"""Commits, rollbacks, kills and full disks of a real lake."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from dagster_project.errors import LakeError, UsageError
from dagster_project.lake import Lake, Writer, ops
from dagster_project.lake import lake as lake_module
from dagster_project.lake.snapshots import current_snapshot, snapshots
from dagster_project.paths import Home
from dagster_project.settings import Settings

WRITER = """
import sys
from pathlib import Path
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.settings import Settings
lake = Lake(Home(Path(sys.argv[1])), Settings())
"""

ENDLESS = (
    WRITER
    + """
number = 0
while True:
    number += 1
    with lake.writer("endless") as w, w.transaction("two tables"):
        w.con.execute("INSERT INTO bronze.t SELECT ?, range FROM range(2000)", [sys.argv[2]])
        w.con.execute("INSERT INTO silver.t SELECT ?, range FROM range(2000)", [sys.argv[2]])
    print(number, flush=True)
"""
)

FULL_DISK = (
    WRITER
    + """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with lake.writer("fill") as w, w.transaction("too much"):
    w.con.execute("INSERT INTO bronze.t SELECT md5(range::VARCHAR), range FROM range(200000)")
"""
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A new lake with two tables, in a folder whose name needs quoting."""
    made = Lake(Home(tmp_path / "平定 county's"), Settings(lock_timeout_s=20))
    with made.writer("prepare") as writer, writer.transaction("two tables"):
        writer.con.execute("CREATE TABLE bronze.t (tag VARCHAR, number BIGINT)")
        writer.con.execute("CREATE TABLE silver.t (tag VARCHAR, number BIGINT)")
    return made


def counts(lake: Lake) -> list[tuple[str, int, int]]:
    """Rows per tag in both tables."""
    with lake.reader() as con:
        return con.execute(
            "SELECT tag, count(*) FILTER (layer = 'b'), count(*) FILTER (layer = 's') FROM ("
            " SELECT tag, 'b' AS layer FROM bronze.t UNION ALL SELECT tag, 's' FROM silver.t"
            ") GROUP BY tag ORDER BY tag"
        ).fetchall()


def fail_half_way(writer: Writer) -> None:
    """Insert a row, then fail."""
    writer.con.execute("INSERT INTO bronze.t VALUES ('x', 1)")
    raise ZeroDivisionError


def test_a_commit_says_who_and_why(lake: Lake) -> None:
    """Each snapshot carries author, message and the ids of run, feed, batch and contract."""
    with lake.writer("test") as writer:
        with writer.transaction("ingest population", run_id="r1", feed="population") as tx:
            writer.con.execute("INSERT INTO bronze.t VALUES ('x', 1)")
        assert tx.snapshot == current_snapshot(writer.con)
        newest = snapshots(writer.con, newest=1)[0]
    assert (newest.id, newest.author, newest.message) == (
        tx.snapshot,
        "countylake",
        "ingest population",
    )
    assert newest.extra == {"run_id": "r1", "feed": "population"}


def test_an_exception_takes_everything_back(lake: Lake) -> None:
    """Nothing of a failed block is visible, and the writer can go on."""
    with lake.writer("test") as writer:
        before = current_snapshot(writer.con)
        with pytest.raises(ZeroDivisionError), writer.transaction("half"):
            fail_half_way(writer)
        assert current_snapshot(writer.con) == before
        with writer.transaction("whole"):
            writer.con.execute("INSERT INTO bronze.t VALUES ('y', 1)")
    assert counts(lake) == [("y", 1, 0)]


def test_nested_writers_are_one_writer(lake: Lake) -> None:
    """Asking for the writer within its block, even through another object, gives the same one."""
    with lake.writer("outer") as outer, Lake(lake.home, lake.settings).writer("inner") as inner:
        assert inner is outer


def test_temp_tables_end_with_the_writer(lake: Lake) -> None:
    """The next user of a kept instance finds nothing of the former one."""
    with lake.writer("first") as writer:
        writer.con.execute("CREATE TEMP TABLE left_over AS SELECT 1 AS x")
    with lake.writer("second") as writer, pytest.raises(duckdb.CatalogException):
        writer.con.execute("SELECT x FROM left_over")


def test_nothing_is_inlined(lake: Lake) -> None:
    """One row makes one file: audited rows are never kept inside the catalog."""
    with lake.writer("test") as writer:
        with writer.transaction("one row"):
            writer.con.execute("INSERT INTO bronze.t VALUES ('x', 1)")
        files = writer.con.execute("FROM ducklake_list_files('lake', 't', schema => 'bronze')")
        assert len(files.fetchall()) == 1


def test_a_reader_sees_the_past(lake: Lake) -> None:
    """Time travel opens exactly the rows of a snapshot, also while a writer is at work."""
    with lake.writer("test") as writer:
        with writer.transaction("first") as first:
            writer.con.execute("INSERT INTO bronze.t VALUES ('x', 1)")
        with writer.transaction("second"):
            writer.con.execute("DELETE FROM bronze.t")
        with lake.reader(first.snapshot) as con:
            assert con.execute("SELECT tag, number FROM bronze.t").fetchall() == [("x", 1)]
        with lake.reader() as con:
            assert con.execute("SELECT tag, number FROM bronze.t").fetchall() == []
    assert list(lake.home.scratch.glob("reader-*")) == []


def test_a_reader_cannot_write(lake: Lake) -> None:
    """A copy of the catalog is attached read-only."""
    with lake.reader() as con, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        con.execute("INSERT INTO bronze.t VALUES ('x', 1)")


def test_a_snapshot_that_never_was_is_a_sentence(lake: Lake) -> None:
    """Asking for an unknown snapshot says so."""
    with pytest.raises(UsageError, match="no snapshot 999"), lake.reader(999):
        pass


def test_a_home_without_a_lake_is_a_sentence(tmp_path: Path) -> None:
    """Reading before anything was written says what to run, and makes no folder."""
    with (
        pytest.raises(UsageError, match="no lake yet"),
        Lake(Home(tmp_path / "new"), Settings()).reader(),
    ):
        pass
    assert not (tmp_path / "new").exists()


def test_a_moved_home_works(lake: Lake, tmp_path: Path) -> None:
    """A home moved as a whole is read, written and time-travelled at its new place."""
    with lake.writer("test") as writer, writer.transaction("before") as before:
        writer.con.execute("INSERT INTO bronze.t VALUES ('x', 1)")
    lake.home.root.rename(tmp_path / "moved")
    moved = Lake(Home(tmp_path / "moved"), lake.settings)
    with moved.writer("test") as writer, writer.transaction("after"):
        writer.con.execute("INSERT INTO bronze.t VALUES ('x', 2)")
    assert counts(moved) == [("x", 2, 0)]
    with moved.reader(before.snapshot) as con:
        assert con.execute("SELECT number FROM bronze.t").fetchall() == [(1,)]
    assert not lake.home.root.exists()


def test_the_ops_tables_are_there_with_chinese_comments(lake: Lake) -> None:
    """A new lake has every ops table and column, each with a comment; ensuring again is free."""
    with lake.writer("test") as writer:
        found = writer.con.execute(
            "SELECT table_name, column_name, comment FROM duckdb_columns()"
            " WHERE database_name = 'lake' AND schema_name = 'ops'"
        ).fetchall()
        before = current_snapshot(writer.con)
        ops.ensure(writer.con)
        assert not ops.missing(writer.con)
        assert current_snapshot(writer.con) == before
    expected = {(t, c) for t, table in ops.TABLES.items() for c, _, _ in table.columns}
    assert {(table, column) for table, column, _ in found} == expected
    assert all(comment for _, _, comment in found)


def test_a_lake_of_an_older_programme_gains_the_new_columns(lake: Lake) -> None:
    """An ops table that lacks a column gets it; its rows stay."""
    with lake.writer("test") as writer:
        with writer.transaction("as it was"):
            writer.con.execute("INSERT INTO ops.acknowledgement (package_id) VALUES ('p')")
            writer.con.execute("ALTER TABLE ops.acknowledgement DROP COLUMN recipient")
        with writer.transaction("as it is"):
            ops.ensure(writer.con)
        rows = writer.con.execute(
            "SELECT package_id, recipient FROM ops.acknowledgement"
        ).fetchall()
    assert rows == [("p", None)]


def test_a_reader_of_an_older_lake_finds_the_new_tables(lake: Lake) -> None:
    """Looking is the first thing done after an update; no run has to come before."""
    with lake.writer("test") as writer, writer.transaction("as it was"):
        writer.con.execute("DROP TABLE ops.rectification")
    lake_module._checked.clear()  # noqa: SLF001 - as in a new process
    with lake.reader() as con:
        assert con.execute("SELECT count(*) FROM ops.rectification").fetchone() == (0,)


def test_a_value_that_breaks_the_engine_is_not_told(lake: Lake) -> None:
    """An engine's message that quotes a cell becomes a sentence without it, also in its cause."""
    with (
        lake.writer("test") as writer,
        pytest.raises(LakeError) as caught,
        writer.transaction("bad"),
    ):
        writer.con.execute(
            "INSERT INTO bronze.t SELECT 'x', CAST(v AS BIGINT) FROM (VALUES ('王小明')) t(v)"
        )
    assert "王小明" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_full_disk_is_a_sentence_and_loses_nothing(lake: Lake) -> None:
    """When the disk is full the commit is taken back and the error says what to do."""
    before = counts(lake)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(lake.home.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "LakeError" in done.stderr
    assert "the disk is full" in done.stderr
    assert counts(lake) == before


@pytest.mark.thorough
@pytest.mark.slow
def test_kills_leave_nothing_half_written(lake: Lake) -> None:
    """Five writers killed at random moments: both tables agree, and the next writer goes on."""
    for attempt, pause in enumerate((0.05, 0.11, 0.17, 0.23, 0.29)):
        command = [sys.executable, "-c", ENDLESS, str(lake.home.root), f"run {attempt}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(pause)
            process.kill()
            said = process.stdout.read().split()
        done = {tag: (bronze, silver) for tag, bronze, silver in counts(lake)}
        bronze, silver = done[f"run {attempt}"]
        assert bronze == silver
        assert bronze >= 2000 * max(1, len(said))
    with lake.writer("after") as writer, writer.transaction("after"):
        writer.con.execute("INSERT INTO bronze.t VALUES ('after', 1)")
    assert ("after", 1, 0) in counts(lake)


def test_a_reader_mends_what_a_killed_writer_left(lake: Lake) -> None:
    """A hot journal beside the catalog is rolled back before the catalog is copied."""
    catalog = lake.home.catalog
    with lake.writer("test") as writer, writer.transaction("kept"):
        writer.con.execute("INSERT INTO bronze.t VALUES ('kept', 1)")
    script = (
        "import os, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA cache_size = 1')\n"
        "db.execute('BEGIN')\n"
        "db.execute('DELETE FROM ducklake_snapshot')\n"
        "db.execute('CREATE TABLE filler AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL"
        " SELECT x + 1 FROM c WHERE x < 50000) SELECT x, hex(randomblob(50)) AS y FROM c')\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(catalog)], check=False)
    assert catalog.with_name("catalog.sqlite-journal").exists()
    copy = catalog.with_name("copy.sqlite")
    shutil.copyfile(catalog, copy)
    with closing(sqlite3.connect(copy)) as db, pytest.raises(sqlite3.DatabaseError):
        db.execute("SELECT count(*) FROM ducklake_snapshot").fetchone()
    assert counts(lake) == [("kept", 1, 0)]
