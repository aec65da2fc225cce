"""Units stated by a file, and what a delivery would become before it is taken in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts.model import Column, Rule
from dagster_project.errors import ContractError
from dagster_project.transform.conform import preview, preview_rows, rebuild
from tests.conform_kit import NOON, Bench, Row, feed_of, judge, open_bench, plan_of, write_rows

FEED = feed_of(
    Column("no", "编号", "string", key_position=1, required=True),
    Column("amount", "金额", "decimal", unit="元", minimum="0"),
    Column("area", "面积", "decimal", unit="㎡"),
    Column("members", "人数", "integer", unit="人"),
    rules=[Rule("few", "members < 100000", "过多", "accuracy", severity="warn")],
)
PLAN = plan_of(FEED)


def _amounts(unit: str, *texts: str) -> list[tuple[object, tuple[str, ...]]]:
    plan = PLAN.with_units({"amount": unit})
    rows = judge(plan, *({"no": "1", "amount": text} for text in texts))
    return [(row.values["amount"], row.reasons) for row in rows]


def test_a_unit_in_the_header_multiplies_exactly() -> None:
    """万元 is ten thousand times as much; four more decimals fit, none is rounded."""
    assert _amounts("万元", "12.5", "0.123456", "1,234.5", "￥3", "１２", "1e3") == [
        (Decimal("125000.00"), ()),
        (Decimal("1234.56"), ()),
        (Decimal("12345000.00"), ()),
        (Decimal("30000.00"), ()),
        (Decimal("120000.00"), ()),
        (None, ("amount.type",)),
    ]
    assert _amounts("万元", "0.1234567", "(5)") == [
        (None, ("amount.type",)),
        (Decimal("-50000.00"), ("amount.range",)),
    ]
    assert _amounts("亿元", "1.71")[0] == (Decimal("171000000.00"), ())


def test_a_smaller_unit_divides_exactly() -> None:
    """分 are hundredths; what would be finer than the stored scale stays unread."""
    assert _amounts("分", "12345", "1", "1.5") == [
        (Decimal("123.45"), ()),
        (Decimal("0.01"), ()),
        (None, ("amount.type",)),
    ]


def test_a_cell_that_names_a_unit_under_such_a_header_is_not_read() -> None:
    """Header and cell contradict each other, or one is said twice: nobody guesses (D15)."""
    conflicts = ("12.5万", "12.5万元", "1亿", "500元", "伍佰元整")
    assert {reasons for _, reasons in _amounts("万元", *conflicts)} == {("amount.type",)}


def test_the_contracts_own_unit_in_the_header_changes_nothing() -> None:
    """金额（元） is what the contract stores: units in cells are read as ever."""
    assert PLAN.with_units({"amount": "元", "elsewhere": "亩"}) is PLAN
    assert _amounts("元", "12.5万", "500元") == [
        (Decimal("125000.00"), ()),
        (Decimal("500.00"), ()),
    ]


def test_whole_numbers_are_counted_in_ten_thousands_too() -> None:
    """0.5万人 are 5,000 persons; half a person is none."""
    plan = PLAN.with_units({"members": "万人"})
    rows = judge(plan, *({"no": "1", "members": text} for text in ("0.5", "12", "0.00005")))
    assert [row.values["members"] for row in rows] == [5000, 120000, None]
    assert [row.reasons for row in rows] == [(), ("few",), ("members.type",)]


def test_a_unit_that_measures_something_else_is_refused() -> None:
    """亩 cannot be counted in ㎡ by a power of ten: no number is multiplied by a guess."""
    with pytest.raises(ContractError, match="counts area in 亩"):
        PLAN.with_units({"area": "亩"})


def test_a_plan_without_a_rule_keeps_its_units() -> None:
    """Switching a rule off does not change how the file counts."""
    plan = PLAN.with_units({"amount": "万元"}).without("amount.range")
    (row,) = judge(plan, {"no": "1", "amount": "-1"})
    assert (row.values["amount"], row.ok) == (Decimal("-10000.00"), True)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh lake."""
    with open_bench(tmp_path) as made:
        yield made


def test_the_units_of_a_batch_are_kept_and_used_again(bench: Bench) -> None:
    """A rebuild multiplies as the first time; the repair is counted, not listed cell by cell."""
    rows: list[Row] = [{"no": "1", "amount": "12.5"}, {"no": "2", "amount": None}]
    counts = bench.deliver(PLAN, rows, units={"amount": "万元"})
    found = {(c.rule_id, c.kind): c.failed for c in counts.rules if c.column == "amount"}
    assert found["unit_header", "repair"] == 1
    assert bench.all("SELECT * FROM lake.ops.repair") == []
    before = bench.silver(FEED, "no, amount")
    with bench.writer.transaction("again") as tx:
        rebuild(tx.con, PLAN, run_id="run", committed_at=NOON)
    assert bench.silver(FEED, "no, amount") == before == [("1", Decimal("125000.00")), ("2", None)]
    stored = bench.all("SELECT units FROM lake.ops.batch ORDER BY batch_id")
    assert [json.loads(units) for (units,) in stored] == [{"amount": "万元"}] * 2


def test_a_preview_counts_without_a_lake(tmp_path: Path) -> None:
    """What would be accepted, rejected and repaired, and why; nothing is left behind."""
    path = tmp_path / "rows.parquet"
    rows = [
        {"no": "1", "amount": "5"},
        {"no": "1 ", "amount": "6"},
        {"no": "2", "amount": "-1"},
        {"no": "3", "members": "200000"},
        {"no": "4", "_defect": "ragged"},
    ]
    write_rows(FEED, rows, "b", path)
    with duckdb.connect() as con:
        found = preview(con, PLAN, path, delivered_at=NOON, units={"amount": "万元"})
        left = con.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
    assert (found.accepted, found.rejected, found.repeated) == (3, 2, 1)
    assert found.rules == {"row.ragged": 1, "amount.range": 1, "few": 1}
    assert found.repairs == {"no.trim": 1, "amount.unit_header": 3}
    assert left == (0,)


def test_a_preview_of_rows_says_what_each_became(tmp_path: Path) -> None:
    """Typed values, reasons and repairs, row by row in the file's order."""
    path = tmp_path / "rows.parquet"
    write_rows(FEED, [{"no": "'7", "amount": "12.5万"}, {"no": None}], "b", path)
    at = datetime(2023, 6, 1, tzinfo=UTC)
    with duckdb.connect() as con:
        first, second = preview_rows(con, PLAN, path, delivered_at=at)
    assert (first.source_row, first.ok, first.values["no"]) == (2, True, "7")
    assert first.values["amount"] == Decimal("125000.00")
    assert first.repairs == ("no.trim", "amount.money_text")
    assert (second.ok, second.reasons) == (False, ("no.required",))
