"""Whether a file is UTF-8 or UTF-16, and where it stops being so. Legacy encodings: ``legacy``."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pyarrow as pa

CHUNK = 128 << 10
"""Bytes per step: small enough for the processor's cache, and never given back to the system."""

HEAD = 64 << 10
UTF16_SHARE, UTF16_LEAD = 0.05, 4
"""UTF-16 tables hold at least this share of plain ASCII (delimiters, digits, line ends), and so
many times more of it than the same bytes in the other byte order."""


def utf8_fault(path: Path, *, chunk: int = CHUNK) -> int:
    """The offset where a file stops being UTF-8; -1 when all of it is UTF-8."""
    done, held = 0, b""
    with path.open("rb") as file:
        while raw := file.read(chunk):
            data = held + raw if held else raw
            whole = _whole_characters(data)
            if not _is_utf8(data, whole):
                break
            done += whole
            held = data[whole:]
        else:
            data = held
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return done + error.start
    return -1


def utf16(path: Path) -> tuple[str, str]:
    """The codec of a UTF-16 file and why it is taken for one; empty when it is none."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    for mark, codec in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return codec, f"the byte order mark of {codec.upper()} begins the file"
    if b"\x00" not in head:
        return "", ""
    units = np.frombuffer(head[: len(head) & ~1], "<u2")
    little, big = _plain(units), _plain(units.byteswap())
    zeros = int(np.count_nonzero(units == 0))
    most, least = max(little, big), min(little, big)
    if most <= zeros * UTF16_LEAD or most <= least * UTF16_LEAD or most < UTF16_SHARE * len(units):
        return "", ""
    codec = "utf-16-le" if little > big else "utf-16-be"
    return codec, (
        f"no byte order mark, but of the first {len(units)} pairs of bytes {most} are plain "
        f"characters in {codec.upper()} and {least} in the other byte order"
    )


def place(path: Path, offset: int) -> str:
    """An invalid byte's place in words; lines are counted only now that they are wanted."""
    left, line = offset, 1
    with path.open("rb") as file:
        while left and (block := file.read(min(left, CHUNK))):
            line += block.count(b"\n")
            left -= len(block)
    return f"invalid byte at offset {offset}, line {line}"


def _plain(units: np.ndarray[tuple[int], np.dtype[np.uint16]]) -> int:
    """Characters a table is written with: printable ASCII, tabs, line ends."""
    return int(
        np.count_nonzero(((units >= 0x20) & (units < 0x7F)) | np.isin(units, (9, 10, 13)))  # noqa: PLR2004
    )


def _whole_characters(data: bytes) -> int:
    """Where the last, perhaps unfinished, UTF-8 character begins."""
    start = len(data) - 1
    while start > len(data) - 4 and start > 0 and 0x80 <= data[start] < 0xC0:  # noqa: PLR2004
        start -= 1
    return start if data[start] >= 0xC0 else len(data)  # noqa: PLR2004


def _is_utf8(data: bytes, size: int) -> bool:
    """Whether the first ``size`` bytes are UTF-8, by Arrow's validator (several GB/s, no copy)."""
    bounds = pa.py_buffer(np.array([0, size], np.int32))
    text = pa.Array.from_buffers(pa.string(), 1, [None, bounds, pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
