"""Workbooks of the other kinds, and encrypted ones, by the writers of the readers' own tests."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

from tests import binary_kit, book_kit
from tests.book_kit import Error, Formula, Page
from tests.faulty.kit import HEADER, file, kept, zipped
from tests.faulty.xlsx import Sheet, xlsx

_TYPED = (
    HEADER,
    ("P001", "安样甲", "冠山镇", 1200.5, "低保金"),
    ("P002", "白样乙", "冶西镇", 800, "养老金补发"),
    ("P003", "程样丙", "锁簧镇", 45.25, "农机补贴"),
)
_DAYS = (
    ("编号", "姓名", "日期"),
    ("P001", "安样甲", date(2023, 5, 31)),
    ("P002", "白样乙", "2023年5月31日"),
)
_MERGED = Page(
    "收支",
    (
        ("编号", "姓名", "收入", None),
        (None, None, "工资", "补贴"),
        ("P001", "安样甲", 1000, 200.5),
        ("P002", None, 900, 0),
    ),
    merges=((1, 1, 2, 1), (1, 2, 2, 2), (1, 3, 1, 4), (3, 2, 4, 2)),
)
_PAGE = Page("补贴", _TYPED)


def _made(suffix: str, write: Callable[[Path], Path]) -> bytes:
    """What a writer of files writes, as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / f"book{suffix}").read_bytes()


def _packed(suffix: str, write: Callable[[Path], Path]) -> bytes:
    """The same for kinds that are zip packages, with fixed times."""
    with zipfile.ZipFile(io.BytesIO(_made(suffix, write))) as archive:
        return zipped([(name, archive.read(name)) for name in archive.namelist()])


@file("W40_biff8.xls")
def _biff8() -> bytes:
    return _made(".xls", lambda path: book_kit.write_xls(path, _PAGE))


@file("W41_biff8.et")
def _wps() -> bytes:
    """A WPS spreadsheet is an old Excel workbook under another name."""
    return _made(".et", lambda path: book_kit.write_xls(path, _PAGE))


@file("W42_biff5.xls")
def _biff5() -> bytes:
    return _made(".xls", lambda path: binary_kit.write_biff5(path, _PAGE))


@file("W43_xlsb.xlsb")
def _xlsb() -> bytes:
    return _packed(".xlsb", lambda path: binary_kit.write_xlsb(path, _PAGE))


@file("W44_ods.ods")
def _ods() -> bytes:
    return _packed(".ods", lambda path: book_kit.write_ods(path, _PAGE))


@file("W45_ods_百万空行.ods")
def _ods_repeated() -> bytes:
    """A sheet of OpenDocument ends in one empty row that is repeated a million times."""
    return _packed(".ods", lambda path: book_kit.write_ods(path, _PAGE, repeated=1_048_000))


@file("W46_1904纪元.xls")
def _xls_1904() -> bytes:
    page = Page("日期", _DAYS)
    return _made(".xls", lambda path: book_kit.write_xls(path, page, epoch_1904=True))


@file("W47_1904纪元.xlsb")
def _xlsb_1904() -> bytes:
    page = Page("日期", _DAYS)
    return _packed(".xlsb", lambda path: binary_kit.write_xlsb(path, page, epoch_1904=True))


@file("W48_合并表头.xls")
def _xls_merged() -> bytes:
    return _made(".xls", lambda path: book_kit.write_xls(path, _MERGED))


@file("W49_合并表头.ods")
def _ods_merged() -> bytes:
    return _packed(".ods", lambda path: book_kit.write_ods(path, _MERGED))


@file("W50_合并表头.html.xls")
def _html_merged() -> bytes:
    return _made(".xls", lambda path: book_kit.write_html(path, _MERGED))


@file("W51_合并表头.xml2003.xls")
def _xml_merged() -> bytes:
    return _made(".xls", lambda path: book_kit.write_xml2003(path, _MERGED))


@file("W52_隐藏表与行.xls")
def _xls_hidden() -> bytes:
    first = Page("补贴", _TYPED, hidden_rows=(3,))
    second = Page("留底", (HEADER, ("P004", "段样丁", "岔口乡", 7, None)), state="hidden")
    return _made(".xls", lambda path: book_kit.write_xls(path, first, second))


@file("W53_错误值与公式.ods")
def _ods_errors() -> bytes:
    rows = (
        HEADER,
        ("P001", "安样甲", Error("#N/A"), Formula("=600.25*2", 1200.5), None),
        ("P002", "白样乙", "冶西镇", Formula("=400*2"), None),
    )
    return _packed(".ods", lambda path: book_kit.write_ods(path, Page("补贴", rows)))


@file("W54_加密.xls")
def _encrypted_xls() -> bytes:
    return _made(".xls", binary_kit.encrypted_xls)


@kept("W55_加密.xlsx")
def _encrypted_xlsx() -> bytes:
    """Salted anew by every writing: made once, and kept."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "plain.xlsx"
        source.write_bytes(xlsx(Sheet("补贴", _TYPED)))
        return book_kit.encrypt_xlsx(source, Path(folder) / "locked.xlsx").read_bytes()


@file("W56_压缩炸弹.xlsx")
def _bomb() -> bytes:
    """A sheet that unpacks to 70 MiB of white space."""
    with zipfile.ZipFile(io.BytesIO(xlsx(Sheet("补贴", _TYPED)))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["xl/worksheets/sheet1.xml"] += b" " * (70 << 20)
    return zipped(list(members.items()), pack=True)


@file("W57_列号越界.xlsb")
def _column_beyond() -> bytes:
    """One number says that it stands in column 15,000,000; sheets have 16,384."""
    with zipfile.ZipFile(io.BytesIO(_xlsb())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (sheet,) = (name for name in members if "sheet1.bin" in name and "rels" not in name)
    number = members[sheet].index(b"\x05\x10\x03\x00\x00\x00")  # a real number in column D
    place = (15_000_000).to_bytes(4, "little")
    members[sheet] = members[sheet][: number + 2] + place + members[sheet][number + 6 :]
    return zipped(list(members.items()))
