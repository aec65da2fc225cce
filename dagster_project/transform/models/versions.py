"""Which version of its inputs a model would read now.

A table made by a model is known by its content hash; any other table by the last snapshot that
touched it. Nothing here compares or decides.
"""

from __future__ import annotations

import duckdb

from dagster_project.transform.models.model import Model

# Files and deletes carry the snapshot that added them and the one that ended them.
TOUCHED = """
WITH touch AS (
  SELECT table_id, begin_snapshot, end_snapshot FROM {meta}.ducklake_table
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot FROM {meta}.ducklake_data_file
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot FROM {meta}.ducklake_delete_file
)
SELECT s.schema_name || '.' || t.table_name,
       MAX(GREATEST(touch.begin_snapshot, COALESCE(touch.end_snapshot, 0)))
FROM {meta}.ducklake_table AS t
JOIN {meta}.ducklake_schema AS s ON s.schema_id = t.schema_id
JOIN touch ON touch.table_id = t.table_id
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
GROUP BY 1
"""


def input_versions(
    con: duckdb.DuckDBPyConnection, model: Model
) -> tuple[int, dict[str, str]]:
    """The lake's newest snapshot, and a version for each of the model's inputs."""
    row = con.execute("SELECT CURRENT_DATABASE()").fetchone()
    lake = str(row[0]) if row else "lake"
    if not _is_ducklake(con, lake):
        return 0, {table: "" for table in model.inputs}
    meta = f"__ducklake_metadata_{lake}"
    newest = con.execute(f"SELECT MAX(snapshot_id) FROM {meta}.ducklake_snapshot").fetchone()
    touched = dict(con.execute(TOUCHED.format(meta=meta)).fetchall())
    made = dict(
        con.execute(
            "SELECT table_name, ARG_MAX(content_hash, built_at) FROM ops.model_build GROUP BY 1"
        ).fetchall()
    )
    versions = {
        table: str(made.get(table) or f"snapshot {touched.get(table, 0)}")
        for table in model.inputs
    }
    return int(newest[0]) if newest else 0, versions


def _is_ducklake(con: duckdb.DuckDBPyConnection, database: str) -> bool:
    found = con.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = ?", [database]
    ).fetchone()
    return found is not None and str(found[0]).lower() == "ducklake"
