"""Hostile Parquet in a package: refused with a sentence, before it is unpacked."""

from __future__ import annotations

import resource
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.errors import PackageError
from dagster_project.protocol.table import content_hash, read_parquet, write_parquet

GOOD = pa.table(
    {
        "town_code": ["140321100", None],
        "person_cnt": pa.array([3, None], pa.int64()),
        "amount_yuan": pa.array([None, Decimal("1.50")], pa.decimal128(18, 2)),
        "updated_at": pa.array([0, 1], pa.timestamp("us", tz="UTC")),
        "day": pa.array([0, None], pa.date32()),
        "suppressed": [True, False],
    }
)
MIB = 1 << 20


def _nested(path: Path) -> None:
    pq.write_table(pa.table({"a": [[1, 2], [3]]}), path, store_schema=False)


def _deep(path: Path) -> None:
    kind: pa.DataType = pa.int64()
    for _ in range(300):
        kind = pa.struct([("a", kind)])
    pq.write_table(pa.table({"a": pa.nulls(1, kind)}), path, store_schema=False)


def _large_page(path: Path) -> None:
    """One page of zeros: some kilobytes on the disk, 72 MB unpacked."""
    zeros = pa.table({"a": pa.repeat(pa.scalar(0, pa.int64()), 9_000_000)})
    options = {"use_dictionary": False, "data_page_size": 1 << 30, "row_group_size": 10_000_000}
    options["max_rows_per_page"] = 10_000_000
    pq.write_table(zeros, path, compression="zstd", store_schema=False, **options)


def _long_text(path: Path) -> None:
    """One megabyte of text, named by two thousand rows."""
    text = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), 2_000), ["x" * MIB])
    pq.write_table(pa.table({"a": text}), path, compression="zstd", store_schema=False)


def _many_cells(path: Path) -> None:
    cells = pa.repeat(pa.scalar(None, pa.bool_()), 400_000)
    pq.write_table(pa.table({f"c{n}": cells for n in range(200)}), path, store_schema=False)


def _many_columns(path: Path) -> None:
    pq.write_table(pa.table({f"c{n}": [1] for n in range(501)}), path, store_schema=False)


def _many_groups(path: Path) -> None:
    table = pa.table({"a": list(range(1_001))})
    pq.write_table(table, path, row_group_size=1, store_schema=False)


def _notes(path: Path) -> None:
    pq.write_table(GOOD.replace_schema_metadata({"note": "x"}), path)


def _twice(path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, path, store_schema=False)


def _floats(path: Path) -> None:
    pq.write_table(pa.table({"a": [1.5]}), path, store_schema=False)


def _name(path: Path) -> None:
    pq.write_table(pa.table({'a"; DROP TABLE x; --': [1]}), path, store_schema=False)


def _encrypted(path: Path) -> None:
    write_parquet(GOOD, path)
    path.write_bytes(b"PARE" + path.read_bytes()[4:-4] + b"PARE")


def _cut(path: Path) -> None:
    write_parquet(GOOD, path)
    path.write_bytes(path.read_bytes()[:-30])


def _no_parquet(path: Path) -> None:
    path.write_bytes(b"PAR1" + b"\x00" * 40 + b"PAR1")


@pytest.mark.parametrize(
    ("craft", "reason"),
    [
        (_nested, "nested column"),
        (_deep, "nested column"),
        (_large_page, "bytes in one page"),
        (_long_text, "text is longer"),
        (_many_cells, "80,000,000 cells"),
        (_many_columns, "501 columns"),
        (_many_groups, "1,001 row groups"),
        (_notes, "notes of its writer"),
        (_twice, "repeats a column"),
        (_floats, "type double cannot travel"),
        (_name, "lower-case letters"),
        (_encrypted, "encrypted"),
        (_cut, "no Parquet file"),
        (_no_parquet, "cut off|missing|larger"),
    ],
)
def test_a_hostile_file_is_refused(
    tmp_path: Path, craft: Callable[[Path], None], reason: str
) -> None:
    """Whatever its footer says, it is refused with a name, in little memory."""
    path = tmp_path / "report.parquet"
    craft(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PackageError, match=reason):
        read_parquet(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown / 1024 < 100


@pytest.mark.thorough
def test_every_damaged_header_byte_is_survived(tmp_path: Path) -> None:
    """Any byte changed: the file is refused, or reads as other values; the reader never breaks."""
    path, changed = tmp_path / "report.parquet", tmp_path / "changed.parquet"
    write_parquet(GOOD, path)
    body = path.read_bytes()
    refused = 0
    for place in range(len(body)):
        for flip in (0x01, 0x80, 0xFF):
            copy = bytearray(body)
            copy[place] ^= flip
            changed.write_bytes(copy)
            try:
                read_parquet(changed)
            except PackageError:
                refused += 1
    assert refused > len(body)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Our own files pass every limit, with the same hash of their values; an empty one too."""
    for table in (GOOD, GOOD.slice(0, 0), GOOD.slice(1, 1)):
        path = tmp_path / "report.parquet"
        write_parquet(table, path)
        found = read_parquet(path)
        assert found.equals(table)
        assert content_hash(found) == content_hash(table)
