"""A report's values on their way: one Parquet spelling, one hash of the values, one schema.

Works on Arrow tables. It knows which types may travel; which columns a report has is the
contract's business, and which rows it has is the model's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dagster_project.errors import PackageError
from dagster_project.protocol.footer import MAX_UNPACKED, check_footer

WRITER = f"pyarrow {pa.__version__}"
_ROW_GROUP = 122_880
_FOOTER_STRING, _FOOTER_LIST = 1 << 20, 1 << 12
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}\Z")
_UTC_MICROS = pa.timestamp("us", tz="UTC")
# Arrow type -> (Data Package type, DuckDB type). Binary floats do not travel: sums of them
# depend on the order of addition.
_TYPES: dict[pa.DataType, tuple[str, str]] = {
    pa.string(): ("string", "VARCHAR"),
    pa.int8(): ("integer", "TINYINT"),
    pa.int16(): ("integer", "SMALLINT"),
    pa.int32(): ("integer", "INTEGER"),
    pa.int64(): ("integer", "BIGINT"),
    pa.bool_(): ("boolean", "BOOLEAN"),
    pa.date32(): ("date", "DATE"),
    pa.timestamp("us"): ("datetime", "TIMESTAMP"),
    _UTC_MICROS: ("datetime", "TIMESTAMP WITH TIME ZONE"),
}


def field_type(name: str, kind: pa.DataType) -> tuple[str, str]:
    """A column's Data Package type and its exact DuckDB type.

    Raises:
        PackageError: Columns of this name or type do not travel.
    """
    if not _NAME.match(name):
        raise PackageError(
            "a column's name must be lower-case letters, digits and underscores",
            where=f"column {ascii(name)[:80]}",
            todo="Rename it in the report's SQL",
        )
    if pa.types.is_decimal128(kind):
        return "number", f"DECIMAL({kind.precision},{kind.scale})"
    if kind not in _TYPES:
        raise PackageError(
            f"a column of type {kind} cannot travel in a package",
            where=f"column {name}",
            todo="Cast it in the report's SQL to text, an integer, DECIMAL, a date or an instant",
        )
    return _TYPES[kind]


def normalise(table: pa.Table) -> pa.Table:
    """The table in the types that travel: zones become UTC, dictionaries plain, notes dropped.

    Raises:
        PackageError: A column has a type that does not travel.
    """
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_large_string(kind):
            kind = pa.string()
        elif pa.types.is_timestamp(kind):
            kind = _UTC_MICROS if kind.tz else pa.timestamp("us")
        field_type(name, kind)
        columns.append(column.cast(kind))
    return pa.table(columns, names=table.column_names)


def content_hash(table: pa.Table) -> str:
    """SHA-256 over names, exact types and values in row order, whatever writes the Parquet.

    Args:
        table: A normalised table, its rows in their final order.
    """
    digest = hashlib.sha256(f"rows={table.num_rows}\n".encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name}\t{field_type(name, column.type)[1]}\n".encode())
        for part in _cells(column.combine_chunks().cast(pa.string())):
            digest.update(part)
    return digest.hexdigest()


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a normalised table with settings that never vary; pyarrow writes with one thread."""
    pq.write_table(
        table,
        path,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        write_page_checksum=True,
        row_group_size=_ROW_GROUP,
        store_schema=False,
    )


def read_parquet(path: Path) -> pa.Table:
    """Read a foreign Parquet file within limits.

    Nothing is unpacked before the footer and every page header were found small enough. Text is
    read as dictionaries first, since one long value may be named by millions of rows.

    Raises:
        PackageError: Not Parquet, encrypted, too large, nested, with notes of its writer, or of
            types that do not travel.
    """
    try:
        with path.open("rb") as file:
            check_footer(file)
    except ValueError as error:
        raise _refusal(path.name, str(error)) from error
    try:
        with _opened(path) as source:
            for leaf in source.schema_arrow:
                field_type(leaf.name, leaf.type)
            texts = [one.name for one in source.schema_arrow if pa.types.is_string(one.type)]
        with _opened(path, texts) as source:
            return _plain(source.read(use_threads=False), path.name)
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        raise PackageError(
            f"the file cannot be read as Parquet ({type(error).__name__})",
            where=path.name,
            todo="Ask the sender to seal the report again",
        ) from error


def _opened(path: Path, texts: Sequence[str] = ()) -> pq.ParquetFile:
    return pq.ParquetFile(
        path,
        thrift_string_size_limit=_FOOTER_STRING,
        thrift_container_size_limit=_FOOTER_LIST,
        page_checksum_verification=True,
        read_dictionary=list(texts) or None,
    )


def _plain(table: pa.Table, name: str) -> pa.Table:
    """Text out of its dictionaries, unless it would be larger than a report may be."""
    size = 0
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            for chunk in column.chunks:
                lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
                size += pc.sum(lengths).as_py() or 0
    if size > MAX_UNPACKED:
        raise _refusal(name, "its text is longer than a report's may be")
    kinds = [
        (one.name, one.type.value_type if pa.types.is_dictionary(one.type) else one.type)
        for one in table.schema
    ]
    return table.cast(pa.schema(kinds))


def describe(table: pa.Table, notes: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The Table Schema fields of a table.

    Args:
        table: A normalised table.
        notes: What the contract adds per column: title, description, unit, level.
    """
    fields = []
    for leaf in table.schema:
        kind, physical = field_type(leaf.name, leaf.type)
        known = {key: value for key, value in notes.get(leaf.name, {}).items() if value}
        fields.append({"name": leaf.name, "type": kind, "physicalType": physical, **known})
    return fields


def schema_differences(table: pa.Table, fields: Sequence[Any]) -> list[str]:
    """How a Parquet file's columns differ from declared Table Schema fields, as sentences."""
    declared = [
        (one.get("name"), one.get("type"), one.get("physicalType")) if isinstance(one, dict) else ()
        for one in fields
    ]
    actual = [(leaf.name, *field_type(leaf.name, leaf.type)) for leaf in table.schema]
    if len(declared) != len(actual):
        return [f"{len(declared)} fields are declared but the file has {len(actual)} columns"]
    return [
        f"column {have[0]} is {have[2]} in the file but declared otherwise"
        for have, said in zip(actual, declared, strict=True)
        if have != said
    ]


def _cells(text: pa.StringArray) -> list[bytes | memoryview]:
    """Lengths (-1 for NULL), then all values: two different columns never give the same bytes."""
    lengths = pc.fill_null(pc.binary_length(text), -1).cast(pa.int64())
    values = pc.fill_null(text, "").cast(pa.large_string())
    _, offsets, body = values.buffers()
    ends = memoryview(offsets).cast("q")
    first, last = ends[values.offset], ends[values.offset + len(values)]
    said = memoryview(body)[first:last] if body is not None else b""
    return [lengths.to_numpy(zero_copy_only=False).tobytes(), said]


def _refusal(name: str, what: str) -> PackageError:
    return PackageError(what, where=name, todo="Ask the sender to seal the report again")
