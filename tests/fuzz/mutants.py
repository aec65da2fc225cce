"""Damaged copies of the faulty files; the same number always gives the same damage.

What becomes of them is ``victim``'s and ``run``'s matter.
"""

from __future__ import annotations

import io
import random
import zipfile
from functools import cache

from dagster_project.paths import SAMPLES
from tests.faulty.kit import gzipped, zipped

LARGEST = 300_000
"""Longer files are cut: time goes into damage, not into size."""
ODD = (
    b'"', b"'", b",", b"\t", b";", b"|", b"\r", b"\n", b"\r\r\n", b"\x00", b"\x1a", b"\xff",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x81\x30\x81\x30", b"\xa1\xa1", "，".encode(),
    "合计".encode(), "锟斤拷".encode(), "å¹³".encode(), b"<table>", b"</", b"&amp;",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"\x1f\x8b", b"999999999999", b"-1", b"XFD1048576",
)  # fmt: skip
"""What stands in the wrong place in the files of real departments, and of attackers."""


@cache
def _bases() -> tuple[tuple[str, bytes], ...]:
    paths = sorted(p for p in (SAMPLES / "faulty").iterdir() if p.is_file() and p.suffix != ".md")
    return tuple((path.name, path.read_bytes()[:LARGEST]) for path in paths)


def mutant(seed: int) -> tuple[str, bytes]:
    """A damaged file's name and bytes."""
    chance = random.Random(seed)  # noqa: S311 - the same damage every time
    name, data = chance.choice(_bases())
    parts = _members(data)
    if parts and chance.random() < 0.7:
        at = chance.randrange(len(parts))
        parts[at] = (parts[at][0], _damaged(chance, parts[at][1]))
        return name, zipped(parts)
    if name.endswith(".gz") and chance.random() < 0.5:
        return name, gzipped(_damaged(chance, data))
    return name, _damaged(chance, data)


def _members(data: bytes) -> list[tuple[str, bytes]]:
    """An archive's members, if it can be unpacked and is small."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                return []
            return [(name, archive.read(name)) for name in archive.namelist()]
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, NotImplementedError):
        return []


def _damaged(chance: random.Random, data: bytes) -> bytes:
    body = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(body))
        size = min(chance.choice((1, 2, 4, 16, 256)), len(body) - at)
        match chance.randrange(7):
            case 0 if at < len(body):
                body[at] ^= 1 << chance.randrange(8)
            case 1:
                body[at : at + size] = chance.randbytes(size)
            case 2:
                del body[at : at + size]
            case 3:
                body[at:at] = body[at : at + size] * chance.choice((1, 2, 50))
            case 4:
                body[at:at] = chance.choice(ODD)
            case 5:
                del body[at:]
            case 6:
                _, other = chance.choice(_bases())
                start = chance.randint(0, len(other))
                body[at:] = other[start : start + LARGEST]
            case _:
                body += chance.choice(ODD)
    return bytes(body)
