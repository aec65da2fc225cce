"""Rows of MySQL's text protocol, cut out of the connection's bytes in bulk.

PyMySQL makes the connection, sends the query and reads the columns; its cursors would then make a
Python object of every cell (ten times slower). Here packets are found in a buffer and all cells of
a column are cut at once. A row's packet is a length of 3 bytes, a number, and then each cell: one
byte of length, or 252, 253, 254 and a length of 2, 3 or 8 bytes, or 251 for NULL
(MySQL Internals, "Text Resultset").
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]

ENOUGH: Final = 4 << 20
"""So many bytes are cut at a time."""
READ: Final = 1 << 18
HEAD: Final = 4
LONGEST: Final = 0xFFFFFF
NULL, END, ERROR = 0xFB, 0xFE, 0xFF
_END_BYTES: Final = 9
_HEAD: Final = struct.Struct("<IB").unpack_from
_MORE: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}


class BrokenStreamError(Exception):
    """The rows ended before their end, or are none; ``packet`` is the server's error, if any."""

    def __init__(self, packet: bytes = b"") -> None:
        self.packet = packet
        super().__init__("the rows of the query ended before their end")


def batches(read: Callable[[int], bytes], columns: int) -> Iterator[list[pa.Array]]:
    """The columns of the rows, batch by batch, to the end of the result.

    Args:
        read: Gives at least one byte and at most so many, or none at the end.
        columns: How many cells a row has.

    Raises:
        BrokenStreamError: The server sent an error, the connection ended, or a row has another
            number of cells.
    """
    held, at, starts = bytearray(), 0, list[int]()
    while True:
        length, begun = len(held), starts.append
        while at + HEAD < length:
            word, first = _HEAD(held, at)
            end = at + HEAD + (word & LONGEST)
            if end > length:
                break
            if first >= END or word & LONGEST == LONGEST:
                size = word & LONGEST
                if first == ERROR or size == LONGEST:
                    raise BrokenStreamError(bytes(held[at + HEAD : end]))
                if size < _END_BYTES:
                    if starts:
                        yield cut(bytes(held[:at]), starts, columns)
                    return
            begun(at + HEAD)
            at = end
        if at >= ENOUGH and starts:
            yield cut(bytes(held[:at]), starts, columns)
            del held[:at]
            at, starts = 0, []
        some = read(READ)
        if not some:
            raise BrokenStreamError
        held += some


def cut(held: bytes, starts: list[int], columns: int) -> list[pa.Array]:
    """The cells of rows that begin at these bytes and fill all of them, column by column.

    Raises:
        BrokenStreamError: A row has another number of cells.
    """
    data = np.frombuffer(held + bytes(_END_BYTES), np.uint8)
    at = np.array(starts, np.int64)
    bounds = np.empty((len(starts), columns, 2), np.int64)
    nulls = np.zeros((len(starts), columns), np.bool_)
    for column in range(columns):
        begin, size, null = _cells(data, at)
        at = begin + size
        bounds[:, column, 0], bounds[:, column, 1], nulls[:, column] = begin, at, null
        if len(at) and at.max() > len(held):
            raise BrokenStreamError
    if not np.array_equal(at, np.append(np.array(starts[1:], np.int64) - HEAD, len(held))):
        raise BrokenStreamError
    offsets = np.append(bounds.ravel(), bounds[-1, -1, 1]).astype(np.int32)
    # Cells and what stands between them are values of one array; the cells are taken out of it.
    whole = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(held)]
    )
    first = np.arange(0, bounds.size, columns * 2, dtype=np.int64)
    return [
        whole.take(pa.array(first + 2 * column, mask=nulls[:, column])) for column in range(columns)
    ]


def _cells(data: Bytes, at: Numbers) -> tuple[Numbers, Numbers, Truths]:
    """Where the cells at these places begin, how long they are, and which are NULL."""
    first = data[at]
    size = first.astype(np.int64)
    begin = at + 1
    null = first == NULL
    size[null] = 0
    if (first > NULL).any():
        for mark, width in _MORE.items():
            rows = np.flatnonzero(first == mark)
            if len(rows):
                length = np.zeros(len(rows), np.int64)
                for n in range(min(width, HEAD)):
                    place = np.minimum(at[rows] + 1 + n, len(data) - 1)
                    length |= data[place].astype(np.int64) << (8 * n)
                size[rows] = length
                begin[rows] = at[rows] + 1 + width
    return begin, size, null
