"""Whose packages the opened rows of a receiving site came in.

What a package says of itself is read elsewhere; here is only which rows are whose, whether they
stand in a package's own file, and which feeds its lineage names behind a column.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.errors import PackageError
from dagster_project.lake.engine import quoted
from dagster_project.lineage.columns import Schema
from dagster_project.lineage.opening.figure import End, Figure

PACKAGE = "package_id"
_FILE = "package_rows"


@dataclass(frozen=True)
class Share:
    """Rows of one table that take part and came in one package; empty id: in none.

    ``rows`` give values; those that are only ``deciding`` are what they were chosen by.
    """

    table: str
    package_id: str
    rows: int
    deciding: int = 0


def shares(con: duckdb.DuckDBPyConnection, figure: Figure, schema: Schema) -> list[Share]:
    """Which packages the opened rows came in, sorted; registers of the site itself have none."""
    found: dict[tuple[str, str], Counter[bool]] = {}
    for end in figure.ends:
        package = PACKAGE if PACKAGE in schema[end.table] else "''"
        rows = con.execute(
            f"SELECT coalesce({package}, ''), count(*) FROM {end.temp} GROUP BY 1"
        ).fetchall()
        for name, count in rows:
            found.setdefault((end.table, str(name)), Counter())[end.deciding] += int(count)
    return [Share(*spot, rows[False], rows[True]) for spot, rows in sorted(found.items())]


def strangers(
    con: duckdb.DuckDBPyConnection, end: End, package_id: str, file: pa.Table, own: Sequence[str]
) -> int:
    """How many opened rows of a package do not stand in the package's file.

    Args:
        con: The connection that holds the opened rows.
        end: The opened rows of ``city.<report>``.
        package_id: The package.
        file: The rows of its data file.
        own: Columns that the receiving site added.
    """
    here = {str(row[0]) for row in con.execute(f"DESCRIBE {end.temp}").fetchall()} - set(own)
    columns = ", ".join(quoted(name) for name in file.column_names if name in here)
    con.register(_FILE, file)
    try:
        row = con.execute(
            f"SELECT count(*) FROM (SELECT {columns} FROM {end.temp} WHERE {PACKAGE} = ?"
            f" EXCEPT ALL SELECT {columns} FROM {_FILE})",
            [package_id],
        ).fetchone()
    finally:
        con.unregister(_FILE)
    return int(row[0]) if row else 0


def keys_of(
    con: duckdb.DuckDBPyConnection, end: End, package_id: str, key: Sequence[str], limit: int
) -> list[dict[str, str]]:
    """The keys of opened rows of a package, in order."""
    if not key:
        return []
    columns = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in key)
    rows = con.execute(
        f"SELECT DISTINCT {columns} FROM {end.temp} WHERE {PACKAGE} = ? ORDER BY ALL LIMIT ?",
        [package_id, limit],
    ).fetchall()
    return [dict(zip(key, (str(cell) for cell in row), strict=True)) for row in rows]


def feeds_giving(events: Iterable[str], table: str, columns: Iterable[str]) -> tuple[str, ...]:
    """The feeds whose values flow into columns of a table, by its package's lineage.

    Args:
        events: OpenLineage events, one JSON text each.
        table: ``report.<name>``.
        columns: The columns that matter.

    Raises:
        PackageError: They are no such events.
    """
    sources: dict[str, Mapping[str, Any]] = {}
    try:
        for event in map(json.loads, events):
            for made in event["outputs"]:
                facet = (made.get("facets") or {}).get("columnLineage") or {}
                sources.setdefault(made["name"], facet.get("fields") or {})
        return _feeds(sources, {(table, column) for column in columns})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PackageError(
            f"the lineage of {table} cannot be read ({type(error).__name__})",
            todo="Ask the sender to seal the report again",
        ) from error


def _feeds(
    sources: Mapping[str, Mapping[str, Any]], wanted: set[tuple[str, str]]
) -> tuple[str, ...]:
    feeds: set[str] = set()
    seen: set[tuple[str, str]] = set()
    whole: set[str] = set()
    while wanted:
        table, column = spot = wanted.pop()
        if spot in seen:
            continue
        seen.add(spot)
        if table.startswith("bronze."):
            feeds.add(table.partition(".")[2])
        fields = sources.get(table, {})
        if column not in fields:
            if table in whole:
                continue  # once is enough, however many rows of it somebody claims to count
            whole.add(table)
        # Whoever counts rows names no column: then all that makes the rows counts, and of a feed
        # its delivered rows, not the registers in which some of its cells were looked up.
        every = [fields[column]] if column in fields else fields.values()
        below = {
            (one["name"], one["field"]) for made in every for one in made.get("inputFields") or ()
        }
        delivered = {one for one in below if one[0].startswith("bronze.")}
        wanted |= below if column in fields else delivered or below
    return tuple(sorted(feeds))
