"""An .xls workbook's records, looked through before its cells are read by a library.

Found here: its version and epoch, and for each sheet how far filled cells reach, what is hidden,
error texts, and formulas without a stored value.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import olefile

from dagster_project.ingest.readers.books.base import Marks
from dagster_project.ingest.readers.books.values import ERRORS

UNKNOWN_FORMULA = "=?"
"""Formulas are stored as a machine's steps; their text is not made up again."""
BIFF8 = 0x0600
MAX_ROW, MAX_COLUMN = 65_536, 256

_BOF, _EOF, _DATEMODE, _BOUNDSHEET = 0x0809, 0x0A, 0x22, 0x85
_DIMENSIONS = 0x200
_ROW, _COLINFO, _BOOLERR, _FORMULA, _STRING, _MULRK = 0x208, 0x7D, 0x205, 0x06, 0x207, 0xBD
_FILLED = frozenset({0x203, 0x27E, 0x204, 0xFD, 0xD6, _BOOLERR, _FORMULA})
_SHARED_PARTS = frozenset({0x4BC, 0x221, 0x36})
"""Shared, array and table formulas stand between a formula and its text."""


@dataclass
class SheetFound:
    """What is known of one sheet."""

    height: int = 0
    width: int = 0
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    formulas: dict[int, dict[int, str]] = field(default_factory=dict)
    errors: dict[int, dict[int, str]] = field(default_factory=dict)

    def marks(self) -> Marks:
        """The marks, without merged ranges (calamine reads those)."""
        return Marks(
            (),
            frozenset(self.hidden_rows),
            frozenset(self.hidden_columns),
            self.formulas,
            self.errors,
        )


@dataclass
class BookFound:
    """What is known of a workbook; ``sheets`` are in its own order."""

    version: int = 0
    epoch_1904: bool = False
    sheets: list[SheetFound] = field(default_factory=list)


def survey(path: Path) -> BookFound:
    """Look through the workbook's stream.

    Raises:
        OSError: The container is damaged.
        struct.error: A record is cut short.
        ValueError: The stream is no workbook's.
    """
    with olefile.OleFileIO(str(path)) as container:
        name = "Workbook" if container.exists("Workbook") else "Book"
        data = container.openstream(name).read()
    found, starts = BookFound(), list[int]()
    for kind, at, size in _records(data, 0):
        if kind == _BOF and not found.version:
            found.version = struct.unpack_from("<H", data, at)[0]
        elif kind == _DATEMODE and size:
            found.epoch_1904 = data[at] == 1
        elif kind == _BOUNDSHEET:
            starts.append(struct.unpack_from("<I", data, at)[0])
    if not found.version:
        raise ValueError
    found.sheets = [_sheet(data, start) for start in starts]
    return found


def _records(data: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """The records of one substream: kind, where its data begins, and how long it is."""
    depth, at, end = 0, start, len(data)
    while at + 4 <= end:
        kind, size = data[at] | data[at + 1] << 8, data[at + 2] | data[at + 3] << 8
        yield kind, at + 4, size
        depth += (kind == _BOF) - (kind == _EOF)
        if kind == _EOF and depth <= 0:
            return
        at += 4 + size


def _sheet(data: bytes, start: int) -> SheetFound:
    sheet, depth = _Sheet(data), 0
    handlers = sheet.handlers()
    for kind, at, size in _records(data, start):
        depth += (kind == _BOF) - (kind == _EOF)
        if depth > 1:  # a chart within the sheet
            continue
        if sheet.waiting and kind not in _SHARED_PARTS:
            sheet.expects(kind)
        if handler := handlers.get(kind):
            handler(at, size)
    return sheet.found


class _Sheet:
    """One sheet's records while they are looked through."""

    def __init__(self, data: bytes) -> None:
        self.found = SheetFound()
        self.waiting: tuple[int, int] | None = None
        self._data = data

    def handlers(self) -> dict[int, Callable[[int, int], None]]:
        """What to do with records, by kind."""
        return {
            **dict.fromkeys(_FILLED, self._cell),
            _FORMULA: self._formula,
            _BOOLERR: self._error,
            _MULRK: self._numbers,
            _ROW: self._row,
            _DIMENSIONS: self._claim,
            _COLINFO: self._columns,
        }

    def expects(self, kind: int) -> None:
        """A formula's text must come now, or it was never calculated."""
        if kind != _STRING and self.waiting:
            self.found.formulas.setdefault(self.waiting[0], {})[self.waiting[1]] = UNKNOWN_FORMULA
        self.waiting = None

    def _reaches(self, row: int, column: int) -> None:
        found = self.found
        found.height, found.width = max(found.height, row), max(found.width, column)

    def _cell(self, at: int, _: int) -> None:
        data = self._data
        self._reaches((data[at] | data[at + 1] << 8) + 1, (data[at + 2] | data[at + 3] << 8) + 1)

    def _place(self, at: int) -> tuple[int, int]:
        row, column = struct.unpack_from("<HH", self._data, at)
        self._reaches(row + 1, column + 1)
        return row + 1, column + 1

    def _formula(self, at: int, _: int) -> None:
        (row, column), data = self._place(at), self._data
        if data[at + 12 : at + 14] != b"\xff\xff":
            return
        if data[at + 6] == 2:  # noqa: PLR2004 - an error
            self._put_error(row, column, data[at + 8])
        elif data[at + 6] == 0:
            self.waiting = row, column

    def _error(self, at: int, _: int) -> None:
        row, column = self._place(at)
        if self._data[at + 7]:
            self._put_error(row, column, self._data[at + 6])

    def _put_error(self, row: int, column: int, code: int) -> None:
        self.found.errors.setdefault(row, {})[column] = ERRORS.get(code, "#ERROR")

    def _numbers(self, at: int, size: int) -> None:
        (row,) = struct.unpack_from("<H", self._data, at)
        (last,) = struct.unpack_from("<H", self._data, at + size - 2)
        self._reaches(row + 1, last + 1)

    def _claim(self, at: int, size: int) -> None:
        """Refuse impossible extents: calamine asks for memory for what is claimed."""
        if size >= struct.calcsize("<IIHH"):
            top, bottom, left, right = struct.unpack_from("<IIHH", self._data, at)
            if not (top <= bottom <= MAX_ROW and left <= right <= MAX_COLUMN):
                raise ValueError

    def _row(self, at: int, _: int) -> None:
        if self._data[at + 12] & 0x20:
            self.found.hidden_rows.add(struct.unpack_from("<H", self._data, at)[0] + 1)

    def _columns(self, at: int, _: int) -> None:
        if self._data[at + 8] & 1:
            first, last = struct.unpack_from("<HH", self._data, at)
            self.found.hidden_columns.update(range(first + 1, min(last, 256) + 2))
