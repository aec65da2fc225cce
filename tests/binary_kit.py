"""Binary workbooks that no library writes: .xlsb (BIFF12) and .xls of Excel 5/95 (BIFF5).

Only the records that a reader of cells needs are written.
"""

from __future__ import annotations

import datetime as dt
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import xlwt
from xlwt.CompoundDoc import XlsDoc

from tests.book_kit import Cell, Error, Formula, Page

_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_BINARY = "application/vnd.ms-excel"
_ERRORS = {"#NULL!": 0, "#DIV/0!": 7, "#VALUE!": 15, "#REF!": 23, "#NAME?": 29, "#N/A": 42}
_STATES = {"visible": 0, "hidden": 1, "very_hidden": 2}
_DAYS, _CLOCKS = 1, 2  # cell formats: 0 general, 1 date and time, 2 time


def write_xlsb(path: Path, *pages: Page, epoch_1904: bool = False) -> Path:
    """A binary workbook of Excel 2007 and later, as small as it can be."""
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.bin" ContentType="{_BINARY}.worksheet"/>'
        for n in range(1, len(pages) + 1)
    )
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.bin" ContentType="{_BINARY}.sheet.binary.macroEnabled.'
        f'main"/>{overrides}</Types>'
    )
    sheets = [
        (f"rId{n}", "worksheet", f"worksheets/sheet{n}.bin") for n in range(1, len(pages) + 1)
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", _relations([("rId1", "officeDocument", "xl/workbook.bin")]))
        archive.writestr(
            "xl/_rels/workbook.bin.rels", _relations([*sheets, ("rId99", "styles", "styles.bin")])
        )
        archive.writestr("xl/workbook.bin", b"".join(_workbook(pages, epoch_1904=epoch_1904)))
        archive.writestr("xl/styles.bin", b"".join(_styles()))
        for n, page in enumerate(pages, start=1):
            data = b"".join(_sheet(page, epoch_1904=epoch_1904))
            archive.writestr(f"xl/worksheets/sheet{n}.bin", data)
    return path


def record(kind: int, data: bytes = b"") -> bytes:
    """One BIFF12 record: its number and length are written seven bits at a time."""
    head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
    length, size = bytearray(), len(data)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return head + bytes([*length, size]) + data


def _wide(text: str) -> bytes:
    units = text.encode("utf-16-le")
    return struct.pack("<I", len(units) // 2) + units


def _relations(targets: Sequence[tuple[str, str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, kind, target in targets
    )
    return f'<Relationships xmlns="{_RELATIONS}">{entries}</Relationships>'


def _workbook(pages: Sequence[Page], *, epoch_1904: bool) -> Iterator[bytes]:
    yield record(131)
    yield record(153, struct.pack("<II", int(epoch_1904), 0) + _wide(""))
    yield record(143)
    for n, page in enumerate(pages, start=1):
        state = struct.pack("<II", _STATES[page.state], n)
        yield record(156, state + _wide(f"rId{n}") + _wide(page.name))
    yield record(144)
    yield record(132)


def _styles() -> Iterator[bytes]:
    yield record(278)
    yield record(617, struct.pack("<I", 3))
    for number_format in (0, 22, 21):
        yield record(47, struct.pack("<HHHHHBBHH", 0, number_format, 0, 0, 0, 0, 0, 0, 0))
    yield record(618)
    yield record(279)


def _sheet(page: Page, *, epoch_1904: bool) -> Iterator[bytes]:
    height, width = len(page.rows), max(map(len, page.rows), default=1)
    yield record(129)
    yield record(148, struct.pack("<IIII", 0, max(height - 1, 0), 0, max(width - 1, 0)))
    if page.hidden_columns:
        yield record(390)
        for column in page.hidden_columns:
            yield record(60, struct.pack("<IIIIH", column - 1, column - 1, 0, 0, 1))
        yield record(391)
    yield record(145)
    for row, cells in enumerate(page.rows):
        hidden = 0x10 if row + 1 in page.hidden_rows else 0
        yield record(0, struct.pack("<IIHBBBIII", row, 0, 300, 0, hidden, 0, 1, 0, width - 1))
        for column, cell in enumerate(cells):
            if cell is not None:
                yield _xlsb_cell(column, cell, epoch_1904=epoch_1904)
    yield record(146)
    if page.merges:
        yield record(177, struct.pack("<I", len(page.merges)))
        for top, left, bottom, right in page.merges:
            yield record(176, struct.pack("<IIII", top - 1, bottom - 1, left - 1, right - 1))
        yield record(178)
    yield record(130)


def _xlsb_cell(column: int, cell: Cell, *, epoch_1904: bool) -> bytes:
    head = struct.pack("<II", column, _style(cell))
    if isinstance(cell, Error):
        return record(3, head + bytes([_ERRORS[cell.text]]))
    if isinstance(cell, Formula):
        formula = struct.pack("<HII", 0, 0, 0)
        if isinstance(cell.value, float):
            return record(9, head + struct.pack("<d", cell.value) + formula)
        return record(8, head + _wide(str(cell.value or "")) + formula)
    if isinstance(cell, bool):
        return record(4, head + bytes([cell]))
    if isinstance(cell, str):
        return record(6, head + _wide(cell))
    return record(5, head + struct.pack("<d", serial(cell, epoch_1904=epoch_1904)))


def _style(cell: Cell) -> int:
    if isinstance(cell, dt.date):
        return _DAYS
    return _CLOCKS if isinstance(cell, dt.time) else 0


def serial(cell: Cell, *, epoch_1904: bool = False) -> float:
    """A number, or a date or time as days since the workbook's epoch."""
    if isinstance(cell, dt.time):
        return (cell.hour * 3600 + cell.minute * 60 + cell.second) / 86400
    if not isinstance(cell, dt.date):
        return float(cell)
    moment = cell if isinstance(cell, dt.datetime) else dt.datetime.combine(cell, dt.time())
    epoch = dt.datetime(1904, 1, 1) if epoch_1904 else dt.datetime(1899, 12, 30)  # noqa: DTZ001
    return (moment - epoch) / dt.timedelta(days=1)


def write_biff5(path: Path, page: Page, *, codepage: int = 936, encoding: str = "gbk") -> Path:
    """A workbook of Excel 5/95: texts in a code page, in a stream called ``Book``."""
    name = page.name.encode(encoding)
    bound = struct.pack("<H", 0) + bytes([len(name)]) + name

    def book(start: int) -> bytes:
        return b"".join([
            _biff(0x809, struct.pack("<HHHH", 0x0500, 5, 0x0DBB, 0x07CC)),
            _biff(0x42, struct.pack("<H", codepage)),
            _biff(0x22, struct.pack("<H", 0)),
            _biff(0x85, struct.pack("<I", start) + bound),
            _biff(0x0A),
        ])  # fmt: skip

    sheet = [_biff(0x809, struct.pack("<HHHH", 0x0500, 0x10, 0x0DBB, 0x07CC))]
    width = max(map(len, page.rows), default=0)
    sheet.append(_biff(0x200, struct.pack("<HHHHH", 0, len(page.rows), 0, width, 0)))
    for row, cells in enumerate(page.rows):
        for column, cell in enumerate(cells):
            head = struct.pack("<HHH", row, column, 0)
            if isinstance(cell, str):
                text = cell.encode(encoding)
                sheet.append(_biff(0x204, head + struct.pack("<H", len(text)) + text))
            elif cell is not None:
                sheet.append(_biff(0x203, head + struct.pack("<d", cell)))
    sheet.append(_biff(0x0A))
    XlsDoc().save(str(path), book(len(book(0))) + b"".join(sheet))
    old, new = "Workbook\x00".encode("utf-16-le"), "Book\x00".encode("utf-16-le")
    entry = (old.ljust(64, b"\x00") + struct.pack("<H", len(old)),
             new.ljust(64, b"\x00") + struct.pack("<H", len(new)))  # fmt: skip
    data = path.read_bytes()
    assert data.count(entry[0]) == 1
    path.write_bytes(data.replace(*entry))
    return path


def _biff(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def encrypted_xls(path: Path) -> Path:
    """An .xls whose stream says that it is encrypted (FILEPASS)."""
    book = xlwt.Workbook()
    book.add_sheet("甲").write(0, 0, "a")
    book.save(str(path))
    data = path.read_bytes()
    at = 512 + 4 + struct.unpack("<H", data[514:516])[0]
    assert struct.unpack("<HH", data[512:516])[0] == 0x809
    path.write_bytes(data[:at] + _biff(0x2F, b"\x00" * 6) + data[at + 10 :])
    return path
