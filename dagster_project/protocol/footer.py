"""What a foreign Parquet file says of itself, judged before a Parquet reader believes it.

A reader allocates what footer and page headers ask for, and some of its accessors end the process
on a damaged footer. So both are read here first, by ``compact``, and only a flat table whose
numbers agree with each other and with the file goes on. Numbers of fields are parquet.thrift's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from dagster_project.protocol.compact import Compact, Struct

MAX_ROWS = 20_000_000
MAX_COLUMNS = 500
MAX_CELLS = 50_000_000
MAX_ROW_GROUPS = 1_000
MAX_UNPACKED = 1 << 30
MAX_PAGE = 64 << 20
_MAGIC = b"PAR1"
_TAIL = 8
_FOOTER_BYTES = 32 << 20
_HEADER_BYTES = 64 << 10
_HEADER_VALUES = 1_000
_MOST_PAGES = 200_000
_REPEATED = 2
_LAST_CODEC, _LAST_TYPE = 7, 7
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
_VERSION, _SCHEMA, _ROWS, _GROUPS, _NOTES = 1, 2, 3, 4, 5
_ENCRYPTION = (8, 9)
_ELSEWHERE = {1, 8, 9}
_OFFSETS = (9, 11)


@dataclass(frozen=True)
class _Chunk:
    """The pages of one column in one row group."""

    kind: int
    codec: int
    values: int
    packed: int
    starts: int


def check_footer(file: BinaryIO) -> None:
    """Refuse a file that is larger, deeper or otherwise than a report's may be.

    Raises:
        ValueError: What is wrong, as a clause.
    """
    end = file.seek(0, 2)
    footer = _footer(file, end)
    names = _names(footer)
    rows = _number(footer, _ROWS)
    groups = _structs(footer, _GROUPS)
    _limit("rows", rows, MAX_ROWS)
    _limit("columns", len(names), MAX_COLUMNS)
    _limit("cells", rows * len(names), MAX_CELLS)
    _limit("row groups", len(groups), MAX_ROW_GROUPS)
    if sum(_number(group, 3) for group in groups) != rows:
        raise ValueError("its row groups have another number of rows than it states")
    unpacked = pages = 0
    for group in groups:
        chunks = _structs(group, 1)
        if len(chunks) != len(names):
            raise ValueError("a row group has other columns than the file")
        for name, one in zip(names, chunks, strict=True):
            chunk = _chunk(one, name, _number(group, 3), end)
            for size in _pages(file, chunk):
                unpacked, pages = unpacked + size, pages + 1
                _limit("bytes unpacked", unpacked, MAX_UNPACKED)
                _limit("pages", pages, _MOST_PAGES)


def _footer(file: BinaryIO, end: int) -> Struct:
    file.seek(0)
    head = file.read(len(_MAGIC))
    file.seek(max(0, end - _TAIL))
    tail = file.read(_TAIL)
    if head != _MAGIC or tail[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("it is no Parquet file, or an encrypted one")
    length = int.from_bytes(tail[:4], "little")
    if length > min(_FOOTER_BYTES, end - _TAIL - len(_MAGIC)):
        raise ValueError("its footer is larger than it may be")
    file.seek(end - _TAIL - length)
    footer = Compact(file.read(length)).struct()
    if footer.get(_NOTES):
        raise ValueError("it holds notes of its writer, which a package's file has none of")
    if any(number in footer for number in _ENCRYPTION):
        raise ValueError("it is encrypted")
    return footer


def _names(footer: Struct) -> list[bytes]:
    """The columns; the first element of a flat schema is its root."""
    elements = _structs(footer, _SCHEMA)
    if not elements or _number(elements[0], 5) != len(elements) - 1:
        raise ValueError("it holds a nested column")
    leaves = elements[1:]
    if any(one.get(5) or one.get(3) == _REPEATED or 1 not in one for one in leaves):
        raise ValueError("it holds a nested column")
    names = [one.get(4) for one in leaves]
    if not all(isinstance(name, bytes) for name in names):
        raise ValueError("it holds a column without a name")
    if len(set(names)) != len(names):
        raise ValueError("it repeats a column")
    return [bytes(name) for name in names if name is not None]


def _chunk(chunk: Struct, name: bytes, rows: int, end: int) -> _Chunk:
    told = chunk.get(3)
    if not isinstance(told, dict) or _ELSEWHERE & chunk.keys():
        raise ValueError("a column lies in another file, or is encrypted")
    kind, codec = _number(told, 1), _number(told, 4)
    if _list(told, 3) != [name] or kind > _LAST_TYPE or codec > _LAST_CODEC:
        raise ValueError("a column is another one than the file's schema says")
    if _number(told, 5) != rows:
        raise ValueError("a column has another number of values than its row group has rows")
    starts = min((_number(told, place) for place in _OFFSETS if told.get(place)), default=0)
    packed = _number(told, 7)
    if rows == packed == 0:
        return _Chunk(kind, codec, rows, packed, starts)
    if starts < len(_MAGIC) or starts + packed > end - _TAIL:
        raise ValueError("a column's pages lie outside the file")
    return _Chunk(kind, codec, rows, packed, starts)


def _pages(file: BinaryIO, chunk: _Chunk) -> Iterator[int]:
    """The unpacked size of each page of a column."""
    at, until, values = chunk.starts, chunk.starts + chunk.packed, 0
    while at < until:
        file.seek(at)
        reader = Compact(file.read(min(_HEADER_BYTES, until - at)), _HEADER_VALUES)
        page = reader.struct()
        kind, unpacked, packed = (_number(page, number) for number in (1, 2, 3))
        _limit("bytes in one page", unpacked, MAX_PAGE)
        told = {_DATA_PAGE: 5, _DICTIONARY_PAGE: 7, _DATA_PAGE_V2: 8}.get(kind)
        body = page.get(told) if told else None
        if not isinstance(body, dict):
            raise ValueError("a page is of no known kind")  # noqa: TRY004 - foreign bytes
        count = _number(body, 1)
        if kind == _DICTIONARY_PAGE and (at != chunk.starts or count > MAX_ROWS):
            raise ValueError("a column's dictionary is not at its beginning, or too large")
        values += count if kind != _DICTIONARY_PAGE else 0
        at += reader.at + packed
        yield unpacked
    if at != until or values != chunk.values:
        raise ValueError("a column's pages do not hold its values")


def _number(struct: Struct, field: int) -> int:
    value = struct.get(field)
    if type(value) is not int or value < 0:
        raise ValueError("a number is missing or negative")
    return value


def _structs(struct: Struct, field: int) -> list[Struct]:
    found = _list(struct, field)
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("a list holds something else")
    return found


def _list(struct: Struct, field: int) -> list[Any]:
    value = struct.get(field)
    if not isinstance(value, list):
        raise ValueError("a list is missing")  # noqa: TRY004 - foreign bytes
    return value


def _limit(what: str, found: int, most: int) -> None:
    if found > most:
        raise ValueError(f"it has {found:,} {what}, a report may have {most:,}")
