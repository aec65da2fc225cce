"""OpenDocument spreadsheets: one stream of tables, rows and cells, with what repeats.

The text of a cell is what is stored (numbers, ISO dates), not what is shown.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from dagster_project.ingest.readers.books.base import Book, Merge
from dagster_project.ingest.readers.books.grid import Budget, Grid, number_text
from dagster_project.ingest.readers.books.package import Package
from dagster_project.ingest.readers.books.values import as_text
from dagster_project.ingest.readers.books.xmlstream import follow, local, locals_of, parsed, parser
from dagster_project.ingest.readers.limits import Limits

_DURATION = re.compile(r"(-?)PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,]\d+)?S)?")
_CELLS = frozenset({"table-cell", "covered-table-cell"})
_ASIDE = frozenset({"annotation", "frame", "custom-shape", "shapes", "tracked-changes"})
"""What holds texts that are no cell's: comments, drawings, earlier versions."""
_FORMULA = re.compile(r"^(?:of|oooc|msoxl):")


@contextlib.contextmanager
def opened(path: Path, *, name: str, limits: Limits) -> Iterator[Book]:
    """The spreadsheet's sheets, all of them read.

    Raises:
        DeliveryError: The package or its XML is damaged, hostile, or spans too many cells.
    """
    document = _Document(name, Budget(limits.cells))
    with Package(path, name, limits) as package, parsed(name):
        stream = parser(name)
        follow(stream, name, document.start, document.end)
        stream.CharacterDataHandler = document.text
        for chunk in package.chunks("content.xml"):
            stream.Parse(chunk, False)  # noqa: FBT003 - the library's own form
        stream.Parse(b"", True)  # noqa: FBT003 - the library's own form
    yield Book("ods", tuple(document.sheets))


class _Document:
    """The sheets of a document while it is parsed."""

    def __init__(self, where: str, budget: Budget) -> None:
        self.sheets = list[Grid]()
        self._where, self._budget = where, budget
        self._hidden_styles = set[str]()
        self._style, self._aside, self._tables = "", 0, 0
        self._row = self._column = self._next_column = 0
        self._rows = self._columns = 1
        self._cells = list[str]()
        self._cell: dict[str, str] | None = None
        self._texts = list[str]()
        self._formulas = dict[int, str]()
        self._is_hidden = False
        self._in_text = 0
        self._opens: dict[str, Callable[[dict[str, str]], None]] = {
            **dict.fromkeys(_CELLS, self._open_cell),
            "table-row": self._open_row,
            "table-column": self._see_column,
            "table": self._open_table,
            "style": self._see_style,
            "table-properties": self._see_properties,
        }

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(tag)
        if self._aside or name in _ASIDE:
            self._aside += 1
        elif self._cell is not None and name in {"p", "h"}:
            if self._texts:
                self._texts.append("\n")
            self._in_text += 1
        elif self._in_text:
            self._space(name, attributes)
        elif opens := self._opens.get(name):
            opens(locals_of(attributes))

    def end(self, tag: str) -> None:
        """An element ends."""
        name = local(tag)
        if self._aside:
            self._aside -= 1
        elif name in _CELLS and self._tables == 1:
            self._close_cell()
        elif name in {"p", "h"} and self._in_text:
            self._in_text -= 1
        elif name == "table-row" and self._tables == 1:
            self._close_row()
        elif name == "table" and self._tables:
            self._tables -= 1
            if not self._tables:
                self.sheets[-1].close("hidden" if self._is_hidden else "visible")

    def text(self, text: str) -> None:
        """Characters; only those of a cell's paragraphs are its text."""
        if self._in_text and not self._aside:
            self._texts.append(text)

    def _space(self, name: str, attributes: dict[str, str]) -> None:
        if name == "s":
            count = locals_of(attributes).get("c", "1")
            self._texts.append(" " * min(int(count) if count.isdigit() else 1, 1000))
        elif name in {"tab", "line-break"}:
            self._texts.append("\t" if name == "tab" else "\n")

    def _see_style(self, attributes: dict[str, str]) -> None:
        self._style = attributes.get("name", "")

    def _see_properties(self, attributes: dict[str, str]) -> None:
        if attributes.get("display") == "false":
            self._hidden_styles.add(self._style)

    def _open_table(self, attributes: dict[str, str]) -> None:
        self._tables += 1
        if self._tables > 1:
            return
        title = attributes.get("name", str(len(self.sheets) + 1))
        self.sheets.append(Grid(title, self._where, self._budget))
        self._is_hidden = attributes.get("style-name") in self._hidden_styles
        self._row = self._next_column = 0
        self._rows = 1

    def _see_column(self, attributes: dict[str, str]) -> None:
        if self._tables != 1:
            return
        first = self._next_column + 1
        self._next_column += _count(attributes, "number-columns-repeated")
        if attributes.get("visibility", "visible") != "visible":
            self.sheets[-1].hidden_at.update(range(first, min(self._next_column, 1 << 15) + 1))

    def _open_row(self, attributes: dict[str, str]) -> None:
        if self._tables != 1:
            return
        self._row += 1
        self._rows = _count(attributes, "number-rows-repeated")
        self._column = 0
        self._cells, self._formulas = [], {}
        if attributes.get("visibility", "visible") != "visible":
            last = min(self._row + self._rows - 1, 1 << 21)
            self.sheets[-1].hidden.update(range(self._row, last + 1))

    def _close_row(self) -> None:
        sheet = self.sheets[-1]
        if self._formulas:
            sheet.fits(self._row + self._rows - 1, max(self._formulas))
            for row in range(self._row, self._row + self._rows):
                sheet.uncached[row] = self._formulas
        sheet.add(self._row, self._cells, self._rows)
        self._row += self._rows - 1

    def _open_cell(self, attributes: dict[str, str]) -> None:
        if self._tables != 1:
            return
        self._cell = attributes
        self._columns = _count(attributes, "number-columns-repeated")
        self._texts.clear()
        self._in_text = 0
        across = _count(attributes, "number-columns-spanned")
        down = _count(attributes, "number-rows-spanned")
        if across > 1 or down > 1:
            first = self._column + 1
            self.sheets[-1].merge(Merge(self._row, first, self._row + down - 1, first + across - 1))

    def _close_cell(self) -> None:
        if self._cell is None:
            return
        text = _value(self._cell, "".join(self._texts))
        first, last = self._column + 1, self._column + self._columns
        if text:
            self.sheets[-1].fits(self._row, last)
            self._cells += [""] * (first - 1 - len(self._cells)) + [text] * self._columns
        elif formula := self._cell.get("formula"):
            self.sheets[-1].fits(self._row, last)
            known = "=" + _FORMULA.sub("", formula).removeprefix("=")
            self._formulas |= dict.fromkeys(range(first, last + 1), known)
        self._column, self._cell = last, None


def _count(attributes: dict[str, str], name: str) -> int:
    raw = attributes.get(name)
    if raw is None:
        return 1
    return max(int(raw), 1) if raw.isascii() and raw.isdigit() else 1


def _value(attributes: dict[str, str], shown: str) -> str:
    """A cell's stored value as text."""
    kind = attributes.get("value-type", "")
    if kind in {"float", "percentage", "currency"}:
        return number_text(attributes.get("value", shown))
    if kind == "boolean":
        return attributes.get("boolean-value", shown).upper()
    if kind == "date":
        return _date(attributes.get("date-value", shown))
    if kind == "time":
        return _time(attributes.get("time-value", shown))
    return attributes.get("string-value") or shown


def _date(raw: str) -> str:
    try:
        return as_text(dt.datetime.fromisoformat(raw))
    except ValueError:
        return raw


def _time(raw: str) -> str:
    found = _DURATION.fullmatch(raw)
    if not found:
        return raw
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    return f"{found[1]}{hours:02d}:{minutes:02d}:{seconds:02d}"
