"""UTF-8 text to whole records: where each begins and ends, and how many cells it has.

Our own count of records and cells, independent of the CSV engine, so that nothing can be lost
between the file and the rows: engines skip blank lines, cut surplus cells and swallow lines after
a stray quote. Cells of odd records are split here; regular ones are left to the engine.

A record ends at LF, CRLF, CR CR LF or CR outside quotes. A quote opens a quoted cell only at the
cell's start and closes it only before a delimiter or the record's end (RFC 4180); any other quote
is an ordinary character and makes its record *odd*.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagster_project.errors import DeliveryError

MAX_RECORD = 16 << 20
"""A record longer than this has an unclosed quote before it, or is an attack."""

BLOCK = 8 << 20
"""Blocks for the engine hold about this many bytes: its cost per call no longer shows."""

QUOTE, LF, CR = 0x22, 0x0A, 0x0D

Offsets = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Breaks = Counter[str]


@dataclass(frozen=True)
class Block:
    """A run of whole records.

    ``first`` is the number of its first record in the file, counted from 1. ``starts`` and
    ``ends`` bound each record without its line end; ``cells`` counts its cells; ``odd`` marks
    records that hold quotes which neither open nor close a cell, ``broken`` those of several lines.
    ``quoted`` and ``doubled`` say that there are quotes at all, and two side by side. ``breaks``
    counts line ends by kind.
    """

    data: bytes
    first: int
    starts: Offsets
    ends: Offsets
    cells: Offsets
    odd: Mask
    broken: Mask
    quoted: bool
    doubled: bool
    breaks: Breaks

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, index: int) -> str:
        """One record without its line end."""
        return self.data[self.starts[index] : self.ends[index]].decode("utf-8")

    def numbers_at(self, offsets: Sequence[int]) -> list[int]:
        """The numbers of the records that hold these bytes."""
        found: list[int] = np.unique(np.searchsorted(self.starts, offsets, "right")).tolist()
        return [self.first - 1 + number for number in found]

    def lines(self, chosen: Mask) -> bytes:
        """The chosen records with their line ends, joined."""
        if bool(chosen.all()):
            return self.data
        edges = np.flatnonzero(np.diff(np.concatenate(([False], chosen, [False])).astype(np.int8)))
        bounds = np.append(self.starts, len(self.data))
        view = memoryview(self.data)
        runs = zip(edges[::2], edges[1::2], strict=True)
        return b"".join(view[bounds[begin] : bounds[end]] for begin, end in runs)


def blocks(
    chunks: Iterable[bytes],
    *,
    name: str,
    delimiter: str = ",",
    longest: int = MAX_RECORD,
    size: int = BLOCK,
) -> Iterator[Block]:
    """Cut UTF-8 text into blocks of whole records, of about ``size`` bytes each.

    Raises:
        DeliveryError: A record does not end, or is longer than ``longest`` bytes.
    """
    first, height, held = 1, 0, list[_Piece]()
    for piece in _pieces(chunks, ord(delimiter), longest, name):
        held.append(piece)
        height += len(piece.data)
        if height >= size:
            yield (block := _joined(held, first))
            first, height, held = first + len(block), 0, []
    if held:
        yield _joined(held, first)


def leading(text: bytes, *, delimiter: str, whole: bool, most: int) -> list[list[str]]:
    """The cells of the first whole records of a text; ``whole`` says that all of it is given."""
    block = _joined([_piece(text, ord(delimiter), final=whole)], 1)
    first = range(min(len(block), most))
    return [split_record(block.text(n), delimiter=delimiter) for n in first]


@dataclass(frozen=True)
class _Piece:
    """Whole records as they were found: small, while masks fit the processor's cache.

    ``feeds`` are the records' last bytes (behind the text where the last record ends with it),
    ``literal`` and ``inner`` odd quotes and line ends within cells. ``rest`` is what is left of
    the text, ``is_open`` says that it ends inside quotes.
    """

    data: bytes
    feeds: Offsets
    cells: Offsets
    literal: Offsets
    inner: Offsets
    quoted: bool
    doubled: bool
    rest: bytes
    is_open: bool


def _pieces(chunks: Iterable[bytes], delimiter: int, longest: int, name: str) -> Iterator[_Piece]:
    first, wanted = 1, 0
    waiting: list[bytes] = []
    for chunk in itertools.chain(chunks, [b""]):
        waiting.append(chunk)
        wanted -= len(chunk)
        if wanted > 0 and chunk:
            continue
        data = b"".join(waiting) if len(waiting) > 1 else chunk
        if not data:
            return
        piece = _piece(data, delimiter, final=not chunk)
        _refuse_long(piece, first, longest, name)
        if len(piece.feeds):
            yield piece
        first += len(piece.feeds)
        waiting = [piece.rest] if piece.rest else []
        wanted = len(piece.rest)  # a long record is not looked at again before it has doubled
    if waiting:
        raise _endless(name, first)


def _joined(pieces: Sequence[_Piece], first: int) -> Block:
    """Pieces suit this module, blocks suit the engine: its cost per call no longer shows."""
    offsets = [0, *itertools.accumulate(len(piece.data) for piece in pieces)]
    shifted = list(zip(pieces, offsets, strict=False))
    feeds = np.concatenate([piece.feeds + offset for piece, offset in shifted])
    starts = np.concatenate(([0], feeds[:-1] + 1)).astype(np.int64) if len(feeds) else feeds
    lines = _lines(b"".join(piece.data for piece in pieces), starts, feeds)
    return Block(
        data=lines.data,
        first=first,
        starts=lines.starts,
        ends=lines.ends,
        cells=np.concatenate([piece.cells for piece in pieces]),
        odd=_holding([piece.literal + offset for piece, offset in shifted], feeds),
        broken=_holding([piece.inner + offset for piece, offset in shifted], feeds),
        quoted=any(piece.quoted for piece in pieces),
        doubled=any(piece.doubled for piece in pieces),
        breaks=lines.breaks,
    )


def _refuse_long(piece: _Piece, first: int, longest: int, name: str) -> None:
    """A record that is too long is refused at once, whether its end has been seen or not."""
    if len(piece.data) > longest:
        sizes = np.diff(piece.feeds, prepend=-1)
        if int(sizes.max()) > longest:
            raise _too_long(name, first + int(sizes.argmax()), longest)
    if len(piece.rest) > longest:
        row = first + len(piece.feeds)
        raise _endless(name, row, longest) if piece.is_open else _too_long(name, row, longest)


def _too_long(name: str, row: int, longest: int) -> DeliveryError:
    return DeliveryError(
        f"this record is longer than {longest / (1 << 20):g} MiB",
        where=f"{name}, row {row}",
        todo="Export the table again with line ends, or without the cell that is so large",
        reason="too_large",
    )


def _endless(name: str, row: int, longest: int = 0) -> DeliveryError:
    how = f"not closed within {longest / (1 << 20):g} MiB" if longest else "never closed"
    return DeliveryError(
        f"a quoted cell of this record is {how}",
        where=f"{name}, row {row}",
        todo='Close or remove the quote (") in that row and deliver the file again',
        reason="unclosed_quote",
    )


def _piece(data: bytes, delimiter: int, *, final: bool) -> _Piece:
    """The whole records at the start of ``data``."""
    marks = _marks(data, delimiter, final=final)
    feeds = np.flatnonzero(marks.ends)
    taken = int(feeds[-1]) + 1 if len(feeds) else 0
    if final and taken < len(data) and not marks.is_open:
        feeds, taken = np.append(feeds, len(data)), len(data)
    return _Piece(
        data=data[:taken],
        feeds=feeds,
        cells=_cells(marks.delimiters[:taken], feeds),
        literal=marks.literal[marks.literal < taken],
        inner=marks.inner[marks.inner < taken],
        quoted=marks.quoted,
        doubled=marks.doubled,
        rest=data[taken:],
        is_open=marks.is_open,
    )


def _cells(delimiters: Mask, feeds: Offsets) -> Offsets:
    """How many cells each record has: one more than delimiters outside of quotes."""
    if not len(feeds):
        return feeds
    starts = np.concatenate(([0], feeds[:-1] + 1))
    counts = np.add.reduceat(delimiters.view(np.uint8), starts, dtype=np.uint32)
    return counts.astype(np.int64) + 1


def _holding(places: Sequence[Offsets], feeds: Offsets) -> Mask:
    """Which records hold one of these places."""
    if not any(map(len, places)):
        return np.zeros(len(feeds), np.bool_)
    return np.diff(np.searchsorted(np.concatenate(places), feeds), prepend=0) > 0


@dataclass
class _Lines:
    """A text in which every record ends in LF or CRLF, as the engine wants it."""

    data: bytes
    starts: Offsets
    ends: Offsets
    breaks: Breaks


def _lines(data: bytes, starts: Offsets, feeds: Offsets) -> _Lines:
    unended = len(feeds) > 0 and int(feeds[-1]) == len(data)
    if b"\r" not in data:
        return _Lines(data, starts, feeds, Counter(LF=len(feeds) - unended))
    view = np.frombuffer(data, np.uint8)
    bare = feeds[view[np.minimum(feeds, len(view) - 1)] == CR]
    after = (view[feeds - 1] == CR) & (feeds > starts)
    twice = after & (view[np.maximum(feeds, 2) - 2] == CR) & (feeds > starts + 1)
    breaks = Counter(
        LF=len(feeds) - len(bare) - int(after.sum()) - unended,
        CRLF=int(after.sum()) - int(twice.sum()),
        CR=len(bare),
        CRCRLF=int(twice.sum()),
    )
    ends = feeds - after - twice
    if not len(bare) and not breaks["CRCRLF"]:
        return _Lines(data, starts, ends, breaks)
    copy = view.copy()
    copy[bare] = LF
    surplus = feeds[twice] - 1
    data = np.delete(copy, surplus).tobytes()
    starts = starts - np.searchsorted(surplus, starts)
    return _Lines(data, starts, ends - np.searchsorted(surplus, ends), breaks)


@dataclass
class _Marks:
    """Where records and cells end, byte by byte, and what the quotes among them mean.

    ``literal`` are quotes that are ordinary characters, ``inner`` line ends in cells; ``is_open``
    says that the text ends inside a quoted cell; ``doubled`` that two quotes stand side by side.
    """

    ends: Mask
    delimiters: Mask
    literal: Offsets
    inner: Offsets
    is_open: bool = False
    quoted: bool = False
    doubled: bool = False


def _marks(data: bytes, delimiter: int, *, final: bool) -> _Marks:
    """Byte-wise masks: far cheaper than lists of positions while they fit the processor's cache."""
    view = np.frombuffer(data, np.uint8)
    ends, delimiters = view == LF, view == delimiter
    if b"\r" in data:
        bare = view == CR
        bare[:-1] &= ~ends[1:]
        bare[-1] &= final  # a CR at the very end may yet be followed by an LF
        if bare.any():
            ends |= _without_doubled(bare, view, ends, final=final)
    nowhere = np.zeros(0, np.int64)
    marks = _Marks(ends, delimiters, literal=nowhere, inner=nowhere)
    if b'"' in data:
        quotes = view == QUOTE
        edges = ends | delimiters | quotes | (view == CR)
        inside, marks.literal = _inside(view, quotes, edges, delimiter)
        marks.inner = np.flatnonzero(ends & inside)
        outside = ~inside
        ends &= outside
        delimiters &= outside
        marks.is_open = bool(inside[-1])
        marks.quoted, marks.doubled = True, bool((quotes[1:] & quotes[:-1]).any())
    return marks


def _without_doubled(bare: Mask, view: Bytes, ends: Mask, *, final: bool) -> Mask:
    """Carriage returns that end a record: those that no CR LF follows, nor may yet follow."""
    followed = np.zeros(len(view), np.bool_)
    if len(view) > 1:
        followed[:-1] = view[1:] == CR
        followed[:-2] &= ends[2:]
        followed[-2] &= not final
    return bare & ~followed


def _inside(view: Bytes, quotes: Mask, edges: Mask, delimiter: int) -> tuple[Mask, Offsets]:
    """Which bytes are inside a quoted cell, and which quotes are ordinary characters."""
    inside = _between(quotes)
    opens_badly = quotes[1:] & inside[1:] & ~edges[:-1]
    closes_badly = quotes[:-1] & ~inside[:-1] & ~edges[1:]
    if not opens_badly.any() and not closes_badly.any():
        return inside, np.zeros(0, np.int64)
    structural, literal = _walk(view, np.flatnonzero(quotes).tolist(), delimiter)
    real = np.zeros(len(view), np.bool_)
    real[structural] = True
    return _between(real), literal


def _between(quotes: Mask) -> Mask:
    """Bytes from each opening quote up to its closing one."""
    odd: Bytes = np.bitwise_xor.accumulate(quotes.view(np.uint8))
    return odd.view(np.bool_)


def _walk(view: Bytes, quotes: list[int], delimiter: int) -> tuple[Offsets, Offsets]:
    """The same, quote by quote, for text in which quotes stand in odd places."""
    edges = (delimiter, LF, CR)
    structural: list[int] = []
    literal: list[int] = []
    size, index, is_open = len(view), 0, False
    while index < len(quotes):
        at = quotes[index]
        if not is_open:
            is_open = at == 0 or int(view[at - 1]) in edges
            (structural if is_open else literal).append(at)
        elif at + 1 < size and view[at + 1] == QUOTE:
            index += 1
        elif at + 1 == size or int(view[at + 1]) in edges:
            structural.append(at)
            is_open = False
        else:
            literal.append(at)
        index += 1
    return np.array(structural, np.int64), np.array(literal, np.int64)


def split_record(record: str, *, delimiter: str = ",") -> list[str]:
    """Split one record into cells by the same rule by which it was cut out."""
    cells, at, size = [], 0, len(record)
    while True:
        if record.startswith('"', at):
            end = _closing(record, at + 1, delimiter)
            cells.append(record[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            found = record.find(delimiter, at)
            end = size if found < 0 else found
            cells.append(record[at:end])
            at = end
        if at >= size:
            return cells
        at += 1


def _closing(record: str, at: int, delimiter: str) -> int:
    """Where the quoted cell that begins before ``at`` is closed; the record's end if nowhere."""
    size = len(record)
    while (at := record.find('"', at)) >= 0:
        if at + 1 == size or record.startswith(delimiter, at + 1):
            return at
        at += 2 if record.startswith('"', at + 1) else 1
    return size
