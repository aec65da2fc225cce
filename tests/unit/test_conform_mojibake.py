"""Rows that the reader marked for their characters: what can be proven comes back (domain D02)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts.model import Column
from dagster_project.transform.conform import preview_rows
from tests.conform_kit import NOON, Bench, Row, feed_of, open_bench, plan_of, write_rows

FEED = feed_of(
    Column("no", "编号", "string", key_position=1, required=True),
    Column("place", "地址", "string", textual=True),
    Column("sex", "性别", "string", codes="sex"),
    Column("day", "日期", "date"),
)
PLAN = plan_of(FEED)


def _western(text: str) -> str:
    """UTF-8 bytes as Windows-1252 shows them; its five open bytes as themselves."""
    open_bytes = b"\x81\x8d\x8f\x90\x9d"
    encoded = (bytes([b]) for b in text.encode())
    return "".join(chr(b[0]) if b in open_bytes else b.decode("cp1252") for b in encoded)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh lake."""
    with open_bench(tmp_path) as made:
        yield made


def test_text_read_in_the_wrong_encoding_comes_back(bench: Bench) -> None:
    """Each repaired cell is listed with what was sent; every other cell and row stays as it is."""
    rows: list[Row] = [
        {"no": "1", "place": _western("平定县冠山镇3号"), "sex": "1", "_defect": "mojibake"},
        {"no": "2", "place": "平定县", "sex": _western("男"), "_defect": "mojibake"},
        {"no": "3", "day": _western("2023年5月31日"), "_defect": "mojibake"},
        {"no": "4", "place": "平定县", "sex": "2"},
    ]
    assert _western("平定") == "å¹³å®š"
    counts = bench.deliver(PLAN, rows)
    assert (counts.accepted, counts.rejected) == (4, 0)
    assert bench.silver(FEED, "no, place, sex, day") == [
        ("1", "平定县冠山镇3号", "1", None),
        ("2", "平定县", "1", None),
        ("3", None, None, date(2023, 5, 31)),
        ("4", "平定县", "2", None),
    ]
    listed = bench.all(
        "SELECT source_row, column_name, rule_id, raw_value, fixed_value FROM lake.ops.repair"
        " ORDER BY ALL"
    )
    assert listed == [
        (2, "place", "mojibake", _western("平定县冠山镇3号"), "平定县冠山镇3号"),
        (3, "sex", "code_synonym", _western("男"), "1"),
        (3, "sex", "mojibake", _western("男"), "1"),
        (4, "day", "mojibake", _western("2023年5月31日"), "2023-05-31"),
    ]


def test_what_is_not_proven_stays_as_it_was_sent(tmp_path: Path) -> None:
    """Western words, mixtures and broken bytes are not turned into something else."""
    texts = ["Café Ã©té", "平定 å¹³å®š", "å¹³å®", "plain", "ÿþ"]
    rows: list[Row] = [
        {"no": str(n), "place": text, "_defect": "mojibake"} for n, text in enumerate(texts)
    ]
    path = tmp_path / "rows.parquet"
    write_rows(FEED, rows, "b", path)
    with duckdb.connect() as con:
        found = preview_rows(con, PLAN, path, delivered_at=NOON)
    assert [(row.values["place"], row.repairs, row.ok) for row in found] == [
        (text, (), True) for text in texts
    ]


def test_lost_characters_and_formulas_set_the_row_aside(tmp_path: Path) -> None:
    """锟斤拷 cannot come back, and a formula without a result has no value: one reason each."""
    rows: list[Row] = [
        {"no": "锟斤拷", "sex": "9", "_defect": "garbled"},
        {"no": "=A1&B1", "_defect": "formula"},
        {"no": "7", "_defect": None},
    ]
    path = tmp_path / "rows.parquet"
    write_rows(FEED, rows, "b", path)
    with duckdb.connect() as con:
        found = preview_rows(con, PLAN, path, delivered_at=NOON)
    assert [(row.reasons, row.key, row.repairs) for row in found] == [
        (("row.garbled",), None, ()),
        (("row.formula",), None, ()),
        ((), None, ()),
    ]
