"""Archives around one table: unpacked within bounds, refused by a named reason, nothing left."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import read
from dagster_project.ingest.readers.container import unwrapped
from dagster_project.ingest.readers.limits import Limits

TABLE = "编号,姓名\n1,甲\n".encode()


class Unmarked(zipfile.ZipInfo):
    """A member as Windows writes it: its name in GBK, without the mark of UTF-8."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - the library's name
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


def zipped(*members: tuple[str, bytes], kind: type[zipfile.ZipInfo] = zipfile.ZipInfo) -> bytes:
    """A zip of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for title, data in members:
            archive.writestr(kind(title), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def tarred(data: bytes) -> bytes:
    """A tar archive of one table."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def unpack(tmp_path: Path, data: bytes, limits: Limits | None = None) -> tuple[str, bytes]:
    """The container and the table's bytes; nothing may be left behind."""
    path = tmp_path / "landed"
    path.write_bytes(data)
    try:
        with unwrapped(path, name="a.zip", limits=limits or Limits(), scratch=tmp_path) as table:
            return table.container, table.path.read_bytes()
    finally:
        assert [p.name for p in tmp_path.iterdir()] == ["landed"]


def refused(tmp_path: Path, data: bytes, limits: Limits | None = None) -> DeliveryError:
    """The refusal of an archive."""
    with pytest.raises(DeliveryError) as refusal:
        unpack(tmp_path, data, limits)
    return refusal.value


def test_a_plain_file_is_itself(tmp_path: Path) -> None:
    """What is no archive is handed on as it lies."""
    assert unpack(tmp_path, TABLE) == ("", TABLE)


def test_one_table_is_unpacked(tmp_path: Path) -> None:
    """Gzip (also of several members) and zip give the table's own bytes."""
    assert unpack(tmp_path, gzip.compress(TABLE)) == ("gzip", TABLE)
    halves = gzip.compress(TABLE[:7]) + gzip.compress(TABLE[7:])
    assert unpack(tmp_path, halves) == ("gzip", TABLE)
    assert unpack(tmp_path, zipped(("数据/人口.csv", TABLE))) == ("zip", TABLE)


def test_a_package_is_no_wrapper(tmp_path: Path) -> None:
    """A workbook is a zip of its own kind and stays closed."""
    book = zipped(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>"))
    assert unpack(tmp_path, book) == ("", book)
    inside = zipped(("人口.xlsx", book))
    assert unpack(tmp_path, inside) == ("zip", book)


def test_names_in_another_encoding_and_litter_do_not_matter(tmp_path: Path) -> None:
    """GBK names without a mark, folders and what systems leave behind are no hindrance."""
    data = zipped(
        ("数据/", b""), ("数据/实有人口.csv", TABLE), ("__MACOSX/数据/._实有人口.csv", b"x"),
        ("数据/.DS_Store", b"x"), ("数据/Thumbs.db", b"x"), kind=Unmarked,
    )  # fmt: skip
    assert unpack(tmp_path, data) == ("zip", TABLE)


def test_members_that_are_no_tables_are_named(tmp_path: Path) -> None:
    """A letter beside the table is left alone, and the caller learns of it."""
    path = tmp_path / "landed"
    path.write_bytes(zipped(("a.csv", TABLE), ("说明.docx", b"x")))
    with unwrapped(path, name="a.zip", limits=Limits()) as table:
        assert table.others == ("说明.docx",)
    result = read(path, None, "b", tmp_path / "rows.parquet", name="a.zip")
    assert result.warnings == ("a.zip: what is no table in the archive was left alone: 说明.docx.",)


def test_several_tables_are_refused_by_name(tmp_path: Path) -> None:
    """Which of two tables is meant is for the sender to say."""
    error = refused(tmp_path, zipped(("甲.csv", TABLE), ("乙.xlsx", TABLE)))
    assert error.reason == "several_tables"
    assert "甲.csv, 乙.xlsx" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(gzip.compress(TABLE)),
        gzip.compress(tarred(TABLE)),
        zipped(("a.csv", gzip.compress(TABLE))),
        zipped(("a.zip", zipped(("a.csv", TABLE)))),
        zipped(("a.rar", b"Rar!\x1a\x07\x00")),
    ],
)
def test_an_archive_in_an_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    """Nothing is unpacked twice."""
    assert refused(tmp_path, data).reason == "nested_archive"


@pytest.mark.parametrize(
    "title", ["../a.csv", "x/../../a.csv", "/etc/a.csv", "C:\\a.csv", "..\\a.csv", "a\x1b.csv"]
)
def test_names_that_lead_outside_are_refused(tmp_path: Path, title: str) -> None:
    """Such a name is no export's, though nothing would be written under it."""
    assert refused(tmp_path, zipped((title, TABLE))).reason == "unsafe_path"


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A member that only points elsewhere is no table."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert refused(tmp_path, out.getvalue()).reason == "unsafe_path"


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    """The password's mark in the directory is enough."""
    data = bytearray(zipped(("a.csv", TABLE)))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    assert refused(tmp_path, bytes(data)).reason == "encrypted"


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    """A cut or altered archive never yields a part of a table."""
    plain = TABLE * 1000
    squeezed = gzip.compress(plain)
    altered = bytearray(zipped(("a.csv", plain)))
    altered[60] ^= 0xFF
    for data in (squeezed[:-9], squeezed[:30], bytes(altered), zipped(("a.csv", plain))[:-30]):
        assert refused(tmp_path, data).reason == "damaged"


@pytest.mark.parametrize("data", [zipped(), zipped(("数据/", b""))])
def test_an_archive_without_a_table_is_refused(tmp_path: Path, data: bytes) -> None:
    """An empty archive is no empty table."""
    assert refused(tmp_path, data).reason == "not_a_table"


def test_bombs_are_refused_and_honest_repetition_is_not(tmp_path: Path) -> None:
    """The ratio is asked only above a size; the size itself has a bound too."""
    zeros = b"1,2\n" * 100_000
    small = Limits(ratio=50, ratio_from=1000)
    assert unpack(tmp_path, gzip.compress(zeros))[1] == zeros
    assert refused(tmp_path, gzip.compress(zeros), small).reason == "bomb"
    assert refused(tmp_path, zipped(("a.csv", zeros)), small).reason == "bomb"
    assert refused(tmp_path, gzip.compress(zeros), Limits(unpacked_bytes=9)).reason == "too_large"
