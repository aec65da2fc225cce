"""Typed columns to columns of exact text: what a cell of a columnar file is called in bronze.

Numbers are written plainly (no exponent, every digit of a decimal), days and times in ISO form,
times with a zone as those of Asia/Shanghai with their offset, truths as ``true`` and ``false``,
lists and maps as JSON. Objects are taken apart before (``flat``). How a file is read stands in
``table``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

ZONE = "Asia/Shanghai"
"""The clock of every time in the lake's sources."""
_MOMENT = "%Y-%m-%d %H:%M:%S%.f"


class CellError(Exception):
    """A column that has no text: ``what`` says why, without a cell of it."""

    def __init__(self, column: str, what: str) -> None:
        self.column, self.what = column, what
        super().__init__(f"column {column} {what}")


def flat(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """The columns of a batch; the fields of an object are columns ``object.field``."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        yield from _flat(name, column)


def _flat(name: str, column: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    if not pa.types.is_struct(column.type):
        yield name, column
        return
    for field, values in zip(column.type, column.flatten(), strict=True):
        yield from _flat(f"{name}.{field.name}", values)


def text(name: str, column: pa.Array) -> pl.Series:
    """A column as text, NULL where it is NULL; its texts are proven to be UTF-8.

    Raises:
        CellError: It holds bytes that are no text, or values that have none.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _series(name, [None if v is None else str(v) for v in column.to_pylist()])
        return text(name, column.storage)
    if pa.types.is_dictionary(kind):
        return text(name, column.dictionary_decode())
    for is_kind, written in _WRITERS:
        if is_kind(kind):
            return written(name, column).rename(name)
    raise CellError(name, f"is of the type {kind}, which has no text")


def _series(name: str, texts: list[str | None]) -> pl.Series:
    return pl.Series(name, texts, pl.String)


def _frame(name: str, column: pa.Array) -> pl.Series:
    return cast("pl.Series", pl.from_arrow(column)).rename(name)


def _bytes(name: str, column: pa.Array) -> pl.Series:
    """Bytes are text where all of them are: some systems do not say of a text that it is one."""
    what = "holds binary data, which is no text"
    try:
        plain = column.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid as error:
        raise CellError(name, what) from error
    made = _frame(name, plain)
    if made.str.contains(r"[\x00-\x08\x0e-\x1f]").any():
        raise CellError(name, what)
    return made


def _whole(name: str, column: pa.Array) -> pl.Series:
    return _frame(name, column).cast(pl.String)


def _fraction(name: str, column: pa.Array) -> pl.Series:
    """Floating point numbers by the fewest digits that are no other number's, never ``1e6``."""
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    made = _frame(name, column).cast(pl.String)
    odd = made.str.contains("[eE]")
    if not odd.any():
        return made
    return _series(
        name,
        [
            format(Decimal(t), "f") if t is not None and is_odd else t
            for t, is_odd in zip(made, odd, strict=True)
        ],
    )


def _decimal(name: str, column: pa.Array) -> pl.Series:
    return _series(name, [None if v is None else format(v, "f") for v in column.to_pylist()])


def _short_decimal(name: str, column: pa.Array) -> pl.Series:
    if column.type.scale < 0:
        return _decimal(name, column)
    return _frame(name, column).cast(pl.String)


def _moment(name: str, column: pa.Array) -> pl.Series:
    made = _frame(name, column)
    if column.type.tz is None:
        return made.dt.to_string(_MOMENT)
    return made.dt.convert_time_zone(ZONE).dt.to_string(_MOMENT + "%:z")


def _duration(name: str, column: pa.Array) -> pl.Series:
    return _frame(name, column).dt.to_string("iso")


def _nested(name: str, column: pa.Array) -> pl.Series:
    return _series(name, [None if v is None else _json(name, v) for v in column.to_pylist()])


def _json(name: str, value: Any) -> str:
    """A value as JSON whose numbers keep every digit."""
    if isinstance(value, Mapping):
        pairs = ((json.dumps(key, ensure_ascii=False), _json(name, v)) for key, v in value.items())
        return "{" + ", ".join(f"{key}: {v}" for key, v in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_json(name, one) for one in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, bytes):
        raise CellError(name, "holds binary data inside of lists")
    plain = value if value is None or isinstance(value, str | bool | int) else str(value)
    return json.dumps(plain, ensure_ascii=False)


def _truth(name: str, column: pa.Array) -> pl.Series:
    return _frame(name, pc.if_else(column, "true", "false"))


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[str, pa.Array], pl.Series]], ...] = (
    (pa.types.is_null, lambda name, column: _series(name, [None] * len(column))),
    (pa.types.is_string, _whole),
    (pa.types.is_large_string, _whole),
    (pa.types.is_string_view, _whole),
    (pa.types.is_boolean, _truth),
    (pa.types.is_integer, _whole),
    (pa.types.is_floating, _fraction),
    (pa.types.is_decimal128, _short_decimal),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_date32, _whole),
    (pa.types.is_date, lambda name, column: _whole(name, column.cast(pa.date32()))),
    (pa.types.is_timestamp, _moment),
    (pa.types.is_time, lambda name, column: _frame(name, column).dt.to_string("%H:%M:%S%.f")),
    (pa.types.is_duration, _duration),
    (pa.types.is_binary, _bytes),
    (pa.types.is_large_binary, _bytes),
    (pa.types.is_binary_view, _bytes),
    (pa.types.is_fixed_size_binary, _bytes),
    (pa.types.is_nested, _nested),
)
"""How a type is written, by the first that fits; objects are taken apart before."""
