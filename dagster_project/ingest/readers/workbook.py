"""An .xlsx workbook to rows: cells by calamine, a sample of them checked by openpyxl.

Only what a sheet stores is read; formatting, comments and formulas are not.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import python_calamine

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.crosscheck import CrossCheck, Sample
from dagster_project.ingest.readers.detect import SAVE_AS
from dagster_project.ingest.readers.header import SEARCHED, Layout, find_header, resemblance
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.result import DroppedRow, Kind, SheetRead
from dagster_project.ingest.readers.rows import Classifier, as_line, is_blank
from dagster_project.ingest.readers.shape import SOURCE_ROW, Row, Shape, no_rows
from dagster_project.ingest.readers.sieve import Sieve
from dagster_project.ingest.readers.sink import Ahead, write
from dagster_project.ingest.readers.values import as_text, as_texts

BATCH = 20_000
MAX_CELLS = 100_000_000
"""A sheet that claims more cells than this is refused; real ones stay far below."""
FOREIGN = 0.3
"""A short sheet that names fewer of the contract's columns is no table of the feed (a guide)."""


@dataclass
class Workbook:
    """One workbook while it is read."""

    feed: Feed
    batch_id: str
    name: str
    ledger: Ledger

    def read(self, path: Path, out: Path) -> int:
        """Read the workbook's sheets into ``out``, as the contract says: the first one or all.

        Returns:
            The number of rows written.

        Raises:
            DeliveryError: The workbook is damaged, has no sheet with a header, or its cells are
                read differently by two libraries.
        """
        with Ahead(self._frames(path)) as frames:
            return write(frames, no_rows(self.feed), out)

    def _frames(self, path: Path) -> Iterator[pl.DataFrame]:
        with _opened(path, self.name) as book:
            chosen, samples = self._chosen(book), dict[str, Sample]()
            for sheet in chosen:
                table = _Table(book.get_sheet_by_name(sheet), sheet, f"{self.name}, sheet {sheet}")
                if layout := self._layout(table):
                    yield from self._rows(table, layout)
                    samples[sheet] = table.sample(sheets=len(chosen))
            self.ledger.warnings += CrossCheck(path, self.name).compare(samples)
        if not any(sheet.header_row for sheet in self.ledger.sheets):
            raise DeliveryError(
                f"no sheet of the workbook holds a table of {self.feed.name}",
                where=self.name,
                todo="Deliver the table with its header row",
            )

    def _chosen(self, book: Any) -> list[str]:
        """The sheets to read; what is left out is said."""
        worksheets = [
            meta
            for meta in book.sheets_metadata
            if meta.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
        if not worksheets:
            raise DeliveryError("the workbook has no worksheet", where=self.name, todo=SAVE_AS)
        if self.feed.sheets == "all":
            return [meta.name for meta in worksheets]
        visible = python_calamine.SheetVisibleEnum.Visible
        first = next((meta for meta in worksheets if meta.visible == visible), worksheets[0])
        others = [meta.name for meta in worksheets if meta is not first]
        if others:
            self.ledger.warnings.append(
                f"{self.name}: only sheet {first.name} was read, as the contract says; "
                f"left out: {', '.join(others)}."
            )
        return [str(first.name)]

    def _layout(self, table: _Table) -> Layout | None:
        """The sheet's header; None for an empty sheet or a guide among several sheets."""
        head = table.head
        empty = all(is_blank(cell) for _, cells in head for cell in cells)
        may_be_guide = table.height <= SEARCHED and self.feed.sheets == "all"
        if may_be_guide and (empty or resemblance(head, self.feed) < FOREIGN):
            self._set_aside(table, head, empty=empty)
            return None
        if empty:
            raise DeliveryError(
                f"the sheet holds no text in its first {len(head)} rows",
                where=table.where,
                todo="Export it again and deliver it",
            )
        return find_header(head, self.feed, sheet=table.sheet, where=table.where)

    def _set_aside(self, table: _Table, head: list[Row], *, empty: bool) -> None:
        for row, cells in head:
            kind: Kind = "blank" if all(is_blank(cell) for cell in cells) else "title"
            self.ledger.dropped.append(DroppedRow(table.sheet, row, kind, as_line(cells)))
        if not empty:
            self.ledger.warnings.append(
                f"{table.where}: holds no table of {self.feed.name}; "
                f"its {len(head)} rows were set aside as text."
            )
        read = SheetRead(table.sheet, header_row=0, titles=(), records=len(head), rows=0)
        self.ledger.close_sheet(read, where=table.where)

    def _rows(self, table: _Table, layout: Layout) -> Iterator[pl.DataFrame]:
        shape = Shape(self.feed, layout, self.batch_id)
        classifier = Classifier.of(self.feed, layout)
        sieve = Sieve(classifier, self.ledger, shape.positions)
        for row, cells in table.head[: layout.row - 1]:
            self.ledger.sets_aside(classifier, row, cells)
        rows, records = 0, layout.row
        for frame in table.frames(shape.positions, after=layout.row):
            data = sieve.data(frame)
            records, rows = records + frame.height, rows + data.height
            yield shape.regular(data)
        self.ledger.missing += layout.missing
        self.ledger.unknown += layout.unknown_titled
        read = SheetRead(table.sheet, layout.row, layout.titles, records, rows)
        self.ledger.close_sheet(read, where=table.where)


class _Table:
    """One sheet from its first row and column on, with its real row numbers."""

    def __init__(self, raw: Any, sheet: str, where: str) -> None:
        self.sheet, self.where = sheet, where
        self._raw = raw
        self._margin = raw.start[1] if raw.start else 0
        self.height: int = raw.end[0] + 1 if raw.end else 0
        self.width: int = raw.end[1] + 1 if raw.end else 0
        if self.height * self.width > MAX_CELLS:
            raise DeliveryError(
                f"the sheet claims {self.height} rows of {self.width} columns, more than is read",
                where=where,
                todo="Delete the empty rows and columns around the table, or deliver it as CSV",
            )
        self.head = list(itertools.islice(self._rows(), SEARCHED))

    def sample(self, *, sheets: int) -> Sample:
        """Some rows as text, for the cross-check of a workbook of so many sheets."""
        picked = CrossCheck.picks(self.height, self.width, sheets)
        near = itertools.islice(self._rows(), max(picked))
        return {row: cells for row, cells in near if row in picked}

    def frames(self, names: Sequence[str], *, after: int) -> Iterator[pl.DataFrame]:
        """The rows below one as columns of text, numbered; empty cells are NULL."""
        rows = itertools.islice(self._raw.iter_rows(), after, None)
        first = after + 1
        while batch := list(itertools.islice(rows, BATCH)):
            margin = [pl.repeat("", len(batch), eager=True)] * self._margin
            columns = margin + [as_texts(values) for values in zip(*batch, strict=True)]
            frame = pl.DataFrame(dict(zip(names, columns, strict=True)))
            numbers = pl.int_range(first, first + len(batch), dtype=pl.Int64).alias(SOURCE_ROW)
            yield frame.select(pl.when(pl.all() != "").then(pl.all()), numbers)
            first += len(batch)

    def _rows(self) -> Iterator[Row]:
        """Every row as text."""
        margin = [""] * self._margin
        for row, raw in enumerate(self._raw.iter_rows() if self.height else (), start=1):
            yield row, margin + [as_text(value) for value in raw]


@contextlib.contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    """A workbook; the library's errors become sentences."""
    try:
        with python_calamine.CalamineWorkbook.from_path(str(path)) as book:
            yield book
    except python_calamine.CalamineError as error:
        raise DeliveryError(
            "the workbook is damaged or of a form that cannot be read",
            where=name,
            todo=SAVE_AS,
        ) from error
