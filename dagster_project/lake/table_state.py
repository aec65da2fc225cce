"""Which files and columns a table of the lake consists of at a snapshot, and both as one hash.

Two snapshots at which a table has the same state hold the same rows of it. The reverse does not
hold: files that are merged are another state with the same rows. Rows are not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

# A merged file holds rows of several snapshots: what is seen of it depends on the snapshot, too.
_STATES = """
WITH wanted AS (
  SELECT t.table_id, t.table_uuid, s.schema_name || '.' || t.table_name AS name
  FROM {meta}.ducklake_table AS t
  JOIN {meta}.ducklake_schema AS s ON s.schema_id = t.schema_id
  WHERE t.begin_snapshot <= $at AND COALESCE(t.end_snapshot, $at + 1) > $at
    AND s.begin_snapshot <= $at AND COALESCE(s.end_snapshot, $at + 1) > $at
    AND list_contains($tables, s.schema_name || '.' || t.table_name)
),
part AS (
  SELECT table_id, 'file ' || data_file_id || CASE WHEN partial_max > $at THEN ' at ' || $at
    ELSE '' END AS text, begin_snapshot, end_snapshot
  FROM {meta}.ducklake_data_file
  UNION ALL
  SELECT table_id, 'deletes ' || delete_file_id || CASE WHEN partial_max > $at THEN ' at ' || $at
    ELSE '' END, begin_snapshot, end_snapshot
  FROM {meta}.ducklake_delete_file
  UNION ALL
  SELECT table_id, 'column ' || column_id || ' ' || column_order || ' ' || column_name || ' '
    || column_type, begin_snapshot, end_snapshot
  FROM {meta}.ducklake_column
)
SELECT w.name, sha256(w.table_uuid || chr(10) || string_agg(p.text, chr(10) ORDER BY p.text))
FROM wanted AS w
JOIN part AS p ON p.table_id = w.table_id
WHERE p.begin_snapshot <= $at AND COALESCE(p.end_snapshot, $at + 1) > $at
GROUP BY w.name, w.table_uuid
"""


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
    query = _COLUMNS.format(meta="__ducklake_metadata_lake")
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
    query = _STATES.format(meta="__ducklake_metadata_lake")
    found = con.execute(query, {"tables": sorted(tables), "at": snapshot}).fetchall()
    return {str(name): str(state) for name, state in found}
