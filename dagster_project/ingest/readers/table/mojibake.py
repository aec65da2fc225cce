"""Text that was spoilt before it was delivered: found in bytes, undone where that can be proven.

What becomes of the cells is conform's matter: here they are only found, and titles restored.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import polars as pl

from dagster_project.ingest.readers.result import Defect
from dagster_project.ingest.readers.text.encodings import FREQUENT, PRIVATE, RARE, Reading

LOST = "\ufffd|锟斤拷|斤拷锟|烫烫烫|屯屯屯"
"""What is left of characters that a program could not read; nothing brings them back."""

_LOST = re.compile(LOST.encode())
_LEAD = b"\xc3"
"""Begins every UTF-8 lead byte that was read as Latin-1; no hanzi's UTF-8 holds it."""
_TRAIL = (
    rb"\xc2[\x80-\xbf]|\xc5[\x92\x93\xa0\xa1\xb8\xbd\xbe]|\xc6\x92|\xcb[\x86\x9c]"
    rb"|\xe2\x80[\x93-\xba]|\xe2\x82\xac|\xe2\x84\xa2"
)
_MANGLED = re.compile(rb"\xc3[\x82-\xb4](?:" + _TRAIL + rb")")
_WESTERN_C1 = frozenset("\x81\x8d\x8f\x90\x9d")
"""Bytes that Windows-1252 leaves open; programs keep them as they are."""


def spoilt(data: bytes) -> Iterator[tuple[Defect, list[int]]]:
    """Where valid UTF-8 holds lost or mangled characters: two quick searches when it holds none."""
    text = pl.Series([data], dtype=pl.Binary).cast(pl.String)  # searched far faster than by re
    if text.str.contains(LOST).any():
        yield "garbled", [match.start() for match in _LOST.finditer(data)]
    if _LEAD in data:
        mangled = [match.start() for match in _MANGLED.finditer(data)]
        if mangled:
            yield "mojibake", mangled


def unmangled(text: str) -> str | None:
    """What a text said before its UTF-8 was read as Latin-1, Windows-1252 or GBK.

    Returns:
        The restored text; None when the text is not mangled, or when the way back is not exact or
        does not lead to more frequent characters.
    """
    if text.isascii():
        return None
    for raw in _bytes_of(text):
        with contextlib.suppress(UnicodeDecodeError):
            back = raw.decode("utf-8")
            if _is_better(back, text):
                return back
    return None


def _is_better(back: str, text: str) -> bool:
    before, after = Reading(""), Reading("")
    before.weigh(text)
    after.weigh(back)
    if after.weight(RARE) or after.weight(PRIVATE):
        return False
    if after.score > max(before.score, 0):
        return True
    return not before.weight(FREQUENT) and _is_western(back, text)


def _is_western(back: str, text: str) -> bool:
    """Whether ``Ã©`` became ``é``: no hanzi are involved, and every letter is one."""
    foreign = [character for character in back if not character.isascii()]
    return bool(_MANGLED.search(text.encode())) and all(c.isalpha() for c in foreign)


def _bytes_of(text: str) -> Iterator[bytes]:
    """The bytes that a text may have been read from."""
    with contextlib.suppress(UnicodeEncodeError):
        yield b"".join(c.encode("latin-1" if c in _WESTERN_C1 else "cp1252") for c in text)
    for codec in ("latin-1", "gb18030"):
        with contextlib.suppress(UnicodeEncodeError):
            yield text.encode(codec)
