"""Blocks of records to rows: regular ones by the engine, odd ones by hand, all of them counted.

Where records begin and end is ``records``' matter, what a record is ``rows``'.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.result import Defect, DroppedRow
from dagster_project.ingest.readers.table.damage import ASKED, is_unwritten
from dagster_project.ingest.readers.table.mojibake import spoilt
from dagster_project.ingest.readers.table.rows import Classifier
from dagster_project.ingest.readers.table.shape import DEFECT, RAGGED, SOURCE_ROW, Row, Shape
from dagster_project.ingest.readers.table.sieve import Sieve
from dagster_project.ingest.readers.text.records import Block, Breaks, Mask, split_record
from dagster_project.ingest.readers.text.tidy import FULL_WIDTH

LINES = re.compile(r"\r*\n|\r")
WIDE = 5
"""So many delimiters in one line of a cell are no prose, even where all quotes are in place."""
MANY = 32
"""So many records with the same number of surplus cells are worth a call of the engine."""


@dataclass(frozen=True)
class Cells:
    """How a record is cut into cells: by one character, which may stand for a full-width comma."""

    delimiter: str
    stands_in: bool = False

    def of(self, block: Block, index: int) -> list[str]:
        """The cells of one record."""
        cells = split_record(block.text(index), delimiter=self.delimiter)
        if self.stands_in:
            cells = [cell.replace(self.delimiter, FULL_WIDTH) for cell in cells]
        return cells

    def frame(self, lines: bytes, block: Block, width: int) -> pl.DataFrame | None:
        """Records of this width by the engine; None when it cannot cut them as we do."""
        try:
            frame = pl.read_csv(
                lines,
                has_header=False,
                schema={f"c{n}": pl.String() for n in range(width)},
                separator=self.delimiter,
                quote_char='"' if block.quoted else None,
                infer_schema=False,
            )
        except pl.exceptions.ComputeError:
            return None
        if block.doubled:
            frame = frame.select(pl.when(pl.all() != "").then(pl.all()))
        if self.stands_in and block.quoted:
            frame = frame.select(pl.all().str.replace_all(self.delimiter, FULL_WIDTH, literal=True))
        return frame


@dataclass
class Parser:
    """Turns blocks into rows and enters what is no row into the ledger.

    ``records``, ``defects`` and ``breaks`` (line ends by kind) are counted over all blocks.
    """

    shape: Shape
    classifier: Classifier
    sieve: Sieve
    ledger: Ledger
    cells: Cells
    records: int = 0
    quoted: bool = False
    defects: Counter[Defect] = field(default_factory=Counter)
    breaks: Breaks = field(default_factory=Counter)

    def rows(self, block: Block) -> pl.DataFrame:
        """The data rows of a block, in the file's order."""
        self.records += len(block)
        self.breaks.update(block.breaks)
        self.quoted |= block.quoted
        known = len(self.ledger.dropped)
        parts = list(self._parts(block))
        self.ledger.dropped[known:] = sorted(self.ledger.dropped[known:], key=lambda row: row.row)
        if not parts:
            return self.shape.irregular([])
        rows = pl.concat(parts).sort(SOURCE_ROW) if len(parts) > 1 else parts[0]
        return self._marked(rows, block)

    def _parts(self, block: Block) -> Iterator[pl.DataFrame]:
        layout = self.shape.layout
        numbers = np.arange(block.first, block.first + len(block))
        below = numbers > layout.row
        header = ~below & (numbers >= layout.first_row)
        blank = below & (block.ends == block.starts)
        self.ledger.dropped += [
            DroppedRow(layout.sheet, row, "blank", "") for row in numbers[blank].tolist()
        ]
        done = header | blank
        even = below & ~blank & ~block.odd
        for width in self._widths(block, even):
            chosen = even & (block.cells == width)
            frame = self.cells.frame(block.lines(chosen), block, width)
            if frame is None or frame.height != int(chosen.sum()):
                continue
            frame = frame.with_columns(pl.Series(SOURCE_ROW, numbers[chosen]))
            if width > layout.width:
                frame = self._without_surplus(frame, width)
                chosen &= np.isin(numbers, frame[SOURCE_ROW].to_numpy())
            if frame.height:
                yield self.shape.regular(self.sieve.data(frame))
            done |= chosen
        others = (
            (block.first + n, self.cells.of(block, n)) for n in np.flatnonzero(~done).tolist()
        )
        data: list[Row] = [row for row in others if not self._sets_aside(*row)]
        if data:
            yield self.shape.irregular(data)

    def _widths(self, block: Block, even: Mask) -> list[int]:
        """The numbers of cells that the engine is asked for: the header's, and frequent surplus."""
        width = self.shape.layout.width
        found, counts = np.unique(block.cells[even & (block.cells >= width)], return_counts=True)
        pairs = zip(found.tolist(), counts.tolist(), strict=True)
        return [cells for cells, count in pairs if cells == width or count >= MANY]

    def _without_surplus(self, frame: pl.DataFrame, width: int) -> pl.DataFrame:
        """Those records whose surplus cells are all empty, without these cells."""
        surplus = [f"c{n}" for n in range(self.shape.layout.width, width)]
        return frame.filter(pl.all_horizontal(pl.col(surplus).is_null())).drop(surplus)

    def _swallowing(self, block: Block) -> Iterator[int]:
        """Records whose stray quote made them swallow others: a line in a cell is a whole record.

        Such a record may even have the right number of cells, so it must not pass as one.
        Delimiters that stand within quotes of a later line are of its cells (a boundary as WKT).
        """
        commas, mark = self.shape.layout.width - 1, self.cells.delimiter
        for n in np.flatnonzero(block.broken).tolist():
            first, *others = LINES.split(block.text(n))
            counts = [first.count(mark)]
            counts += [len(split_record(line, delimiter=mark)) - 1 for line in others]
            telling = commas and (block.odd[n] or commas >= WIDE)
            if telling and max(counts[1:]) >= commas and sum(counts) >= 2 * commas:
                yield block.first + n

    def _sets_aside(self, row: int, cells: list[str]) -> bool:
        return self.ledger.sets_aside(self.classifier, row, cells)

    def _marked(self, rows: pl.DataFrame, block: Block) -> pl.DataFrame:
        """The rows with what is wrong with their text, unless more is wrong with them."""
        spoilt_rows = [(defect, block.numbers_at(at)) for defect, at in spoilt(block.data)]
        if ASKED.encode() in block.data:
            columns = [column.name for column in self.shape.layout.feed.columns]
            unwritten = rows.filter(is_unwritten(columns))[SOURCE_ROW].to_list()
            spoilt_rows.append(("garbled", unwritten))
        for defect, numbers in ((RAGGED, list(self._swallowing(block))), *spoilt_rows):
            if not numbers:
                continue
            hit = pl.col(DEFECT).is_null() & pl.col(SOURCE_ROW).is_in(numbers)
            marked = pl.when(hit).then(pl.lit(defect)).otherwise(pl.col(DEFECT))
            rows = rows.with_columns(marked.alias(DEFECT))
        if rows[DEFECT].null_count() < rows.height:
            self.defects.update(rows[DEFECT].drop_nulls().to_list())
        return rows
