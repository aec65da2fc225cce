"""Typed values of numbers, dates and booleans, with the repairs that reading them may need.

A value that cannot be read exactly is NULL here and becomes a ``.type`` reason in ``cells``;
nothing is ever rounded. Codes and identity numbers are in ``codes`` and ``identity``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from dagster_project.contracts.model import Column
from dagster_project.transform.conform import money
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    case,
    cast,
    eq,
    fn,
    ge,
    le,
    like,
    matches,
    mul,
    negate,
    not_null,
    one_of,
    plus,
    text,
    try_cast,
)
from dagster_project.transform.conform.repair import Repair
from dagster_project.transform.conform.text import is_shape

SERIAL_FROM, SERIAL_TO = 20000, 60000
DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
TIMES = (
    *("%H:%M:%S", "%H:%M", "%H时%M分%S秒", "%H时%M分", "%p %I:%M:%S", "%p %I:%M"),
    "%H:%M:%S.%f",
)


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


def date(nulls: tuple[str, ...]) -> Value:
    """Days: ISO, the usual Chinese forms, and spreadsheet serials (base 1899-12-30)."""
    standard = "____-__-__"

    def slow(value: Node) -> Node:
        return fn("coalesce", cast(_parsed(value), "DATE"), cast(_serial(value), "DATE"))

    def repairs(t: Node, v: Node) -> tuple[Repair, ...]:
        serial = _is_serial(t)
        # Something but zeros behind the day: reading a date drops a time.
        has_time = fn("regexp_matches", t, "[ T日].*[1-9]")
        read = all_of([not_null(v), negate(serial), negate(like(t, standard))])
        return (
            Repair("date_serial", logged=True, happened=serial),
            Repair("date_format", logged=False, happened=all_of([read, negate(has_time)])),
            Repair("date_format", logged=True, happened=all_of([read, has_time])),
        )

    return Value(
        plain=lambda raw: _standard(raw, standard, "DATE", nulls),
        quick=lambda raw: try_cast(raw, "DATE"),
        slow=slow,
        repairs=repairs,
    )


def timestamp(nulls: tuple[str, ...]) -> Value:
    """Wall-clock times of Asia/Shanghai; a day alone is read as its midnight."""
    standard = "____-__-__ __:__:__"

    def repairs(t: Node, v: Node) -> tuple[Repair, ...]:
        serial = _is_serial(t)
        read = all_of([not_null(v), negate(serial), negate(like(t, standard))])
        return (
            Repair("date_serial", logged=True, happened=serial),
            Repair("date_format", logged=False, happened=read),
        )

    return Value(
        plain=lambda raw: _standard(raw, standard, "TIMESTAMP", nulls),
        quick=lambda raw: try_cast(raw, "TIMESTAMP"),
        slow=lambda value: fn("coalesce", _parsed(value), _serial(value)),
        repairs=repairs,
    )


def _standard(raw: Node, shape: str, kind: str, nulls: tuple[str, ...]) -> Node:
    dated = [s for s in nulls if len(s) == len(shape)]
    conditions = [like(raw, shape), not_null(try_cast(raw, kind))]
    if dated:
        conditions.append(negate(one_of(raw, dated)))
    return all_of(conditions)


def _formats() -> exp.Array:
    forms = [
        *DAYS,
        *(f"{day} {time}" for time in TIMES for day in DAYS),
        *("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y%m%d%H%M%S"),
        *(f"%Y年%m月%d日{time}" for time in TIMES),
    ]
    return exp.Array(expressions=[text(form) for form in forms])


def _parsed(value: Node) -> Node:
    """The text by the first format that fits; the year always has four digits."""
    half_days = fn("regexp_replace", value, r"\s*上午\s*", " AM ")
    half_days = fn("regexp_replace", half_days, r"\s*下午\s*", " PM ")
    begins = fn("regexp_matches", value, r"^[12][0-9]{3}(?:[-/.年]|[0-9]{4})")
    return case([(begins, fn("try_strptime", half_days, _formats()))])


def _is_serial(value: Node) -> Node:
    days = try_cast(value, "DOUBLE")
    shape = matches(value, r"[0-9]{5}(\.[0-9]+)?")
    return all_of([shape, ge(days, SERIAL_FROM), le(days, SERIAL_TO)])


def _serial(value: Node) -> Node:
    """A spreadsheet's day number (1900 system) as a timestamp, to the second."""
    seconds = cast(fn("round", mul(try_cast(value, "DOUBLE"), 86400)), "BIGINT")
    base = cast(text("1899-12-30 00:00:00"), "TIMESTAMP")
    return case([(_is_serial(value), plus([base, fn("to_seconds", seconds)]))])
