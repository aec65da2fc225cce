"""Two states of a report beside one another: figures that moved, rows that came or went.

Why they moved is ``explain``'s question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from dagster_project.contracts.model import Column

Key = tuple[object, ...]
Rows = Mapping[Key, Mapping[str, object]]
Number = int | Decimal
SHARE = "%"
"""The unit of columns that are a quotient: their sum over rows has no meaning."""


@dataclass(frozen=True)
class Shape:
    """A report's columns: ``key`` identifies a row, ``figures`` are its figures, in order."""

    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def figures(self) -> tuple[Column, ...]:
        """The columns that are not of the key, and name nothing that is."""
        named = {name.removesuffix("_code") + "_name" for name in self.key}
        return tuple(one for one in self.columns if one.name not in {*self.key, *named})

    def label(self, row: Mapping[str, object]) -> dict[str, str]:
        """The key of a row for people: Chinese titles, and names in the place of codes."""
        told = {}
        for one in self.columns:
            if one.name in self.key:
                name = row.get(one.name.removesuffix("_code") + "_name")
                value = f"{name}（{row[one.name]}）" if name else f"{row[one.name]}"
                told[one.title or one.name] = value
        return told


@dataclass(frozen=True)
class Moved:
    """One figure that differs: its row, its column, both values (None where there is no row)."""

    key: Key
    column: Column
    old: object
    new: object
    delta: Number | None


def rows_of(table: pa.Table, key: Sequence[str]) -> Rows:
    """The rows of a report by their key."""
    return {tuple(row[name] for name in key): row for row in table.to_pylist()}


def moved(shape: Shape, old: Rows, new: Rows) -> Iterator[Moved]:
    """Every figure that differs, in the order of the report; of a row that came, what counts."""
    for key in _all_keys(old, new):
        for column in shape.figures:
            before, after = cell(old, key, column.name), cell(new, key, column.name)
            change = delta(column, old, new, key)
            came_empty = change == 0 and not (key in old and key in new)
            if before != after and not came_empty:
                yield Moved(key, column, before, after, change)


def cell(rows: Rows, key: Key, column: str) -> object:
    """A figure; None where it is blank, and where there is no such row."""
    row = rows.get(key)
    return row.get(column) if row else None


def delta(column: Column, old: Rows, new: Rows, key: Key) -> Number | None:
    """By how much a figure moved; None where that is no number.

    Where a whole row came or went, what can be counted was nothing before or after.
    """
    before, after = (_number(rows, key, column) for rows in (old, new))
    return after - before if before is not None and after is not None else None


def _number(rows: Rows, key: Key, column: Column) -> Number | None:
    if key not in rows:
        counted = column.type in {"integer", "decimal"} and column.unit != SHARE
        return 0 if counted else None
    value = rows[key].get(column.name)
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def _all_keys(old: Rows, new: Rows) -> list[Key]:
    """The keys of both states in the report's order, blanks first as the report has them."""
    return sorted({*old, *new}, key=lambda key: [(one is not None, str(one)) for one in key])
