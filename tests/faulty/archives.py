"""Packed tables, and archives that are attacks, mistakes, or none."""

from __future__ import annotations

import io
import struct
import zipfile

from tests.faulty.kit import TABLE, file, gzipped, lines, zipped
from tests.faulty.xlsx import Sheet, xlsx

_CSV = lines(TABLE).encode("utf-8")
_OTHER = lines((TABLE[0], TABLE[3])).encode("utf-8")


@file("A01_gzip.csv.gz")
def _gzip() -> bytes:
    return gzipped(_CSV)


@file("A02_zip_一张表.zip")
def _zip() -> bytes:
    return zipped([("补贴.csv", _CSV)])


@file("A03_zip_表与系统文件.zip")
def _zip_with_litter() -> bytes:
    """A folder entry and the resource forks of a Mac beside the one table."""
    litter = b"\x00\x05\x16\x07" + bytes(40)
    return zipped([("导出/", b""), ("导出/补贴.csv", _CSV), ("__MACOSX/导出/._补贴.csv", litter)])


@file("A04_压缩炸弹.zip")
def _bomb() -> bytes:
    return zipped([("补贴.csv", bytes(80 << 20))], pack=True)


@file("A05_压缩炸弹.csv.gz")
def _gzip_bomb() -> bytes:
    return gzipped(bytes(80 << 20))


@file("A06_嵌套压缩.zip")
def _nested() -> bytes:
    return zipped([("内层.zip", zipped([("补贴.csv", _CSV)]))])


@file("A07_两张表.zip")
def _two_tables() -> bytes:
    return zipped([("一.csv", _CSV), ("二.csv", _OTHER)])


@file("A08_路径穿越.zip")
def _parent_path() -> bytes:
    return zipped([("../补贴.csv", _CSV)])


@file("A09_绝对路径.zip")
def _absolute_path() -> bytes:
    return zipped([("/etc/补贴.csv", _CSV)])


@file("A10_加密.zip")
def _encrypted() -> bytes:
    """The flag of encryption in both of the entry's heads; the bytes are noise to any reader."""
    data = bytearray(zipped([("table.csv", bytes(12) + _CSV)]))
    flags = struct.unpack_from("<H", data, 6)[0]
    struct.pack_into("<H", data, 6, flags | 1)
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, central + 8, flags | 1)
    return bytes(data)


@file("A11_空压缩包.zip")
def _empty() -> bytes:
    return zipped([])


@file("A12_残缺.zip")
def _cut_off() -> bytes:
    whole = zipped([("补贴.csv", _CSV)])
    return whole[: len(whole) - 60]


@file("A22_中间丢失.zip")
def _gap() -> bytes:
    """Ten bytes of the middle are gone: everything that counts places is wrong."""
    whole = zipped([("补贴.csv", _CSV)])
    return whole[:60] + whole[70:]


@file("A13_残缺.csv.gz")
def _gzip_cut_off() -> bytes:
    return gzipped(_CSV)[:-20]


@file("A14_校验和错.csv.gz")
def _gzip_checksum() -> bytes:
    whole = bytearray(gzipped(_CSV))
    whole[-8] ^= 0xFF
    return bytes(whole)


@file("A15_校验和错.zip")
def _zip_checksum() -> bytes:
    whole = bytearray(zipped([("补贴.csv", _CSV)]))
    at = whole.index("安样甲".encode())
    whole[at] ^= 0x01
    return bytes(whole)


@file("A16_gzip内gzip.csv.gz")
def _gzip_in_gzip() -> bytes:
    return gzipped(gzipped(_CSV))


@file("A17_符号链接.zip")
def _symbolic_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("补贴.csv", (1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, b"/etc/passwd")
    return out.getvalue()


@file("A18_rar.rar")
def _rar() -> bytes:
    return b"Rar!\x1a\x07\x01\x00" + bytes(32)


@file("A19_压缩包内无表.zip")
def _no_table() -> bytes:
    return zipped([("照片/1.jpg", b"\xff\xd8\xff\xe0" + bytes(64))])


@file("A20_压缩包内工作簿.zip")
def _workbook() -> bytes:
    return zipped([("补贴.xlsx", xlsx(Sheet("补贴", TABLE)))])


@file("A21_中文名gbk.zip")
def _gbk_name() -> bytes:
    """The member's name is in GBK without a flag, as Windows writes it; the name matters not."""
    raw = zipped([("@@@@.csv", _CSV)])
    return raw.replace(b"@@@@.csv", "补贴".encode("gbk") + b".csv")
