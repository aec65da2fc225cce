"""What blanks, totals, footnotes and examples look like in a cell. No record is judged here."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

BLANKS = " \t\r\n\x0b\x0c\x1a\x00\xa0\u3000\u200b\ufeff"
"""What an empty-looking cell may hold: blanks of every width, and Ctrl-Z at a file's end."""

_GAP = f"[{BLANKS}]*"
TOTAL = (
    rf"^{_GAP}(?:本[页月季年表]|以上|全部|各项)?{_GAP}"
    rf"(?:合{_GAP}计|小{_GAP}计|总{_GAP}计|共{_GAP}计|累{_GAP}计|平{_GAP}均(?:值|数)?|其{_GAP}中)"
    rf"{_GAP}(?:[(（][^)）]*[)）])?{_GAP}[:：]?{_GAP}[\d.,，]*{_GAP}[条户人笔元个件项套宗]?{_GAP}$"
    rf"|^{_GAP}其{_GAP}中{_GAP}[:：].{{0,20}}$"
)
SUM_OF = rf"[^{BLANKS}]{_GAP}(?:合{_GAP}计|小{_GAP}计|总{_GAP}计){_GAP}[:：]?{_GAP}$"
"""``冠山镇小计``: a total of what its label names, where all else in the row is numbers."""
_NOTE = (
    rf"^{_GAP}[*※]?{_GAP}(?:注{_GAP}\d*|备注|附注|说明|填表说明|填报说明|填表人|填报人|制表人|制表|"
    r"审核人|复核人|负责人|单位负责人|填报单位|填表单位|制表单位|填报日期|填表日期|制表日期|制表时间|"
    rf"打印时间|打印日期|导出时间|导出日期|导出人|联系人|联系电话|数据来源){_GAP}(?:[:：、.]|$)"
)
_SAID = (
    rf"^{_GAP}[(（]?{_GAP}(?:已选择{_GAP}\d+{_GAP}行|共{_GAP}\d+{_GAP}[条行](?:记录|数据)?"
    rf"|\d+{_GAP}行受影响"
    rf"|\d+{_GAP}(?i:rows?){_GAP}(?i:selected|affected|in set|returned|fetched).*)"
    rf"{_GAP}[。.)）]*{_GAP}$"
    rf"|^{_GAP}[(（]{_GAP}\d+{_GAP}(?:rows?|行(?:记录)?){_GAP}[)）]{_GAP}$"
)
PART = rf"^{_GAP}(?:本[页月季年表])?{_GAP}(?:平{_GAP}均|其{_GAP}中)"
"""Rows that state a part or a mean: no sum of the rows above."""
RULER = rf"^{_GAP}[-=_+*─━|┼ ]{{3,}}{_GAP}$"
FOOTNOTE = f"{_NOTE}|{_SAID}"
EXAMPLE = (
    rf"^{_GAP}[(（【]?{_GAP}(?:填[写表报])?(?:示例|样例|范例|例子|例如|例){_GAP}\d*{_GAP}[)）】]?"
    rf"{_GAP}[:：]?{_GAP}$"
)
LABEL = f"{TOTAL}|{SUM_OF}|{FOOTNOTE}|{EXAMPLE}|{RULER}"
"""What the first filled cell of a totals row, footnote or example looks like (RE2 and ``re``)."""

EXAMPLE_SHEET = re.compile(r"示例|样例|范例|样表|example|sample", re.IGNORECASE)
GUIDE_SHEET = re.compile(r"说明|目录|封面|须知|readme|contents", re.IGNORECASE)
QUERY = re.compile(
    r"^\s*(?:select\b|from\b|where\b|with\b|order\s+by\b|group\s+by\b|spool\b|set\s+\w+|"
    r"sql\s*>|--|/\*|\*/|@)|;\s*$",
    re.IGNORECASE,
)
"""How lines of a database tool's report begin that stand above the table itself."""

is_total, is_part, is_footnote, is_example, is_ruler = (
    re.compile(pattern).match for pattern in (TOTAL, PART, FOOTNOTE, EXAMPLE, RULER)
)
is_sum_of = re.compile(SUM_OF).search
STEMS = "甲乙丙丁戊己庚辛壬癸"
NUMBERED = 4
"""So many cells at least are numbered in a line of column numbers; fewer could be data."""
FOOTNOTE_CELLS = 3
"""A footnote fills at most this many cells: 制表人：… 审核人：… 日期：…"""
AMOUNT = re.compile(r"[￥¥]?\s*[-+(（]?\s*\d[\d,，]*(?:\.\d+)?\s*[)）]?\s*[%％元亩户人]?")
"""A cell that states a number."""


def is_blank(cell: str) -> bool:
    """Whether a cell holds nothing that can be seen."""
    return not cell.strip(BLANKS)


def as_line(cells: Sequence[str]) -> str:
    """A record as one CSV line, without trailing empty cells: how dropped rows are kept."""
    last = next((n for n in range(len(cells), 0, -1) if cells[n - 1]), 0)
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells[:last])
    return line.getvalue() if last else ""


def numbers_columns(cells: Sequence[str]) -> bool:
    """Whether a record numbers the columns (``甲 乙 1 2`` or ``1 2 3 4``) as printed forms do."""
    said = [cell.strip(BLANKS) for cell in cells]
    while said and not said[-1]:
        said.pop()
    letters = len([cell for cell in said if cell and cell in STEMS])
    counted = [*STEMS[:letters], *(str(n) for n in range(1, len(said) - letters + 1))]
    return len(said) >= NUMBERED and said == counted


def side_block(cells: Sequence[str], width: int) -> bool:
    """Whether what stands right of a table is a block of totals and no part of the record.

    Such a block is set off by an empty cell, begins with its label, and holds but numbers.
    """
    surplus = [cell.strip(BLANKS) for cell in cells[width:]]
    filled = [cell for cell in surplus if cell]
    if len(surplus) < 2 or surplus[0] or not filled or not is_total(filled[0]):  # noqa: PLR2004
        return False
    return all(is_total(cell) or AMOUNT.fullmatch(cell) for cell in filled)
