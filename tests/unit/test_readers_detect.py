"""What a file is: by its content alone, and in words that say what to do."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import pytest

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.detect import detect
from dagster_project.ingest.readers.result import Format
from tests.binary_kit import encrypted_xls, write_biff5, write_xlsb
from tests.book_kit import (
    Page,
    encrypt_xlsx,
    write_html,
    write_ods,
    write_xls,
    write_xlsx,
    write_xml2003,
    zipped,
)

PAGE = Page("甲", [["姓名", "面积"], ["张三", 1.5]])
ROWS = "姓名,面积\r\n" + "张三丰,12.5\r\n" * 40


def refused(path: Path) -> DeliveryError:
    """The refusal of a file, under the name that it was delivered by."""
    with pytest.raises(DeliveryError) as refusal:
        detect(path, name="公安局/表.csv")
    assert str(refusal.value).startswith("公安局/表.csv: ")
    assert refusal.value.todo
    return refusal.value


def written(tmp_path: Path, data: bytes) -> Path:
    """A file without a telling name."""
    path = tmp_path / "landed"
    path.write_bytes(data)
    return path


def test_workbooks_are_told_apart_whatever_they_are_called(tmp_path: Path) -> None:
    """The suffix is never asked."""
    writers = {
        "xlsx": write_xlsx, "xls": write_xls, "xlsb": write_xlsb, "ods": write_ods,
        "html": write_html, "xml2003": write_xml2003,
    }  # fmt: skip
    for kind, write in writers.items():
        assert detect(write(tmp_path / "a.csv", PAGE), name="a") == kind
    assert detect(write_biff5(tmp_path / "b.xlsx", PAGE), name="b") == "xls"
    assert detect(write_html(tmp_path / "c", PAGE, encoding="gbk"), name="c") == "html"
    assert detect(write_html(tmp_path / "d", PAGE, encoding="utf-16"), name="d") == "html"


@pytest.mark.parametrize(
    "data",
    [
        ROWS.encode(), ROWS.encode("utf-8-sig"), ROWS.encode("gb18030"),
        "姓名,面積\r\n".encode("big5"),
        ROWS.encode("utf-16"), ROWS.encode("utf-16-le"), ROWS.encode("utf-16-be"),
        "日期,姓名\r\n，。；：".encode("utf-16-le"), b"a,b\n1,2\n" + bytes(5000), b"a\x00b,c\n" * 9,
        b"a,b\n\x1a", b"<5,1\n", b'"<table>",1\n', b" \r\n", b"[1] a,b\n",
    ],
)  # fmt: skip
def test_any_text_is_text(tmp_path: Path, data: bytes) -> None:
    """Whatever its encoding, with and without marks, NULs and Ctrl-Z."""
    assert detect(written(tmp_path, data), name="a") == "csv"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xef\xbb\xbf \r\n<!DOCTYPE html><p><table>", "html"),
        (b"<meta charset=gbk><style></style><TABLE>", "html"),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><table>', "html"),
        (b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>",
         "xml2003"),
        (b'<html xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><table>', "html"),
    ],
)  # fmt: skip
def test_markup_is_told_by_its_elements(tmp_path: Path, data: bytes, kind: Format) -> None:
    """With marks, blanks and remarks before it."""
    assert detect(written(tmp_path, data), name="a") == kind


def dbase() -> bytes:
    """A dBase table of one record."""
    head = struct.pack("<4B I H H 20x", 3, 123, 5, 31, 1, 65, 11)
    field = b"NAME".ljust(11, b"\x00") + b"C" + bytes(4) + b"\x0a" + bytes(15)
    return head + field + b"\r" + b" " + b"x" * 10


@pytest.mark.parametrize(
    ("data", "what", "reason"),
    [
        (b"", "empty", "empty"),
        (b"%PDF-1.7\n", "a PDF document", "not_a_table"),
        (b"Rar!\x1a\x07\x00", "a RAR archive", "not_a_table"),
        (b"7z\xbc\xaf\x27\x1c\x00", "a 7z archive", "not_a_table"),
        (b"\x89PNG\r\n", "an image", "not_a_table"),
        (b"{\\rtf1", "a rich-text document", "not_a_table"),
        (b"SQLite format 3\x00", "an SQLite database", "not_a_table"),
        (b"PARE\x15\x04", "a Parquet file encrypted", "encrypted"),
        (b"\x00\x01\x00\x00Standard Jet DB", "an Access database", "not_a_table"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related", "web archive", "unsupported"),
        (dbase(), "dBase", "unsupported"),
        (b"<?xml version='1.0'?><rows><row/></rows>", "an XML document", "not_a_table"),
        (b"<?xml version='1.0'?><o:d xmlns:o='urn:oasis:names:tc:opendocument:xmlns:office:1.0'>",
         "flat OpenDocument", "unsupported"),
        (bytes(range(256)) * 50, "a binary file", "not_a_table"),
        (random.Random(1).randbytes(9000), "a binary file", "not_a_table"),  # noqa: S311
        (bytes(100), "a binary file", "not_a_table"),
        (b"PK\x03\x04broken", "damaged", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1broken", "damaged", "damaged"),
        (zipped(**{"word/document.xml": b""}), "a Word document", "not_a_table"),
        (zipped(**{"ppt/presentation.xml": b""}), "a presentation", "not_a_table"),
        (zipped(**{"OFD.xml": b""}), "an OFD document", "not_a_table"),
        (zipped(mimetype=b"application/vnd.oasis.opendocument.text", **{"content.xml": b""}),
         "an OpenDocument text", "not_a_table"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_by_name(
    tmp_path: Path, data: bytes, what: str, reason: str
) -> None:
    """The sentence says what it is; the reason is a word for machines."""
    refusal = refused(written(tmp_path, data))
    assert what in str(refusal)
    assert refusal.reason == reason


def test_a_password_is_told_from_damage(tmp_path: Path) -> None:
    """Encrypted workbooks of every age ask for one without a password."""
    plain = write_xlsx(tmp_path / "a", PAGE)
    ods = zipped(**{"content.xml": b"\x00", "META-INF/manifest.xml": b"<x:encryption-data/>"})
    locked = bytearray(zipped(**{"xl/workbook.xml": b"x"}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    files = [
        encrypt_xlsx(plain, tmp_path / "b"), encrypted_xls(tmp_path / "c"),
        written(tmp_path, ods), tmp_path / "d",
    ]  # fmt: skip
    files[-1].write_bytes(locked)
    for path in files:
        refusal = refused(path)
        assert refusal.reason == "encrypted", path
        assert "password" in refusal.todo


def test_a_word_document_of_old_is_refused_by_name(tmp_path: Path) -> None:
    """The container alone says nothing: its streams do."""
    path = write_xls(tmp_path / "a", PAGE)
    old, new = ("Workbook\0".encode("utf-16-le"), "WordDocument\0".encode("utf-16-le"))
    data = path.read_bytes().replace(
        old.ljust(64, b"\0") + struct.pack("<H", len(old)),
        new.ljust(64, b"\0") + struct.pack("<H", len(new)),
    )
    path.write_bytes(data)
    assert "a Word document" in str(refused(path))


def test_half_a_package_is_damaged(tmp_path: Path) -> None:
    """A zip file without its end is a broken upload."""
    path = write_xlsx(tmp_path / "a", PAGE)
    path.write_bytes(path.read_bytes()[:-300])
    assert refused(path).reason == "damaged"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/readme.txt", "x")
    assert refused(path).reason == "not_a_table"
