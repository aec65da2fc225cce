"""Check digits and shapes of identity numbers, organisation codes, phones and names.

Sources: GB 11643-1999 (citizens), GB 32100-2015 with GB 11714 inside (organisations). A check is
an expression that is FALSE for a wrong value; repairs of such values stand beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from sqlglot import exp

from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    any_of,
    case,
    div,
    eq,
    fn,
    ge,
    le,
    lt,
    matches,
    minus,
    mod,
    mul,
    ne,
    negate,
    not_null,
    number,
    param,
    plus,
    text,
    try_cast,
)
from dagster_project.transform.conform.repair import Repair

RESIDENT_ID = (
    r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X]"
)
OLD_ID = r"[1-9][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}"
EARLIEST_BIRTH = 18500101
USCC = r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}"
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
MOBILE = r"1[3-9][0-9]{9}"
PHONE = rf"{MOBILE}|0[0-9]{{2,3}}-?[0-9]{{7,8}}"
CHECK_DIGITS = "10X98765432"


def _weighted_sum(body: Node) -> Node:
    """The check sum of a 17-digit body (BIGINT), up to a multiple of 11.

    GB 11643 weighs digit i (from the right, 0 first) with 2^(i+1). With q_i = body // 10^i the
    digit is q_i - 10 q_(i+1), and 10 is -1 modulo 11, so the sum is 2 q_0 + the sum of
    3 * 2^i q_i: whole-number arithmetic on one value in place of 17 substrings.
    """
    terms = [mul(body, 2)]
    terms += [mul(div(body, 10**i), 3 * 2**i % 11) for i in range(1, 17)]
    return plus(terms)


def resident_body(value: Node, shaped: Node) -> Node:
    """The first 17 digits as a BIGINT; NULL where the value has not the shape.

    Args:
        value: The number.
        shaped: TRUE where the shape is known already.
    """
    digits = try_cast(fn("left", value, 17), "BIGINT")
    return case([(shaped, digits), (matches(value, RESIDENT_ID), digits)])


def is_resident_id(value: Node, body: Node) -> Node:
    """Shape, check digit, a day that exists, born since 1850 and not after the delivery."""
    check = case(
        [(fn("suffix", value, "X"), number(10))], try_cast(fn("right", value, 1), "BIGINT")
    )
    born = mod(div(body, 1000), 10**8)
    day = mod(born, 100)
    parts = [fn("substr", value, at, size) for at, size in ((7, 4), (11, 2), (13, 2))]
    iso = fn("concat_ws", "-", *parts)
    real_day = any_of([le(day, 28), not_null(try_cast(iso, "DATE"))])
    return all_of(
        [
            not_null(body),
            eq(mod(plus([_weighted_sum(body), check]), 11), 1),
            real_day,
            ge(born, EARLIEST_BIRTH),
            le(born, param("delivered_day")),
        ]
    )


# The hidden part of a value that was masked before it was delivered: 1403**********1235.
MASKED = r"\*{2,}|[Xx]{4,}"
MASKED_CODE = "**"  # X is a letter of organisation codes and of others


def is_masked(value: Node, form: str) -> Node:
    """Whether a part of the value is hidden: it is not wrong, but nobody can be found by it."""
    if form in ("resident_id", "phone"):
        return fn("regexp_matches", value, MASKED)
    return fn("contains", value, MASKED_CODE)


def is_scientific(value: Node) -> Node:
    """Whether a code is a number as a spreadsheet shows it: 6.22848E+18 (domain D07)."""
    shown = matches(value, r"[0-9](\.[0-9]+)?[Ee]\+[0-9]{2}")
    return case([(fn("contains", fn("right", value, 4), "+"), shown)], exp.false())


def is_rounded(value: Node, valid: Node) -> Node:
    """Whether a spreadsheet took the number for a quantity and kept 15 digits (domain D07, D08).

    It shows as ``1.40321E+17`` or as three zeros at the end of a number that is not valid; a valid
    one may end so. The lost digits cannot be known again.
    """
    zeros = all_of([matches(value, r"[1-9][0-9]{14}000(\.0+)?"), negate(valid)])
    return case(
        [
            (fn("contains", value, "000"), zeros),
            (ne(fn("strlen", value), 18), matches(value, r"[0-9](\.[0-9]+)?E\+?17")),
        ],
        exp.false(),
    )


def resident_id_repaired(value: Node) -> Node:
    """Upper-case X, and 15 digits made 18; sequences 996-999 belonged to centenarians."""
    upper = fn("upper", value)
    body = fn("concat", fn("left", value, 6), "19", fn("right", value, 9))
    remainder = mod(_weighted_sum(try_cast(body, "BIGINT")), 11)
    check = fn("substr", text(CHECK_DIGITS), plus([remainder, number(1)]))
    upgraded = fn("concat", body, fn("left", check, 1))
    old = all_of([matches(value, OLD_ID), lt(fn("right", value, 3), "996")])
    return case([(old, upgraded)], upper)


def resident_id_repairs(t: Node, v: Node) -> tuple[Repair, ...]:
    """What ``resident_id_repaired`` did."""
    longer = all_of([eq(fn("strlen", t), 15), ne(v, t)])
    return (
        Repair("id_15_to_18", logged=True, happened=longer),
        Repair("upper", logged=True, happened=ne(t, fn("upper", t))),
    )


def is_uscc(value: Node) -> Node:
    """Alphabet, mod-31 check character, and the organisation code's own mod-11 check inside."""

    def char(position: int) -> Node:
        return fn("array_extract", value, position)

    outer = plus(
        [
            mul(minus(fn("strpos", text(USCC_ALPHABET), char(i + 1)), 1), 3**i % 31)
            for i in range(17)
        ]
    )
    last = minus(fn("strpos", text(USCC_ALPHABET), char(18)), 1)
    inner = plus(
        [
            mul(minus(fn("strpos", text(ORG_ALPHABET), char(9 + i)), 1), weight)
            for i, weight in enumerate(ORG_WEIGHTS)
        ]
    )
    # Check character 10 - (sum - 1) mod 11: X stands for 10, 0 for 11.
    org = case([(eq(char(17), "X"), number(10))], try_cast(char(17), "BIGINT"))
    checks = [eq(mod(plus([outer, last]), 31), 0), eq(mod(plus([inner, org]), 11), 0)]
    return case([(matches(value, USCC), fn("coalesce", all_of(checks), exp.false()))], exp.false())


def upper_repaired(value: Node) -> Node:
    """Codes of capital letters."""
    return fn("upper", value)


def upper_repairs(t: Node, _: Node) -> tuple[Repair, ...]:
    """What ``upper_repaired`` did."""
    return (Repair("upper", logged=True, happened=ne(t, fn("upper", t))),)


def is_phone(value: Node) -> Node:
    """A mobile number or a landline with its area code."""
    return matches(value, PHONE)


def phone_repaired(value: Node) -> Node:
    """The first number of the cell without +86, blanks, brackets and dashes."""
    national = fn("regexp_replace", value, r"^\(?(?:\+|00)?86\)?[- ]*", "")
    # A blank parts two numbers only behind a whole mobile number: 0353 6060000 is one.
    first = fn("regexp_extract", national, rf"^(?:{MOBILE}\b|[^/、,;，；|\r\n]+)")
    digits = fn("regexp_replace", first, r"[^0-9]", "", "g")
    letters = fn("regexp_matches", first, r"[^0-9()\-+ .—－]")
    usable = all_of([negate(is_phone(value)), is_phone(digits), negate(letters)])
    return case([(usable, digits)], value)


def phone_repairs(t: Node, v: Node) -> tuple[Repair, ...]:
    """What ``phone_repaired`` did."""
    return (Repair("phone_clean", logged=True, happened=ne(t, v)),)


# Parts of characters that never stand alone: with one of them a character was taken apart.
RADICALS = "氵亻扌忄犭饣纟钅礻衤艹宀辶阝刂灬讠彳疒"


def _between(first: str, last: str, without: str) -> str:
    """A range of characters with gaps, as the inside of a bracket expression."""
    edges = [ord(first) - 1, *sorted(ord(c) for c in without), ord(last) + 1]
    spans = [(a + 1, b - 1) for a, b in itertools.pairwise(edges) if b - a > 1]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in spans)


# Names that are clean and valid beyond doubt; others are looked at closely.
_COMMON = _between("\u4e00", "\u9fff", RADICALS)
COMMON_NAME = f"[{_COMMON}][{_COMMON}·]{{0,48}}[{_COMMON}]"
PRIVATE = "\ue000-\uf8ff\U000f0000-\U0010fffd"
_UNKNOWN = f"?？\ufffd□■{PRIVATE}{RADICALS}"
DOTS = "•・.．‧･∙⋅●"
HAN = r"\p{Han}"


def is_person_name(value: Node) -> Node:
    """2 to 50 characters without a digit and without a character that was lost.

    Lost is what a system could not write: ``?``, a private-use character, a character taken apart
    that ``name_repaired`` does not know. Masked names (王*) are names.
    """
    return matches(value, f"[^0-9０-９{_UNKNOWN}]{{2,50}}")


def name_repaired(value: Node, glyphs: Mapping[str, str]) -> Node:
    """One dot for all dots between Chinese characters, and characters that were taken apart.

    Args:
        value: The clean text.
        glyphs: Parts -> character: ``氵甸`` in brackets stands for ``𣵦`` (domain D22).
    """
    return _joined(_dotted(value), glyphs)


def name_repairs(t: Node, glyphs: Mapping[str, str]) -> tuple[Repair, ...]:
    """What ``name_repaired`` did."""
    dotted = _dotted(t)
    made = [Repair("name_dot", logged=True, happened=ne(dotted, t))]
    if glyphs:
        joined = ne(_joined(dotted, glyphs), dotted)
        made.append(Repair("name_glyph", logged=True, happened=joined))
    return tuple(made)


def _dotted(value: Node) -> Node:
    between = rf"{HAN}+(?:[{DOTS}·]{HAN}+)+"
    return case([(matches(value, between), fn("translate", value, DOTS, "·" * len(DOTS)))], value)


def _joined(value: Node, glyphs: Mapping[str, str]) -> Node:
    joined = value
    for parts, glyph in glyphs.items():
        joined = fn("regexp_replace", joined, rf"[（(〔\[]{parts}[）)〕\]]", glyph, "g")
    return case([(fn("regexp_matches", value, r"[（(〔\[]"), joined)], value)
