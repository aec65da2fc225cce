"""Which encoding a text file that is not UTF-8 has: judged on its bytes, refused when in doubt.

The measures are ``encodings``'; decoding a judged file is ``decode``'s matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.text.encodings import (
    CLEAR,
    FREQUENT,
    HIGH,
    PRIVATE,
    RARE,
    TITLES,
    Reading,
    Western,
    titles_in,
)
from dagster_project.ingest.readers.text.utf import place

SAMPLED = 8 << 20
"""Files up to this size are judged on every byte at once."""
PIECE, PIECES = 512 << 10, 16
"""A larger file is first judged on so many pieces of it, from its beginning to its end."""
LONGEST = 16 << 20
"""Pieces end with a line; a text without lines is cut where it may be."""
HEAD = 64 << 10
"""Titles are looked for in so many first characters."""
MAINLY_UTF8 = 0.5
PLAUSIBLE = 0.6
"""At least this share of the hanzi of a rightly read text is frequent."""

AS_UTF8 = "Export it as CSV UTF-8 and deliver it again"
GB, BIG5, HKSCS, WEST = "gb18030", "cp950", "big5hkscs", "cp1252"
NAMES = {GB: "GB18030", BIG5: "Big5", HKSCS: "Big5-HKSCS", WEST: "Windows-1252"}
WORDS = {GB: "gb18030", BIG5: "big5", HKSCS: "big5", WEST: "cp1252"}
"""The contract's words for them."""

Piece = tuple[int, bytes]


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    feed: Feed | None
    fault: int
    """The offset where it stops being UTF-8."""

    @property
    def titles(self) -> Iterable[str]:
        """The titles that its header may hold."""
        if self.feed is None:
            return TITLES
        return chain.from_iterable((c.title, *c.aliases) for c in self.feed.columns)


def judged(path: Path, feed: Feed | None, *, name: str, fault: int) -> tuple[str, str]:
    """The codec of a file that stops being UTF-8 at offset ``fault``, and why in one sentence.

    Raises:
        DeliveryError: The text is in no known encoding, or it may be in several.
    """
    file = _File(path, name, feed, fault)
    size = path.stat().st_size
    if size > SAMPLED:
        readings = _readings(_spread(path, size), file)
        if _clear(readings) == GB:
            why = _sentence(readings, file)
            return GB, f"{why} (in {PIECES} pieces of the file; all of it decodes)"
    return _choice(file)


def _choice(file: _File) -> tuple[str, str]:
    """The verdict on all of a file's bytes."""
    readings = _readings(_lines(file.path), file)
    why = _sentence(readings, file)
    if clear := _clear(readings):
        return clear, why
    _refuse_faulty_utf8(file)
    western = Western()
    for _, data in _lines(file.path):
        western.weigh(data)
    living = _living(readings)
    likely = [reading.codec for reading in living if _is_plausible(reading)]
    if western.likely and not any(reading.words for reading in living):
        why = f"{why}; as Windows-1252 {western}"
        likely = [*(reading.codec for reading in living if reading.score > 0), WEST]
    if not likely:
        raise _undecodable(readings, file)
    return _of_contract(likely, why, file)


def _clear(readings: Sequence[Reading]) -> str:
    """The codec of the reading that is likely and far likelier than any other, or nothing."""
    living = _living(readings)
    if not living or living[0].score < CLEAR or not _is_plausible(living[0]):
        return ""
    if len(living) > 1 and living[0].score - living[1].score < CLEAR:
        return ""
    return living[0].codec


def _living(readings: Sequence[Reading]) -> list[Reading]:
    """The readings without a fault, the likeliest first; none when a faulty one is likelier.

    A GB18030 file that is cut in the middle of a character is not Big5 for that.
    """
    ranked = sorted(readings, key=lambda reading: reading.score, reverse=True)
    if ranked[0].fault >= 0 and ranked[0].score > CLEAR:
        return []
    return [reading for reading in ranked if reading.fault < 0]


def _is_plausible(reading: Reading) -> bool:
    frequent, rare = reading.weight(FREQUENT), reading.weight(RARE)
    return reading.words > 0 or frequent >= PLAUSIBLE * (frequent + rare)


def _of_contract(codecs: Sequence[str], why: str, file: _File) -> tuple[str, str]:
    """The only codec of these, or the only one that the contract accepts.

    Raises:
        DeliveryError: There are several.
    """
    accepted = [c for c in codecs if file.feed is not None and WORDS[c] in file.feed.encodings]
    if len(codecs) == 1:
        return codecs[0], why
    if len(accepted) == 1:
        return accepted[0], f"{why}; it is the only one of them that the contract accepts"
    raise DeliveryError(
        f"the encoding cannot be told: the text may be "
        f"{' or '.join(NAMES[codec] for codec in codecs)} ({why})",
        where=file.name,
        todo=f"{AS_UTF8}, or name one encoding only in the contract's accepts.encodings",
        reason="ambiguous_encoding",
    )


def _readings(pieces: Iterable[Piece], file: _File) -> list[Reading]:
    """How the pieces read as GB18030 and as Big5."""
    readings = [Reading(GB), Reading(BIG5), Reading(HKSCS)]
    for number, (offset, data) in enumerate(pieces):
        for reading in readings:
            if reading.fault >= 0:
                continue
            try:
                text = data.decode(reading.codec)
            except UnicodeDecodeError as error:
                reading.fault = offset + error.start
                text = data[: error.start].decode(reading.codec)
            reading.weigh(text)
            if not number:
                reading.words = titles_in(text[:HEAD], file.titles)
    national, big5, hkscs = readings
    return [
        national,
        hkscs if big5.fault >= 0 and hkscs.fault < 0 and not hkscs.weight(PRIVATE) else big5,
    ]


def _refuse_faulty_utf8(file: _File) -> None:
    """A file that is mostly UTF-8 is never read as anything else.

    Raises:
        DeliveryError: It is.
    """
    good, bad = _utf8_characters(_lines(file.path))
    if good < MAINLY_UTF8 * (good + bad):
        return
    share = good * 1_000_000 // (good + bad)  # cut off: all but one are not 100%
    raise DeliveryError(
        f"{share / 10_000:.4f}% of the {good + bad} non-ASCII characters are valid UTF-8, but "
        f"{bad} {'byte is' if bad == 1 else 'bytes are'} not: {place(file.path, file.fault)}",
        where=file.name,
        todo="Correct what was pasted there in another encoding, or export it again as UTF-8",
        reason="undecodable",
    )


def _utf8_characters(pieces: Iterable[Piece]) -> tuple[int, int]:
    """Non-ASCII characters that are valid UTF-8, and bytes that are not."""
    good = bad = 0
    for _, data in pieces:
        valid = len(data.decode("utf-8", "ignore"))
        bad += len(data.decode("utf-8", "surrogateescape")) - valid
        good += valid - len(data.translate(None, HIGH))
    return good, bad


def _undecodable(readings: Sequence[Reading], file: _File) -> DeliveryError:
    return DeliveryError(
        f"the text is neither UTF-8 ({place(file.path, file.fault)}) nor "
        f"{_as(readings[0], file)} nor {_as(readings[1], file)}",
        where=file.name,
        todo=AS_UTF8,
        reason="undecodable",
    )


def _as(reading: Reading, file: _File) -> str:
    said = str(reading) if reading.fault < 0 else place(file.path, reading.fault)
    return f"{NAMES[reading.codec]} ({said})"


def _sentence(readings: Sequence[Reading], file: _File) -> str:
    """Why an encoding was preferred: counts, never text."""
    read = ", as ".join(_as(reading, file) for reading in readings)
    return f"not UTF-8 ({place(file.path, file.fault)}); read as {read}"


def _lines(path: Path) -> Iterator[Piece]:
    """All of a file, in pieces that end with a line."""
    offset, held = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(PIECE):
            data = held + chunk
            end = _line_end(data) or (len(data) if len(data) > LONGEST else 0)
            if end:
                yield offset, data[:end]
                offset += end
            held = data[end:]
    if held:
        yield offset, held


def _spread(path: Path, size: int) -> Iterator[Piece]:
    """Pieces from a file's beginning to its end, each of whole lines."""
    with path.open("rb") as file:
        for number in range(PIECES):
            offset = (size - PIECE) * number // (PIECES - 1)
            file.seek(offset)
            data = file.read(PIECE)
            start = _line_start(data) if number else 0
            end = len(data) if number == PIECES - 1 else _line_end(data)
            if start < end:
                yield offset + start, data[start:end]


def _line_start(data: bytes) -> int:
    """Where the first whole line begins. No trail byte of a legacy encoding is a line end."""
    found = [at + 1 for end in (b"\n", b"\r") if (at := data.find(end)) >= 0]
    return min(found, default=len(data))


def _line_end(data: bytes) -> int:
    """Behind the last line end, 0 when there is none."""
    return max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
