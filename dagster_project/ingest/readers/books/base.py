"""What every kind of workbook offers to the reader: sheets, their real extent, rows as text.

How one kind is opened is its own module's matter; which sheets are read and what their rows mean is
``workbook``'s.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from dagster_project.ingest.readers.books.bounds import Text
from dagster_project.ingest.readers.books.crosscheck import CrossCheck, Sample
from dagster_project.ingest.readers.books.values import Value, as_text, as_texts
from dagster_project.ingest.readers.result import Format, SheetState
from dagster_project.ingest.readers.table.shape import SOURCE_ROW, Row

BATCH, BATCH_CELLS, BATCH_LEAST = 20_000, 2_000_000, 100
"""Rows of a frame; of a wide sheet so many that their cells are no more than this, or the least."""

Cells = Mapping[int, Mapping[int, str]]
"""Texts by row and column, both from 1."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged range, from 1, both ends included."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Marks:
    """What a sheet says besides its cells' values.

    ``errors`` are the texts of error cells (``#N/A``), ``formulas`` those of formula cells without
    a stored value; the readers of values know neither. ``exact`` are numbers as they are stored,
    where a binary number cannot hold their digits. ``odd`` are stored numbers that no calendar has
    a day for, should their cells be shown as dates; libraries make up different days for them.
    """

    merges: tuple[Merge, ...] = ()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    formulas: Cells = field(default_factory=dict)
    errors: Cells = field(default_factory=dict)
    exact: Cells = field(default_factory=dict)
    odd: Cells = field(default_factory=dict)

    @property
    def stored(self) -> tuple[Cells, ...]:
        """What is better known here than by the readers of values, in rising order."""
        return self.exact, self.errors

    @property
    def texts(self) -> tuple[Cells, ...]:
        """The same, and the formulas."""
        return *self.stored, self.formulas


class Sheet(ABC):
    """One worksheet, with its own row and column numbers from 1."""

    def __init__(self, name: str, where: str, state: SheetState = "visible") -> None:
        self.name, self.state = name, state
        self.where = f"{where}, sheet {name}" if name else where

    @property
    @abstractmethod
    def marks(self) -> Marks:
        """What the sheet says besides values."""

    @property
    @abstractmethod
    def height(self) -> int:
        """Rows from the first to the last that holds anything."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Columns from A to the last that holds anything."""

    @abstractmethod
    def values(self) -> Iterator[list[Value]]:
        """The rows from the first on as lists of one width, without what ``marks`` know better."""

    @property
    def merges(self) -> tuple[Merge, ...]:
        """Merged ranges."""
        return self.marks.merges

    @property
    def hidden_rows(self) -> frozenset[int]:
        """Rows that the sheet does not show, by hand or by a filter."""
        return self.marks.hidden_rows

    @property
    def hidden_columns(self) -> frozenset[int]:
        """Columns that the sheet does not show."""
        return self.marks.hidden_columns

    @property
    def formulas(self) -> Cells:
        """Formulas of cells without a stored value."""
        return self.marks.formulas

    def head(self, rows: int) -> list[Row]:
        """The first rows with their numbers, as text."""
        return list(itertools.islice(self._rows(self.marks.texts), rows))

    def sample(self, *, sheets: int) -> Sample:
        """Some rows as a second reader sees them, for the check of so many sheets."""
        picked = CrossCheck.picks(self.height, self.width, sheets)
        near = itertools.islice(self._rows(self.marks.stored), max(picked))
        return {row: cells for row, cells in near if row in picked and row not in self.marks.odd}

    def frames(self, names: Sequence[str], *, after: int) -> Iterator[pl.DataFrame]:
        """The rows below one as columns of text, numbered; empty cells are NULL.

        A merged range below that row that is higher than one row and narrower than the sheet gives
        its text to the empty cells below its first one. Empty rows at the end are left out.

        Args:
            names: One name per column of the sheet.
            after: The last row that is not wanted.
        """
        known = [cells for cells in self.marks.texts if cells]
        fill = _Fill(self.filled(after), Text(self.where))
        rows = enumerate(itertools.islice(self.values(), after, None), start=after + 1)
        blank, size = list[pl.DataFrame](), max(BATCH_CELLS // max(self.width, 1), BATCH_LEAST)
        while batch := list(itertools.islice(rows, min(BATCH, size))):
            for cells in known:
                for row, values in batch:
                    if row in cells:
                        for column, text in cells[row].items():
                            values[column - 1] = text
            columns = [as_texts(column) for column in zip(*(v for _, v in batch), strict=True)]
            first = batch[0][0]
            columns = fill(columns, first)
            frame = pl.DataFrame(dict(zip(names, columns, strict=True)))
            numbers = pl.int_range(first, first + len(batch), dtype=pl.Int64).alias(SOURCE_ROW)
            frame = frame.select(pl.when(pl.all() != "").then(pl.all()), numbers)
            held = _filled_rows(frame, names)
            if held:
                yield from blank
                yield frame[:held]
                blank.clear()
            if held < frame.height:
                blank.append(frame[held:])

    def filled(self, after: int) -> list[Merge]:
        """The merged ranges below a row whose text is given to the cells below their first.

        Of ranges that overlap, as no program makes them, the first one counts.
        """
        found, reached = list[Merge](), dict[int, int]()
        for m in sorted(self.merges, key=lambda merge: merge.top):
            bottom, across = min(m.bottom, self.height), m.left == 1 and m.right >= self.width > 1
            if max(after, reached.get(m.left, 0)) < m.top < bottom and m.left <= self.width:
                reached[m.left] = bottom
                if not across:
                    found.append(Merge(m.top, m.left, bottom, m.right))
        return found

    def _rows(self, known: Sequence[Cells]) -> Iterator[Row]:
        """Every row as text."""
        for row, values in enumerate(self.values(), start=1):
            texts = [as_text(value) for value in values]
            for cells in known:
                for column, text in cells.get(row, {}).items():
                    texts[column - 1] = text
            yield row, texts


def _filled_rows(frame: pl.DataFrame, names: Sequence[str]) -> int:
    """How many rows there are up to the last one that holds anything."""
    if not frame.height or any(frame[name][-1] is not None for name in names):
        return frame.height
    filled = frame.select(pl.any_horizontal(pl.col(names).is_not_null())).to_series().arg_true()
    return int(filled[-1]) + 1 if len(filled) else 0


class _Fill:
    """Gives a merged range's text to the cells below its first one, batch by batch."""

    def __init__(self, merges: Sequence[Merge], given: Text) -> None:
        self._given = given
        self._merges = sorted(merges, key=lambda merge: merge.top, reverse=True)
        self._open = list[tuple[Merge, str]]()

    def __call__(self, columns: list[pl.Series], first: int) -> list[pl.Series]:
        last = first + len(columns[0]) - 1 if columns else 0
        while self._merges and self._merges[-1].top <= last:
            merge = self._merges.pop()
            self._open.append((merge, columns[merge.left - 1][merge.top - first]))
        if not self._open:
            return columns
        changed: dict[int, list[str]] = {}
        for merge, text in self._open:
            cells = changed.setdefault(merge.left - 1, [])
            if not cells:
                cells += columns[merge.left - 1].to_list()
            top, bottom = max(merge.top + 1, first), min(merge.bottom, last)
            self._given.take(len(text) * max(bottom - top + 1, 0))
            for row in range(top, bottom + 1):
                cells[row - first] = cells[row - first] or text
        self._open = [(merge, text) for merge, text in self._open if merge.bottom > last]
        return [
            pl.Series(values=changed[n], dtype=pl.String) if n in changed else column
            for n, column in enumerate(columns)
        ]


@dataclass
class Book:
    """One workbook while it is open.

    ``sheets`` are its worksheets in their order; what else it holds (charts) is in ``warnings``.
    """

    format: Format
    sheets: tuple[Sheet, ...]
    epoch_1904: bool = False
    warnings: list[str] = field(default_factory=list)
