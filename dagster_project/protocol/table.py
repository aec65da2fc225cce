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

WRITER = f"pyarrow {pa.__version__}"
MAX_ROWS = 20_000_000
MAX_COLUMNS = 500
MAX_UNPACKED = 4 << 30
_ROW_GROUP = 122_880
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

    Raises:
        PackageError: Not Parquet, too large, nested, or of types that do not travel.
    """
    try:
        with pq.ParquetFile(
            path,
            thrift_string_size_limit=16 << 20,
            thrift_container_size_limit=1 << 20,
            page_checksum_verification=True,
        ) as source:
            _refuse_oversize(source.metadata, path.name)
            for leaf in source.schema_arrow:
                field_type(leaf.name, leaf.type)
            return source.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PackageError(
            f"the file cannot be read as Parquet ({type(error).__name__})",
            where=path.name,
            todo="Ask the sender to seal the report again",
        ) from error


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


def _cells(text: pa.StringArray) -> list[bytes]:
    """Lengths (-1 for NULL), then all values: two different columns never give the same bytes."""
    lengths = pc.fill_null(pc.binary_length(text), -1)
    return [
        lengths.cast(pa.int64()).to_numpy(zero_copy_only=False).tobytes(),
        "".join(value for value in text.to_pylist() if value is not None).encode("utf-8"),
    ]


def _refuse_oversize(metadata: pq.FileMetaData, name: str) -> None:
    unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    too_much = (
        metadata.num_rows > MAX_ROWS
        or metadata.num_columns > MAX_COLUMNS
        or unpacked > MAX_UNPACKED
        or len(set(metadata.schema.names)) != metadata.num_columns
    )
    if too_much:
        raise PackageError(
            "the Parquet file is larger than a report may be, or repeats a column",
            where=name,
            todo="Ask the sender to seal the report again",
        )
