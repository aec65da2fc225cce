"""A delivered file as a clerk reads it: sheets, numbered rows, the header, and what is no data."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path

from openpyxl import load_workbook

from tests.oracle.forms import Form

Cells = dict[str, str]


@dataclass(frozen=True)
class Line:
    """A data row: where it stands, its cells by column name; ``defect`` sets it aside."""

    sheet: str
    row: int
    cells: Cells
    defect: str = ""


@dataclass
class Paper:
    """A file: its data rows, how many rows were no data, the totals that it states."""

    path: Path
    lines: list[Line] = field(default_factory=list)
    dropped: int = 0
    stated: list[tuple[str, int, str, str]] = field(default_factory=list)

    @property
    def read(self) -> int:
        """All rows but the header."""
        return len(self.lines) + self.dropped


def _decoded(data: bytes) -> str:
    for codec in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    raise ValueError("neither UTF-8 nor GB 18030")


def _said(cell: object) -> str:
    """A workbook's cell as text."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return repr(cell) if isinstance(cell, float) else str(cell)


def _sheets(path: Path) -> Iterator[tuple[str, list[list[str]]]]:
    if path.suffix == ".csv":
        text = _decoded(path.read_bytes())
        yield "", [list(row) for row in csv.reader(io.StringIO(text, newline=""))]
        return
    book = load_workbook(path, data_only=True)
    for sheet in book.worksheets:
        yield sheet.title, [[_said(c) for c in row] for row in sheet.iter_rows(values_only=True)]


def _plain(title: str) -> str:
    """A header's title without its unit and blanks."""
    text = title.strip().replace("（", "(").replace("）", ")")
    return text.split("(")[0] if text.endswith(")") else text


def _header(form: Form, row: Sequence[str]) -> dict[int, str]:
    """Position -> column, of a row that names columns."""
    exact = {title: column.name for column in form.columns for title in column.titles}
    bare = {_plain(title): name for title, name in exact.items()}
    found: dict[int, str] = {}
    for at, cell in enumerate(row):
        name = exact.get(cell.strip()) or bare.get(_plain(cell))
        if name and name not in found.values():
            found[at] = name
    return found


def read(path: Path, form: Form) -> Paper:
    """Read a file by its contract; of several sheets, every one that has the header."""
    paper = Paper(path)
    for sheet, rows in _sheets(path):
        heads = [_header(form, row) for row in rows[:10]]
        start = max(range(len(heads)), key=lambda n: len(heads[n]))
        _take(paper, sheet, rows, start, heads[start])
    return paper


def _take(
    paper: Paper, sheet: str, rows: list[list[str]], start: int, head: dict[int, str]
) -> None:
    titles = [cell.strip() for cell in rows[start]]
    width = max(at for at, title in enumerate(titles) if title) + 1
    paper.dropped += start
    for number, row in enumerate(rows[start + 1 :], start + 2):
        filled = [cell for cell in row if cell.strip()]
        again = [cell.strip() for cell in row] == titles
        if not filled or again or _is_note(filled):
            paper.dropped += 1
        elif row[0].strip() in {"合计", "总计", "小计"}:
            paper.dropped += 1
            paper.stated += [
                (sheet, number, head[at], cell)
                for at, cell in enumerate(row)
                if at and at in head and cell.strip()
            ]
        else:
            cells = {name: row[at] for at, name in head.items() if at < len(row)}
            more = any(cell.strip() for cell in row[width:])
            is_short = paper.path.suffix == ".csv" and len(row) < width
            paper.lines.append(Line(sheet, number, cells, "ragged" if more or is_short else ""))


def _is_note(filled: Sequence[str]) -> bool:
    """A line under the table."""
    return len(filled) == 1 and filled[0].startswith(("填表说明", "说明", "注：", "备注："))
