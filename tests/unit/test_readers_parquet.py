"""Parquet files to rows of text: every type exactly, and no file that is more than it seems."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.contracts.model import Column, Feed, Server, Sla
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import ReadResult, read

D = Decimal


def feed() -> Feed:
    """A contract of three columns."""
    columns = (
        Column("id_no", "身份证号", "string", required=True, key_position=1),
        Column("full_name", "姓名", "string", aliases=("XM",)),
        Column("income_yuan", "收入", "decimal", unit="元"),
    )
    return Feed(
        name="people",
        title="人员",
        version="1.0.0",
        department_code="mzj",
        department_name="民政局",
        columns=columns,
        rules=(),
        delivery="full",
        servers=(Server("inbox", format="parquet", path="民政局/人员_*.parquet"),),
        sla=Sla(),
        formats=("parquet",),
    )


def written(tmp_path: Path, table: pa.Table, **options: object) -> Path:
    """A Parquet file of a table."""
    path = tmp_path / "人员.parquet"
    pq.write_table(table, path, **options)
    return path


def taken(
    path: Path, contract: Feed | None = None, *, lenient: bool = False
) -> tuple[ReadResult, pl.DataFrame]:
    """What was read of a file, and its rows."""
    out = path.parent / "rows.parquet"
    result = read(path, contract, "b", out, lenient=lenient)
    return result, pl.read_parquet(out)


def refused(path: Path, contract: Feed | None = None) -> DeliveryError:
    """The refusal of a file; nothing may be left behind."""
    before = set(path.parent.iterdir())
    with pytest.raises(DeliveryError) as caught:
        read(path, contract, "b", path.parent / "rows.parquet")
    assert set(path.parent.iterdir()) == before
    return caught.value


EXACT: list[tuple[pa.Array, list[str | None]]] = [
    (pa.array(["王𠀀", "", None]), ["王𠀀", None, None]),
    (pa.array([2**63 - 1, -1, None]), ["9223372036854775807", "-1", None]),
    (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
    (pa.array([0.1, 1e20, 1e-7]), ["0.1", "100000000000000000000", "0.0000001"]),
    (pa.array([D("1.50"), D("-7.00")], pa.decimal128(18, 2)), ["1.50", "-7.00"]),
    (pa.array([D("0.0000000001")], pa.decimal128(20, 10)), ["0.0000000001"]),
    (pa.array([D("1" * 50 + ".25")], pa.decimal256(60, 2)), ["1" * 50 + ".25"]),
    (pa.array([True, False, None]), ["true", "false", None]),
    (pa.array([date(2026, 1, 2), date(1, 1, 1)]), ["2026-01-02", "0001-01-01"]),
    (pa.array([datetime(2026, 1, 2, 3, 4, 5, 678)]), ["2026-01-02 03:04:05.000678"]),  # noqa: DTZ001
    (pa.array([datetime(2026, 1, 2, 17, tzinfo=UTC)]), ["2026-01-03 01:00:00+08:00"]),
    (pa.array([10**18 + 1], pa.timestamp("ns")), ["2001-09-09 01:46:40.000000001"]),
    (pa.array([time(1, 2, 3)]), ["01:02:03"]),
    (pa.array([timedelta(days=1, seconds=3)]), ["P1DT3S"]),
    (pa.array(["甲", "乙", "甲"]).dictionary_encode(), ["甲", "乙", "甲"]),
    (pa.array(["甲".encode()]), ["甲"]),
    (pa.nulls(2), [None, None]),
    (pa.array([[D("1.10"), None], []], pa.list_(pa.decimal128(9, 2))), ["[1.10, null]", "[]"]),
    (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), ['[["k", 1]]']),
    (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID(int=1).bytes], pa.binary(16))),
        ["00000000-0000-0000-0000-000000000001"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("column", "said"), EXACT, ids=lambda one: str(getattr(one, "type", "")))
def test_every_type_becomes_exact_text(
    tmp_path: Path, column: pa.Array, said: list[str | None]
) -> None:
    """No digit, no zone and no character is lost on the way to text."""
    _, rows = taken(written(tmp_path, pa.table({"值": column})))
    assert rows["值"].to_list() == said


def test_columns_are_matched_by_name_title_or_alias(tmp_path: Path) -> None:
    """A record's columns go to the contract's; others are kept in _extra and told."""
    table = pa.table({"ID_NO": ["1", "2"], "xm": ["王", "李"], "备注": [None, "新"]})
    result, rows = taken(written(tmp_path, table), feed())
    assert rows["id_no"].to_list() == ["1", "2"]
    assert rows["full_name"].to_list() == ["王", "李"]
    assert rows["_extra"].to_list() == [None, '{"备注":"新"}']
    assert rows["_source_row"].to_list() == [1, 2]
    assert (result.format, result.missing, result.unknown) == (
        "parquet",
        ("income_yuan",),
        ("备注",),
    )
    assert result.read == result.rows == result.sheets[0].records == 2


def test_objects_are_taken_apart(tmp_path: Path) -> None:
    """A field of an object is a column of its own; of a missing object it is missing."""
    table = pa.table({"人": [{"证": {"号": "1"}}, None]})
    _, rows = taken(written(tmp_path, table))
    assert rows["人.证.号"].to_list() == ["1", None]


def test_a_missing_required_column_is_left_to_drift_where_that_decides(tmp_path: Path) -> None:
    """Without the key the file is refused, or, leniently, read and told."""
    path = written(tmp_path, pa.table({"姓名": ["王"]}))
    assert refused(path, feed()).reason == "columns_missing"
    result, _ = taken(path, feed(), lenient=True)
    assert "id_no" in result.missing


def test_rows_keep_their_order_over_row_groups(tmp_path: Path) -> None:
    """Many row groups and batches are read one after the other."""
    table = pa.table({"n": range(100_000)})
    _, rows = taken(written(tmp_path, table, row_group_size=7_000))
    assert rows["n"].to_list() == [str(n) for n in range(100_000)]
    assert rows["_source_row"].to_list() == list(range(1, 100_001))


def test_binary_data_are_no_text(tmp_path: Path) -> None:
    """A photograph's column is named; none of its bytes is shown."""
    error = refused(written(tmp_path, pa.table({"照片": [b"\xff\xd8\xff\xe0secret"]})))
    assert error.reason == "not_a_table"
    assert "照片" in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize("end", [4, 100, -1, -9])
def test_a_part_of_a_file_is_refused(tmp_path: Path, end: int) -> None:
    """An upload that was cut off is told from a whole file."""
    path = written(tmp_path, pa.table({"a": ["x"] * 50}))
    path.write_bytes(path.read_bytes()[:end])
    assert refused(path).reason == "damaged"


def test_changed_bytes_are_refused_or_harmless(tmp_path: Path) -> None:
    """Whatever is changed in a file, the answer is rows or a sentence, never a crash."""
    path = written(tmp_path, pa.table({"a": [f"{n}" for n in range(300)], "b": range(300)}))
    whole, dice = path.read_bytes(), random.Random(4)  # noqa: S311
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(3):
            changed[dice.randrange(4, len(changed))] = dice.randrange(256)
        path.write_bytes(changed)
        try:
            taken(path)
        except DeliveryError as error:
            assert error.reason in {"damaged", "too_large", "unsupported", "not_a_table"}  # noqa: PT017


def test_few_bytes_that_stand_for_many_rows_are_refused(tmp_path: Path) -> None:
    """A hundred million empty cells in a small file are an attack."""
    assert refused(written(tmp_path, pa.table({"a": pa.nulls(100_000_000)}))).reason == "too_large"


def test_one_text_that_is_repeated_without_end_is_refused(tmp_path: Path) -> None:
    """A dictionary's one long entry is not written out a thousand times to find out."""
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * 10**6]))
    path = written(
        tmp_path, pa.table({"a": one}), dictionary_pagesize_limit=1 << 30, store_schema=False
    )
    assert refused(path).reason == "too_large"


def test_objects_without_end_are_refused(tmp_path: Path) -> None:
    """Objects in objects in objects: no table is written so."""
    kind = pa.string()
    for _ in range(40):
        kind = pa.struct([("a", kind)])
    assert refused(written(tmp_path, pa.table({"a": pa.nulls(1, kind)}))).reason == "too_large"
