"""Workbooks whose cells calamine reads: .xlsx, .xls, .xlsb.

calamine asks for memory for the whole rectangle that a sheet's cells span, and ends the process
when there is not so much: sheets are surveyed (``sheet_xml``, ``biff``, ``biff12``) before it sees
the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import python_calamine

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books.base import Book, Marks, Merge, Sheet
from dagster_project.ingest.readers.books.grid import number_text
from dagster_project.ingest.readers.books.values import Value, as_text
from dagster_project.ingest.readers.detect import NO_PASSWORD, SAVE_AS
from dagster_project.ingest.readers.result import Format, SheetState

KEPT = 6_000_000
"""Cells of sheets that are kept in memory after their head was looked at; larger ones are loaded
again when their rows are read, one at a time."""

_STATES: dict[str, SheetState] = {"Hidden": "hidden", "VeryHidden": "very_hidden"}
FIRST_BUG = 60
"""The day number that Excel gives to 1900-02-29, which never was."""
_WORKSHEET = python_calamine.SheetTypeEnum.WorkSheet


@dataclass(frozen=True)
class Survey:
    """What was found in a workbook before calamine reads it: its epoch and its sheets' marks."""

    epoch_1904: bool = False
    marks: dict[str, Marks] = field(default_factory=dict)


class CellSheet(Sheet):
    """A worksheet that calamine reads."""

    def __init__(self, shelf: _Shelf, name: str, where: str, state: SheetState) -> None:
        super().__init__(name, where, state)
        self._shelf = shelf

    @functools.cached_property
    def marks(self) -> Marks:
        """What the survey found, and merged ranges."""
        marks, raw = self._shelf.survey.marks.get(self.name, Marks()), self._raw
        if marks.merges or not raw.merged_cell_ranges:
            return marks
        merges = (
            Merge(top + 1, left + 1, bottom + 1, right + 1)
            for (top, left), (bottom, right) in raw.merged_cell_ranges
        )
        return dataclasses.replace(marks, merges=tuple(merges))

    @functools.cached_property
    def height(self) -> int:
        """Rows from the first to the last that holds anything."""
        last = self._raw.end[0] + 1 if self._raw.end else 0
        return max(last, *(max(cells, default=0) for cells in self.marks.texts))

    @functools.cached_property
    def width(self) -> int:
        """Columns from A to the last that holds anything."""
        columns = (max(row, default=0) for cells in self.marks.texts for row in cells.values())
        return max(self._raw.end[1] + 1 if self._raw.end else 0, *columns, 0)

    @property
    def _raw(self) -> Any:
        return self._shelf.sheet(self.name)

    def values(self) -> Iterator[list[Value]]:
        """Every row, from the first one on."""
        raw, rows = self._raw, 0
        if raw.start:
            margin, rest = [""] * raw.start[1], [""] * (self.width - raw.end[1] - 1)
            padded = bool(margin or rest)
            with named(self._shelf.name):
                odd, bug_day = self.marks.odd, not self._shelf.survey.epoch_1904
                for rows, values in enumerate(raw.iter_rows(), start=1):
                    row = [*margin, *values, *rest] if padded else values
                    for column, number in odd[rows].items() if rows in odd else ():
                        if column <= len(row) and isinstance(row[column - 1], dt.date | dt.time):
                            row[column - 1] = _no_day(number, row[column - 1], bug_day=bug_day)
                    yield row
        for _ in range(rows, self.height):
            yield [""] * self.width


def _no_day(number: str, shown: Value, *, bug_day: bool) -> Value:
    """A stored number that is no day: itself, or the 29 February 1900 that only Excel knows."""
    if number.startswith("-"):
        return number_text(number)
    if bug_day and FIRST_BUG <= float(number) < FIRST_BUG + 1:
        return as_text(shown).replace("1900-02-28", "1900-02-29")
    return shown


class _Shelf:
    """The sheets of one open workbook, loaded when they are asked for."""

    def __init__(self, book: Any, survey: Survey, name: str) -> None:
        self.survey, self.name = survey, name
        self._book = book
        self._kept = dict[str, Any]()

    def sheet(self, name: str) -> Any:
        """A sheet's cells; while all are few they are kept, else only the last one is."""
        if name not in self._kept:
            with named(self.name):
                raw = self._book.get_sheet_by_name(name)
            if sum(map(_area, self._kept.values())) + _area(raw) > KEPT:
                self._kept.clear()
            self._kept[name] = raw
        return self._kept[name]


def _area(raw: Any) -> int:
    return int(raw.total_height * raw.total_width)


@contextlib.contextmanager
def opened(path: Path, kind: Format, *, name: str, survey: Survey) -> Iterator[Book]:
    """A surveyed workbook; the library's errors become sentences."""
    with contextlib.ExitStack() as stack:
        with named(name):
            book = stack.enter_context(load(path))
            metas = list(book.sheets_metadata)
        shelf = _Shelf(book, survey, name)
        if kind != "xls" and any(
            meta.typ == _WORKSHEET and meta.name not in survey.marks for meta in metas
        ):
            raise DeliveryError(
                "a sheet of this workbook lies where its package does not say",
                where=name,
                todo=SAVE_AS,
                reason="damaged",
            )
        left_out = [meta.name for meta in metas if meta.typ != _WORKSHEET]
        sheets = tuple(
            CellSheet(shelf, meta.name, name, state_of(meta.visible))
            for meta in metas
            if meta.typ == _WORKSHEET
        )
        told = f"{name}: left out, as they hold no cells: {', '.join(left_out)}."
        yield Book(kind, sheets, survey.epoch_1904, [told] if left_out else [])


def load(path: Path) -> Any:
    """A workbook by calamine, which would take a suffix's word for the format."""
    if not path.suffix:
        return python_calamine.CalamineWorkbook.from_path(str(path))
    with path.open("rb") as file:
        return python_calamine.CalamineWorkbook.from_filelike(file)


def state_of(visible: object) -> SheetState:
    """Whether a sheet is shown, in our words."""
    return _STATES.get(str(visible).rpartition(".")[2], "visible")


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Whatever a library raises (calamine's panics are no Exceptions) as a refusal."""
    try:
        yield
    except (DeliveryError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        encrypted = isinstance(error, python_calamine.PasswordError)
        raise DeliveryError(
            "the workbook is encrypted with a password"
            if encrypted
            else "the workbook is damaged or of a form that cannot be read",
            where=name,
            todo=NO_PASSWORD if encrypted else SAVE_AS,
            reason="encrypted" if encrypted else "damaged",
        ) from error
