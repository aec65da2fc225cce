"""Cells that break exactly one rule of their column, found by trying.

The checks here are the simulator's own reading of the contract, so that a fault which an earlier
rule of the same cell would catch is never planted under a later rule's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from dagster_project.contracts import cell_rules
from dagster_project.contracts.model import CodeList, Column
from dagster_project.simulate.identifiers import credit_code, id_check

_PHONE = re.compile(r"1[3-9]\d{9}|0\d{2,3}-?\d{7,8}")
_UNREADABLE = "见附件"
_MILLI = Decimal("0.01")


@dataclass(frozen=True)
class Checker:
    """Which rule a cell breaks first, in the order in which a column's rules are asked."""

    codes: Mapping[str, CodeList]
    parents: Mapping[str, frozenset[str]]

    def broken(self, column: Column, value: str | None) -> str | None:
        """The kind of the first rule that the cell breaks; None when it breaks none."""
        for rule in cell_rules(column):
            if rule.severity == "fail" and self._breaks(column, rule.kind, value):
                return rule.kind
        return None

    def _breaks(self, column: Column, kind: str, value: str | None) -> bool:
        if kind == "required" or value is None:
            return kind == "required" and value is None
        if kind == "code":
            return value not in self._words(column)
        if kind == "reference":
            reference = column.reference
            parent = f"{reference.feed}.{reference.column}" if reference else ""
            return value not in self.parents.get(parent, frozenset())
        tests: dict[str, Callable[[], bool]] = {
            "type": lambda: read(column, value) is None,
            "length": lambda: len(value) > column.max_length,
            "masked": lambda: _is_masked(column.format, value),
            "rounded": lambda: _is_rounded(column.format, value),
            "pattern": lambda: re.search(column.pattern, value) is None,
            "format": lambda: not _is_valid(column.format, value),
            "range": lambda: _is_outside(column, value),
        }
        return tests[kind]()

    def _words(self, column: Column) -> set[str]:
        entries = self.codes[column.codes].entries
        return {w for entry in entries for w in (entry.code, entry.title, *entry.synonyms)}


Typed = Decimal | date | datetime | bool | str


def read(column: Column, text: str) -> Typed | None:
    """The cell's value, None when its type cannot be read."""
    readers: dict[str, Callable[[], Typed | None]] = {
        "integer": lambda: Decimal(text) if re.fullmatch(r"-?\d+", text) else None,
        "decimal": lambda: Decimal(text),
        "date": lambda: date.fromisoformat(text),
        "timestamp": lambda: datetime.fromisoformat(text),
        "boolean": lambda: {"1": True, "0": False}.get(text),
    }
    try:
        return readers.get(column.type, lambda: text)()
    except (ValueError, InvalidOperation):
        return None


def faulty(column: Column, kind: str, row: Mapping[str, str | None]) -> Iterator[str | None]:
    """Cells that may break the rule ``kind``; most telling first."""
    makers: dict[str, Callable[[], Iterator[str | None]]] = {
        "required": lambda: iter([None]),
        "type": lambda: iter(_untyped(column)),
        "length": lambda: iter([_too_long(column)]),
        "masked": lambda: iter(_masked(column.format, row[column.name])),
        "rounded": lambda: iter(("1.40321E+17", "140321199003071000")),
        "pattern": lambda: _off_pattern(column, row[column.name]),
        "format": lambda: _off_format(column.format, row[column.name]),
        "code": lambda: iter(("ZZZZ", "ZZ", "Z", "88", "8888")),
        "range": lambda: _out_of_range(column),
        "reference": lambda: _orphans(column, row[column.name]),
    }
    return makers[kind]()


def _untyped(column: Column) -> Sequence[str]:
    return {
        "date": ("2023-02-30", "2023年13月1日"),
        "timestamp": ("2023-02-30 10:00:00", "2023-05-31 25:61:00"),
    }.get(column.type, (_UNREADABLE,))


def _too_long(column: Column) -> str:
    return ("超长" if column.textual else "9") * (column.max_length + 1)


def _off_pattern(column: Column, value: str | None) -> Iterator[str]:
    if value:
        if column.format == "uscc":
            yield credit_code("91" + value[2:8], value[8:16])
        yield value[:-1] + "?"
        yield value + "0"
        yield value[:-1]
        yield "0" * len(value)
    yield from ("?", "X?", "209913")


def _masked(form: str, value: str | None) -> Sequence[str]:
    """A value as privacy filters of other systems leave it."""
    if form == "phone":
        return ("138****0000",)
    return (f"{value[:4]}**********{value[14:]}" if value else "1403**********1235",)


def _is_masked(form: str, value: str) -> bool:
    hidden_by_x = form in ("resident_id", "phone") and "XXXX" in value.upper()
    return "**" in value or hidden_by_x


def _is_rounded(form: str, value: str) -> bool:
    if re.fullmatch(r"\d(\.\d+)?E\+?\d{2}", value):
        return True
    if form != "resident_id":
        return False
    return re.fullmatch(r"\d{15}000", value) is not None and not _is_valid("resident_id", value)


def _off_format(form: str, value: str | None) -> Iterator[str]:
    if value and form == "resident_id":
        body = value[:17]
        if value[6:10].startswith("19"):
            wrong_day = f"{value[:6]}1990023{body[13:17][1:]}0"[:17]
            yield wrong_day + id_check(wrong_day)
        yield body + ("1" if value[17] != "1" else "2")
    if value and form == "uscc":
        yield value[:17] + ("0" if value[17] != "0" else "1")
    if form == "resident_id":
        yield "140321199003071234"
    if form == "uscc":
        yield "91140321MA0H0A1B6K"
    if form == "phone":
        yield from ("12345", "2380000")
    if form == "person_name":
        yield "测试3号"


def _out_of_range(column: Column) -> Iterator[str]:
    for bound, sign in ((column.minimum, -1), (column.maximum, 1)):
        if not bound:
            continue
        if column.type == "date":
            yield str(date.fromisoformat(bound) + timedelta(days=sign))
        else:
            step = Decimal(1) if column.type == "integer" else _MILLI
            yield str(Decimal(bound) + sign * step)


def _orphans(column: Column, value: str | None) -> Iterator[str]:
    if column.format == "uscc":
        yield credit_code("N2140321", "MF99ZZ98"[:8].replace("Z", "Y"))
    elif value:
        yield re.sub(r"\d{3}$", "997", value)
        yield value[:6] + "399997"[: max(len(value) - 6, 0)].ljust(len(value) - 6, "9")
        yield value + "9"
    yield "ZF0000000000"


def _is_outside(column: Column, text: str) -> bool:
    value = read(column, text)
    if value is None:
        return False
    low = read(column, column.minimum) if column.minimum else None
    high = read(column, column.maximum) if column.maximum else None
    below = low is not None and value < low  # type: ignore[operator]
    return below or (high is not None and value > high)  # type: ignore[operator]


def _is_valid(form: str, value: str) -> bool:
    if form == "phone":
        return _PHONE.fullmatch(value) is not None
    if form == "person_name":
        return re.fullmatch(r"[^0-9]{2,50}", value) is not None
    if form == "resident_id":
        return is_resident_id(value)
    return form != "uscc" or is_credit_code(value)


def is_resident_id(value: str) -> bool:
    """Shape, real day since 1850, check character (GB 11643-1999)."""
    if not re.fullmatch(r"[1-9]\d{16}[0-9X]", value):
        return False
    try:
        born = date.fromisoformat(f"{value[6:10]}-{value[10:12]}-{value[12:14]}")
    except ValueError:
        return False
    return born >= date(1850, 1, 1) and id_check(value[:17]) == value[17]


def is_credit_code(value: str) -> bool:
    """Alphabet and both check characters (GB 32100-2015 with GB 11714 inside)."""
    if not re.fullmatch(r"[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}", value):
        return False
    return credit_code(value[:8], value[8:16]) == value
