"""A delimited text file to rows: structure by ``records``, cells by Polars, the odd ones by hand.

One pass, in blocks of a few megabytes: memory does not grow with the file.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import decode
from dagster_project.ingest.readers.generic import find_table
from dagster_project.ingest.readers.header import SEARCHED, Layout, find_header
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.marks import is_blank
from dagster_project.ingest.readers.records import BLOCK, Block, blocks, joined, split_record
from dagster_project.ingest.readers.result import Defect, SheetRead
from dagster_project.ingest.readers.rows import Classifier
from dagster_project.ingest.readers.shape import DEFECT, SOURCE_ROW, Shape, no_rows
from dagster_project.ingest.readers.sieve import Sieve
from dagster_project.ingest.readers.sink import Ahead, write

SHEET = ""


@dataclass
class TextTable:
    """One text file while it is read."""

    feed: Feed | None
    batch_id: str
    name: str
    ledger: Ledger
    delimiter: str = ","
    limits: Limits = field(default_factory=Limits)
    lenient: bool = False

    def read(self, path: Path, out: Path, *, chunk: int = decode.CHUNK, block: int = BLOCK) -> int:
        """Read the file into ``out``.

        Returns:
            The number of rows written.

        Raises:
            DeliveryError: The text cannot be decoded, has no header or an unclosed quote.
        """
        text = decode.judge(path, self.feed, name=self.name, chunk=chunk)
        self.ledger.encoding = text.encoding
        pieces = blocks(text.chunks(), name=self.name, delimiter=self.delimiter)
        stream = joined(pieces, size=block)
        head = list(_until(stream, SEARCHED))
        layout = self._header(head, text)
        shape = Shape(layout, self.batch_id)
        classifier = Classifier.of(layout.feed, layout)
        sieve = Sieve(classifier, self.ledger, shape.positions)
        parser = _Parser(shape, classifier, sieve, self.ledger, self.delimiter)
        with (
            Ahead(itertools.chain(head, stream)) as decoded,
            Ahead(map(parser.rows, decoded)) as frames,
        ):
            rows = write(frames, no_rows(layout.feed), out)
        self.ledger.missing += layout.missing
        self.ledger.unknown += layout.unknown_titled
        self.ledger.units |= layout.units
        read = SheetRead(
            SHEET,
            layout.row,
            layout.titles,
            parser.records,
            rows,
            header_rows=layout.header_rows,
            units=layout.units,
            defects=dict(parser.defects),
        )
        self.ledger.close_sheet(read, where=self.name)
        return rows

    def _header(self, head: list[Block], text: decode.Text) -> Layout:
        records = [
            (block.first + n, split_record(block.text(n), delimiter=self.delimiter))
            for block in head
            for n in range(min(len(block), SEARCHED))
        ]
        if all(is_blank(cell) for _, cells in records for cell in cells):
            raise DeliveryError(
                f"the file holds no text in its first {len(records)} rows",
                where=self.name,
                todo="Export it again and deliver it",
                reason="no_text",
            )
        try:
            if self.feed is None:
                return find_table(records, sheet=SHEET, where=self.name)
            return find_header(
                records, self.feed, sheet=SHEET, where=self.name, lenient=self.lenient
            )
        except DeliveryError:
            text.weigh()
            raise


def _until(stream: Iterator[Block], records: int) -> Iterator[Block]:
    """Blocks until they hold so many records."""
    seen = 0
    for block in stream:
        yield block
        seen += len(block)
        if seen >= records:
            return


@dataclass
class _Parser:
    """Turns blocks into rows and enters what is no row into the ledger."""

    shape: Shape
    classifier: Classifier
    sieve: Sieve
    ledger: Ledger
    delimiter: str
    records: int = 0
    defects: Counter[Defect] = field(default_factory=Counter)

    def rows(self, block: Block) -> pl.DataFrame:
        """The data rows of a block, in the file's order."""
        self.records += len(block)
        layout = self.shape.layout
        numbers = np.arange(block.first, block.first + len(block))
        header = (numbers >= layout.first_row) & (numbers <= layout.row)
        regular = (
            (numbers > layout.row)
            & (block.cells == layout.width)
            & ~block.odd
            & (block.ends > block.starts)
        )
        frame = self._parsed(block, regular)
        if frame is None:
            regular &= False
        others = [
            (block.first + n, self._cells(block, n))
            for n in np.flatnonzero(~header & ~regular).tolist()
        ]
        data = [row for row in others if not self._set_aside(*row)]
        parts = [self._irregular(data)] if data else []
        if frame is not None:
            numbered = frame.with_columns(pl.Series(SOURCE_ROW, numbers[regular]))
            parts.append(self.shape.regular(self.sieve.data(numbered)))
        if not parts:
            return self.shape.irregular([])
        return pl.concat(parts).sort(SOURCE_ROW) if data and len(parts) > 1 else parts[0]

    def _irregular(self, data: list[tuple[int, list[str]]]) -> pl.DataFrame:
        made = self.shape.irregular(data)
        self.defects.update(made[DEFECT].drop_nulls().to_list())
        return made

    def _cells(self, block: Block, index: int) -> list[str]:
        return split_record(block.text(index), delimiter=self.delimiter)

    def _parsed(self, block: Block, regular: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> (
        pl.DataFrame | None
    ):  # fmt: skip
        """Cells of the regular records by the engine; None when it counts otherwise than we."""
        lines = block.lines(regular)
        if not lines or not bool(regular.any()):
            return None
        try:
            frame = pl.read_csv(
                lines,
                has_header=False,
                schema=self.shape.schema,
                separator=self.delimiter,
                quote_char='"' if block.quoted else None,
                infer_schema=False,
            )
        except pl.exceptions.ComputeError:
            return None
        if frame.height != int(regular.sum()):
            return None
        if block.doubled:
            frame = frame.select(pl.when(pl.all() != "").then(pl.all()))
        return frame

    def _set_aside(self, row: int, cells: list[str]) -> bool:
        return self.ledger.sets_aside(self.classifier, row, cells)
