"""Tables of an HTML page, mostly delivered as ``.xls``: every table is a sheet.

The text of a cell is what the page shows, except where Excel wrote the number behind it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books.base import Book, Merge
from dagster_project.ingest.readers.books.grid import Budget, Grid, number_text
from dagster_project.ingest.readers.books.markup import attributes, decoded, tokens
from dagster_project.ingest.readers.detect import SAVE_AS
from dagster_project.ingest.readers.limits import Limits

MAX_ACROSS, MAX_DOWN = 1000, 65_534
"""What HTML itself bounds spans to."""
DEPTH = 100
"""Tables nested deeper than this are no export."""

_BLANKS = re.compile(r"[ \t\r\n\f]+")
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[\d,.]+(?:[eE][-+]?\d+)?%?")
_BREAKS = frozenset({"br", "/p", "/div", "/li", "p", "div", "li"})


@contextlib.contextmanager
def opened(path: Path, *, name: str, limits: Limits) -> Iterator[Book]:
    """The page's tables that hold text, all of them read.

    Raises:
        DeliveryError: The page holds no table, cannot be decoded, or spans too many cells.
    """
    page = _Page(name, Budget(limits.cells))
    for tag, text in tokens(decoded(path, name)):
        page.take(tag, text)
    tables = page.close()
    if not tables:
        raise DeliveryError(
            "this is a web page that holds no table",
            where=name,
            todo=SAVE_AS,
            reason="not_a_table",
        )
    yield Book("html", tuple(tables))


@dataclass
class _Table:
    """One table while it is read."""

    grid: Grid
    row: int = 0
    column: int = 0
    cells: list[str] = field(default_factory=list)
    texts: list[str] | None = None
    number: str = ""
    across: int = 1
    down: dict[int, int] = field(default_factory=dict)
    in_row: bool = False
    is_frame: bool = False

    def take(self, tag: str, text: str) -> None:
        """The next tag or text within this table."""
        if tag in {"td", "th"}:
            self.open_cell(text)
        elif tag in {"/td", "/th"}:
            self.close_cell()
        elif tag == "tr":
            self.open_row(text)
        elif tag == "/tr":
            self.close_row()
        elif self.texts is not None and not tag:
            self.texts.append(_BLANKS.sub(" ", text))
        elif self.texts and tag in _BREAKS:
            self.texts.append("\n")

    def open_row(self, raw: str) -> None:
        """A row begins, and the one before it ends."""
        self.close_row()
        self.row, self.column, self.cells, self.in_row = self.row + 1, 0, [], True
        if _HIDDEN.search(raw):
            self.grid.hidden.add(self.row)

    def close_row(self) -> None:
        """A row ends, if one is open."""
        if not self.in_row:
            return
        self.close_cell()
        self.grid.add(self.row, self.cells)
        self.down = {column: rows - 1 for column, rows in self.down.items() if rows > 1}
        self.in_row = False

    def open_cell(self, raw: str) -> None:
        """A cell begins, in the next column that no cell above reaches into."""
        self.close_cell()
        if not self.in_row:
            self.open_row("")
        said = attributes(raw) if raw else {}
        self.column += 1
        while self.column in self.down:
            self.column += 1
        across = _span(said.get("colspan", ""), MAX_ACROSS)
        down = _span(said.get("rowspan", ""), MAX_DOWN)
        self.texts, self.number, self.across = [], said.get("x:num", ""), across
        if across > 1 or down > 1:
            last = self.column + across - 1
            self.grid.fits(self.row, last)
            self.grid.merge(Merge(self.row, self.column, self.row + down - 1, last))
            if down > 1:
                self.down |= dict.fromkeys(range(self.column, last + 1), down)

    def close_cell(self) -> None:
        """A cell ends, if one is open."""
        if self.texts is None:
            return
        if text := _shown(self.texts, self.number):
            self.grid.fits(self.row, self.column)
            self.cells += [""] * (self.column - len(self.cells))
            self.cells[self.column - 1] = text
        self.column += self.across - 1
        self.texts = None


class _Page:
    """All tables of a page while it is read."""

    def __init__(self, where: str, budget: Budget) -> None:
        self._where, self._budget = where, budget
        self._open, self._done = list[_Table](), list[_Table]()

    def take(self, tag: str, text: str) -> None:
        """The next tag or text."""
        if tag == "table":
            self._begin()
        elif tag == "/table" and self._open:
            self._end()
        elif self._open:
            self._open[-1].take(tag, text)

    def close(self) -> list[Grid]:
        """The tables with text; those that only frame others come last."""
        while self._open:
            self._end()
        filled = [table for table in self._done if not table.grid.is_empty]
        ordered = sorted(filled, key=lambda table: table.is_frame)
        for number, table in enumerate(ordered, start=1):
            name = str(number) if len(ordered) > 1 else ""
            table.grid.rename(name, self._where)
        return [table.grid for table in ordered]

    def _begin(self) -> None:
        if self._open:
            self._open[-1].is_frame = True
        if len(self._open) >= DEPTH:
            raise DeliveryError(
                f"its tables are nested more than {DEPTH} deep",
                where=self._where,
                todo=SAVE_AS,
                reason="not_a_table",
            )
        self._open.append(_Table(Grid("", self._where, self._budget)))

    def _end(self) -> None:
        table = self._open.pop()
        table.close_row()
        table.grid.close()
        self._done.append(table)


def _span(raw: str, most: int) -> int:
    if not raw:
        return 1
    raw = raw.strip()
    return min(max(int(raw), 1), most) if raw.isascii() and raw.isdigit() and len(raw) < 9 else 1  # noqa: PLR2004


def _shown(texts: list[str], number: str) -> str:
    """A cell's text: lines without blanks around them, and the number that Excel keeps aside."""
    text = "".join(texts).strip(" \xa0")
    if "\n" in text:
        text = "\n".join(line.strip(" \xa0") for line in text.split("\n")).strip("\n")
    if number and _NUMBER.fullmatch(text):
        return number_text(number)
    return text
