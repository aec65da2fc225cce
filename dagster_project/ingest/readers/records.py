"""UTF-8 text to whole records: where each begins and ends, and how many cells it has.

Our own count of records and cells, independent of the CSV engine, so that nothing can be lost
between the file and the rows: engines skip blank lines, cut surplus cells and swallow lines after
a stray quote. Cells of odd records are split here; regular ones are left to the engine.

A record ends at LF, CRLF or CR outside quotes. A quote opens a quoted cell only at the cell's
start and closes it only before a delimiter or the record's end (RFC 4180); any other quote is an
ordinary character and makes its record *odd*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagster_project.errors import DeliveryError

MAX_RECORD = 16 << 20
"""A record longer than this has an unclosed quote before it, or is an attack."""

QUOTE, LF, CR = 0x22, 0x0A, 0x0D

Offsets = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Block:
    """A run of whole records.

    ``first`` is the number of its first record in the file, counted from 1. ``starts`` and
    ``ends`` bound each record without its line end; ``cells`` counts its cells; ``odd`` marks
    records that hold quotes which neither open nor close a cell.
    """

    data: bytes
    first: int
    starts: Offsets
    ends: Offsets
    cells: Offsets
    odd: NDArray[np.bool_]
    quoted: bool

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, index: int) -> str:
        """One record without its line end."""
        return self.data[self.starts[index] : self.ends[index]].decode("utf-8")

    def lines(self, chosen: NDArray[np.bool_]) -> bytes:
        """The chosen records with their line ends, joined."""
        if bool(chosen.all()):
            return self.data
        edges = np.flatnonzero(np.diff(np.concatenate(([False], chosen, [False])).astype(np.int8)))
        bounds = np.append(self.starts, len(self.data))
        view = memoryview(self.data)
        runs = zip(edges[::2], edges[1::2], strict=True)
        return b"".join(view[bounds[begin] : bounds[end]] for begin, end in runs)


def blocks(chunks: Iterable[bytes], *, name: str, delimiter: str = ",") -> Iterator[Block]:
    """Cut UTF-8 text into blocks of whole records.

    Raises:
        DeliveryError: A record does not end.
    """
    first, held = 1, b""
    for chunk in chunks:
        data = held + chunk if held else chunk
        block, taken = _block(data, first, ord(delimiter), final=False)
        held = data[taken:]
        if len(held) > MAX_RECORD:
            raise _endless(name, first + len(block))
        if len(block):
            yield block
        first += len(block)
    if held:
        block, taken = _block(held, first, ord(delimiter), final=True)
        if taken < len(held):
            raise _endless(name, first + len(block))
        yield block


def _endless(name: str, row: int) -> DeliveryError:
    return DeliveryError(
        "a quoted cell of this record is never closed",
        where=f"{name}, row {row}",
        todo='Close or remove the quote (") in that row and deliver the file again',
    )


def _block(data: bytes, first: int, delimiter: int, *, final: bool) -> tuple[Block, int]:
    """The whole records at the start of ``data``, and the number of bytes they take."""
    view = np.frombuffer(data, np.uint8)
    quotes, literal = _quotes(view, delimiter)
    feeds = _outside(_line_ends(data, view, final=final), quotes)
    taken = int(feeds[-1]) + 1 if len(feeds) else 0
    if final and taken < len(data) and not len(quotes) % 2:
        feeds, taken = np.append(feeds, len(data)), len(data)
    data, view = _with_line_feeds(data[:taken], view[:taken], feeds)
    starts = np.concatenate(([0], feeds[:-1] + 1)).astype(np.int64) if len(feeds) else feeds
    ends = feeds - ((feeds > starts) & (view[np.maximum(feeds, 1) - 1] == CR))
    commas = np.searchsorted(_outside(np.flatnonzero(view == delimiter), quotes), feeds)
    block = Block(
        data=data,
        first=first,
        starts=starts,
        ends=ends,
        cells=np.diff(commas, prepend=0) + 1,
        odd=np.diff(np.searchsorted(literal, feeds), prepend=0) > 0,
        quoted=bool(len(quotes) or len(literal)),
    )
    return block, taken


def _outside(positions: Offsets, quotes: Offsets) -> Offsets:
    """The positions that are not inside a quoted cell."""
    if not len(quotes) or not len(positions):
        return positions
    kept: Offsets = positions[np.searchsorted(quotes, positions) % 2 == 0]
    return kept


def _line_ends(data: bytes, view: Bytes, *, final: bool) -> Offsets:
    """Positions of LF, and of CR that no LF follows (unknown for a CR at the very end)."""
    feeds = np.flatnonzero(view == LF)
    if b"\r" not in data:
        return feeds
    returns = np.flatnonzero(view == CR)
    at_end = len(returns) and returns[-1] == len(view) - 1
    inner = returns[:-1] if at_end else returns
    bare = inner[view[inner + 1] != LF]
    if at_end and final:
        bare = np.append(bare, returns[-1])
    return np.union1d(feeds, bare) if len(bare) else feeds


def _with_line_feeds(data: bytes, view: Bytes, feeds: Offsets) -> tuple[bytes, Bytes]:
    """The same text with every record ending in LF, as the engine wants it."""
    inner = feeds[feeds < len(view)]
    bare = inner[view[inner] == CR]
    if not len(bare):
        return data, view
    copy = view.copy()
    copy[bare] = LF
    return copy.tobytes(), copy


def _quotes(view: Bytes, delimiter: int) -> tuple[Offsets, Offsets]:
    """Quotes that open and close cells in turn, and quotes that are ordinary characters."""
    quotes = np.flatnonzero(view == QUOTE)
    if not len(quotes):
        return quotes, quotes
    edges = np.zeros(256, dtype=np.bool_)
    edges[[delimiter, LF, CR, QUOTE]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    before = view[np.maximum(opening, 1) - 1]
    after = view[np.minimum(closing + 1, len(view) - 1)]
    opens_well = edges[before] | (opening == 0)
    closes_well = edges[after] | (closing == len(view) - 1)
    if bool(opens_well.all()) and bool(closes_well.all()):
        return quotes, quotes[:0]
    return _walk(view, quotes.tolist(), delimiter)


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
