"""Text that no spreadsheet takes for a formula.

A cell that begins like a formula is run by whoever opens the file; what departments and strangers
wrote stays text. Numbers may begin with a sign.
"""

from __future__ import annotations

import re

TRIGGERS = "=+-@\t\r\n＝＋－＠"
"""What a formula may begin with in some spreadsheet (OWASP, "CSV Injection")."""

_NUMBER = re.compile(r"[+-]?(?:\d[\d,，]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*%?")
_WRAPPED = re.compile(r'="([^"]*)"')


def is_dangerous(text: str) -> bool:
    """Whether a spreadsheet might run this text."""
    return text[:1] in TRIGGERS and bool(text) and not _NUMBER.fullmatch(text)


def defused(text: str) -> str:
    """The text for a CSV file: an apostrophe before what is dangerous.

    Readers take the apostrophe away again. The usual wrapper ``="00123"``, which only keeps zeros,
    is taken off, because its inside would not survive the apostrophe.
    """
    if not is_dangerous(text):
        return text
    wrapped = _WRAPPED.fullmatch(text)
    return "'" + (wrapped[1] if wrapped else text)
