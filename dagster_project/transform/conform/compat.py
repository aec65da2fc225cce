"""Compatibility characters of code-like cells, as NFKC would write them (domain D04).

DuckDB has no NFKC, so what occurs in office files is written out: full-width forms, small forms,
circled, raised and Roman numbers, radicals that PDF files put in the place of characters. The rest
(½, ㎏, ligatures) stays and meets the column's pattern. Names, addresses and free text never come
here: there ① and ㈠ are what the author meant.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

from sqlglot import exp

from dagster_project.transform.conform.ast import (
    Node,
    all_of,
    array,
    case,
    cast,
    col,
    fixed,
    fn,
    ge,
    le,
    minus,
)

FULL_WIDTH = "".join(chr(c) for c in range(0xFF01, 0xFF5F)) + "\u3000"
HALF_WIDTH = "".join(chr(c) for c in range(0x21, 0x7F)) + " "
FULL_WIDTH_CLASS = "\uff01-\uff5e\u3000"
"""The commonest of all, and no more than another way to type the same: counted, not listed."""

# Blocks of single characters whose compatibility form is one character too.
_SINGLE_BLOCKS = (
    *((0x00A0, 0x00A0), (0x00B2, 0x00B3), (0x00B9, 0x00B9), (0x2000, 0x200A), (0x202F, 0x202F)),
    *((0x205F, 0x205F), (0x2070, 0x208E), (0x2160, 0x217F), (0x2460, 0x2468), (0x2E9F, 0x2EF3)),
    *((0x2F00, 0x2FD5), (0xFE50, 0xFE6B), (0xFFE0, 0xFFE6)),
)
# First and last character of a run of numbers, what surrounds the number, the number's list.
_CIRCLED = ("⑩", "⑳", "", "", [str(n) for n in range(10, 21)])
_BRACKETED = ("⑴", "⒇", "(", ")", [str(n) for n in range(1, 21)])
_DOTTED = ("⒈", "⒛", "", ".", [str(n) for n in range(1, 21)])
_CHINESE = ("㈠", "㈩", "(", ")", list("一二三四五六七八九十"))
_ROMAN = (
    "Ⅰ",
    "Ⅻ",
    "",
    "",
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"],
)
_SMALL_ROMAN = (
    "ⅰ",
    "ⅻ",
    "",
    "",
    ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"],
)
_RUNS = (_CIRCLED, _BRACKETED, _DOTTED, _CHINESE, _ROMAN, _SMALL_ROMAN)
# Signs that readers of amounts know themselves.
_UNITS = "²³￥￠￡"


def _singles() -> dict[str, str]:
    made = {}
    for first, last in _SINGLE_BLOCKS:
        for char in map(chr, range(first, last + 1)):
            plain = unicodedata.normalize("NFKC", char)
            if len(plain) == 1 and plain != char:
                made[char] = plain
    return made


_SINGLES = _singles()
_RADICALS = {char for char in _SINGLES if "\u2e80" <= char <= "\u2fd5"}
_SPANS = "".join(f"{first}-{last}" for first, last, *_ in _RUNS)


def char_class(*, numeric: bool) -> str:
    """The compatibility characters beyond full width, as the inside of a bracket expression."""
    return _spans(_table(numeric=numeric)) + _SPANS


def normalised(value: Node, *, numeric: bool) -> Node:
    """The text without compatibility characters beyond full width.

    Args:
        value: The text; asked only where ``char_class`` matches.
        numeric: Whether it is a number or a date: no radicals, and units are left alone.
    """
    table = _table(numeric=numeric)
    single = fn("translate", value, "".join(table), "".join(table.values()))
    spelled = fn("list_transform", fn("string_split", single, ""), _each())
    return fn("array_to_string", spelled, "")


@cache
def _each() -> Node:
    """One character of a run as its number, any other as it is."""
    char = col("c")
    branches = [
        (
            all_of([ge(char, first), le(char, last)]),
            fn("concat", before, fn("array_extract", array(names), _place(char, first)), after),
        )
        for first, last, before, after, names in _RUNS
    ]
    name = exp.to_identifier("c", quoted=True)
    return fixed(exp.Lambda(this=case(branches, char), expressions=[name]))


def _place(char: Node, first: str) -> Node:
    return cast(minus(fn("ord", char), ord(first) - 1), "BIGINT")


def _table(*, numeric: bool) -> dict[str, str]:
    if not numeric:
        return _SINGLES
    return {c: p for c, p in _SINGLES.items() if c not in _RADICALS and c not in _UNITS}


def _spans(chars: Iterable[str]) -> str:
    """Runs of neighbours, so that the pattern stays short."""
    made: list[list[int]] = []
    for code in sorted(map(ord, chars)):
        if made and made[-1][1] == code - 1:
            made[-1][1] = code
        else:
            made.append([code, code])
    return "".join(chr(a) if a == b else f"{chr(a)}-{chr(b)}" for a, b in made)
