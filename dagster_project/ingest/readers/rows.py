"""What a record is: data, blank, a title or repeated header, totals, a footnote.

A record is set aside only when it cannot be data: a record whose other key columns are filled is
data whatever its first cell says. Values are not judged here.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dagster_project.contracts.model import Feed
from dagster_project.ingest.readers.header import Layout
from dagster_project.ingest.readers.result import ControlTotal, Kind

BLANKS = " \t\r\n\x0b\x0c\x1a\x00\xa0\u3000\u200b\ufeff"
"""What an empty-looking cell may hold: blanks of every width, and Ctrl-Z at a file's end."""

_GAP = f"[{BLANKS}]*"
TOTAL = (
    rf"^{_GAP}(?:本[页月季年表]|以上|全部|各项)?{_GAP}"
    rf"(?:合{_GAP}计|小{_GAP}计|总{_GAP}计|共{_GAP}计|累{_GAP}计|平{_GAP}均(?:值|数)?|其{_GAP}中)"
    rf"{_GAP}(?:[(（][^)）]*[)）])?{_GAP}[:：]?{_GAP}[\d.,，]*{_GAP}[条户人笔元个件项套宗]?{_GAP}$"
)
FOOTNOTE = (
    rf"^{_GAP}[*※]?{_GAP}(?:注{_GAP}\d*|备注|附注|说明|填表说明|填报说明|填表人|填报人|制表人|制表|"
    r"审核人|复核人|负责人|单位负责人|填报单位|填表单位|制表单位|填报日期|填表日期|制表日期|制表时间|"
    rf"打印时间|打印日期|导出时间|导出日期|导出人|联系人|联系电话|数据来源){_GAP}(?:[:：、.]|$)"
)
LABEL = f"{TOTAL}|{FOOTNOTE}"
"""What the first filled cell of a totals row or footnote looks like (RE2 and ``re`` alike)."""

_TOTAL, _FOOTNOTE = re.compile(TOTAL), re.compile(FOOTNOTE)
FOOTNOTE_CELLS = 3
"""A footnote fills at most this many cells: 制表人：… 审核人：… 日期：…"""


def is_blank(cell: str) -> bool:
    """Whether a cell holds nothing that can be seen."""
    return not cell.strip(BLANKS)


def as_line(cells: Sequence[str]) -> str:
    """A record as one CSV line, without trailing empty cells: how dropped rows are kept."""
    last = next((n for n in range(len(cells), 0, -1) if cells[n - 1]), 0)
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells[:last])
    return line.getvalue() if last else ""


@dataclass(frozen=True)
class Classifier:
    """Classifies the records below one header."""

    layout: Layout
    keys: tuple[int, ...]
    numeric: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, feed: Feed, layout: Layout) -> Classifier:
        """The classifier of a feed's table with this layout."""
        numeric = {c.name for c in feed.columns if c.type in {"integer", "decimal"}}
        positions = {name: n for n, name in enumerate(layout.names)}
        return cls(
            layout=layout,
            keys=tuple(positions[name] for name in feed.key if name in positions),
            numeric=tuple((n, name) for name, n in positions.items() if name in numeric),
        )

    def kind(self, row: int, cells: Sequence[str]) -> Kind | None:
        """What a record is, or None when it is data. Records above the header are titles."""
        label = next((n for n, cell in enumerate(cells) if not is_blank(cell)), None)
        if label is None:
            return "blank"
        if row < self.layout.row or tuple(cells) == self.layout.titles:
            return "title"
        is_total = _TOTAL.match(cells[label])
        if not is_total and not _FOOTNOTE.match(cells[label]):
            return None
        others = [n for n in self.keys if n != label]
        if others and all(n < len(cells) and not is_blank(cells[n]) for n in others):
            return None
        if is_total:
            return "total"
        filled = sum(1 for cell in cells if not is_blank(cell))
        return "footnote" if filled <= FOOTNOTE_CELLS else None

    def control_totals(self, cells: Sequence[str], row: int) -> Iterator[ControlTotal]:
        """What a totals row states for the contract's numeric columns."""
        for position, name in self.numeric:
            if position < len(cells) and not is_blank(cells[position]):
                yield ControlTotal(self.layout.sheet, row, name, cells[position].strip(BLANKS))
