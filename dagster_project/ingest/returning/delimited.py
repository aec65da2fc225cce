"""A delimited text file and its cases -> the same records with two columns more.

One pass in blocks, so that memory does not grow with the file. Records keep their own spelling:
only cells that a spreadsheet would run are written anew.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dagster_project.contracts.model import Feed
from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.ingest.readers.header import SEARCHED, Layout, find_header, resemblance
from dagster_project.ingest.readers.records import Block, blocks, split_record
from dagster_project.ingest.returning.defuse import TRIGGERS, defused, is_dangerous
from dagster_project.ingest.returning.findings import Cases, Copy, return_columns

CHUNK = 1 << 20
SHEET = ""


def annotate_text(
    source: Path, out: BinaryIO, feed: Feed, cases: Cases, *, encoding: str, name: str
) -> Copy:
    """Write the annotated copy of a text file, as UTF-8 with byte order mark.

    Args:
        source: The delivered text.
        out: Where the copy is written.
        feed: The contract.
        cases: Open cases by sheet (empty) and record number.
        encoding: Python's name of the encoding that the reader found.
        name: How the file is called in sentences.

    Raises:
        DeliveryError: The header is not found any more, as after a change of the contract.
    """
    delimiter = _delimiter(source, feed, encoding)
    stream = blocks(_utf8(source, encoding), name=name, delimiter=delimiter)
    head: list[Block] = []
    for block in stream:
        head.append(block)
        if sum(map(len, head)) >= SEARCHED:
            break
    records = [
        (block.first + n, split_record(block.text(n), delimiter=delimiter))
        for block in head
        for n in range(min(len(block), SEARCHED))
    ]
    layout = find_header(records, feed, sheet=SHEET, where=name, lenient=True)
    table = _Table(layout, delimiter, cases, Copy())
    out.write(codecs.BOM_UTF8)
    for block in itertools.chain(head, stream):
        out.write("".join(table.lines(block)).encode())
    return table.copy


@dataclass
class _Table:
    """One table while it is copied."""

    layout: Layout
    delimiter: str
    cases: Cases
    copy: Copy

    def __post_init__(self) -> None:
        quote = re.escape(self.delimiter)
        bare = re.escape(TRIGGERS.replace(self.delimiter, ""))
        self._suspect = re.compile(f'(?:^|{quote})(?:"[{re.escape(TRIGGERS)}]|[{bare}])')
        self._at = return_columns(self.layout)
        self._titles = self.layout.lines[0] if self.layout.lines else ()

    def lines(self, block: Block) -> Iterator[str]:
        """The records of a block as lines."""
        counts = block.cells.tolist()
        for n, count in enumerate(counts):
            text = block.text(n)
            yield self._line(block.first + n, text, count) + "\r\n"

    def _line(self, number: int, text: str, count: int) -> str:
        if not text.strip() or number < self.layout.first_row:
            return self._safe(text)
        case = self.cases.get((SHEET, number))
        added: tuple[str, ...] = ("", "")
        if case:
            self.copy.rows += 1
            self.copy.cells += len(case.by_column()) or min(count, self.layout.width)
            added = (case.opinion, case.number)
        elif number == self.layout.first_row or self._is_header(text):
            added = RETURN_COLUMNS
        if self._at:
            if self.layout.first_row < number <= self.layout.row:
                return self._safe(text)
            return self._replaced(text, added)
        if count > self.layout.width:
            text = self._without_empty_surplus(text)
        return self.delimiter.join((self._safe(text), *map(self._cell, added)))

    def _is_header(self, text: str) -> bool:
        return (
            bool(self._titles)
            and text.startswith(self._titles[0])
            and (tuple(self._split(text)) == self._titles)
        )

    def _replaced(self, text: str, added: Sequence[str]) -> str:
        """The record of a table that has both columns already, from an earlier return."""
        cells = self._split(text)
        if len(cells) > max(self._at):
            for at, value in zip(self._at, added, strict=True):
                cells[at] = value
        elif any(added):
            cells += added
        else:
            return self._safe(text)
        return self._joined(cells)

    def _without_empty_surplus(self, text: str) -> str:
        cells = self._split(text)
        return text if any(cells[self.layout.width :]) else self._joined(cells[: self.layout.width])

    def _safe(self, text: str) -> str:
        if not self._suspect.search(text):
            return text
        cells = self._split(text)
        return self._joined(cells) if any(map(is_dangerous, cells)) else text

    def _split(self, text: str) -> list[str]:
        return split_record(text, delimiter=self.delimiter)

    def _joined(self, cells: Iterable[str]) -> str:
        return self.delimiter.join(map(self._cell, cells))

    def _cell(self, text: str) -> str:
        text = defused(text)
        if self.delimiter in text or any(mark in text for mark in '"\r\n'):
            return '"' + text.replace('"', '""') + '"'
        return text


def _utf8(source: Path, encoding: str) -> Iterator[bytes]:
    """The text as UTF-8; the reader has judged it already, so nothing is refused here."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    is_first = True
    with source.open("rb") as file:
        while chunk := file.read(CHUNK):
            text = decoder.decode(chunk)
            if is_first and text:
                text, is_first = text.lstrip("\ufeff"), False
            yield text.encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _delimiter(source: Path, feed: Feed, encoding: str) -> str:
    """The delimiter by which the first records look most like the contract's header."""
    start = next(iter(_utf8(source, encoding)), b"").decode("utf-8", "replace")
    lines = start.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:SEARCHED]

    def likeness(delimiter: str) -> tuple[float, int]:
        split = [(n, split_record(line, delimiter=delimiter)) for n, line in enumerate(lines, 1)]
        return resemblance(split, feed), max((len(cells) for _, cells in split), default=0)

    return max(feed.delimiters, key=likeness)
