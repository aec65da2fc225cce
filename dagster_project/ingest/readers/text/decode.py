"""A text file's bytes to UTF-8, strictly, judged on the whole file and on evidence.

Engines are handed UTF-8 only: DuckDB's own decoders change or refuse valid Chinese text. How well
bytes read as an encoding is ``encodings``' matter, records and cells are ``records``'.

UTF-8 is proven before anything is read (text in another encoding practically never passes). A
large GB18030 file is judged on pieces from all over it, then decoded strictly and weighed to its
end while it is read; every other file is judged on all of its bytes first.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.text import legacy
from dagster_project.ingest.readers.text.utf import CHUNK, place, utf8_fault, utf16

BOM = codecs.BOM_UTF8
FAMILIES = {
    "utf-8-sig": "utf-8", "utf-16-le": "utf-16", "utf-16-be": "utf-16", "cp950": "big5",
    "big5hkscs": "big5",
}  # fmt: skip
"""Python's codec -> the contract's word, where they differ."""
PRIVATE_SHARE = 0.02
"""Above this share of private-use among non-ASCII characters the text is not GB18030.

Real exports hold single private-use characters (rare characters of names); a wrong decoding holds
them in every line.
"""
PRIVATE_FEW = 3
"""So few private-use characters are never held against a file."""
AS_UTF8 = "Export it as CSV UTF-8 and deliver it again"


@dataclass
class Text:
    """A text file and the encoding it was judged to have (Python's codec name), and why.

    ``private`` and ``foreign`` count private-use and non-ASCII characters seen so far.
    """

    path: Path
    name: str
    encoding: str
    evidence: str = ""
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
        if self.encoding.startswith("utf-8"):
            yield from self._plain()
        else:
            yield from self._transcoded()
            self.weigh()

    def weigh(self) -> None:
        """Hold the private-use characters seen so far against the judged encoding.

        Raises:
            DeliveryError: There are too many of them.
        """
        if self.private > PRIVATE_FEW and self.private > self.foreign * PRIVATE_SHARE:
            raise DeliveryError(
                f"the text is neither UTF-8 ({self.utf8_fault}) nor plausible {self.encoding} "
                f"({self.private} of {self.foreign} non-ASCII characters are private-use)",
                where=self.name,
                todo=AS_UTF8,
                reason="undecodable",
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
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
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
                    text = text.lstrip("\ufeff")
                    at_start = not text
                encoded = text.encode("utf-8")
                self._weigh_in(encoded, len(text))
                if encoded:
                    yield encoded
                if not raw:
                    return
                done += len(raw)

    def _undecodable(self, offset: int) -> DeliveryError:
        fault = place(self.path, offset)
        said = f"neither UTF-8 ({self.utf8_fault}) nor" if self.utf8_fault else "not"
        return DeliveryError(
            f"the text is {said} {self.encoding.upper()} ({fault})",
            where=self.name,
            todo=AS_UTF8,
            reason="undecodable",
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
        DeliveryError: The text is in no encoding that can be told, or in one that the contract
            does not accept.
    """
    text = _judged(path, feed, name=name)
    text.chunk = chunk
    family = FAMILIES.get(text.encoding, text.encoding)
    if feed is not None and family not in feed.encodings:
        raise DeliveryError(
            f"the text is {family}, not in an encoding that the contract of {feed.name} accepts "
            f"({', '.join(feed.encodings)}): {text.evidence}",
            where=name,
            todo="Export it in an accepted encoding, or extend the contract's accepts.encodings",
            reason="encoding_not_accepted",
        )
    return text


def _judged(path: Path, feed: Feed | None, *, name: str) -> Text:
    _refuse_utf32(path, name)
    wide, why = utf16(path)
    if wide:
        return Text(path, name, wide, why)
    fault = utf8_fault(path)
    if fault < 0:
        with path.open("rb") as file:
            marked = file.read(len(BOM)) == BOM
        whole = f"all {path.stat().st_size} bytes are valid UTF-8"
        if marked:
            return Text(path, name, "utf-8-sig", f"{whole} after a byte order mark")
        return Text(path, name, "utf-8", whole)
    encoding, why = legacy.judged(path, feed, name=name, fault=fault)
    return Text(path, name, encoding, why, utf8_fault=place(path, fault))


def _refuse_utf32(path: Path, name: str) -> None:
    """Its mark begins like UTF-16's, and what follows would be read as text full of NULs."""
    with path.open("rb") as file:
        head = file.read(4)
    if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise DeliveryError(
            "the text is UTF-32, which no department's system reads",
            where=name,
            todo=AS_UTF8,
            reason="undecodable",
        )


def _private_use(encoded: bytes, data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    """Private-use characters, by their UTF-8 lead bytes (EE; EF 80-A3; planes 15 and 16)."""
    found = int(np.count_nonzero(data == 0xEE))  # noqa: PLR2004
    if b"\xef" in encoded:
        second = data[np.flatnonzero(data[:-2] == 0xEF) + 1]  # noqa: PLR2004
        found += int(np.count_nonzero(second < 0xA4))  # noqa: PLR2004
    if b"\xf3" in encoded or b"\xf4" in encoded:
        found += int(np.count_nonzero(data >= 0xF3))  # noqa: PLR2004
    return found
