"""Thrift's compact protocol, as far as Parquet's footer and page headers use it: read, bounded.

A struct becomes a mapping of field numbers to values; what the numbers mean is ``footer``'s matter.
"""

from __future__ import annotations

from typing import Any

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 0, 1, 2, 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_DEPTH = 12
_MOST = 2_000_000
_DOUBLE_BYTES = 8
_VARINT_BYTES = 10
_LONG_LIST = 15

Struct = dict[int, Any]


class Compact:
    """A reader of one message.

    Args:
        data: The bytes, which may go on after the message.
        most: How many values it may hold.
    """

    def __init__(self, data: bytes, most: int = _MOST) -> None:
        self._data, self._left = data, most
        self.at = 0
        """Where the next byte is read."""

    def struct(self, depth: int = 0) -> Struct:
        """The struct that begins here.

        Raises:
            ValueError: It is none, is cut off, is nested too deeply, or holds too much.
        """
        if depth > _DEPTH:
            raise ValueError("nested too deeply")
        found: Struct = {}
        number = 0
        while True:
            head = self._byte()
            kind, step = head & 0x0F, head >> 4
            if kind == _STOP:
                return found
            number = number + step if step else self._signed()
            if number in found:
                raise ValueError("a field stands twice")
            found[number] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it holds too much")
        if kind in _INTEGERS:
            return self._signed()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _LISTS:
            head = self._byte()
            kind, count = head & 0x0F, head >> 4
            count = self._varint() if count == _LONG_LIST else count
            return [self._item(kind, depth + 1) for _ in range(min(count, self._left + 1))]
        if kind in {_BYTE, _DOUBLE}:
            return self._bytes(1 if kind == _BYTE else _DOUBLE_BYTES)
        raise ValueError("a value of another kind than Parquet uses")

    def _item(self, kind: int, depth: int) -> Any:
        """One value of a list, in which also a truth value has a byte."""
        return self._byte() == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind, depth)

    def _signed(self) -> int:
        raw = self._varint()
        return (raw >> 1) ^ -(raw & 1)

    def _varint(self) -> int:
        value = 0
        for place in range(_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * place)
            if not byte & 0x80:
                return value
        raise ValueError("a number has no end")

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, count: int) -> bytes:
        found = self._data[self.at : self.at + count]
        if len(found) < count:
            raise ValueError("it is cut off")
        self.at += count
        return found
