"""XML Spreadsheet 2003, mostly delivered as ``.xls``: rows and cells placed by their indexes."""

from __future__ import annotations

import codecs
import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.parsers import expat

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books.base import Book, Merge
from dagster_project.ingest.readers.books.grid import Budget, Grid, number_text
from dagster_project.ingest.readers.books.values import as_text
from dagster_project.ingest.readers.books.xmlstream import follow, local, locals_of, parsed, parser
from dagster_project.ingest.readers.detect import SAVE_AS
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import SheetState

CHUNK = 1 << 20
FIRST_DAY = dt.date(1900, 1, 1)
"""Moments before it are times of day without a date."""
MAX_INDEX = 1 << 21
"""No program writes rows or columns beyond."""

_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_NATIVE = {"utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1"}
_CHINESE = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs"}
_STATES: dict[str, SheetState] = {"SheetHidden": "hidden", "SheetVeryHidden": "very_hidden"}


@contextlib.contextmanager
def opened(path: Path, *, name: str, limits: Limits) -> Iterator[Book]:
    """The spreadsheet's sheets, all of them read.

    Raises:
        DeliveryError: The XML is damaged, declares entities, or spans too many cells.
    """
    document = _Document(name, Budget(limits.cells))
    with path.open("rb") as file, parsed(name):
        head = file.read(CHUNK)
        declared = _DECLARED.search(head[:200])
        encoding = declared[1].decode().lower() if declared else "utf-8"
        stream = parser(name, encoding=None if encoding in _NATIVE else "utf-8")
        document.listen(stream)
        decode = _decoder(encoding, name)
        while head:
            stream.Parse(decode(head), False)  # noqa: FBT003 - the library's own form
            head = file.read(CHUNK)
        stream.Parse(b"", True)  # noqa: FBT003 - the library's own form
    yield Book("xml2003", tuple(document.sheets), document.epoch_1904)


def _decoder(encoding: str, name: str) -> Callable[[bytes], bytes]:
    """From a file's bytes to what the parser takes: UTF-8 unless it knows the encoding itself."""
    if encoding in _NATIVE:
        return bytes
    try:
        decoder = codecs.getincrementaldecoder(_CHINESE.get(encoding, encoding))("strict")
    except LookupError as error:
        raise _undecodable(f"says that it is in {encoding}, which is not known", name) from error

    def decode(data: bytes) -> bytes:
        try:
            return decoder.decode(data).encode()
        except UnicodeDecodeError as error:
            raise _undecodable(f"says that it is in {encoding}, but is not", name) from error

    return decode


def _undecodable(what: str, name: str) -> DeliveryError:
    return DeliveryError(
        f"this XML spreadsheet {what}", where=name, todo=SAVE_AS, reason="undecodable"
    )


class _Document:
    """The sheets of a document while it is parsed."""

    def __init__(self, where: str, budget: Budget) -> None:
        self.sheets = list[Grid]()
        self.epoch_1904 = False
        self._where, self._budget = where, budget
        self._row = self._column = self._next_column = 0
        self._cells = list[str]()
        self._spread, self._depth_of_comment, self._listening = 1, 0, False
        self._kind, self._formula, self._texts = "", "", list[str]()

    def listen(self, stream: expat.XMLParserType) -> None:
        """Take the parser's events."""
        follow(stream, self._where, self._start, self._end)
        stream.CharacterDataHandler = self._text

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = local(tag)
        if name == "Cell":
            self._open_cell(locals_of(attributes))
        elif name == "Data" and not self._depth_of_comment:
            self._kind, self._listening = locals_of(attributes).get("Type", "String"), True
            self._texts.clear()
        elif name == "Row":
            self._open_row(locals_of(attributes))
        elif name == "Comment":
            self._depth_of_comment += 1
        elif name == "Column":
            self._see_column(locals_of(attributes))
        elif name == "Worksheet":
            title = locals_of(attributes).get("Name", str(len(self.sheets) + 1))
            self.sheets.append(Grid(title, self._where, self._budget))
            self._row = self._next_column = 0
        elif name in {"Visible", "Date1904"}:
            self._texts.clear()
            self._listening = name == "Visible"
            self.epoch_1904 = self.epoch_1904 or name == "Date1904"

    def _end(self, tag: str) -> None:
        name = local(tag)
        if name == "Data":
            self._listening = False
        elif name == "Cell" and self.sheets:
            self._close_cell()
        elif name == "Row" and self.sheets:
            self.sheets[-1].add(self._row, self._cells)
            self._cells = []
        elif name == "Comment":
            self._depth_of_comment -= 1
        elif name == "Visible" and self.sheets:
            self._listening = False
            self.sheets[-1].state = _STATES.get("".join(self._texts).strip(), "visible")
        elif name == "Worksheet" and self.sheets:
            self.sheets[-1].close(self.sheets[-1].state)

    def _text(self, text: str) -> None:
        if self._listening:
            self._texts.append(text)

    def _open_row(self, attributes: dict[str, str]) -> None:
        self._row = self._number(attributes, "Index", self._row + 1)
        self._column = 0
        if attributes.get("Hidden") == "1" and self.sheets:
            last = self._row + self._number(attributes, "Span", 0)
            self.sheets[-1].hidden.update(range(self._row, last + 1))

    def _see_column(self, attributes: dict[str, str]) -> None:
        first = self._number(attributes, "Index", self._next_column + 1)
        self._next_column = first + self._number(attributes, "Span", 0)
        if attributes.get("Hidden") == "1" and self.sheets:
            self.sheets[-1].hidden_at.update(range(first, self._next_column + 1))

    def _open_cell(self, attributes: dict[str, str]) -> None:
        column = self._number(attributes, "Index", self._column + 1)
        across = self._number(attributes, "MergeAcross", 0)
        down = self._number(attributes, "MergeDown", 0)
        if (across or down) and self.sheets:
            self.sheets[-1].merge(Merge(self._row, column, self._row + down, column + across))
        self._column, self._spread = column, across
        self._kind, self._formula = "", attributes.get("Formula", "")
        self._texts.clear()

    def _close_cell(self) -> None:
        text = _cell(self._kind, "".join(self._texts)) if self._kind else ""
        if text:
            if self._column > len(self._cells):
                self.sheets[-1].fits(self._row, self._column)
                self._cells += [""] * (self._column - len(self._cells))
            self._cells[self._column - 1] = text
        elif self._formula:
            formula = "=" + self._formula.removeprefix("of:").removeprefix("=")
            self.sheets[-1].uncached.setdefault(self._row, {})[self._column] = formula
        self._column += self._spread

    def _number(self, attributes: dict[str, str], name: str, fallback: int) -> int:
        """An index or span; nonsense refuses the file."""
        raw = attributes.get(name, "")
        if not raw:
            return fallback
        number = int(raw) if raw.isascii() and raw.isdigit() else -1
        if not 0 <= number <= MAX_INDEX:
            raise DeliveryError(
                f"this XML spreadsheet has an impossible {name} near row {self._row}",
                where=self._where,
                todo=SAVE_AS,
                reason="damaged",
            )
        return number


def _cell(kind: str, text: str) -> str:
    if kind == "Number":
        return number_text(text)
    if kind == "Boolean":
        return {"1": "TRUE", "0": "FALSE"}.get(text.strip(), text)
    if kind == "DateTime":
        return _moment(text)
    return text


def _moment(text: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return as_text(moment.time() if moment.date() < FIRST_DAY else moment)
