"""A sheet that is collected row by row while its file is parsed: HTML, XML Spreadsheet, ODS.

Rows are kept as columns of text, which is small; the cells that all sheets of a file span are
bounded while they are collected.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import bounds
from dagster_project.ingest.readers.books.base import Marks, Merge, Sheet
from dagster_project.ingest.readers.books.values import Value, as_text
from dagster_project.ingest.readers.result import SheetState

CHUNK, CHUNK_ROWS = 100_000, 50
"""Cells, and at least rows, that are collected before they become columns."""
MAX_COLUMNS = 16_384
"""What a sheet of a spreadsheet program has."""
AS_CSV = "Deliver the table as CSV (UTF-8), or in several workbooks"

_WHOLE = re.compile(r"[+-]?\d+")


def too_large(height: int, width: int, before: int, limit: int, where: str) -> DeliveryError:
    """The refusal of a sheet that spans too many cells, with those of the sheets before it."""
    besides = f", after {before} cells of other sheets" if before else ""
    return DeliveryError(
        f"the sheet's filled cells reach to row {height} and column {width}{besides}; no more "
        f"than {limit} cells are read of a workbook",
        where=where,
        todo=f"Delete the empty rows and columns around the table. {AS_CSV}",
        reason="too_large",
    )


def number_text(raw: str) -> str:
    """A number as it is written in a file: whole ones with all their digits."""
    raw = raw.strip()
    if _WHOLE.fullmatch(raw):
        digits = raw.lstrip("+-").lstrip("0") or "0"
        return f"-{digits}" if raw.startswith("-") and digits != "0" else digits
    try:
        number = float(raw)
    except ValueError:
        return raw
    return as_text(number) if math.isfinite(number) else raw


@dataclass
class Budget:
    """The cells that all sheets of one file may span together."""

    limit: int
    spent: int = 0
    text: int = 0
    """Characters of their texts, each as often as it is repeated."""


class Grid(Sheet):
    """One sheet while and after it is collected."""

    def __init__(self, name: str, where: str, budget: Budget) -> None:
        super().__init__(name, where)
        self._budget, self._before = budget, budget.spent
        self._height = self._width = 0
        self._chunks = list[pl.DataFrame]()
        self._rows_held = list[list[str]]()
        self._merges = list[Merge]()
        self.hidden = set[int]()
        self.hidden_at = set[int]()
        self.uncached = dict[int, dict[int, str]]()

    def rename(self, name: str, where: str) -> None:
        """Call the sheet so, as its place among the file's sheets is known only at the end."""
        self.name, self.where = name, f"{where}, sheet {name}" if name else where

    def add(self, row: int, cells: list[str], times: int = 1) -> None:
        """Take a row and its repetitions; rows left out before it are empty.

        Empty rows are taken only when a filled one follows. Cells after the last filled one are
        no part of the sheet.

        Raises:
            DeliveryError: The sheets span too many cells.
        """
        while cells and not cells[-1]:
            cells.pop()
        if not cells and not any(row <= uncached < row + times for uncached in self.uncached):
            return
        last = row + times - 1
        self.fits(last, max(self._width, len(cells), *self.uncached.get(row, {0: ""})))
        self._budget.text += sum(map(len, cells)) * times
        if self._budget.text > bounds.MOST:
            raise bounds.too_long(self.where)
        for _ in range(self._height + 1, row):
            self._take([])
        for _ in range(times):
            self._take(cells)

    def fits(self, height: int, width: int) -> None:
        """Refuse a sheet that would span too many cells."""
        area = self._before + height * width
        if area > self._budget.limit or width > MAX_COLUMNS:
            raise too_large(height, width, self._before, self._budget.limit, self.where)
        self._budget.spent = max(self._budget.spent, area)
        self._width = max(self._width, width)

    def merge(self, merge: Merge) -> None:
        """Take a merged range; a single cell is none."""
        if (merge.top, merge.left) != (merge.bottom, merge.right):
            self._merges.append(merge)

    def close(self, state: SheetState = "visible") -> None:
        """All rows were taken."""
        self.state = state
        self._flush()

    @property
    def is_empty(self) -> bool:
        """Whether no row was taken."""
        return not self._height

    @property
    def marks(self) -> Marks:
        """What was collected besides texts."""
        return Marks(
            merges=tuple(self._merges),
            hidden_rows=frozenset(row for row in self.hidden if row <= self._height),
            hidden_columns=frozenset(n for n in self.hidden_at if n <= self._width),
            formulas=self.uncached,
        )

    @property
    def height(self) -> int:
        """Rows from the first to the last that holds anything."""
        return self._height

    @property
    def width(self) -> int:
        """Columns from the first to the last that holds anything."""
        return self._width

    def values(self) -> Iterator[list[Value]]:
        """Every row, from the first one on."""
        for chunk in self._chunks:
            rest = [""] * (self._width - chunk.width)
            for cells in chunk.iter_rows():
                yield [*cells, *rest]

    def _take(self, cells: Sequence[str]) -> None:
        self._rows_held.append(list(cells))
        self._height += 1
        rows = len(self._rows_held)
        if rows >= CHUNK_ROWS and rows * self._width >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        if not self._rows_held:
            return
        width = max(self._width, 1)
        rows = [[*cells, *[""] * (width - len(cells))] for cells in self._rows_held]
        columns = zip(*rows, strict=True)
        self._chunks.append(
            pl.DataFrame(
                [pl.Series(f"c{n}", values, pl.String) for n, values in enumerate(columns)]
            )
        )
        self._rows_held.clear()
