"""An .xlsb worksheet's records, looked through before its cells are read by calamine.

Found here: how far its filled cells reach, what is hidden, error texts, and merged ranges.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from dagster_project.ingest.readers.books.base import Marks, Merge
from dagster_project.ingest.readers.books.values import ERRORS

MAX_COLUMN = 16_384

_ROW, _BLANK, _ERROR, _LAST_CELL, _FORMULA_ERROR = 0, 1, 3, 11, 11
_COLUMNS, _WORKBOOK, _SHEET, _MERGE = 60, 153, 156, 176


@dataclass
class Found:
    """What is known of one sheet."""

    height: int = 0
    width: int = 0
    merges: list[Merge] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    errors: dict[int, dict[int, str]] = field(default_factory=dict)

    def marks(self) -> Marks:
        """The marks."""
        return Marks(
            tuple(self.merges),
            frozenset(self.hidden_rows),
            frozenset(self.hidden_columns),
            errors=self.errors,
        )


def records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """A part's records: kind, where its data begins, and how long it is.

    Raises:
        IndexError: A record is cut short.
    """
    at, end = 0, len(data)
    while at < end:
        kind = data[at]
        at += 1
        if kind & 0x80:
            kind = kind & 0x7F | data[at] << 7
            at += 1
        size = shift = 0
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80 or shift > 21:  # noqa: PLR2004 - four bytes at most
                break
        yield kind, at, size
        at += size


def workbook(data: bytes) -> tuple[bool, dict[str, str]]:
    """Whether the epoch is 1904, and the sheets' names with their relations."""
    epoch_1904, sheets = False, dict[str, str]()
    for kind, at, _ in records(data):
        if kind == _WORKBOOK:
            epoch_1904 = bool(data[at] & 1)
        elif kind == _SHEET:
            relation, name_at = _wide(data, at + 8)
            sheets[_wide(data, name_at)[0]] = relation
    return epoch_1904, sheets


def survey(data: bytes) -> Found:
    """Look through a worksheet's part.

    Raises:
        IndexError: A record is cut short.
        struct.error: The same.
    """
    found, row = Found(), 0
    for kind, at, _ in records(data):
        if kind == _ROW:
            row = struct.unpack_from("<I", data, at)[0] + 1
            if data[at + 11] & 0x10:
                found.hidden_rows.add(row)
        elif _BLANK < kind <= _LAST_CELL:
            column = struct.unpack_from("<I", data, at)[0] + 1
            found.height, found.width = max(found.height, row), max(found.width, column)
            if kind in {_ERROR, _FORMULA_ERROR}:
                found.errors.setdefault(row, {})[column] = ERRORS.get(data[at + 8], "#ERROR")
        elif kind == _COLUMNS and data[at + 16] & 1:
            first, last = struct.unpack_from("<II", data, at)
            found.hidden_columns.update(range(first + 1, min(last + 1, MAX_COLUMN) + 1))
        elif kind == _MERGE:
            top, bottom, left, right = struct.unpack_from("<IIII", data, at)
            found.merges.append(Merge(top + 1, left + 1, bottom + 1, right + 1))
    return found


def _wide(data: bytes, at: int) -> tuple[str, int]:
    """A text and where it ends; the longest length stands for none."""
    length = struct.unpack_from("<I", data, at)[0]
    if length == 0xFFFFFFFF:  # noqa: PLR2004
        return "", at + 4
    end = at + 4 + 2 * length
    return data[at + 4 : end].decode("utf-16-le"), end
