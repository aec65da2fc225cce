"""SQLite files that mean harm: bounded in time, in memory and on the disk."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.contracts.model import Server
from dagster_project.errors import ChannelError, LakeError
from dagster_project.ingest.channels.database import source, sqlite
from dagster_project.ingest.channels.pull import Extract, Memory, pull_channel
from dagster_project.ingest.readers.table.generic import ad_hoc

NUMBERS = (
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r {end})"
    " SELECT {cell} AS cell FROM r"
)


def pulled(folder: Path, view: str) -> list[Extract]:
    """What a channel brings of a view."""
    (folder / "农经站").mkdir()
    with sqlite3.connect(folder / "农经站" / "账.db") as con:
        con.execute(f"CREATE VIEW t AS {view}")
    con.close()
    server = Server("ledger", "sqlite", "parquet", path="农经站/账.db", table="t")
    feed = replace(ad_hoc([]), name="ledger", servers=(server,))
    return list(pull_channel(feed, server, folder / "spool", inbox=folder).pull(Memory()))


@pytest.mark.parametrize("cell", ["n", "count(*)"])
def test_a_view_without_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    """Whether it gives rows for ever or never the first one."""
    monkeypatch.setattr(sqlite, "STATEMENT_S", 0.3)
    with pytest.raises(ChannelError, match="does not come to its end"):
        pulled(tmp_path, NUMBERS.format(end="", cell=cell))
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_cell_beyond_reason_is_told(tmp_path: Path) -> None:
    """It is not fetched at all."""
    cell = f"zeroblob({sqlite.LONGEST + 1})"
    with pytest.raises(ChannelError, match="larger than 64 MiB"):
        pulled(tmp_path, NUMBERS.format(end="WHERE n < 3", cell=cell))


def test_a_full_disk_is_not_filled_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows without end leave some room to everybody else."""

    class Usage(NamedTuple):
        free: int = 1 << 20

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage())
    with pytest.raises(LakeError, match="No space left"):
        pulled(tmp_path, NUMBERS.format(end="WHERE n < 3", cell="n"))


def test_wide_rows_come_in_small_batches() -> None:
    """Every row comes once, and no batch is much larger than it may be."""
    rows = [("x" * (1 << 20),)] * 100 + [("y",)] * 5000
    begun, sizes, got = [0], list[int](), 0

    def fetch(most: int) -> Sequence[Any]:
        begun[0] += most
        return rows[begun[0] - most : begun[0]]

    def made(some: Sequence[Any]) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([pa.array([row[0] for row in some])], names=["cell"])

    for batch in source.paced(fetch, made, 1000):
        sizes.append(batch.nbytes)
        got += batch.num_rows
    assert got == len(rows)
    assert max(sizes) < 2 * source.BATCH_BYTES


def test_ordinary_rows_are_all_there(tmp_path: Path) -> None:
    """Batches that grow lose nothing."""
    (extract,) = pulled(tmp_path, NUMBERS.format(end="WHERE n < 3000", cell="n"))
    cells = pq.read_table(extract.file)["cell"].to_pylist()
    assert cells == [str(n) for n in range(1, 3001)]
