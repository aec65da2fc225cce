"""The second reader of workbooks: chosen rows near the top of a sheet, by openpyxl's own parts.

``openpyxl.load_workbook`` cannot be used: it loads all shared strings, and parses a sheet to its
end when that does not state its dimensions. Comparing is ``crosscheck``'s matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openpyxl.cell.text import Text
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

STRINGS = 20_000
"""Shared strings beyond these are not looked up: reaching them would cost more than the read."""


LOCAL_DATES = frozenset({*range(27, 37), *range(50, 59)})
"""Numbers of built-in formats that are dates and times in Chinese Excel; openpyxl lacks them."""


class TooFarError(Exception):
    """A shared string that is not looked up."""


class SecondReader:
    """One workbook, open while it is used as a context manager."""

    def __init__(self, path: Path) -> None:
        # A landed file is named by its hash; openpyxl asks a path, but no stream, for a suffix.
        self._stream = path.open("rb")

    def __enter__(self) -> Self:
        reader = ExcelReader(self._stream, read_only=True, data_only=True, keep_links=False)
        reader.read_manifest()
        reader.read_workbook()
        apply_stylesheet(reader.archive, reader.wb)
        self._archive = reader.archive
        book: Any = reader.wb  # its date formats are known to openpyxl's own readers only
        styles = enumerate(book._cell_styles)  # noqa: SLF001
        book._date_formats |= {n for n, style in styles if style.numFmtId in LOCAL_DATES}  # noqa: SLF001
        self._book = book
        self._parts = {sheet.name: rel.target for sheet, rel in reader.parser.find_sheets()}
        package: Any = reader.package
        table = package.find(SHARED_STRINGS)
        self._strings = _Strings(self._archive.open(table.PartName[1:]) if table else None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def rows(self, sheet: str, chosen: frozenset[int]) -> Iterator[tuple[int, list[Any]]]:
        """The chosen rows with their values, None where a cell is empty.

        Rows that the file leaves out before the last one that it holds are empty.

        Raises:
            TooFarError: A value is a shared string far down their table.
        """
        last, done = max(chosen), 0
        with self._archive.open(self._parts[sheet]) as source:
            parser = _Parser(
                source,
                self._strings,
                data_only=True,
                epoch=self._book.epoch,
                date_formats=self._book._date_formats,  # noqa: SLF001
                timedelta_formats=self._book._timedelta_formats,  # noqa: SLF001
            )
            parser.chosen = chosen
            for row, cells in parser.parse():
                yield from ((n, []) for n in range(done + 1, min(row, last + 1)) if n in chosen)
                if row in chosen:
                    yield row, _in_place(cells)
                if row >= last:
                    return
                done = row


def _in_place(cells: list[dict[str, Any]]) -> list[Any]:
    values = [None] * max((cell["column"] for cell in cells), default=0)
    for cell in cells:
        values[cell["column"] - 1] = cell["value"]
    return values


class _Parser(WorkSheetParser):
    """openpyxl's parser, which looks into the cells of chosen rows only."""

    chosen: frozenset[int] = frozenset()

    def parse_row(self, row: Any) -> tuple[int, list[dict[str, Any]]]:
        number = int(float(row.get("r", self.row_counter + 1)))
        if number not in self.chosen:
            row.clear()
            self.row_counter = number
            return number, []
        return super().parse_row(row)


class _Strings:
    """The workbook's shared strings, read as far as they are asked for."""

    def __init__(self, source: Any) -> None:
        self._read = list[str]()
        self._rest = self._texts(source) if source else iter(())

    def __getitem__(self, index: int) -> str:
        while len(self._read) <= index:
            if index >= STRINGS:
                raise TooFarError
            self._read.append(next(self._rest))
        return self._read[index]

    @staticmethod
    def _texts(source: Any) -> Iterator[str]:
        with source:
            for _, node in iterparse(source):
                if node.tag == f"{{{SHEET_MAIN_NS}}}si":
                    text: Any = Text.from_tree(node)
                    # openpyxl's own table of strings is read with the same replacement.
                    yield text.content.replace("x005F_", "")
                    node.clear()
