"""A delimited text file and its cases -> the same records with two columns more.

One pass in blocks, so that memory does not grow with the file. Records keep their own spelling:
only cells that a spreadsheet would run are written anew.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from dagster_project.contracts.model import Feed
from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.ingest.readers.table.header import SEARCHED, Layout, find_header
from dagster_project.ingest.readers.text import decode
from dagster_project.ingest.readers.text.parse import Cells
from dagster_project.ingest.readers.text.records import Block, blocks, split_record
from dagster_project.ingest.readers.text.sniff import SNIFFED, sniff
from dagster_project.ingest.readers.text.tidy import FULL_WIDTH, Tidy, stand_in
from dagster_project.ingest.returning.defuse import TRIGGERS, defused, is_dangerous
from dagster_project.ingest.returning.findings import Cases, Copy, return_columns

SHEET = ""


def annotate_text(source: Path, out: BinaryIO, feed: Feed, cases: Cases, *, name: str) -> Copy:
    """Write the annotated copy of a text file, as UTF-8 with byte order mark.

    Args:
        source: The delivered text.
        out: Where the copy is written.
        feed: The contract.
        cases: Open cases by sheet (empty) and record number.
        name: How the file is called in sentences.

    Raises:
        DeliveryError: The file is not read any more, as after a change of the contract.
    """
    cells, chunks = _cut(source, feed, name)
    stream = blocks(chunks, name=name, delimiter=cells.delimiter)
    head: list[Block] = []
    for block in stream:
        head.append(block)
        if sum(map(len, head)) >= SEARCHED:
            break
    records = [
        (block.first + n, cells.of(block, n))
        for block in head
        for n in range(min(len(block), SEARCHED))
    ]
    layout = find_header(records, feed, sheet=SHEET, where=name, lenient=True)
    table = _Table(layout, cells, cases, Copy("csv"))
    out.write(codecs.BOM_UTF8)
    for block in itertools.chain(head, stream):
        out.write(table.text(block).encode())
    return table.copy


def _cut(source: Path, feed: Feed, name: str) -> tuple[Cells, Iterator[bytes]]:
    """How the file's records are cut, and its text as the reader sees it."""
    text = decode.judge(source, feed, name=name)

    def chunks() -> Iterator[bytes]:
        return Tidy().chunks(replace(text).chunks())

    head = b""
    for chunk in chunks():
        head += chunk
        if len(head) >= SNIFFED:
            break
    delimiter = sniff(head[:SNIFFED], feed, whole=len(head) < SNIFFED, name=name)
    if delimiter != FULL_WIDTH:
        return Cells(delimiter), chunks()
    unused = stand_in(chunks(), name=name)
    return Cells(unused, stands_in=True), Tidy(stand_in=unused).chunks(chunks())


@dataclass
class _Table:
    """One table while it is copied."""

    layout: Layout
    cut: Cells
    cases: Cases
    copy: Copy

    def __post_init__(self) -> None:
        self.delimiter = self.cut.delimiter
        quote = re.escape(self.delimiter)
        bare = re.escape(TRIGGERS.replace(self.delimiter, ""))
        self._suspect = re.compile(f'(?:^|{quote})(?:"[{re.escape(TRIGGERS)}]|[{bare}])')
        self._at = return_columns(self.layout)
        self._titles = self.layout.lines[0] if self.layout.lines else ()

    def text(self, block: Block) -> str:
        """The records of a block as lines."""
        counts = block.cells.tolist()
        lines = [self._line(block.first + n, block.text(n), counts[n]) for n in range(len(block))]
        made = "".join(line + "\r\n" for line in lines)
        return made.replace(self.delimiter, FULL_WIDTH) if self.cut.stands_in else made

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
        if self.cut.stands_in:
            text = text.replace(FULL_WIDTH, self.delimiter)
        if self.delimiter in text or any(mark in text for mark in '"\r\n'):
            return '"' + text.replace('"', '""') + '"'
        return text
