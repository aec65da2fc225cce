"""The rows of one file judged by its contract: what each breaks first, and how many were asked.

Rules that a contract words in SQL are asked of DuckDB over the oracle's own values; all others are
plain Python.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from tests.oracle.cells import (
    UNREAD,
    Unread,
    Value,
    clean,
    is_credit_code,
    is_name,
    is_phone,
    is_resident_id,
    typed,
)
from tests.oracle.forms import Column, Form, rejects
from tests.oracle.papers import Line

DIMENSIONS = {
    "required": "completeness", "type": "normativity", "masked": "completeness",
    "rounded": "accuracy", "share": "accuracy", "length": "normativity", "pattern": "normativity",
    "format": "accuracy", "code": "normativity", "range": "accuracy", "reference": "consistency",
}  # fmt: skip
TYPES = {
    "string": pl.String, "integer": pl.Int64, "date": pl.Date, "timestamp": pl.Datetime("us"),
    "boolean": pl.Boolean,
}  # fmt: skip


@dataclass
class Row:
    """A judged row; ``fails`` are the rules that reject it, ``warns`` those that do not."""

    line: Line
    values: dict[str, Value]
    invalid: set[str] = field(default_factory=set)
    fails: list[str] = field(default_factory=list)
    warns: list[str] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, int]:
        """The sheet and the row."""
        return self.line.sheet, self.line.row


@dataclass
class Asked:
    """How often rules of a dimension were asked and failed."""

    checked: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, dimension: str, checked: int, failed: int) -> None:
        """Count one rule."""
        self.checked[dimension] += checked
        self.failed[dimension] += failed


@dataclass
class Judged:
    """A file's rows, and what was asked of them."""

    rows: list[Row]
    asked: Asked

    @property
    def valid(self) -> list[Row]:
        """Rows that no rule rejects."""
        return [row for row in self.rows if not row.fails]


def judge(
    form: Form,
    lines: Sequence[Line],
    parents: Mapping[str, Collection[Value]],
    now: datetime,
) -> Judged:
    """Judge the rows of a file.

    Args:
        form: The contract.
        lines: The file's rows.
        parents: Per column with a reference, the keys that its parent has; without an entry the
            parent never came and nothing is asked.
        now: When the file came, on the county's clock.
    """
    rows = [_typed(form, line) for line in lines]
    asked = Asked()
    for column in form.columns:
        _ask_cells(form, column, rows, parents.get(column.name), now.date(), asked)
    whole = [row for row in rows if not row.line.defect]
    for rule in form.rules:
        words = rule["implementation"]
        if isinstance(words, str) or "row" in words:
            _ask_row_rule(form, rule, whole, now, asked)
    if form.place:
        _ask_place(form, whole, asked)
    ragged = sum(row.line.defect == "ragged" for row in rows)
    for defect in ("ragged", "garbled", "formula"):
        asked.add("normativity", len(rows), ragged if defect == "ragged" else 0)
    return Judged(rows, asked)


def _typed(form: Form, line: Line) -> Row:
    values: dict[str, Any] = {}
    for column in form.columns:
        text = clean(line.cells.get(column.name, ""), column)
        values[column.name] = None if text is None else typed(text, column)
    row = Row(line, values)
    if line.defect:
        row.fails.append(f"row.{line.defect}")
    return row


def _kinds(form: Form, column: Column) -> list[str]:
    """The rules of a column, in the order in which they are asked; the first that fails counts."""
    free = column.type == "string" and not (column.textual or column.codes or column.format)
    is_secret = free and column.level == "L4"
    made = {
        "required": column.required,
        "type": column.type != "string",
        "masked": column.format in {"resident_id", "phone", "uscc"}
        or is_secret
        or (free and column.key > 0 and not column.pattern),
        "rounded": column.format == "resident_id" or is_secret or (free and not column.pattern),
        "length": column.max_length > 0,
        "pattern": bool(column.pattern),
        "format": bool(column.format),
        "code": bool(column.codes) and column.type != "boolean",
        "range": bool(column.least or column.most),
        "reference": column.parent is not None and rejects(form, column),
    }
    return [kind for kind, has in made.items() if has]


def _ask_cells(  # noqa: PLR0917 - a column among rows, and what is known beside them
    form: Form,
    column: Column,
    rows: Sequence[Row],
    parents: Collection[Value] | None,
    today: date,
    asked: Asked,
) -> None:
    kinds = _kinds(form, column)
    if "reference" in kinds and parents is None:
        kinds.remove("reference")
    failed: Counter[str] = Counter()
    filled = whole = 0
    for row in rows:
        value: Any = row.values[column.name]
        if row.line.defect:
            # The cells of a row that is set aside are counted where they can be read.
            filled += value is not None and value is not UNREAD
            row.values[column.name] = None if value is UNREAD else value
            continue
        whole += 1
        filled += value is not None
        broken = next((k for k in kinds if _breaks(column, k, value, parents or (), today)), None)
        if broken:
            failed[broken] += 1
            row.invalid.add(column.name)
            row.fails.append(f"{column.name}.{broken}")
        if isinstance(value, Unread):
            row.values[column.name] = None
    for kind in kinds:
        asked.add(DIMENSIONS[kind], whole if kind == "required" else filled, failed[kind])


def _breaks(column: Column, kind: str, value: Any, parents: Collection[Value], today: date) -> bool:
    if kind == "required" or value is None:
        return kind == "required" and value is None
    if kind == "type" or value is UNREAD:
        return kind == "type" and value is UNREAD
    text = str(value)
    broken: dict[str, Callable[[], bool]] = {
        "range": lambda: _outside(column, value),
        "reference": lambda: value not in parents,
        "masked": lambda: _masked(column, text),
        "rounded": lambda: _rounded(column, text, today),
        "length": lambda: len(text) > column.max_length,
        "pattern": lambda: re.search(column.pattern, text, re.ASCII) is None,
        "code": lambda: text not in column.codes,
        "format": lambda: not _is_right(column.format, text, today),
    }
    return broken[kind]()


def _is_right(form: str, text: str, today: date) -> bool:
    right: dict[str, Callable[[], bool]] = {
        "resident_id": lambda: is_resident_id(text, today),
        "uscc": lambda: is_credit_code(text),
        "phone": lambda: is_phone(text),
        "person_name": lambda: is_name(text),
    }
    return right[form]()


def _masked(column: Column, text: str) -> bool:
    letters = column.format in {"resident_id", "phone"}
    return "**" in text or (letters and re.search("[Xx]{4}", text) is not None)


def _rounded(column: Column, text: str, today: date) -> bool:
    if re.fullmatch(r"\d(\.\d+)?E\+\d\d", text, re.IGNORECASE):
        return True
    is_cut = column.format == "resident_id" and re.fullmatch(r"[1-9]\d{14}000", text) is not None
    return is_cut and not is_resident_id(text, today)


def _outside(column: Column, value: Any) -> bool:
    def bound(text: str) -> Any:
        return date.fromisoformat(text) if isinstance(value, date) else Decimal(text)

    if column.least and value < bound(column.least):
        return True
    return bool(column.most) and value > bound(column.most)


def dimension_of(rule: Mapping[str, Any]) -> str:
    """A rule's dimension in the words of GB/T 36344; the standard of contracts has its own."""
    said = str(rule.get("dimension", ""))
    return {"conformity": "normativity"}.get(said, said)


def frame(form: Form, rows: Sequence[Row]) -> pl.DataFrame:
    """The rows' values as a table of the contract's types, with their position."""
    made = {"_n": pl.Series(range(len(rows)), dtype=pl.Int64)}
    for column in form.columns:
        kind = TYPES.get(column.type) or pl.Decimal(38, column.scale)
        values = [row.values[column.name] for row in rows]
        made[column.name] = pl.Series(values, dtype=kind, strict=False)  # type: ignore[arg-type]
    return pl.DataFrame(made)


def _ask_row_rule(
    form: Form, rule: Mapping[str, Any], rows: Sequence[Row], now: datetime, asked: Asked
) -> None:
    """A condition over one row: false is a failure, unknown is none."""
    words = rule["implementation"]
    text = words if isinstance(words, str) else words["row"]
    for name, value in (words.get("parameters", {}) if isinstance(words, dict) else {}).items():
        text = re.sub(rf":{name}\b", repr(value), text)
    text = text.replace(":delivered_at", f"TIMESTAMP '{now:%Y-%m-%d %H:%M:%S}'")
    named = set(re.findall(r"[a-z_0-9]+", re.sub("'[^']*'", "", text)))
    columns = [column.name for column in form.columns if column.name in named]
    judged = [row for row in rows if not row.invalid.intersection(columns)]
    with duckdb.connect() as con:
        con.register("rows", frame(form, judged).select("_n", *columns).to_arrow())
        found = con.execute(f"SELECT _n FROM rows WHERE TRY(({text}) IS FALSE)").fetchall()
    for (at,) in found:
        chosen = judged[at].fails if rule["severity"] == "fail" else judged[at].warns
        chosen.append(rule["id"])
    asked.add(dimension_of(rule), len(rows), len(found))


def _ask_place(form: Form, rows: Sequence[Row], asked: Asked) -> None:
    assert form.place is not None
    x, y = form.place["longitude"], form.place["latitude"]
    west, south, east, north = (Decimal(str(one)) for one in form.place["within"])
    failed = 0
    for row in rows:
        lon, lat = row.values[x], row.values[y]
        if isinstance(lon, Decimal) and isinstance(lat, Decimal) and not {x, y} & row.invalid:
            failed += not (west <= lon <= east and south <= lat <= north)
    asked.add("accuracy", len(rows), failed)
