"""Which files and columns a table of the lake consists of at a snapshot, and both as one hash.

Two snapshots at which a table has the same state hold the same rows of it. The reverse does not
hold: files that are merged are another state with the same rows. Rows are not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

_META = "__ducklake_metadata_lake"

# A merged file holds rows of several snapshots: what is seen of it depends on the snapshot, too.
_STATES = """
WITH wanted AS (
  SELECT asked.snapshot, t.table_id, t.table_uuid, s.schema_name || '.' || t.table_name AS name
  FROM (SELECT unnest($snapshots) AS snapshot) AS asked
  JOIN {meta}.ducklake_table AS t
    ON t.begin_snapshot <= asked.snapshot AND
      COALESCE(t.end_snapshot, asked.snapshot + 1) > asked.snapshot
  JOIN {meta}.ducklake_schema AS s
    ON s.schema_id = t.schema_id
    AND s.begin_snapshot <= asked.snapshot AND
      COALESCE(s.end_snapshot, asked.snapshot + 1) > asked.snapshot
  WHERE $every OR list_contains($tables, s.schema_name || '.' || t.table_name)
),
part AS (
  SELECT table_id, 'file ' || data_file_id AS text, partial_max, record_count, begin_snapshot,
    end_snapshot
  FROM {meta}.ducklake_data_file
  UNION ALL
  SELECT table_id, 'deletes ' || delete_file_id, partial_max, 0, begin_snapshot, end_snapshot
  FROM {meta}.ducklake_delete_file
  UNION ALL
  SELECT table_id, 'column ' || column_id || ' ' || column_order || ' ' || column_name || ' '
    || column_type, NULL, 0, begin_snapshot, end_snapshot
  FROM {meta}.ducklake_column
),
seen AS (
  SELECT w.snapshot, w.name, w.table_uuid, p.record_count,
    p.text || CASE WHEN p.partial_max > w.snapshot THEN ' at ' || w.snapshot ELSE '' END AS text
  FROM wanted AS w
  JOIN part AS p
    ON p.table_id = w.table_id
    AND p.begin_snapshot <= w.snapshot AND COALESCE(p.end_snapshot, w.snapshot + 1) > w.snapshot
)
SELECT snapshot, name, sha256(table_uuid || chr(10) || string_agg(text, chr(10) ORDER BY text)),
  sum(record_count)
FROM seen
GROUP BY snapshot, name, table_uuid
"""

# Files, deletes and columns carry the snapshot that added them and the one that ended them; a
# merged file begins with its oldest row, and its newest one is of the snapshot partial_max.
TOUCHED = """
WITH touch AS (
  SELECT table_id, begin_snapshot, end_snapshot, NULL AS partial_max FROM {meta}.ducklake_table
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot, partial_max FROM {meta}.ducklake_data_file
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot, partial_max FROM {meta}.ducklake_delete_file
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot, NULL FROM {meta}.ducklake_column
)
SELECT s.schema_name || '.' || t.table_name,
  MAX(GREATEST(touch.begin_snapshot, COALESCE(touch.end_snapshot, 0),
    COALESCE(touch.partial_max, 0)))
FROM {meta}.ducklake_table AS t
JOIN {meta}.ducklake_schema AS s ON s.schema_id = t.schema_id
JOIN touch ON touch.table_id = t.table_id
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
GROUP BY 1
"""
"""The last snapshot that touched each table that there is now."""


_COLUMNS = """
SELECT s.schema_name || '.' || t.table_name, list(c.column_name ORDER BY c.column_order)
FROM {meta}.ducklake_table AS t
JOIN {meta}.ducklake_schema AS s ON s.schema_id = t.schema_id
JOIN {meta}.ducklake_column AS c ON c.table_id = t.table_id AND c.parent_column IS NULL
WHERE t.begin_snapshot <= $at AND COALESCE(t.end_snapshot, $at + 1) > $at
  AND s.begin_snapshot <= $at AND COALESCE(s.end_snapshot, $at + 1) > $at
  AND c.begin_snapshot <= $at AND COALESCE(c.end_snapshot, $at + 1) > $at
  AND list_contains($tables, s.schema_name || '.' || t.table_name)
GROUP BY ALL
"""


def columns_at(
    con: duckdb.DuckDBPyConnection, tables: Iterable[str], snapshot: int
) -> Mapping[str, list[str]]:
    """The columns that tables had at a snapshot; a table that did not exist then is not in it.

    Args:
        con: A reader or writer with the lake attached as ``lake``.
        tables: ``layer.name`` of each.
        snapshot: A snapshot that is committed.
    """
    query = _COLUMNS.format(meta=_META)
    found = con.execute(query, {"tables": sorted(tables), "at": snapshot}).fetchall()
    return {str(name): [str(one) for one in columns] for name, columns in found}


def table_states(
    con: duckdb.DuckDBPyConnection, tables: Iterable[str], snapshot: int
) -> Mapping[str, str]:
    """The state of each table at a snapshot; a table that did not exist then is not in it.

    Args:
        con: A reader or writer with the lake attached as ``lake``.
        tables: ``layer.name`` of each.
        snapshot: A snapshot that is committed.
    """
    wanted = {"tables": sorted(tables), "snapshots": [snapshot], "every": False}
    found = con.execute(_STATES.format(meta=_META), wanted).fetchall()
    return {str(name): str(state) for _, name, state, _ in found}


@dataclass(frozen=True)
class State:
    """A table's state, and how many rows its files hold, deleted ones included."""

    state: str
    rows: int


def states_at(
    con: duckdb.DuckDBPyConnection, snapshots: Iterable[int]
) -> dict[tuple[str, int], State]:
    """The state of every table at each of some snapshots, by table and snapshot.

    Args:
        con: A reader or writer with the lake attached as ``lake``.
        snapshots: Committed ones.
    """
    wanted = {"tables": [], "snapshots": sorted(snapshots), "every": True}
    found = con.execute(_STATES.format(meta=_META), wanted).fetchall()
    return {(str(name), int(at)): State(str(state), int(rows)) for at, name, state, rows in found}


def touched(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """The last snapshot that touched each table that there is now."""
    found = con.execute(TOUCHED.format(meta=_META)).fetchall()
    return {str(name): int(at) for name, at in found}
