"""Do the words of one column fit together? Rows, keys and files are ``checks``' matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from dagster_project.contracts.model import CodeList, Column
from dagster_project.contracts.rowsql import pattern_fault
from dagster_project.contracts.words import RESERVED

_LIMITED = {"integer", "decimal", "date", "timestamp"}
_FLAG_CODES = {"0", "1"}


def column_faults(column: Column, codes: Mapping[str, CodeList]) -> Iterator[str]:
    """What does not fit in one column of any table, as sentences."""
    if column.name in RESERVED:
        yield "the name is a word of SQL; choose another"
    if column.level in {"L3", "L4"} and column.mask == "none":
        yield f"level {column.level} needs a mask; add customProperty `mask` (id, name, …, drop)"
    if column.codes and column.codes not in codes:
        yield f"there is no code list `{column.codes}`; add schemas/codes/{column.codes}.csv"
    if column.type != "string":
        for word in _string_words(column):
            yield f"`{word}` is for strings, not for {column.type}; remove it"
    if column.pattern and (fault := pattern_fault(column.pattern)):
        yield f"the pattern is not a regular expression DuckDB knows ({fault}); correct it"
    yield from _limit_faults(column)
    yield from _reading_faults(column)
    if column.type == "decimal" and not 0 <= column.scale <= column.precision <= 38:  # noqa: PLR2004
        yield "DECIMAL(p, s) needs 0 ≤ s ≤ p ≤ 38; correct `physicalType`"


def _reading_faults(column: Column) -> Iterator[str]:
    """Words about how dates and shares are written."""
    if column.type != "date":
        for word, used in (("partial", column.partial), ("openEnd", column.open_end)):
            if used:
                yield f"`{word}` is for dates, not for {column.type}; remove it"
    if column.share and column.type != "decimal":
        yield f"`share` is for decimals, not for {column.type}; remove it"
    elif column.share and not (column.minimum and column.maximum):
        yield "a share needs `minimum` and `maximum`: only they tell 0.9566 from 95.66"
    if column.open_end and column.maximum:
        yield "`openEnd` stores 9999-12-31, which `maximum` refuses; keep one of them"


def _string_words(column: Column) -> list[str]:
    """The words used that make sense for a string only."""
    used: dict[str, object] = {
        "codes": column.codes if column.type != "boolean" else "",
        "format": column.format,
        "pattern": column.pattern,
        "maxLength": column.max_length,
        "pad": column.pad,
        "textual": column.textual,
    }
    return [word for word, value in used.items() if value]


def flag_faults(column: Column, codes: Mapping[str, CodeList]) -> Iterator[str]:
    """A feed's flag needs to know how departments spell yes and no."""
    listed = codes.get(column.codes)
    if column.type != "boolean":
        return
    if not column.codes:
        yield "a boolean needs the spellings of yes and no; add customProperty `codes: yes_no`"
    elif listed and set(listed.codes) != _FLAG_CODES:
        yield f"code list `{column.codes}` is not of 0 and 1; a boolean needs such a list"


def _limit_faults(column: Column) -> Iterator[str]:
    limits: list[Any] = []
    for word, text in (("minimum", column.minimum), ("maximum", column.maximum)):
        if not text:
            continue
        if column.type not in _LIMITED:
            yield f"`{word}` is for numbers and dates, not for {column.type}; remove it"
            return
        try:
            limits.append(_limit(column.type, text))
        except (ValueError, InvalidOperation):
            yield f"`{word}` is `{text}`, which is no {column.type}; correct it"
            return
    if len(limits) == 2 and limits[0] > limits[1]:  # noqa: PLR2004
        yield "`minimum` is greater than `maximum`; exchange them"


def _limit(kind: str, text: str) -> Any:
    match kind:
        case "date":
            return date.fromisoformat(text)
        case "timestamp":
            return datetime.fromisoformat(text)
        case "integer":
            return int(text)
    return Decimal(text)
