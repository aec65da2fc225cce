"""A delimited text file to rows, in one pass and bounded memory.

``decode`` gives UTF-8, ``sniff`` the delimiter, ``records`` whole records, ``header`` their
meaning, ``parse`` the rows; here they are put together and their counts entered in the ledger.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import COLUMNS, Limits
from dagster_project.ingest.readers.result import Dialect, LineEnd, SheetRead
from dagster_project.ingest.readers.sink import Ahead, write
from dagster_project.ingest.readers.table.generic import find_table
from dagster_project.ingest.readers.table.header import SEARCHED, Layout, find_header
from dagster_project.ingest.readers.table.marks import is_blank
from dagster_project.ingest.readers.table.rows import Classifier
from dagster_project.ingest.readers.table.shape import Shape, no_rows
from dagster_project.ingest.readers.table.sieve import Sieve
from dagster_project.ingest.readers.text import decode
from dagster_project.ingest.readers.text.parse import Cells, Parser
from dagster_project.ingest.readers.text.records import BLOCK, Block, Breaks, blocks
from dagster_project.ingest.readers.text.sniff import SNIFFED, sniff
from dagster_project.ingest.readers.text.tidy import FULL_WIDTH, Tidy, stand_in
from dagster_project.ingest.readers.text.utf import CHUNK

SHEET = ""
LINE_ENDS: tuple[LineEnd, ...] = ("LF", "CRLF", "CR", "CRCRLF")


@dataclass
class TextTable:
    """One text file while it is read. Without a ``delimiter`` the file's own is found."""

    feed: Feed | None
    batch_id: str
    name: str
    ledger: Ledger
    delimiter: str = ""
    limits: Limits = field(default_factory=Limits)
    lenient: bool = False

    def read(self, path: Path, out: Path, *, chunk: int = CHUNK, block: int = BLOCK) -> int:
        """Read the file into ``out``.

        Returns:
            The number of rows written.

        Raises:
            DeliveryError: The text cannot be decoded, has no header or an unclosed quote.
        """
        text = decode.judge(path, self.feed, name=self.name, chunk=chunk)
        self.ledger.encoding, self.ledger.evidence = text.encoding, text.evidence
        tidy = Tidy()
        cells, chunks = self._cells(text, tidy)
        stream = blocks(
            chunks,
            name=self.name,
            delimiter=cells.delimiter,
            longest=self.limits.record_bytes,
            size=block,
        )
        head = list(_until(stream, SEARCHED))
        layout = self._header(head, cells, text)
        shape = Shape(layout, self.batch_id)
        classifier = Classifier.of(layout.feed, layout)
        sieve = Sieve(classifier, self.ledger, shape.positions)
        parser = Parser(shape, classifier, sieve, self.ledger, cells)
        with (
            Ahead(itertools.chain(head, stream)) as decoded,
            Ahead(map(parser.rows, decoded)) as frames,
        ):
            rows = write(frames, no_rows(layout.feed), out)
        self._close(layout, parser, tidy, rows)
        return rows

    def _cells(self, text: decode.Text, tidy: Tidy) -> tuple[Cells, Iterator[bytes]]:
        """How records are cut, and the text to cut: its beginning is looked at first."""
        plain = tidy.chunks(text.chunks())
        head, rest = _beginning(plain, SNIFFED)
        whole = len(head) < SNIFFED
        found = self.delimiter or sniff(head[:SNIFFED], self.feed, whole=whole, name=self.name)
        self.ledger.dialect = Dialect(found)
        chunks = itertools.chain([head] if head else [], rest)
        if found != FULL_WIDTH:
            return Cells(found), chunks
        unused = stand_in(Tidy().chunks(replace(text).chunks()), name=self.name)
        return Cells(unused, stands_in=True), Tidy(stand_in=unused).chunks(chunks)

    def _header(self, head: list[Block], cells: Cells, text: decode.Text) -> Layout:
        widest = max((int(block.cells[:SEARCHED].max()) for block in head), default=0)
        if widest > COLUMNS:
            raise DeliveryError(
                f"a row of the table has {widest} cells; no more than {COLUMNS} columns are read",
                where=self.name,
                todo="Export the table again; perhaps its line ends are lost",
                reason="too_large",
            )
        records = [
            (block.first + n, cells.of(block, n))
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

    def _close(self, layout: Layout, parser: Parser, tidy: Tidy, rows: int) -> None:
        """Enter into the ledger what was counted."""
        dialect = self.ledger.dialect or Dialect()
        self.ledger.dialect = Dialect(
            dialect.delimiter, '"' if parser.quoted else "", _line_end(parser.breaks)
        )
        if tidy.nuls:
            self.ledger.warnings.append(
                f"{self.name}: {tidy.nuls} NUL characters were removed from the text."
            )
        if mangled := parser.defects["mojibake"]:
            self.ledger.warnings.append(
                f"{self.name}: {mangled} rows hold text that was decoded wrongly before it was "
                "sent (å¹³ for 平); it is restored where that is proven."
            )
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


def _line_end(breaks: Breaks) -> LineEnd:
    found = [kind for kind in LINE_ENDS if breaks[kind] > 0]
    return found[0] if len(found) == 1 else "mixed" if found else ""


def _beginning(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterable[bytes]]:
    """At least so many bytes of the text in one piece, and the rest of it."""
    taken: list[bytes] = []
    missing = size
    while missing > 0 and (chunk := next(chunks, b"")):
        taken.append(chunk)
        missing -= len(chunk)
    return b"".join(taken), chunks


def _until(stream: Iterator[Block], records: int) -> Iterator[Block]:
    """Blocks until they hold so many records."""
    seen = 0
    for block in stream:
        yield block
        seen += len(block)
        if seen >= records:
            return
