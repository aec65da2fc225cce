"""The second reader of .xls workbooks: chosen rows near the top of a sheet, by xlrd's own parts.

``xlrd.open_workbook`` alone reads a sheet to its end; here it stops below the last chosen row.
Comparing is ``crosscheck``'s matter.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import xlrd
import xlrd.sheet

from dagster_project.ingest.readers.books.values import ERRORS, Value

WORKSHEET = 0x10
_MIDNIGHT = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - a clock without a place


class _EnoughError(Exception):
    """The last chosen row was passed."""


class SecondXlsReader:
    """One workbook, open while it is used as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._book: Any = xlrd.open_workbook(
            str(self._path),
            logfile=io.StringIO(),
            on_demand=True,
            formatting_info=True,
            ragged_rows=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._book.release_resources()

    def rows(self, sheet: str, chosen: frozenset[int]) -> Iterator[tuple[int, list[Any]]]:
        """The chosen rows with their values; rows below the sheet's last one are left out."""
        raw = self._near(self._book.sheet_names().index(sheet), max(chosen))
        for row in sorted(chosen):
            with contextlib.suppress(IndexError):
                yield row, [value_of(cell, self._book) for cell in raw.row(row - 1)]

    def _near(self, number: int, last: int) -> Any:
        """A sheet as far as the last chosen row."""
        book = self._book
        book._position = book._sh_abs_posn[number]  # noqa: SLF001
        book.getbof(WORKSHEET)
        sheet: Any = xlrd.sheet.Sheet(book, book._position, "", number)  # noqa: SLF001
        put = sheet.put_cell

        def bounded(row: int, *cell: Any) -> None:
            if row >= last:
                raise _EnoughError
            put(row, *cell)

        sheet.put_cell = bounded
        with contextlib.suppress(_EnoughError):
            sheet.read(book)
        return sheet


def value_of(cell: Any, book: Any) -> Value:
    """A cell of xlrd, read with its formats, as a value."""
    kinds: dict[int, Callable[[], Value]] = {
        xlrd.XL_CELL_TEXT: lambda: str(cell.value),
        xlrd.XL_CELL_NUMBER: lambda: float(cell.value),
        xlrd.XL_CELL_DATE: lambda: _moment(cell, book),
        xlrd.XL_CELL_BOOLEAN: lambda: bool(cell.value),
        xlrd.XL_CELL_ERROR: lambda: ERRORS.get(cell.value, "#ERROR"),
    }
    return kinds.get(cell.ctype, str)()


def _moment(cell: Any, book: Any) -> Value:
    """A date, a time of day, a length of time, or the number where there is no such date."""
    days = cell.value
    form = book.format_map.get(book.xf_list[cell.xf_index].format_key)
    if form and any(mark in form.format_str.lower() for mark in ("[h", "[m]", "[mm", "[s")):
        return dt.timedelta(days=days)
    if 0 <= days < 1:
        return (_MIDNIGHT + dt.timedelta(days=days)).time()
    try:
        return xlrd.xldate_as_datetime(days, 1 if book.datemode else 0)
    except (xlrd.xldate.XLDateError, OverflowError, ValueError):
        return float(days)
