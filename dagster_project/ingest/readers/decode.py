"""A text file's bytes to UTF-8, strictly, judged on the whole file and on evidence.

Engines are handed UTF-8 only: DuckDB's own decoders change or refuse valid Chinese text. Records
and cells are ``records``' matter.

UTF-8 is proven before anything is read (text in another encoding practically never passes).
GB18030 is decoded strictly while reading and weighed at the end: Big5, for one, decodes as GB18030
without an error, but into private-use characters.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError

CHUNK = 128 << 10
"""Bytes per step: small enough for the processor's cache, and never given back to the system."""
BOM = codecs.BOM_UTF8
PRIVATE_SHARE = 0.02
"""Above this share of private-use among non-ASCII characters the text is not GB18030.

Real exports hold single private-use characters (rare characters of names); a wrong decoding holds
them in every line.
"""
PRIVATE_FEW = 3
"""So few private-use characters are never held against a file."""


@dataclass
class Text:
    """A text file and the encoding it was judged to have (Python's codec name).

    ``private`` and ``foreign`` count private-use and non-ASCII characters seen so far.
    """

    path: Path
    name: str
    encoding: str
    utf8_fault: str = ""
    private: int = 0
    foreign: int = 0
    chunk: int = field(default=CHUNK, repr=False)

    def chunks(self) -> Iterator[bytes]:
        """The text as UTF-8 without byte order mark, in pieces cut anywhere.

        Raises:
            DeliveryError: A byte is not valid in the judged encoding, or, at the end, the text is
                not plausible in it.
        """
        if self.encoding == "gb18030":
            yield from self._transcoded()
            self.weigh()
        else:
            yield from self._plain()

    def weigh(self) -> None:
        """Hold the private-use characters seen so far against the judged encoding.

        Raises:
            DeliveryError: There are too many of them.
        """
        if self.private > PRIVATE_FEW and self.private > self.foreign * PRIVATE_SHARE:
            raise DeliveryError(
                f"the text is neither UTF-8 ({self.utf8_fault}) nor plausible GB18030 "
                f"({self.private} of {self.foreign} non-ASCII characters are private-use)",
                where=self.name,
                todo="Export it as CSV UTF-8 and deliver it again",
            )

    def _plain(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while (lead := file.read(len(BOM))) == BOM:
                continue
            while chunk := file.read(self.chunk):
                yield lead + chunk
                lead = b""
            if lead:
                yield lead

    def _transcoded(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder("gb18030")("strict")
        done, at_start = 0, True
        with self.path.open("rb") as file:
            while True:
                raw = file.read(self.chunk)
                held = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(raw, final=not raw)
                except UnicodeDecodeError as error:
                    raise self._undecodable(done - held + error.start) from error
                if at_start:
                    text, at_start = text.lstrip("\ufeff"), not text
                encoded = text.encode("utf-8")
                self._weigh_in(encoded, len(text))
                if encoded:
                    yield encoded
                if not raw:
                    return
                done += len(raw)

    def _undecodable(self, offset: int) -> DeliveryError:
        return DeliveryError(
            f"the text is neither UTF-8 ({self.utf8_fault}) nor GB18030 "
            f"({_place(self.path, offset)})",
            where=self.name,
            todo="Export it as CSV UTF-8 and deliver it again",
        )

    def _weigh_in(self, encoded: bytes, characters: int) -> None:
        if len(encoded) == characters:
            return
        data = np.frombuffer(encoded, np.uint8)
        self.foreign += int(np.count_nonzero(data >= 0xC0))  # noqa: PLR2004 - UTF-8 lead bytes
        self.private += _private_use(encoded, data)


def judge(path: Path, feed: Feed | None, *, name: str, chunk: int = CHUNK) -> Text:
    """Judge a text file's encoding on all of its bytes.

    Raises:
        DeliveryError: The contract does not accept the encoding.
    """
    fault = utf8_fault(path, chunk=chunk)
    if fault:
        encoding = "gb18030"
    else:
        with path.open("rb") as file:
            encoding = "utf-8-sig" if file.read(len(BOM)) == BOM else "utf-8"
    family = encoding.removesuffix("-sig")
    if feed is not None and family not in feed.encodings:
        why = f" ({fault})" if fault else ""
        raise DeliveryError(
            f"the text is not in an encoding that the contract of {feed.name} accepts "
            f"({', '.join(feed.encodings)}){why}",
            where=name,
            todo="Export it in an accepted encoding, or extend the contract's accepts.encodings",
        )
    return Text(path, name, encoding, utf8_fault=fault, chunk=chunk)


def utf8_fault(path: Path, *, chunk: int = CHUNK) -> str:
    """Where a file stops being UTF-8, in words; empty when all of it is UTF-8."""
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
        return _place(path, done + error.start)
    return ""


def _place(path: Path, offset: int) -> str:
    """An invalid byte's place in words; lines are counted only now that they are wanted."""
    left, line = offset, 1
    with path.open("rb") as file:
        while left and (block := file.read(min(left, CHUNK))):
            line += block.count(b"\n")
            left -= len(block)
    return f"invalid byte at offset {offset}, line {line}"


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


def _private_use(encoded: bytes, data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    """Private-use characters, by their UTF-8 lead bytes (EE; EF 80-A3; planes 15 and 16)."""
    found = int(np.count_nonzero(data == 0xEE))  # noqa: PLR2004
    if b"\xef" in encoded:
        second = data[np.flatnonzero(data[:-2] == 0xEF) + 1]  # noqa: PLR2004
        found += int(np.count_nonzero(second < 0xA4))  # noqa: PLR2004
    if b"\xf3" in encoded or b"\xf4" in encoded:
        found += int(np.count_nonzero(data >= 0xF3))  # noqa: PLR2004
    return found
