"""What the makers of faulty files share: the register of files, rows to text, packing, ids.

Nothing here looks at a clock or draws a number: the same files come out every time. What a file
must be read as stands in ``expected/*.yaml``, never here.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Sequence

Maker = Callable[[], bytes]
FILES: dict[str, Maker] = {}
"""Every faulty file by name, with the function that makes its bytes."""
KEPT: set[str] = set()
"""Files that no writer makes twice alike."""

HEADER = ("编号", "姓名", "乡镇", "金额", "备注")
ROWS = (
    ("P001", "安样甲", "冠山镇", "1200.50", "低保金"),
    ("P002", "白样乙", "冶西镇", "800.00", "养老金补发"),
    ("P003", "程样丙", "锁簧镇", "45.25", "农机补贴"),
)
"""A small table of nobody: most files are this table, and one fault."""
TABLE = (HEADER, *ROWS)

_EPOCH = (1980, 1, 1, 0, 0, 0)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def file(name: str) -> Callable[[Maker], Maker]:
    """Enter the decorated function as the maker of that file."""

    def enter(maker: Maker) -> Maker:
        if name in FILES:
            raise ValueError(name)
        FILES[name] = maker
        return maker

    return enter


def kept(name: str) -> Callable[[Maker], Maker]:
    """Enter a file that no writer makes twice alike: it is made when lacking, and kept."""

    def enter(maker: Maker) -> Maker:
        KEPT.add(name)
        return file(name)(maker)

    return enter


def lines(rows: Sequence[Sequence[str]], *, delimiter: str = ",", end: str = "\n") -> str:
    """Rows as text, cells joined as they are: a cell that needs quotes brings them along."""
    return "".join(delimiter.join(row) + end for row in rows)


def zipped(members: Sequence[tuple[str, bytes]], *, pack: bool = False) -> bytes:
    """A zip archive with fixed times; stored, so that every zlib writes the same bytes."""
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if pack else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            archive.writestr(entry, data, method)
    return out.getvalue()


def gzipped(data: bytes) -> bytes:
    """A gzip file without time or name in its head."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(data) + packer.flush()
    size = len(data) & 0xFFFFFFFF
    tail = zlib.crc32(data).to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + body + tail


def resident_id(area: str, born: str, sequence: int) -> str:
    """An invented citizen number whose check digit is right (GB 11643-1999).

    Args:
        area: Six digits of a division.
        born: YYYYMMDD.
        sequence: 0 to 999, odd for men.
    """
    body = f"{area}{born}{sequence:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]
