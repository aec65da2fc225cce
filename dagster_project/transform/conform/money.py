"""Amounts as people write them: separators, signs, units of 万 and 亿, percentages.

Everything is exact decimal arithmetic; an amount that does not fit the column's scale is not
rounded but stays unread. Chinese capitals are read by ``capitals``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from dagster_project.contracts.model import Column
from dagster_project.transform.conform import capitals
from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    case,
    cast,
    eq,
    fn,
    le,
    matches,
    mul,
    ne,
    negate,
    not_null,
    null,
    number,
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
# An amount of EXACT times a unit of nine digits is WIDE: no product can overflow.
EXACT, WIDE = "DECIMAL(29,8)", "DECIMAL(38,8)"
# Decimals up to this precision are 64 bits wide; text is read into wider ones a hundred times
# more slowly.
NARROW = 18


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
    percent: str

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
            front = f"(?:{sign}{begin}|{begin}{sign})" if sign and begin else sign + begin
            return rf"{front}{WHOLE}(?:\.{digits}0*)?{end}"

        scale, counted = column.scale if column.type == "decimal" else 0, column.unit in COUNTED
        if power is not None:
            counted, suffix, scale = False, "", max(scale + power, 0)
        is_money = column.unit == "元"
        finer = column.scale - (2 if column.share == "ratio" else 0)
        return cls(
            plain=form("[+-]?", suffix, scale),
            myriad=form("[+-]?", rf"\s*万{suffix}", scale + 4) if counted else "",
            yi=form("[+-]?", rf"\s*亿{suffix}", scale + 8) if counted else "",
            negative=rf"\({form('', suffix, scale)}\)|{form('', '-', scale)}" if is_money else "",
            capital=capitals.CAPITAL if is_money and scale > 1 and power is None else "",
            percent=form("[+-]?", r"\s*%", max(finer, 0)) if column.share else "",
        )

    @property
    def interpreted(self) -> str:
        """Every form whose digits are not the value itself."""
        forms = (self.myriad, self.yi, self.negative, self.capital)
        return "|".join(filter(None, forms))


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
    if column.share:
        percent = matches(t, Shapes.of(column, power).percent)
        # As a ratio the cell becomes another number; as a percentage it loses its sign only.
        is_ratio = column.share == "ratio"
        happened = all_of([not_null(v), percent])
        made = (*made, Repair("percent", logged=is_ratio, happened=happened))
        dressed.append(negate(percent))
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
    quick: list[tuple[Node, Node]] = []
    if power is None and column.type == "decimal" and column.precision <= NARROW:
        # Behind the scale there are only zeros: the column's own type holds the number or nothing.
        branches, quick = [], [(branches[0][0], try_cast(digits.this, column.duck_type))]
    if shapes.myriad:
        branches.append((matches(value, shapes.myriad), _times(digits, 10**4)))
        branches.append((matches(value, shapes.yi), _times(digits, 10**8)))
    if shapes.negative:
        unsigned = try_cast(fn("regexp_replace", value, r"[^0-9.]", "", "g"), EXACT)
        branches.append((matches(value, shapes.negative), exp.Neg(this=unsigned)))
    if shapes.capital:
        branches.append((matches(value, shapes.capital), capitals.amount(value)))
    wide = case([(c, try_cast(v, WIDE)) for c, v in branches]) if branches else null()
    read = _stored(wide, column, power)
    if shapes.percent:
        percent = _stored(try_cast(digits, WIDE), column, -2 if column.share == "ratio" else None)
        quick = [(matches(value, shapes.percent), percent), *quick]
    return case(quick, read) if quick else read


def is_unclear_share(t: Node, v: Node) -> Node:
    """A bare number up to 1 among percentages: 0.9566 may be 0.9566 % or 95.66 % (domain D16)."""
    return all_of([le(fn("abs", v), 1), ne(v, 0), negate(fn("contains", t, "%"))])


def _stored(wide: Node, column: Column, power: int | None) -> Node:
    """In the column's type, after multiplying with a power of ten; nothing is rounded."""
    if power is None:
        return try_cast(wide, column.duck_type)
    whole = try_cast(_shifted(try_cast(wide, EXACT), power), WIDE)
    stored = try_cast(whole, column.duck_type)
    return case([(eq(stored, whole), stored)]) if power < 0 else stored


def _times(value: Node, unit: int) -> Node:
    return mul(value, cast(number(unit), "DECIMAL(9,0)"))


def _shifted(value: Node, power: int) -> Node:
    if power >= 0:
        return _times(value, 10**power)
    return mul(try_cast(value, "DECIMAL(28,8)"), exp.Literal.number(f"{10.0**power:.{-power}f}"))
