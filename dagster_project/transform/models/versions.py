"""Which version of its inputs a model would read now.

A table made by a model is known by its content hash; any other table by the last snapshot that
touched it. Nothing here compares or decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from dagster_project.lake.table_state import TOUCHED
from dagster_project.transform.models.model import Graph, Model, Parameters


@dataclass(frozen=True)
class Built:
    """The newest build of a table: what it was made from and what came out.

    ``inputs`` holds the version of each table, the contract's hash and, under ``:name``, the
    parameters that the SQL used.
    """

    sql_hash: str
    inputs: dict[str, str]
    content_hash: str
    rows: int


def newest_builds(con: duckdb.DuckDBPyConnection, snapshot: int | None = None) -> dict[str, Built]:
    """The newest build of every table that a model ever made.

    Args:
        con: A reader or writer with the lake in use.
        snapshot: Only builds that read this snapshot or an earlier one.
    """
    rows = con.execute(
        "SELECT DISTINCT ON (table_name) table_name, sql_hash, inputs, content_hash, row_count "
        "FROM ops.model_build WHERE snapshot <= COALESCE(?, snapshot) "
        "ORDER BY table_name, built_at DESC, snapshot DESC",
        [snapshot],
    ).fetchall()
    return {str(r[0]): Built(str(r[1]), json.loads(r[2]), str(r[3]), int(r[4])) for r in rows}


def parameters_of(
    con: duckdb.DuckDBPyConnection,
    graph: Graph,
    table: str,
    otherwise: Parameters,
    snapshot: int | None = None,
) -> Parameters:
    """The parameters that a table, and the tables below it, were last built with.

    Args:
        con: A reader or writer with the lake in use.
        graph: The models.
        table: ``layer.name``.
        otherwise: Values for parameters that none of the models uses.
        snapshot: The snapshot that the table's build read; None means its newest build.
    """
    builds = newest_builds(con, snapshot)
    texts = otherwise.texts()
    for name in (*graph.upstream(table), table):
        if name in builds:
            texts |= {n[1:]: t for n, t in builds[name].inputs.items() if n.startswith(":")}
    return Parameters(
        datetime.fromisoformat(texts["cut_off_at"]),
        date.fromisoformat(texts["day"]),
        texts["site_code"],
    )


def input_versions(
    con: duckdb.DuckDBPyConnection, model: Model, builds: Mapping[str, Built]
) -> tuple[int, dict[str, str]]:
    """The lake's newest snapshot, and a version for each of the model's inputs.

    A version is empty where nobody knows it (a database that is not a lake).
    """
    row = con.execute("SELECT CURRENT_DATABASE()").fetchone()
    lake = str(row[0]) if row else "lake"
    if not _is_ducklake(con, lake):
        return 0, dict.fromkeys(model.inputs, "")
    meta = f"__ducklake_metadata_{lake}"
    newest = con.execute(f"SELECT MAX(snapshot_id) FROM {meta}.ducklake_snapshot").fetchone()
    touched = dict(con.execute(TOUCHED.format(meta=meta)).fetchall())
    versions = {
        table: builds[table].content_hash
        if table in builds
        else f"snapshot {touched.get(table, 0)}"
        for table in model.inputs
    }
    return int(newest[0]) if newest else 0, versions


def _is_ducklake(con: duckdb.DuckDBPyConnection, database: str) -> bool:
    found = con.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = ?", [database]
    ).fetchone()
    return found is not None and str(found[0]).lower() == "ducklake"
