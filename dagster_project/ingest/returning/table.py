"""Rows as they were read -> a new workbook with marked cells.

For files that cannot be copied as they are: other kinds of workbook, and what is too large. Every
cell is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.ingest.returning.defuse import is_dangerous
from dagster_project.ingest.returning.findings import Case, Cases, Copy
from dagster_project.ingest.returning.workbook import (
    AUTHOR,
    COMMENT_SIZE,
    FILL,
    HEAD_FILL,
    MARK,
    WIDTHS,
)

MOST_ROWS = 1_048_575
"""Rows below the header that a sheet can hold."""
MOST_CHARACTERS = 32_767
SHEET = "数据"
MOST_NAMED = 28
"""Characters of a sheet's name (31), less what tells equal ones apart."""
_UNNAMEABLE = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What OpenDocument and XML sheets may be called by, and a workbook's must not."""

Row = tuple[str, int, Sequence[str | None]]
"""Sheet, record number and the row's cells."""


Titled = Sequence[tuple[str, str]]
"""Each column's contract name (or its title where the contract has none) and its title."""


def write_table(out: BinaryIO, table: Titled, rows: Iterable[Row], cases: Cases) -> Copy:
    """Write rows in their order, sheet by sheet, with their cases' marks.

    Args:
        out: Where the workbook is written.
        table: The columns.
        rows: The rows, in memory one at a time.
        cases: Open cases by sheet and record number.
    """
    copy, book = Copy(), Workbook(write_only=True)
    names, titles = [name for name, _ in table], [title for _, title in table]
    sheet, current = None, None
    for of, number, cells in rows:
        if sheet is None or of != current:
            current = of
            sheet = _begin(book, of or SHEET, titles)
        case = cases.get((of, number))
        sheet.append([*_cells(sheet, names, cells, case, copy)])
    if sheet is None:
        _begin(book, SHEET, titles)
    book.save(out)
    return copy


def _begin(book: Workbook, title: str, titles: Sequence[str]) -> Any:
    named = _UNNAMEABLE.sub("_", title)[:MOST_NAMED].strip("'") or SHEET
    sheet: Any = book.create_sheet(named)
    for column, width in enumerate(WIDTHS, start=len(titles) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = "A2"
    head = []
    for text in (*titles, *RETURN_COLUMNS):
        cell = _text(sheet, text)
        cell.font, cell.fill = Font(bold=True), HEAD_FILL
        head.append(cell)
    sheet.append(head)
    return sheet


def _cells(
    sheet: Any, names: Sequence[str], cells: Sequence[str | None], case: Case | None, copy: Copy
) -> list[Any]:
    if case is None:
        return [_text(sheet, text) for text in cells]
    found, whole = case.by_column(), case.of_the_row
    made = []
    for n, (name, text) in enumerate(zip(names, cells, strict=True)):
        cell = _text(sheet, text)
        sentences = [*found.get(name, ()), *(whole if n == 0 else ())]
        if sentences:
            marked = "\n".join(MARK + sentence for sentence in sentences)
            cell.comment = Comment(marked, AUTHOR, *COMMENT_SIZE)
        if whole or name in found:
            cell.fill = FILL
            copy.cells += 1
        made.append(cell)
    copy.rows += 1
    for text in (case.opinion, case.number):
        cell = _text(sheet, text)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        made.append(cell)
    return made


def _text(sheet: Any, text: str | None) -> Any:
    """A cell that is text whatever it looks like; what a workbook cannot hold is left out."""
    clean = ILLEGAL_CHARACTERS_RE.sub("", text or "")[:MOST_CHARACTERS]
    cell = WriteOnlyCell(sheet, clean or None)
    if clean:
        cell.data_type = "s"
        cell.quotePrefix = is_dangerous(clean)
    return cell
