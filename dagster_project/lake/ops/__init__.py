"""The ops tables: what happened to every delivery, batch, row, task, check, model and package.

Making them is done here, their form stands beside; who fills them is told by ``architecture.md``.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from dagster_project.lake.engine import literal, quoted
from dagster_project.lake.ops.arriving import ARRIVING
from dagster_project.lake.ops.caring import CARING
from dagster_project.lake.ops.form import OpsTable
from dagster_project.lake.ops.profiling import PROFILING
from dagster_project.lake.ops.promised import PROMISED
from dagster_project.lake.ops.proving import PROVING
from dagster_project.lake.ops.receiving import RECEIVING
from dagster_project.lake.ops.rows import ROWS
from dagster_project.lake.ops.running import RUNNING
from dagster_project.lake.ops.scoring import SCORING

SCHEMAS = ("bronze", "silver", "gold", "report", "city", "ops")

TABLES: Mapping[str, OpsTable] = {
    **ARRIVING,
    **PROMISED,
    **PROFILING,
    **ROWS,
    **RUNNING,
    **SCORING,
    **CARING,
    **PROVING,
    **RECEIVING,
}


def missing(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the attached lake lacks a schema, a table or a column of ours."""
    return bool(_statements(con))


def ensure(con: duckdb.DuckDBPyConnection) -> None:
    """Make whatever schema, ops table or ops column is missing; call it in a transaction.

    A lake that has them all costs two small queries. Columns are only ever added.
    """
    for statement in _statements(con):
        con.execute(statement)


def _statements(con: duckdb.DuckDBPyConnection) -> list[str]:
    found = con.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'lake'"
    ).fetchall()
    present = {name for (name,) in found}
    columns: dict[str, set[str]] = {}
    for table, column in con.execute(
        "SELECT table_name, column_name FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name = 'ops'"
    ).fetchall():
        columns.setdefault(table, set()).add(column)
    made = [f"CREATE SCHEMA lake.{name}" for name in SCHEMAS if name not in present]
    for name, table in TABLES.items():
        made += _create(name, table) if name not in columns else _add(name, table, columns[name])
    return made


def _create(name: str, table: OpsTable) -> list[str]:
    full = f"lake.ops.{quoted(name)}"
    body = ", ".join(f"{quoted(column)} {kind}" for column, kind, _ in table.columns)
    comments = [
        f"COMMENT ON COLUMN {full}.{quoted(column)} IS {literal(comment)}"
        for column, _, comment in table.columns
    ]
    return [
        f"CREATE TABLE {full} ({body})",
        f"COMMENT ON TABLE {full} IS {literal(table.comment)}",
        *comments,
    ]


def _add(name: str, table: OpsTable, present: set[str]) -> list[str]:
    full = f"lake.ops.{quoted(name)}"
    made: list[str] = []
    for column, kind, comment in table.columns:
        if column not in present:
            made.append(f"ALTER TABLE {full} ADD COLUMN {quoted(column)} {kind}")
            made.append(f"COMMENT ON COLUMN {full}.{quoted(column)} IS {literal(comment)}")
    return made
