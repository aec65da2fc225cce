"""What receipts rest on: states of tables, hashes that are kept, batches that are named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dagster_project.components.steps.packaging.certifying import hashed
from dagster_project.errors import ModelError
from dagster_project.lake import Lake
from dagster_project.lake.table_state import table_states
from dagster_project.lineage.receipts import feeds_at
from dagster_project.paths import Home
from dagster_project.protocol.receipt import MOST_BATCHES
from dagster_project.settings import Settings
from dagster_project.transform.models.content import content_hash

TABLE = "silver.permit"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with one silver table and its ledgers."""
    made = Lake(Home(tmp_path), Settings(memory_limit="512MiB", threads=1, lock_timeout_s=20))
    change(made, f"CREATE TABLE lake.{TABLE} (n BIGINT, _batch_id VARCHAR, _is_deleted BOOLEAN)")
    return made


def change(lake: Lake, *statements: str) -> int:
    """Commit statements; the snapshot that holds them."""
    with lake.writer("change") as writer, writer.transaction("change") as tx:
        for statement in statements:
            tx.con.execute(statement)
    return tx.snapshot


def states(lake: Lake, *snapshots: int) -> list[str]:
    """The table's state at each snapshot."""
    with lake.reader() as con:
        return [table_states(con, [TABLE], one).get(TABLE, "") for one in snapshots]


def contents(lake: Lake, *snapshots: int) -> list[str]:
    """The table's content at each snapshot, hashed without anything that was kept."""
    with lake.reader() as con:
        at = (f"(SELECT * FROM lake.{TABLE} AT (VERSION => {one}))" for one in snapshots)
        return [content_hash(con, relation)[0] for relation in at]


def test_a_state_changes_with_the_table_and_with_nothing_else(lake: Lake) -> None:
    """Rows added, changed and taken away, and a new column; not what others commit."""
    made = [
        change(lake, f"INSERT INTO lake.{TABLE} VALUES (1, 'b', false), (2, 'b', false)"),
        change(lake, f"UPDATE lake.{TABLE} SET n = 3 WHERE n = 2"),
        change(lake, f"DELETE FROM lake.{TABLE} WHERE n = 1"),
        change(lake, f"ALTER TABLE lake.{TABLE} ADD COLUMN more VARCHAR"),
    ]
    other = change(lake, "INSERT INTO lake.ops.notice (notice_id) VALUES ('x')")
    found = states(lake, 0, *made, other)
    assert found[0] == ""
    assert len(set(found[1:5])) == 4
    assert found[5] == found[4]


def test_files_that_were_merged_are_not_taken_for_each_other(lake: Lake) -> None:
    """A merged file holds rows of several snapshots: equal states still mean equal rows."""
    made = [change(lake, f"INSERT INTO lake.{TABLE} VALUES ({n}, 'b', false)") for n in range(4)]
    before = contents(lake, *made)
    assert len(set(before)) == 4
    with lake.writer("merge") as writer:
        writer.con.execute("CALL ducklake_merge_adjacent_files('lake')")
        partial = "SELECT count(*) FROM __ducklake_metadata_lake.ducklake_data_file"
        merged = writer.con.execute(f"{partial} WHERE partial_max IS NOT NULL").fetchone()
    assert merged
    assert merged[0] > 0
    later = change(lake, "INSERT INTO lake.ops.notice (notice_id) VALUES ('x')")
    assert contents(lake, *made, later) == [*before, before[-1]]
    found = states(lake, *made, later)
    assert len(set(found[:4])) == 4
    with lake.writer("hash") as writer, writer.transaction("hash") as tx:
        told = [hashed(tx.con, [TABLE], one)[0].content_hash for one in (*made, later)]
        again = [hashed(tx.con, [TABLE], one)[0].content_hash for one in (*made, later)]
    assert told == again == [*before, before[-1]]


def test_a_table_that_was_not_there_is_told(lake: Lake) -> None:
    """A receipt of a snapshot before the table is refused in a sentence."""
    with (
        lake.writer("hash") as writer,
        writer.transaction("hash") as tx,
        pytest.raises(ModelError, match="did not exist at snapshot 0"),
    ):
        hashed(tx.con, [TABLE], 0)


def test_a_month_of_batches_is_named_and_all_others_are_counted(lake: Lake) -> None:
    """The newest with live rows one by one; the older and the replaced by numbers and a hash."""
    many = MOST_BATCHES + 5
    values = ", ".join(
        f"('b{n:03d}', 'permit', '{n:064x}', TIMESTAMPTZ '2023-05-31 00:00:00+00'"
        f" + INTERVAL {n} HOUR, 3, 2, 1, 0, 0, 0)"
        for n in range(many)
    )
    rows = ", ".join(f"({n}, 'b{n:03d}', {n == many - 1})" for n in range(many))
    change(
        lake,
        "INSERT INTO lake.ops.feed (feed, contract_version, contract_hash)"
        f" VALUES ('permit', '1.0.0', '{'c' * 64}')",
        "INSERT INTO lake.ops.batch (batch_id, feed, sha256, committed_at, read, accepted,"
        f" rejected, duplicate, superseded, dropped) VALUES {values}",
        f"INSERT INTO lake.{TABLE} VALUES {rows}",
        "INSERT INTO lake.ops.rectification (feed, state) VALUES ('permit', 'open'),"
        " ('permit', 'closed'), ('other', 'open')",
    )
    with lake.reader() as con:
        row = con.execute(
            "SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot"
        ).fetchone()
        assert row is not None
        (feed,) = feeds_at(con, ["permit"], int(row[0]))
    assert [one.batch_id for one in feed.batches] == [
        f"b{n:03d}" for n in range(many - 2, many - 2 - MOST_BATCHES, -1)
    ]
    rest = [*range(many - 1 - MOST_BATCHES), many - 1]
    lines = "\n".join(f"b{n:03d} {n:064x} 3 2 1 0 0 0" for n in rest)
    assert feed.others.count == len(rest)
    assert feed.others.live == len(rest) - 1  # the last one's row was taken away
    assert feed.others.hash == hashlib.sha256(lines.encode()).hexdigest()
    assert feed.others.counts.rejected == len(rest)
    assert feed.open_cases == 1


def test_ledgers_of_an_older_programme_say_less(lake: Lake) -> None:
    """A past period is back-filled from a snapshot that lacks columns and tables of today."""
    old = change(
        lake,
        "ALTER TABLE lake.ops.batch DROP COLUMN source_batch_id",
        "DROP TABLE lake.ops.batch_file",
        "INSERT INTO lake.ops.feed (feed) VALUES ('permit')",
        "INSERT INTO lake.ops.batch (batch_id, feed, read) VALUES ('b1', 'permit', 1)",
        f"INSERT INTO lake.{TABLE} VALUES (1, 'b1', false)",
    )
    change(lake, "ALTER TABLE lake.ops.batch ADD COLUMN source_batch_id VARCHAR")
    with lake.reader() as con:
        (feed,) = feeds_at(con, ["permit"], old)
    (batch,) = feed.batches
    assert (batch.batch_id, batch.source_batch_id, batch.files, batch.live) == ("b1", "", (), 1)
