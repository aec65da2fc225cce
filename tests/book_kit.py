"""Real workbooks of every kind the readers take, written small and exactly as asked.

Binary kinds without a writer of their own (.xlsb, BIFF5) are in ``binary_kit``.
"""

from __future__ import annotations

import datetime as dt
import html
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

import msoffcrypto.format.ooxml
import openpyxl
import xlwt
from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import CALENDAR_MAC_1904

Cell = Any
"""str, int, float, bool, date, datetime, time, timedelta, None, ``Formula`` or ``Error``."""
Range = tuple[int, int, int, int]
"""top, left, bottom, right; from 1, both ends included."""


@dataclass(frozen=True)
class Formula:
    """A formula cell (``=SUM(A1:A2)``); without a ``value`` it was never calculated."""

    text: str
    value: float | str | None = None


@dataclass(frozen=True)
class Error:
    """An error cell."""

    text: str = "#N/A"


@dataclass(frozen=True)
class Page:
    """One sheet to write."""

    name: str
    rows: Sequence[Sequence[Cell]]
    merges: Sequence[Range] = ()
    hidden_rows: Sequence[int] = ()
    hidden_columns: Sequence[int] = ()
    state: Literal["visible", "hidden", "very_hidden"] = "visible"


# --- .xlsx -----------------------------------------------------------------------------------


def write_xlsx(path: Path, *pages: Page, epoch_1904: bool = False) -> Path:
    """A workbook as openpyxl writes it; a formula's value is not stored."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    if epoch_1904:
        book.epoch = CALENDAR_MAC_1904
    for page in pages:
        sheet = book.create_sheet(page.name)
        for row, cells in enumerate(page.rows, start=1):
            for column, cell in enumerate(cells, start=1):
                value = cell.text if isinstance(cell, (Formula, Error)) else cell
                if value is not None:
                    sheet.cell(row, column, value)
        for top, left, bottom, right in page.merges:
            sheet.merge_cells(None, top, left, bottom, right)
        for row in page.hidden_rows:
            sheet.row_dimensions[row].hidden = True
        for column in page.hidden_columns:
            sheet.column_dimensions[get_column_letter(column)].hidden = True
        sheet.sheet_state = page.state.replace("very_hidden", "veryHidden")
    book.save(path)
    return path


def edit(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The same package with one part (a name's end) changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert any(name.endswith(part) for name in parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, change(data) if name.endswith(part) else data)
    return path


def encrypt_xlsx(source: Path, path: Path, password: str = "平定县") -> Path:  # noqa: S107
    """The workbook as Excel stores it under a password (an OLE file around the package)."""
    with source.open("rb") as plain, path.open("wb") as target:
        file: Any = msoffcrypto.format.ooxml.OOXMLFile(plain)
        file.encrypt(password, target)
    return path


# --- .xls ------------------------------------------------------------------------------------


def write_xls(path: Path, *pages: Page, epoch_1904: bool = False) -> Path:
    """A BIFF8 workbook as xlwt writes it; also what WPS calls ``.et``."""
    book = xlwt.Workbook(encoding="utf-8")
    book.dates_1904 = epoch_1904
    day = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    moment = xlwt.easyxf(num_format_str="yyyy-mm-dd hh:mm:ss")
    clock = xlwt.easyxf(num_format_str="hh:mm:ss")
    styles = {dt.date: day, dt.datetime: moment, dt.time: clock}
    for page in pages:
        sheet = book.add_sheet(page.name, cell_overwrite_ok=True)
        sheet.visibility = ("visible", "hidden", "very_hidden").index(page.state)
        for top, left, bottom, right in page.merges:
            sheet.merge(top - 1, bottom - 1, left - 1, right - 1)
        for row, cells in enumerate(page.rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, Error):
                    code = {"#N/A": 42, "#REF!": 23, "#DIV/0!": 7, "#VALUE!": 15}[cell.text]
                    sheet.row(row).set_cell_error(column, code)
                elif isinstance(cell, Formula):
                    sheet.write(row, column, xlwt.Formula(cell.text.removeprefix("=")))
                elif cell is not None:
                    sheet.write(row, column, cell, styles.get(type(cell), xlwt.Style.default_style))
        for number in page.hidden_rows:
            sheet.row(number - 1).hidden = True
        for number in page.hidden_columns:
            sheet.col(number - 1).hidden = True
    book.save(str(path))
    return path


# --- .ods ------------------------------------------------------------------------------------

_ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
_ODS_NS = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in [
        ("office", "office"), ("table", "table"), ("text", "text"), ("style", "style"),
    ]
)  # fmt: skip


def write_ods(path: Path, *pages: Page, repeated: int = 0) -> Path:
    """An OpenDocument spreadsheet; ``repeated`` empty rows end each sheet, as programs do it."""
    tables = "".join(_ods_table(page, repeated) for page in pages)
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_ODS_NS} '
        'office:version="1.2"><office:automatic-styles>'
        '<style:style style:name="shown" style:family="table">'
        '<style:table-properties table:display="true"/></style:style>'
        '<style:style style:name="gone" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
        f"</office:automatic-styles><office:body><office:spreadsheet>{tables}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_ODS_TYPE}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", _ODS_TYPE, zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return path


def _ods_table(page: Page, repeated: int) -> str:
    width = max(map(len, page.rows), default=1)
    hidden = ' table:visibility="collapse"'
    columns = "".join(
        f"<table:table-column{hidden if n in page.hidden_columns else ''}/>"
        for n in range(1, width + 1)
    )
    spans = {
        (top, left): f' table:number-rows-spanned="{bottom - top + 1}"'
        f' table:number-columns-spanned="{right - left + 1}"'
        for top, left, bottom, right in page.merges
    }
    rows = "".join(
        f"<table:table-row{hidden if row in page.hidden_rows else ''}>"
        + "".join(_ods_cell(cell, spans.get((row, n), "")) for n, cell in enumerate(cells, 1))
        + ("" if cells else "<table:table-cell/>")
        + "</table:table-row>"
        for row, cells in enumerate(page.rows, start=1)
    )
    rest = f'<table:table-row table:number-rows-repeated="{repeated}">' if repeated else ""
    rest += (
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        if repeated
        else ""
    )
    style = "shown" if page.state == "visible" else "gone"
    name = quoteattr(page.name)
    return (
        f'<table:table table:name={name} table:style-name="{style}">'
        f"{columns}{rows}{rest}</table:table>"
    )


def _ods_cell(cell: Cell, span: str) -> str:
    if cell is None:
        return f"<table:table-cell{span}/>"
    kind, shown = _ods_value(cell)
    return (
        f"<table:table-cell{span} {kind}><text:p>{html.escape(shown)}</text:p></table:table-cell>"
    )


def _ods_value(cell: Cell) -> tuple[str, str]:
    """The attributes of a cell and what it shows."""
    if isinstance(cell, Formula):
        formula = f"table:formula={quoteattr('of:' + cell.text)}"
        return (formula, "") if cell.value is None else (
            f"{formula} {_ods_value(cell.value)[0]}", str(cell.value)
        )  # fmt: skip
    if isinstance(cell, Error):
        return 'office:value-type="string" office:string-value=""', cell.text
    if isinstance(cell, bool):
        word = str(cell).lower()
        return f'office:value-type="boolean" office:boolean-value="{word}"', word.upper()
    return f"office:value-type={_ods_typed(cell)}", str(cell)


def _ods_typed(cell: Cell) -> str:
    """The type and the value of a cell without a formula."""
    if isinstance(cell, (int, float)):
        return f'"float" office:value="{cell!r}"'
    if isinstance(cell, dt.time):
        return f'"time" office:time-value="{cell.strftime("PT%HH%MM%SS")}"'
    if isinstance(cell, dt.date):
        return f'"date" office:date-value="{cell.isoformat()}"'
    return '"string"'


# --- tables that only carry a workbook's name ------------------------------------------------


def write_html(
    path: Path, *pages: Page, encoding: str = "utf-8", bom: bool = False, charset: str | None = ""
) -> Path:
    """Tables as web applications export them to ``.xls``.

    ``charset`` is what the page says of itself: nothing for None, its encoding for the empty text.
    """
    said = encoding if charset == "" else charset
    meta = f'<meta http-equiv="Content-Type" content="text/html; charset={said}">' if said else ""
    tables = "\n".join(map(_html_table, pages))
    text = (
        '<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head>'
        f"{meta}<style>td {{mso-number-format:'\\@'}}</style></head>\n<body>{tables}</body></html>"
    )
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode(encoding))
    return path


def _html_table(page: Page) -> str:
    covered = {
        (row, column)
        for top, left, bottom, right in page.merges
        for row in range(top, bottom + 1)
        for column in range(left, right + 1)
    } - {(top, left) for top, left, _, _ in page.merges}
    spans = {
        (top, left): f" rowspan={bottom - top + 1} colspan='{right - left + 1}'"
        for top, left, bottom, right in page.merges
    }
    rows = "\n".join(
        f"<tr{' style=display:none' if row in page.hidden_rows else ''}>"
        + "".join(
            f"<td{spans.get((row, n), '')}>{html.escape(_shown(cell))}</td>"
            for n, cell in enumerate(cells, start=1)
            if (row, n) not in covered
        )
        + "</tr>"
        for row, cells in enumerate(page.rows, start=1)
    )
    return f"<table border=1>\n{rows}\n</table>"


def _shown(cell: Cell) -> str:
    if isinstance(cell, (Formula, Error)):
        return cell.text
    return "" if cell is None else str(cell)


def write_xml2003(path: Path, *pages: Page, encoding: str = "utf-8") -> Path:
    """An XML Spreadsheet 2003, as reporting systems export it; empty cells are skipped."""
    sheets = "".join(map(_xml_sheet, pages))
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<?mso-application progid="Excel.Sheet"?>\n'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"'
        f' xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">{sheets}</Workbook>'
    )
    path.write_bytes(text.encode(encoding))
    return path


def _xml_sheet(page: Page) -> str:
    spans = {
        (top, left): f' ss:MergeAcross="{right - left}" ss:MergeDown="{bottom - top}"'
        for top, left, bottom, right in page.merges
    }
    columns = "".join(f'<Column ss:Index="{n}" ss:Hidden="1"/>' for n in page.hidden_columns)
    rows = "".join(
        f'<Row ss:Index="{row}"{" ss:Hidden=" + quoteattr("1") if row in page.hidden_rows else ""}>'
        + "".join(
            _xml_cell(n, cell, spans.get((row, n), ""))
            for n, cell in enumerate(cells, start=1)
            if cell is not None
        )
        + "</Row>"
        for row, cells in enumerate(page.rows, start=1)
        if cells
    )
    shown = {"visible": "SheetVisible", "hidden": "SheetHidden", "very_hidden": "SheetVeryHidden"}
    options = (
        '<WorksheetOptions xmlns="urn:schemas-microsoft-com:office:excel">'
        f"<Visible>{shown[page.state]}</Visible></WorksheetOptions>"
    )
    name = quoteattr(page.name)
    return f"<Worksheet ss:Name={name}><Table>{columns}{rows}</Table>{options}</Worksheet>"


def _xml_cell(column: int, cell: Cell, span: str) -> str:
    formula = ""
    if isinstance(cell, Formula):
        formula, cell = f" ss:Formula={quoteattr(cell.text)}", cell.value
    if cell is None:
        return f'<Cell ss:Index="{column}"{span}{formula}/>'
    kinds: Mapping[type, tuple[str, Callable[[Any], str]]] = {
        bool: ("Boolean", lambda value: str(int(value))),
        int: ("Number", str),
        float: ("Number", repr),
        dt.date: ("DateTime", lambda value: f"{value.isoformat()}T00:00:00.000"),
        dt.datetime: ("DateTime", lambda value: value.isoformat(timespec="milliseconds")),
        dt.time: ("DateTime", lambda value: f"1899-12-31T{value:%H:%M:%S}.000"),
        Error: ("Error", lambda value: value.text),
    }
    kind, text = kinds.get(type(cell), ("String", str))
    data = f'<Data ss:Type="{kind}">{html.escape(text(cell))}</Data>'
    return f'<Cell ss:Index="{column}"{span}{formula}>{data}</Cell>'


# --- hostile files ---------------------------------------------------------------------------


def bomb(path: Path, part: str = "xl/worksheets/sheet1.xml", mebibytes: int = 200) -> Path:
    """A small workbook one part of which unpacks to so much white space."""
    write_xlsx(path, Page("甲", [["a"]]))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            with archive.open(name, "w") as target:
                head, found, tail = data.partition(b"<sheetData>")
                target.write(head + found)
                if name == part:
                    for _ in range(mebibytes):
                        target.write(b" " * (1 << 20))
                target.write(tail)
    return path


def zipped(**parts: bytes) -> bytes:
    """A zip archive in memory."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()
