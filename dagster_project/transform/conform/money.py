"""Amounts as people write them: separators, signs, units of 万 and 亿, Chinese capitals.

Everything is exact decimal arithmetic; an amount that does not fit the column's scale is not
rounded but stays unread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from dagster_project.contracts.model import Column
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    case,
    cast,
    eq,
    fn,
    matches,
    mul,
    negate,
    not_null,
    number,
    plus,
    try_cast,
)
from dagster_project.transform.conform.repair import Repair

WHOLE = r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)"
SIGN = r"(?:￥|¥|RMB|人民币)?\s*"
# Spellings of the contract's unit that may stand behind a number.
SUFFIXES = {
    "元": "(?:元整?|圆整?|RMB)",
    "㎡": "(?:㎡|平方米|平米|m2|m²)",
    "亩": "亩",
    "°": "°",
}
# Units whose amounts are written in 万 and 亿.
COUNTED = ("元", "㎡", "亩")
CAPITALS = "壹贰叁肆伍陆柒捌玖零"
CAPITAL = (
    rf"(?:人民币)?[{CAPITALS}拾佰仟万亿]+[元圆](?:[{CAPITALS}]角)?零?(?:[{CAPITALS}]分)?[整正]?"
)
# An amount of EXACT times a unit of nine digits is WIDE: no product can overflow.
EXACT, WIDE = "DECIMAL(29,8)", "DECIMAL(38,8)"


@dataclass(frozen=True)
class Shapes:
    """How amounts of one column may be written; empty where its unit knows no such form.

    A fraction longer than the column's scale is only allowed in zeros, so nothing is rounded.
    """

    plain: str
    myriad: str
    yi: str
    negative: str
    capital: str

    @classmethod
    def of(cls, column: Column, power: int | None = None) -> Shapes:
        """The forms of a column's unit and scale.

        Args:
            column: The column; whole numbers have no scale.
            power: The power of ten of the unit in the file's header. Its cells are bare numbers:
                one that names a unit of its own could mean either, and stays unread.
        """
        suffix = rf"\s*{SUFFIXES.get(column.unit, re.escape(column.unit))}?"
        if column.unit and column.unit not in SUFFIXES:
            suffix = rf"\s*(?:{re.escape(column.unit)})?"
        sign = SIGN if column.unit == "元" else ""

        def form(begin: str, end: str, scale: int) -> str:
            digits = f"[0-9]{{0,{scale}}}" if scale else ""
            return rf"{sign}{begin}{WHOLE}(?:\.{digits}0*)?{end}"

        scale, counted = column.scale if column.type == "decimal" else 0, column.unit in COUNTED
        if power is not None:
            counted, suffix, scale = False, "", max(scale + power, 0)
        return cls(
            plain=form("[+-]?", suffix, scale),
            myriad=form("[+-]?", rf"\s*万{suffix}", scale + 4) if counted else "",
            yi=form("[+-]?", rf"\s*亿{suffix}", scale + 8) if counted else "",
            negative=rf"\({form('', suffix, scale)}\)|{form('', '-', scale)}"
            if column.unit == "元"
            else "",
            capital=CAPITAL if column.unit == "元" and scale > 1 and power is None else "",
        )

    @property
    def interpreted(self) -> str:
        """Every form whose digits are not the value itself."""
        return "|".join(filter(None, (self.myriad, self.yi, self.negative, self.capital)))


def repairs(t: Node, v: Node, column: Column, power: int | None = None) -> tuple[Repair, ...]:
    """Separators and signs are counted; an amount that had to be interpreted is logged.

    A unit in the header (``unit_header``) changes the whole column alike: it is a repair that is
    counted, while the unit itself stands in ``ops.batch.units``.
    """
    interpreted = Shapes.of(column, power).interpreted
    plain_number = matches(t, r"[+-]?[0-9]+(\.[0-9]+)?")
    dressed = [not_null(v), negate(plain_number)]
    header = Repair("unit_header", logged=True, listed=False, happened=not_null(v))
    made = () if power is None else (header,)
    if not interpreted:
        return (*made, Repair("money_text", logged=False, happened=all_of(dressed)))
    other = matches(t, interpreted)
    return (
        *made,
        Repair("money_text", logged=False, happened=all_of([*dressed, negate(other)])),
        Repair("money_text", logged=True, happened=all_of([not_null(v), other])),
    )


def amount(value: Node, column: Column, power: int | None = None) -> Node:
    """The exact amount, NULL when unreadable or finer than the column's scale.

    Args:
        value: The clean text.
        column: A decimal or whole number.
        power: The power of ten of the unit in the file's header, if it is not the contract's.
    """
    shapes = Shapes.of(column, power)
    digits = try_cast(fn("regexp_replace", value, r"[^0-9.\-]", "", "g"), EXACT)
    branches: list[tuple[Node, Node]] = [(matches(value, shapes.plain), digits)]
    if shapes.myriad:
        branches.append((matches(value, shapes.myriad), _times(digits, 10**4)))
        branches.append((matches(value, shapes.yi), _times(digits, 10**8)))
    if shapes.negative:
        unsigned = try_cast(fn("regexp_replace", value, r"[^0-9.]", "", "g"), EXACT)
        branches.append((matches(value, shapes.negative), exp.Neg(this=unsigned)))
    if shapes.capital:
        branches.append((matches(value, shapes.capital), _capital(value)))
    wide = case([(c, try_cast(v, WIDE)) for c, v in branches])
    if power is None:
        return try_cast(wide, column.duck_type)
    whole = try_cast(_shifted(try_cast(wide, EXACT), power), WIDE)
    stored = try_cast(whole, column.duck_type)
    # A smaller unit may be finer than what is stored: nothing is rounded.
    return case([(eq(stored, whole), stored)]) if power < 0 else stored


def _times(value: Node, unit: int) -> Node:
    return mul(value, cast(number(unit), "DECIMAL(9,0)"))


def _shifted(value: Node, power: int) -> Node:
    if power >= 0:
        return _times(value, 10**power)
    return mul(cast(value, "DECIMAL(28,8)"), exp.Literal.number(f"{10.0**power:.{-power}f}"))


def _capital(value: Node) -> Node:
    """``壹佰贰拾叁万肆仟伍佰元陆角柒分``: sections of 亿, 万 and 元, then 角 and 分."""
    plain = fn("translate", value, CAPITALS, "1234567890")
    sections = ((10**8, "亿"), (10**4, "万"), (1, "[元圆]"))
    whole = [
        mul(_section(fn("regexp_extract", plain, f"([0-9拾佰仟]*){end}", 1)), unit)
        for unit, end in sections
    ]
    cents = [
        mul(_digit(plain, "角"), 10),
        _digit(plain, "分"),
    ]
    in_cents = plus([*(mul(part, 100) for part in whole), *cents])
    return mul(cast(in_cents, EXACT), exp.Literal.number("0.01"))


def _section(section: Node) -> Node:
    tens = case([(matches(section, r"0?拾.*"), number(10))], mul(_digit(section, "拾"), 10))
    last = fn("coalesce", try_cast(fn("regexp_extract", section, r"([0-9])$", 1), "BIGINT"), 0)
    return plus([mul(_digit(section, "仟"), 1000), mul(_digit(section, "佰"), 100), tens, last])


def _digit(value: Node, unit: str) -> Node:
    found = fn("regexp_extract", value, f"([0-9]){unit}", 1)
    return fn("coalesce", try_cast(found, "BIGINT"), 0)
