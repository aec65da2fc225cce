"""A workbook's cell to text, exactly: what is stored, never how it is displayed.

Integers have no ``.0``, decimals are the shortest text that gives the same number, dates and times
are ISO. What the text means is conform's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

Value = str | bool | int | float | date | datetime | time | timedelta | None

ERRORS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?",
    0x24: "#NUM!", 0x2A: "#N/A", 0x2B: "#GETTING_DATA",
}  # fmt: skip
"""What binary workbooks store of error cells, as it is shown."""

_EXACT = 1 << 53
"""Whole numbers below this are binary64 numbers themselves; above, the digits are rounded."""
_MILLISECOND = 1000
_SECOND = 1_000_000


def as_text(value: Value) -> str:
    """A cell's value as text; an empty cell is the empty string."""
    return _TEXT_OF[type(value)](value)


def as_texts(values: Sequence[Value]) -> pl.Series:
    """A column's cells as text; text is taken as it is, other values are put into words once."""
    kinds = set(map(type, values)) - {str}
    if not kinds:
        return pl.Series(values=values, dtype=pl.String)
    if len(kinds) > 1:  # values of different types can be equal and yet differ as text
        return pl.Series(values=[as_text(value) for value in values], dtype=pl.String)
    text_of = {value: as_text(value) for value in set(values)}
    return pl.Series(values=[text_of[value] for value in values], dtype=pl.String)


def _number(value: float) -> str:
    """A binary64 number: shortest exact decimal digits, never in scientific notation."""
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def _whole(moment: datetime) -> datetime:
    """A moment to the millisecond: day fractions in binary64 are not exact below that."""
    micro = moment.microsecond
    return moment + timedelta(
        microseconds=round(micro / _MILLISECOND) * _MILLISECOND - micro,
    )


def _moment(value: datetime) -> str:
    """A date alone when the clock stands at midnight: workbooks do not tell the two apart."""
    moment = _whole(value)
    if moment.time() == time():
        return moment.date().isoformat()
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(" ", spec)


def _duration(value: timedelta) -> str:
    """Hours, minutes and seconds; hours may exceed a day."""
    total = round(value / timedelta(seconds=1))
    hours, rest = divmod(abs(total), 3600)
    sign = "-" if total < 0 else ""
    return f"{sign}{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def _clock(value: time) -> str:
    return _whole(datetime.combine(date(2000, 1, 1), value)).time().isoformat()


_TEXT_OF: dict[type, Callable[[Any], str]] = {
    str: str,
    float: _number,
    int: str,
    bool: lambda value: "TRUE" if value else "FALSE",
    type(None): lambda _: "",
    datetime: _moment,
    date: date.isoformat,
    time: _clock,
    timedelta: _duration,
}
