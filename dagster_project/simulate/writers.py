"""Files as departments send them, written chunk by chunk, always the same bytes.

A writer gets frames of text whose columns are already in the file's order. It knows nothing of
contracts or of faults, except that a row's ``_raw`` replaces the row's whole line in a CSV file.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import IO, Protocol
from xml.sax.saxutils import escape

import polars as pl

RAW = "_raw"
_STAMP = (2023, 6, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SERIAL_BASE = date(1899, 12, 30)
_UNSAFE = "[&<>]"


class Writer(Protocol):
    """A file that grows by frames."""

    def write(self, frame: pl.DataFrame) -> None:
        """Append the frame's rows."""

    def close(self) -> None:
        """Finish the file."""


def sha256(path: Path) -> str:
    """A file's SHA-256, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class CsvWriter:
    """A comma-separated file with CRLF line ends.

    Args:
        path: The file to create.
        titles: The header's cells.
        encoding: A Python codec; ``utf-8-sig`` writes a byte order mark.
    """

    def __init__(self, path: Path, titles: Sequence[str], encoding: str) -> None:
        self._file = path.open("wb")
        self._codec = "utf-8" if encoding == "utf-8-sig" else encoding
        if encoding == "utf-8-sig":
            self._file.write(b"\xef\xbb\xbf")
        self._file.write((",".join(titles) + "\r\n").encode(self._codec))

    def write(self, frame: pl.DataFrame) -> None:
        """Append the frame's rows."""
        cells = frame.drop(RAW, strict=False)
        start = 0
        if RAW in frame.columns:
            for at in frame[RAW].is_not_null().arg_true().to_list():
                self._plain(cells[start:at])
                line = _line(cells[at : at + 1]) + str(frame[RAW][at])
                self._file.write((line + "\r\n").encode(self._codec))
                start = at + 1
        self._plain(cells[start:])

    def _plain(self, cells: pl.DataFrame) -> None:
        if cells.is_empty():
            return
        text = cells.write_csv(include_header=False, line_terminator="\r\n")
        self._file.write(text.encode(self._codec))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _line(row: pl.DataFrame) -> str:
    return row.write_csv(include_header=False, line_terminator="\n").removesuffix("\n")


class XlsxWriter:
    """A workbook of inline strings and numbers, one sheet after the other.

    Written by hand: the common libraries stamp the present time into the file.

    Args:
        path: The file to create.
        numeric: Positions of columns whose plain numbers are written as numbers.
        dated: Positions of columns whose ISO dates are written as date cells.
    """

    def __init__(
        self,
        path: Path,
        numeric: frozenset[int] = frozenset(),
        dated: frozenset[int] = frozenset(),
    ) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._numeric, self._dated = numeric, dated
        self._sheets: list[str] = []
        self._part: IO[bytes] | None = None
        self._row = 0

    def begin(self, sheet: str, rows: Sequence[Sequence[str]]) -> None:
        """Start a sheet with its title rows and header."""
        self._end()
        self._sheets.append(sheet)
        entry = _entry(f"xl/worksheets/sheet{len(self._sheets)}.xml")
        self._part = self._zip.open(entry, "w", force_zip64=True)
        self._put(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>')
        self._row = 0
        for cells in rows:
            self._row += 1
            self._put(_text_row(self._row, cells))

    def write(self, frame: pl.DataFrame) -> None:
        """Append the frame's rows; a row of nothing but nulls becomes an empty row."""
        cells = frame.drop(RAW, strict=False)
        number = pl.int_range(self._row + 1, self._row + 1 + pl.len()).cast(pl.String)
        rows = cells.with_columns(number.alias("_n")).select(
            pl.concat_str(
                pl.lit('<row r="') + pl.col("_n") + pl.lit('">'),
                *(self._cell(name, at) for at, name in enumerate(cells.columns)),
                pl.lit("</row>"),
            )
        )
        self._row += cells.height
        self._put("".join(rows.to_series().to_list()))

    def close(self) -> None:
        """Finish the file."""
        self._end()
        for name, text in _parts(self._sheets).items():
            self._zip.writestr(_entry(name), _HEAD + text)
        self._zip.close()

    def _cell(self, name: str, at: int) -> pl.Expr:
        value, start = pl.col(name), pl.lit(f'<c r="{_letters(at)}') + pl.col("_n")
        text = _text_cell(value, start)
        if at in self._numeric:
            plain = value.str.contains(r"^-?\d{1,15}(\.\d+)?$")
            figure = pl.concat_str(start, pl.lit('"><v>'), value, pl.lit("</v></c>"))
            text = pl.when(plain).then(figure).otherwise(text)
        if at in self._dated:
            day = value.str.to_date("%Y-%m-%d", strict=False)
            serial = (day - pl.lit(_SERIAL_BASE)).dt.total_days().cast(pl.String)
            dated = pl.concat_str(start, pl.lit('" s="1"><v>'), serial, pl.lit("</v></c>"))
            text = pl.when(day.is_not_null()).then(dated).otherwise(text)
        return pl.when(value.is_null()).then(pl.lit("")).otherwise(text)

    def _put(self, text: str) -> None:
        if self._part:
            self._part.write(text.encode())

    def _end(self) -> None:
        if self._part:
            self._put("</sheetData></worksheet>")
            self._part.close()
            self._part = None


def _text_cell(value: pl.Expr, start: pl.Expr) -> pl.Expr:
    escaped = (
        value.str.replace_all("&", "&amp;", literal=True)
        .str.replace_all("<", "&lt;", literal=True)
        .str.replace_all(">", "&gt;", literal=True)
    )
    safe = pl.when(value.str.contains(_UNSAFE)).then(escaped).otherwise(value)
    opening = pl.lit('" t="inlineStr"><is><t xml:space="preserve">')
    return pl.concat_str(start, opening, safe, pl.lit("</t></is></c>"))


def _text_row(number: int, cells: Sequence[str]) -> str:
    inner = "".join(
        f'<c r="{_letters(at)}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
        for at, cell in enumerate(cells)
        if cell
    )
    return f'<row r="{number}">{inner}</row>'


def _letters(position: int) -> str:
    text = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_STAMP)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _parts(sheets: Sequence[str]) -> dict[str, str]:
    types = f"{_PACKAGE}/content-types"
    relations = f"{_PACKAGE}/relationships"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, len(sheets) + 1)
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
        for n in numbers
    )
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>'
        for n, name in zip(numbers, sheets, strict=True)
    )
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    styles = (
        '<fonts count="1"><font/></fonts><fills count="1"><fill><patternFill/></fill></fills>'
        '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        '<cellXfs count="2"><xf/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1">'
        '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    )
    return {
        "[Content_Types].xml": f'<Types xmlns="{types}">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>'
        f"{overrides}</Types>",
        "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="rId1" '
        f'Type="{_RELS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}">{styles}</styleSheet>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELS}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{relations}">{links}'
        f'<Relationship Id="rId{len(sheets) + 1}" Type="{_RELS}/styles" Target="styles.xml"/>'
        "</Relationships>",
    }
