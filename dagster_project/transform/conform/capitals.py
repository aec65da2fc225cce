"""Amounts in Chinese capitals: 壹佰贰拾叁万肆仟伍佰元陆角柒分 (domain D15).

Only well-formed amounts are read: a digit without its place (壹贰叁元) would be guessed. Lower-case
numerals (一百元) are no capitals and stay unread.
"""

from __future__ import annotations

from sqlglot import exp

from dagster_project.transform.conform.ast import (
    Node,
    case,
    cast,
    fn,
    matches,
    mul,
    number,
    plus,
    try_cast,
)

_DIGITS = "壹贰叁肆伍陆柒捌玖零"
_VARIANTS, _USUAL = "貳弍參叄陸萬億圓圆〇", "贰贰叁叁陆万亿元元零"
_JOINED = {"廿": "贰拾", "卅": "叁拾"}
_D = "[壹贰叁肆伍陆柒捌玖]"
_TENS = f"(?:零?{_D}拾)?(?:零?{_D})?"
# 1 to 9999: some place is filled; only a leading ten may go without its digit.
_SECTION = f"零?(?:{_D}仟(?:零?{_D}佰)?{_TENS}|{_D}佰{_TENS}|{_D}拾(?:零?{_D})?|拾{_D}?|{_D})"
_WHOLE = (
    f"(?:{_SECTION}亿(?:{_SECTION}万)?(?:{_SECTION})?|{_SECTION}万(?:{_SECTION})?|{_SECTION}|零)"
)
_CENTS = f"(?:{_D}角(?:零?{_D}分)?|零?{_D}分)"
_FORM = f"(?:人民币:?)? *(?:{_WHOLE}元(?:零?{_CENTS})?|{_CENTS})[整正]?"
CAPITAL = (
    "[人民币: 壹贰叁肆伍陆柒捌玖零拾佰仟万亿元角分整正貳弍參叄陸萬億圓圆〇廿卅]*[元圆圓角分][整正]?"
)
"""What looks like an amount in capitals; ``amount`` says whether it is one."""


def amount(value: Node) -> Node:
    """Yuan, exact to the cent; NULL for what is not well formed."""
    usual = fn("translate", value, _VARIANTS, _USUAL)
    for short, long in _JOINED.items():
        usual = fn("replace", usual, short, long)
    plain = fn("translate", usual, _DIGITS, "1234567890")
    sections = ((10**8, "亿"), (10**4, "万"), (1, "元"))
    whole = [
        mul(_section(fn("regexp_extract", plain, f"([0-9拾佰仟]*){end}", 1)), unit)
        for unit, end in sections
    ]
    cents = [mul(_digit(plain, "角"), 10), _digit(plain, "分")]
    in_cents = plus([*(mul(part, 100) for part in whole), *cents])
    yuan = mul(cast(in_cents, "DECIMAL(29,8)"), exp.Literal.number("0.01"))
    return case([(matches(usual, _FORM), yuan)])


def _section(section: Node) -> Node:
    tens = case([(matches(section, r"0?拾.*"), number(10))], mul(_digit(section, "拾"), 10))
    last = fn("coalesce", try_cast(fn("regexp_extract", section, r"([0-9])$", 1), "BIGINT"), 0)
    return plus([mul(_digit(section, "仟"), 1000), mul(_digit(section, "佰"), 100), tens, last])


def _digit(value: Node, unit: str) -> Node:
    found = fn("regexp_extract", value, f"([0-9]){unit}", 1)
    return fn("coalesce", try_cast(found, "BIGINT"), 0)
