"""Typed values of numbers and booleans, with the repairs that reading them may need.

A value that cannot be read exactly is NULL here and becomes a ``.type`` reason in ``cells``;
nothing is ever rounded. Dates are in ``dates``, codes and identity numbers in ``codes`` and
``identity``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from dagster_project.contracts.model import Column
from dagster_project.transform.conform import money
from dagster_project.transform.conform.ast import (
    Node,
    case,
    eq,
    fn,
    matches,
    one_of,
    try_cast,
)
from dagster_project.transform.conform.repair import Repair
from dagster_project.transform.conform.text import is_shape


@dataclass(frozen=True)
class Value:
    """How to read one column.

    ``plain`` tests the raw cell: it needs no cleaning and ``quick`` reads it. ``slow`` reads the
    clean text of all other cells.
    """

    plain: Callable[[Node], Node]
    quick: Callable[[Node], Node]
    slow: Callable[[Node], Node]
    repairs: Callable[[Node, Node], tuple[Repair, ...]]


def integer(column: Column, nulls: tuple[str, ...], power: int | None = None) -> Value:
    """Whole numbers; thousands separators and a spreadsheet's ``.0`` are counted repairs.

    ``power`` is the power of ten of the unit in the file's header, if it is not the contract's.
    """
    if power is not None:
        return _in_unit(column, power)
    grouped = r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.0+)?|[+-]?[0-9]+\.0+"

    def slow(value: Node) -> Node:
        bare = fn("replace", fn("regexp_replace", value, r"\.0+$", ""), ",", "")
        return case(
            [
                (matches(value, r"[+-]?[0-9]+"), try_cast(value, "BIGINT")),
                (matches(value, grouped), try_cast(bare, "BIGINT")),
            ]
        )

    return Value(
        plain=lambda raw: is_shape(raw, r"-?[0-9]{1,18}", nulls),
        quick=lambda raw: try_cast(raw, "BIGINT"),
        slow=slow,
        repairs=lambda t, _: (Repair("money_text", logged=False, happened=matches(t, grouped)),),
    )


def decimal(column: Column, nulls: tuple[str, ...], power: int | None = None) -> Value:
    """Exact decimals; money with signs and units is read by ``money``.

    ``power`` is the power of ten of the unit in the file's header, if it is not the contract's.
    """
    if power is not None:
        return _in_unit(column, power)
    whole, scale = max(column.precision - column.scale, 1), column.scale
    digits = rf"-?[0-9]{{1,{whole}}}" + (rf"(\.[0-9]{{1,{scale}}})?" if scale else "")
    return Value(
        plain=lambda raw: is_shape(raw, digits, nulls),
        quick=lambda raw: try_cast(raw, column.duck_type),
        slow=lambda value: money.amount(value, column),
        repairs=lambda t, v: money.repairs(t, v, column),
    )


def _in_unit(column: Column, power: int) -> Value:
    """Numbers counted in another unit than the contract's: every cell goes the slow way."""
    return Value(
        plain=lambda _: exp.false(),
        quick=lambda raw: try_cast(raw, column.duck_type),
        slow=lambda value: money.amount(value, column, power),
        repairs=lambda t, v: money.repairs(t, v, column, power),
    )


def boolean(synonyms: Mapping[str, str], nulls: tuple[str, ...]) -> Value:
    """0/1; other words for yes and no come from the column's code list and are logged."""
    yes, no = ([s for s, code in synonyms.items() if code == flag] for flag in ("1", "0"))
    return Value(
        plain=lambda raw: one_of(raw, [s for s in ("0", "1") if s not in nulls]),
        quick=lambda raw: eq(raw, "1"),
        slow=lambda value: case(
            [(one_of(value, ["1", *yes]), exp.true()), (one_of(value, ["0", *no]), exp.false())]
        ),
        repairs=lambda t, _: (
            Repair("code_synonym", logged=True, happened=one_of(t, list(synonyms))),
        ),
    )
