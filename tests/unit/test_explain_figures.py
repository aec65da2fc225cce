"""Two states of a report beside one another: what moved, by how much, what came and went."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa

from dagster_project.components.steps.explaining.figures import Shape, moved, rows_of
from dagster_project.contracts.model import Column

SHAPE = Shape(
    ("month", "town_code"),
    (
        Column("month", "月份", "string", key_position=1),
        Column("town_code", "乡镇代码", "string", key_position=2),
        Column("town_name", "乡镇", "string"),
        Column("order_cnt", "工单数", "integer", unit="件"),
        Column("paid_yuan", "支付", "decimal", unit="元"),
        Column("solve_pct", "解决率", "decimal", unit="%"),
        Column("state", "状态", "string"),
    ),
)


def table(*rows: tuple[object, ...]) -> pa.Table:
    """A report of one month."""
    names = [column.name for column in SHAPE.columns]
    return pa.Table.from_pylist([dict(zip(names, ("202305", *row), strict=True)) for row in rows])


def differ(old: pa.Table, new: pa.Table) -> list[tuple[object, ...]]:
    """Town, column, both values and the difference of every figure that moved."""
    before, after = (rows_of(one, SHAPE.key) for one in (old, new))
    return [
        (one.key[1], one.column.name, one.old, one.new, one.delta)
        for one in moved(SHAPE, before, after)
    ]


def test_figures_move_by_exact_amounts() -> None:
    """Whole numbers, money and shares differ exactly; a text moves without an amount."""
    old = table(("1", "甲", 10, Decimal("1.10"), Decimal("50.00"), "good"))
    new = table(("1", "甲", 7, Decimal("1.30"), Decimal("33.33"), "poor"))
    assert differ(old, new) == [
        ("1", "order_cnt", 10, 7, -3),
        ("1", "paid_yuan", Decimal("1.10"), Decimal("1.30"), Decimal("0.20")),
        ("1", "solve_pct", Decimal("50.00"), Decimal("33.33"), Decimal("-16.67")),
        ("1", "state", "good", "poor", None),
    ]
    assert differ(old, old) == []


def test_a_row_that_came_counted_nothing_before() -> None:
    """What is counted moves from nothing; a share has no value of before to differ from."""
    here = ("1", "甲", 10, Decimal("1.10"), Decimal("50.00"), "good")
    came = ("2", "乙", 4, Decimal("0.00"), Decimal("25.00"), None)
    assert differ(table(here), table(here, came)) == [
        ("2", "order_cnt", None, 4, 4),
        ("2", "solve_pct", None, Decimal("25.00"), None),
    ]
    assert differ(table(here, came), table(here)) == [
        ("2", "order_cnt", 4, None, -4),
        ("2", "solve_pct", Decimal("25.00"), None, None),
    ]


def test_a_blanked_figure_moves_by_an_unknown_amount() -> None:
    """A small cell that is blank now is no zero."""
    old = table(("1", "甲", 6, None, None, None))
    new = table(("1", "甲", None, None, None, None))
    assert differ(old, new) == [("1", "order_cnt", 6, None, None)]


def test_rows_are_named_for_people() -> None:
    """Chinese titles, and the name beside its code."""
    (row,) = table(("1", "甲", 6, None, None, None)).to_pylist()
    assert SHAPE.label(row) == {"月份": "202305", "乡镇代码": "甲（1）"}
