"""How many records a file holds, counted by a second hand: nothing of the readers is used here.

Text is cut by a state machine of one page; workbooks are counted in their own XML or by xlrd. Which
encoding and delimiter a text has is told by the table of expectations.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import xlrd

_LEFT_OUT = ("__MACOSX",)
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_XML2003 = "{urn:schemas-microsoft-com:office:spreadsheet}"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ROW, _CELLS, _BLANK = 0, range(2, 12), 1


def counted(path: Path, kind: str, container: str, encoding: str, dialect: list[str]) -> list[int]:
    """The number of records of each sheet of a file; one number for a text table."""
    data = _unpacked(path.read_bytes(), container)
    if kind == "csv":
        return [_text(data.decode(encoding).strip("\ufeff\x1a"), *dialect)]
    count = {
        "xlsx": _xlsx, "xls": _xls, "xlsb": _xlsb, "ods": _ods, "html": _html, "xml2003": _xml2003,
    }[kind]  # fmt: skip
    return list(count(data))


def _unpacked(data: bytes, container: str) -> bytes:
    if container == "gzip":
        return gzip.decompress(data)
    if container == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            tables = [i for i in archive.infolist() if not i.is_dir()]
            (table,) = (i for i in tables if not i.filename.startswith(_LEFT_OUT))
            return archive.read(table)
    return data


def _text(text: str, delimiter: str, _: str, end: str) -> int:
    """Records of delimited text: a quote opens at a cell's start and closes at a cell's end."""
    if end == "CRCRLF":
        text = text.replace("\r\r\n", "\n")
    records, at, start, is_open = 0, 0, True, False
    while at < len(text):
        char, after = text[at], text[at + 1 : at + 2]
        if is_open:
            if char == '"' and after == '"':
                at += 1
            elif char == '"' and (not after or after in f"{delimiter}\r\n"):
                is_open = False
        elif char == '"' and start:
            is_open = True
        elif char in "\r\n":
            records += 1
            at += char == "\r" and after == "\n"
        start = not is_open and char in f"{delimiter}\r\n"
        at += 1
    return records + (not text.endswith(("\r", "\n")) and bool(text))


def _xlsx(data: bytes) -> Iterator[int]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = sorted(n for n in archive.namelist() if n.startswith("xl/worksheets/sheet"))
        for name in names:
            root = ET.fromstring(archive.read(name))  # noqa: S314 - our own files
            number = last = 0
            for row in root.iter(f"{_MAIN}row"):
                number = int(row.get("r", str(number + 1)))
                if any(len(cell) for cell in row.iter(f"{_MAIN}c")):
                    last = max(last, number)
            yield last


def _xls(data: bytes) -> Iterator[int]:
    book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO())
    for sheet in book.sheets():
        filled = [n for n in range(sheet.nrows) if any(v != "" for v in sheet.row_values(n))]
        yield max(filled, default=-1) + 1


def _xlsb(data: bytes) -> Iterator[int]:
    """The binary records of each sheet: row heads, and whether a cell that is not blank follows."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in sorted(n for n in archive.namelist() if re.search(r"sheet\d+\.bin$", n)):
            row = last = 0
            for kind, body in _records(archive.read(name)):
                if kind == _ROW:
                    row = int.from_bytes(body[:4], "little") + 1
                elif kind in _CELLS:
                    last = row
            yield last


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0

    def number(most: int) -> int:
        nonlocal at
        value = 0
        for place in range(most):
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << 7 * place
            if not byte & 0x80:
                break
        return value

    while at < len(data):
        low = data[at]
        kind = number(2) if low & 0x80 else low
        at += 0 if low & 0x80 else 1
        size = number(4)
        yield kind, data[at : at + size]
        at += size


def _ods(data: bytes) -> Iterator[int]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = ET.fromstring(archive.read("content.xml"))  # noqa: S314 - our own files
    for table in root.iter(f"{_TABLE}table"):
        row = last = 0
        for line in table.iter(f"{_TABLE}table-row"):
            row += int(line.get(f"{_TABLE}number-rows-repeated", "1"))
            cells = list(line.iter(f"{_TABLE}table-cell"))
            if any(c.get(f"{_OFFICE}value-type") or c.find(f"{_TEXT}p") is not None for c in cells):
                last = row
        yield last


def _html(data: bytes) -> Iterator[int]:
    page = re.sub(rb"<!--.*?-->|<script.*?</script>", b"", data, flags=re.DOTALL)
    for table in re.findall(rb"<table.*?</table>", page, re.DOTALL | re.IGNORECASE):
        yield len(re.findall(rb"<tr[\s>]", table, re.IGNORECASE))


def _xml2003(data: bytes) -> Iterator[int]:
    root = ET.fromstring(data)  # noqa: S314 - our own files
    for table in root.iter(f"{_XML2003}Table"):
        row = 0
        for line in table.iter(f"{_XML2003}Row"):
            row = int(line.get(f"{_XML2003}Index", str(row + 1)))
        yield row
