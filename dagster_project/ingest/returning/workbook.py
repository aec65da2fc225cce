"""A department's own workbook and its cases -> the same workbook with marked cells.

Only values and their looks are kept: formulas become the values that were stored with them, links
to other files and macros are left out. Nothing in the copy can run.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from openpyxl.cell.cell import MergedCell
from openpyxl.comments import Comment
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from dagster_project.contracts.model import Feed
from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.ingest.readers.books.base import Merge
from dagster_project.ingest.readers.books.values import as_text
from dagster_project.ingest.readers.table.header import SEARCHED, Layout, find_header
from dagster_project.ingest.returning.defuse import is_dangerous
from dagster_project.ingest.returning.findings import Case, Cases, Copy, return_columns
from dagster_project.ingest.returning.parts import cut

UNPACKED = 64 << 20
"""A workbook that unpacks to more (a million cells, some 700 MB of memory) is not copied whole."""

AUTHOR = "校核"
MARK = "【校核】"
"""What our part of a comment begins with."""
COLOUR = "FFFFC7CE"
FILL = PatternFill("solid", start_color=COLOUR, end_color=COLOUR)
HEAD_FILL = PatternFill("solid", start_color="FFFFEB9C", end_color="FFFFEB9C")
WIDTHS = (48, 18)
COMMENT_SIZE = (120, 280)
_PLAIN = (str, int, float, bool, date, datetime, time, timedelta)
LOST = "公式已换成保存的值，宏与外部链接已去除，图片、图表等单元格以外的格式可能未保留"


def fits(source: Path) -> bool:
    """Whether the workbook is small enough to be copied as it is."""
    with zipfile.ZipFile(source) as archive:
        return sum(entry.file_size for entry in archive.infolist()) <= UNPACKED


def annotate_workbook(source: Path, out: BinaryIO, feed: Feed, cases: Cases, *, name: str) -> Copy:
    """Write the annotated copy of an .xlsx or .xlsm workbook.

    Args:
        source: The delivered workbook.
        out: Where the copy is written, as .xlsx.
        feed: The contract.
        cases: Open cases by sheet and row.
        name: How the file is called in sentences.

    Raises:
        DeliveryError: A sheet's header is not found any more, as after a change of the contract.
    """
    copy = Copy(remarks=[LOST])
    by_sheet: dict[str, dict[int, Case]] = {}
    for (sheet, row), case in cases.items():
        by_sheet.setdefault(sheet, {})[row] = case
    with source.open("rb") as stream, warnings.catch_warnings():
        # openpyxl warns of every extension that it leaves out; LOST says so once.
        warnings.simplefilter("ignore")
        reader = _Reader(stream, data_only=True, keep_links=False, keep_vba=False)
        reader.read()
        book: Any = reader.wb
        cut(book)
        for one in book.worksheets:
            table = _Sheet(one, f"{name}, sheet {one.title}")
            table.defuse()
            if found := by_sheet.get(one.title):
                table.annotate(feed, found, copy)
        book.save(out)
    return copy


class _Reader(ExcelReader):
    """openpyxl's reader, which leaves numbers that are shown as dates what they are: numbers.

    Otherwise a number that is no date, such as 20230601 in a column of dates, would be lost.
    """

    def read_worksheets(self) -> None:
        book: Any = self.wb
        book._date_formats, book._timedelta_formats = set(), set()  # noqa: SLF001
        super().read_worksheets()


class _Sheet:
    """One worksheet while it is annotated."""

    def __init__(self, sheet: Any, where: str) -> None:
        self._sheet, self._where = sheet, where
        self._width = 0
        self._head: dict[int, dict[int, str]] = {}

    def defuse(self) -> None:
        """Every cell a plain value; what an earlier return marked is as before."""
        # ``iter_rows`` would make a cell for every place that a false dimension claims.
        for cell in list(self._sheet._cells.values()):  # noqa: SLF001
            self._forget(cell)
            value = cell.value
            if value is None:
                continue
            if cell.data_type == "f" or not isinstance(value, _PLAIN):
                cell.value = None
                continue
            if isinstance(value, str) and is_dangerous(value):
                cell.data_type = "s"
                cell.quotePrefix = True
            self._width = max(self._width, cell.column)
            if cell.row <= SEARCHED:
                self._head.setdefault(cell.row, {})[cell.column] = as_text(value)

    def annotate(self, feed: Feed, cases: Mapping[int, Case], copy: Copy) -> None:
        """Colours, comments and the two columns."""
        layout = self._layout(feed)
        columns = {name: n for n, name in enumerate(layout.names, start=1) if n <= self._width}
        added = self._added(layout)
        for row, case in cases.items():
            copy.rows += 1
            copy.cells += self._mark_row(row, case, columns, layout.width)
            for column, text in zip(added, (case.opinion, case.number), strict=True):
                self._write(row, column, text).alignment = Alignment(wrap_text=True, vertical="top")

    def _layout(self, feed: Feed) -> Layout:
        records = [
            (row, [self._head.get(row, {}).get(n, "") for n in range(1, self._width + 1)])
            for row in range(1, max(self._head, default=0) + 1)
        ]
        merges = [
            Merge(one.min_row, one.min_col, one.max_row, one.max_col)
            for one in self._sheet.merged_cells.ranges
        ]
        return find_header(
            records,
            feed,
            sheet=self._sheet.title,
            where=self._where,
            merges=merges,
            lenient=True,
        )

    def _added(self, layout: Layout) -> tuple[int, ...]:
        """The two columns' numbers: those of an earlier return emptied, or new ones."""
        if at := return_columns(layout):
            made = tuple(position + 1 for position in at)
            for (row, column), cell in list(self._sheet._cells.items()):  # noqa: SLF001
                if column in made and row > layout.row:
                    cell.value = None
            return made
        made = (self._width + 1, self._width + 2)
        for column, title, width in zip(made, RETURN_COLUMNS, WIDTHS, strict=True):
            head = self._write(layout.first_row, column, title)
            head.fill, head.font = HEAD_FILL, Font(bold=True)
            self._sheet.column_dimensions[get_column_letter(column)].width = width
        return made

    def _mark_row(self, row: int, case: Case, columns: Mapping[str, int], width: int) -> int:
        marked = 0
        for name, sentences in case.by_column().items():
            if name in columns:
                self._mark(row, columns[name], sentences)
                marked += 1
        if case.of_the_row:
            for column in range(1, width + 1):
                self._mark(row, column, case.of_the_row if column == 1 else ())
            marked += width
        return marked

    def _mark(self, row: int, column: int, sentences: Sequence[str]) -> None:
        cell = self._sheet.cell(row, column)
        if isinstance(cell, MergedCell):
            cell = self._owner(row, column)
        cell.fill = FILL
        if sentences:
            own = f"{cell.comment.text}\n" if cell.comment else ""
            text = own + "\n".join(MARK + sentence for sentence in sentences)
            cell.comment = Comment(text, AUTHOR, *COMMENT_SIZE)

    def _owner(self, row: int, column: int) -> Any:
        """The cell that stands for all of its merged range."""
        (owner,) = [
            one
            for one in self._sheet.merged_cells.ranges
            if one.min_row <= row <= one.max_row and one.min_col <= column <= one.max_col
        ]
        return self._sheet.cell(owner.min_row, owner.min_col)

    def _write(self, row: int, column: int, text: str) -> Any:
        cell = self._sheet.cell(row, column, text)
        cell.data_type = "s"
        cell.quotePrefix = is_dangerous(text)
        return cell

    @staticmethod
    def _forget(cell: Any) -> None:
        """Take off the colour and comment of an earlier return."""
        if cell.comment is not None and MARK in cell.comment.text:
            own = cell.comment.text.partition(MARK)[0].strip()
            cell.comment = Comment(own, AUTHOR) if own else None
        if cell.has_style and cell.fill.fill_type == "solid" and cell.fill.fgColor.rgb == COLOUR:
            cell.fill = PatternFill()
