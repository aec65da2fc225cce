"""Workbooks of Excel 2 to 95 (BIFF2 to BIFF5), whose texts calamine garbles: cells by xlrd."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xlrd

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books.base import Book, Marks, Merge, Sheet
from dagster_project.ingest.readers.books.grid import too_large
from dagster_project.ingest.readers.books.second_xls import value_of
from dagster_project.ingest.readers.books.values import Value
from dagster_project.ingest.readers.detect import SAVE_AS
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import SheetState

_STATES: tuple[SheetState, ...] = ("visible", "hidden", "very_hidden")


class XlrdSheet(Sheet):
    """A worksheet that xlrd reads."""

    def __init__(self, raw: Any, where: str) -> None:
        super().__init__(raw.name, where, _STATES[raw.visibility])
        self._raw = raw
        self._height: int = raw.nrows
        self._width = max((raw.row_len(row) for row in range(raw.nrows)), default=0)

    @property
    def marks(self) -> Marks:
        """Merged ranges and what is hidden."""
        raw = self._raw
        columns = (n + 1 for n, info in raw.colinfo_map.items() if info.hidden)
        return Marks(
            tuple(Merge(t + 1, left + 1, b, right) for t, b, left, right in raw.merged_cells),
            frozenset(row + 1 for row, info in raw.rowinfo_map.items() if info.hidden),
            frozenset(columns),
        )

    @property
    def height(self) -> int:
        """Rows from the first to the last that holds anything."""
        return self._height

    @property
    def width(self) -> int:
        """Columns from A to the last that holds anything."""
        return self._width

    def values(self) -> Iterator[list[Value]]:
        """Every row, from the first one on."""
        for row in range(self._height):
            cells = [value_of(cell, self._raw.book) for cell in self._raw.row(row)]
            yield [*cells, *[""] * (self._width - len(cells))]


@contextlib.contextmanager
def opened(path: Path, *, name: str, limits: Limits) -> Iterator[Book]:
    """The workbook's sheets.

    Raises:
        DeliveryError: It is damaged, encrypted or too large.
    """
    book = load(path, name)
    sheets, cells = [XlrdSheet(raw, name) for raw in book.sheets()], 0
    for sheet in sheets:
        if cells + sheet.height * sheet.width > limits.cells:
            raise too_large(sheet.height, sheet.width, cells, limits.cells, sheet.where)
        cells += sheet.height * sheet.width
    yield Book("xls", tuple(sheets), book.datemode == 1)


def load(path: Path, name: str) -> Any:
    """A workbook by xlrd; its errors become sentences."""
    try:
        return xlrd.open_workbook(
            str(path), logfile=io.StringIO(), formatting_info=True, ragged_rows=True
        )
    except Exception as error:  # it fails in many ways on what is damaged
        encrypted = "encrypted" in str(error)
        raise DeliveryError(
            "the workbook is encrypted with a password"
            if encrypted
            else "the workbook is damaged or of a form that cannot be read",
            where=name,
            todo=SAVE_AS,
            reason="encrypted" if encrypted else "damaged",
        ) from error
