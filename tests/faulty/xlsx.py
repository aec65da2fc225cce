"""A small writer of .xlsx files, by hand: every fault is possible, the same bytes every time.

Other kinds of workbooks are written by ``tests.book_kit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from tests.faulty.kit import zipped

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
FORMATS = (0, 14, 49, 22, 31, 57, 164, 10)
"""Styles by their places: general, a day, text, a day with a time; then the days of Chinese systems
(31 and 57 are built in, 164 is spelt out) and a percentage."""
CHINESE_DAY = "yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@dataclass(frozen=True)
class Serial:
    """A number that is shown as a day, as a day with a time, or in another of ``FORMATS``."""

    value: float
    with_time: bool = False
    style: int = 0


@dataclass(frozen=True)
class Formula:
    """A formula with its stored value (text or number), or without one."""

    text: str
    value: str | float | None = None


@dataclass(frozen=True)
class Fault:
    """A cell that holds an error such as ``#N/A``."""

    code: str


Cell = None | bool | int | float | str | Serial | Formula | Fault


@dataclass
class Sheet:
    """One sheet; ``rows`` begin in A1, ``at`` places single cells far away.

    ``merges`` are references like ``A1:B1``; ``dimension`` is claimed, true or not; ``used`` adds
    rows that exist but hold nothing.
    """

    name: str
    rows: Sequence[Sequence[Cell]]
    merges: Sequence[str] = ()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: Sequence[int] = ()
    state: str = "visible"
    dimension: str = ""
    at: dict[str, Cell] = field(default_factory=dict)
    used: range = range(0)


def xlsx(*sheets: Sheet, epoch_1904: bool = False) -> bytes:
    """The workbook's bytes."""
    parts = {
        "[Content_Types].xml": _types(len(sheets)),
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": _workbook(sheets, epoch_1904=epoch_1904),
        "xl/_rels/workbook.xml.rels": _relations(
            [
                *(("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)),
                ("styles", "styles.xml"),
            ]
        ),
        "xl/styles.xml": _styles(),
    }
    for number, sheet in enumerate(sheets, 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = _sheet(sheet)
    return zipped([(name, (_XML + text).encode("utf-8")) for name, text in parts.items()])


def column(number: int) -> str:
    """The letters of a column, counted from 1."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _types(sheets: int) -> str:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(
        f'<Override PartName="/xl/{part}" ContentType="{kind}.{what}+xml"/>'
        for part, what in (
            ("workbook.xml", "sheet.main"),
            ("styles.xml", "styles"),
            *((f"worksheets/sheet{n}.xml", "worksheet") for n in range(1, sheets + 1)),
        )
    )
    rels = "application/vnd.openxmlformats-package.relationships+xml"
    return (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="{rels}"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'


def _workbook(sheets: Sequence[Sheet], *, epoch_1904: bool) -> str:
    entries = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{n}"'
        + (f' state="{sheet.state}"' if sheet.state != "visible" else "")
        + f' r:id="rId{n}"/>'
        for n, sheet in enumerate(sheets, 1)
    )
    epoch = '<workbookPr date1904="1"/>' if epoch_1904 else ""
    body = f"{epoch}<sheets>{entries}</sheets>"
    return f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}">{body}</workbook>'


def _styles() -> str:
    formats = "".join(
        f'<xf numFmtId="{number}" fontId="0" fillId="0" borderId="0" xfId="0"/>'
        for number in FORMATS
    )
    day = f'<numFmts count="1"><numFmt numFmtId="164" formatCode="{CHINESE_DAY}"/></numFmts>'
    plain = '<xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
    return (
        f'<styleSheet xmlns="{MAIN}">{day}<fonts count="1"><font/></fonts>'
        '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        f'<cellStyleXfs count="1">{plain}</cellStyleXfs>'
        f'<cellXfs count="{len(FORMATS)}">{formats}</cellXfs></styleSheet>'
    )


def _sheet(sheet: Sheet) -> str:
    grid: dict[int, dict[int, Cell]] = {
        row: {at: cell for at, cell in enumerate(cells, 1) if cell is not None}
        for row, cells in enumerate(sheet.rows, 1)
    }
    for reference, cell in sheet.at.items():
        row, at = _place(reference)
        grid.setdefault(row, {})[at] = cell
    for row in sheet.used:
        grid.setdefault(row, {})
    body = "".join(_row(row, grid[row], hidden=row in sheet.hidden_rows) for row in sorted(grid))
    columns = "".join(f'<col min="{n}" max="{n}" hidden="1"/>' for n in sheet.hidden_columns)
    merges = "".join(f'<mergeCell ref="{reference}"/>' for reference in sheet.merges)
    return "".join(
        (
            f'<worksheet xmlns="{MAIN}">',
            f'<dimension ref="{sheet.dimension}"/>' if sheet.dimension else "",
            f"<cols>{columns}</cols>" if columns else "",
            f"<sheetData>{body}</sheetData>",
            f'<mergeCells count="{len(sheet.merges)}">{merges}</mergeCells>' if merges else "",
            "</worksheet>",
        )
    )


def _place(reference: str) -> tuple[int, int]:
    letters = reference.rstrip("0123456789")
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return int(reference[len(letters) :]), number


def _row(number: int, cells: dict[int, Cell], *, hidden: bool) -> str:
    inner = "".join(_cell(f"{column(at)}{number}", cell) for at, cell in sorted(cells.items()))
    return f'<row r="{number}"' + (' hidden="1"' if hidden else "") + f">{inner}</row>"


def _cell(at: str, cell: Cell) -> str:
    if isinstance(cell, bool):
        return f'<c r="{at}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{at}"><v>{cell!r}</v></c>'
    if isinstance(cell, Serial):
        style = cell.style or (3 if cell.with_time else 1)
        return f'<c r="{at}" s="{style}"><v>{cell.value!r}</v></c>'
    if isinstance(cell, Fault):
        return f'<c r="{at}" t="e"><v>{cell.code}</v></c>'
    if isinstance(cell, Formula):
        kind = ' t="str"' if isinstance(cell.value, str) else ""
        value = "" if cell.value is None else f"<v>{escape(str(cell.value))}</v>"
        return f'<c r="{at}"{kind}><f>{escape(cell.text)}</f>{value}</c>'
    text = escape(cell or "")
    return f'<c r="{at}" t="inlineStr" s="2"><is><t xml:space="preserve">{text}</t></is></c>'
