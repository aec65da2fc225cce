"""Units as files state them, against the unit that a contract stores: only powers of ten.

Finding the words in a header is the readers' matter, multiplying is conform's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

SCALES: Final[Mapping[str, int]] = {
    "": 0, "十": 1, "百": 2, "千": 3, "万": 4, "十万": 5, "百万": 6, "千万": 7, "亿": 8,
}  # fmt: skip
"""Words in front of a unit and their power of ten."""

SPELLINGS: Final[Mapping[str, Mapping[str, int]]] = {
    "元": {"元": 0, "圆": 0, "人民币元": 0, "rmb": 0, "cny": 0, "角": -1, "分": -2},
    "㎡": {"m2": 0, "平方米": 0, "平米": 0, "公顷": 4, "ha": 4, "平方公里": 6, "km2": 6},
    "亩": {"亩": 0},
}
"""Spellings of the units that contracts use, with their power of ten."""


def power(stated: str, unit: str) -> int | None:
    """The power of ten that turns values in the stated unit into the contract's.

    Args:
        stated: As the file writes it: ``万元``, ``人民币万元``, ``平方米``.
        unit: The contract's unit; empty when it names none.

    Returns:
        4 for ``万元`` and ``元``; None when the two measure different things.
    """
    wanted = _folded(stated)
    if not unit or not wanted:
        return None
    spellings = {_folded(word): exponent for word, exponent in SPELLINGS.get(unit, {}).items()}
    spellings.setdefault(_folded(unit), 0)
    bare = wanted.removeprefix("人民币")
    for text in (wanted, bare):
        for scale, exponent in SCALES.items():
            rest = text.removeprefix(scale)
            if text.startswith(scale) and rest in spellings:
                return exponent + spellings[rest]
    return None


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
