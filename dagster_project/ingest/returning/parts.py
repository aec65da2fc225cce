"""What runs or leads outside although it stands in no cell: names, rules, validations, links.

Cells are defused in ``workbook``; macros and external workbooks are left out by its reader.
"""

from __future__ import annotations

import re
from typing import Any

_PLACE = r"\$?[A-Z]{0,3}\$?\d{0,7}(?::\$?[A-Z]{0,3}\$?\d{0,7})?"
_SHEET = r"(?:'[^'\[\]|!]*'|[^\W\d][\w.]*)!"
_RANGES = re.compile(rf"{_SHEET}{_PLACE}(?:,{_SHEET}{_PLACE})*")
_HARMLESS = re.compile(rf'(?:"[^"]*"|[-+]?\d+(?:\.\d+)?|(?:{_SHEET})?{_PLACE}|[^\W\d]\w*)')
_AUTO = re.compile(r"_xlnm\.auto|auto_?(?:open|close|activate|deactivate)", re.IGNORECASE)
"""Names that spreadsheets run by themselves."""


def cut(book: Any) -> None:
    """Leave only names that are ranges, rules of ranges and constants, and links within the book.

    Args:
        book: An openpyxl workbook.
    """
    for names in (book.defined_names, *(sheet.defined_names for sheet in book.worksheets)):
        for name in [n for n, one in names.items() if not _is_range(n, one.attr_text)]:
            del names[name]
    for sheet in book.worksheets:
        for table in sheet.tables.values():
            for column in table.tableColumns:
                column.calculatedColumnFormula = None
                column.totalsRowFormula = None
        _cut_validations(sheet)
        _cut_rules(sheet)
        _cut_links(sheet)


def _is_range(name: str, text: str | None) -> bool:
    return not _AUTO.match(name) and bool(_RANGES.fullmatch(text or ""))


def _is_harmless(formula: object) -> bool:
    return formula is None or bool(_HARMLESS.fullmatch(str(formula)))


def _cut_validations(sheet: Any) -> None:
    validations = sheet.data_validations
    validations.dataValidation = [
        one
        for one in validations.dataValidation
        if _is_harmless(one.formula1) and _is_harmless(one.formula2)
    ]


def _cut_rules(sheet: Any) -> None:
    rules = sheet.conditional_formatting._cf_rules  # noqa: SLF001
    for place, found in list(rules.items()):
        kept = [one for one in found if all(map(_is_harmless, one.formula))]
        if kept:
            rules[place] = kept
        else:
            del rules[place]


def _cut_links(sheet: Any) -> None:
    for link in [one for one in sheet._hyperlinks if one.target or one.id]:  # noqa: SLF001
        sheet._hyperlinks.remove(link)  # noqa: SLF001
    for cell in sheet._cells.values():  # noqa: SLF001
        if getattr(cell, "_hyperlink", None) is not None and cell._hyperlink.target:  # noqa: SLF001
            cell._hyperlink = None  # noqa: SLF001
