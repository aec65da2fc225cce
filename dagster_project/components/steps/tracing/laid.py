"""The tables that lead from a figure to its files, side by side in a database in memory.

Every table stands there under its own name as it was when the figure was made. What a figure was
made of is ``made``'s matter, how it is opened ``lineage.trace``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import duckdb
import pyarrow as pa

from dagster_project.components.steps.tracing.made import LAYERS, Made
from dagster_project.errors import PackageError
from dagster_project.lake.engine import quoted
from dagster_project.lake.table_state import columns_at
from dagster_project.protocol import table as values
from dagster_project.transform.models import Graph, Inputs, Scene, Stage, at

LEDGERS = ("ops.batch", "ops.batch_file", "ops.quarantine", "ops.rectification", "ops.repair")
"""Ledgers that tell what became of delivered rows."""
_COPIED = ("ops.batch", "ops.batch_file")
"""Small ledgers that every opened row is joined to: copied, whatever is asked for."""


def lay_out(
    con: duckdb.DuckDBPyConnection,
    feeds: Mapping[str, object],
    made: Made,
    on: Stage,
    table: str,
    *,
    copied: bool = False,
) -> None:
    """Lay out a table, all tables below it, and bronze, as they were then.

    Args:
        con: A reader whose current database is the stage's.
        feeds: The feeds of the site.
        made: What the table was made of.
        on: The stage.
        table: ``layer.name``.
        copied: Copy silver, bronze's places and the ledgers into memory.

    Raises:
        PackageError: Made again, it does not hold the package's rows.
        ModelError: It cannot be made again.
    """
    below = made_models(made, table)
    if made.standing:
        for name in below:
            _view(con, name, f"SELECT * FROM lake.{_quoted(name)}")
        again = None
    else:
        models = {name: made.graph.models[name] for name in (*below, table)}
        scene = Scene(Graph(models), made.parameters, Inputs(made.snapshot))
        again = on.yields(scene, table)
    raw(con, feeds, made, table, copied=copied)
    con.register("shown", _shown(con, made, table, again))
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
    con.execute(f"CREATE OR REPLACE TABLE {table} AS FROM shown")
    con.unregister("shown")


def raw(
    con: duckdb.DuckDBPyConnection,
    feeds: Mapping[str, object],
    made: Made,
    table: str,
    selects: Mapping[str, str] = MappingProxyType({}),
    *,
    base: str = "",
    copied: bool = False,
) -> None:
    """Lay out what no model makes, and entities, below a table.

    Args:
        con: A reader whose current database is the stage's.
        feeds: The feeds of the site.
        made: What the table was made of.
        table: ``layer.name``.
        selects: Stand in the place of tables.
        base: The database in which they are laid out already, if they are.
        copied: Copy them into memory, of bronze the places alone.
    """
    models = (made.graph.models[name] for name in (*made.graph.upstream(table), table))
    below = {name for model in models for name in model.inputs}
    behind = [name for name in feeds if f"silver.{name}" in below]
    wanted = {
        *LEDGERS,
        *(f"bronze.{name}" for name in behind),
        *(name for name in below if name.startswith(("silver.", "ops."))),
    }
    for name in columns_at(con, wanted, made.snapshot):
        if base or not (copied or name in _COPIED):
            there = f"SELECT * FROM {quoted(base)}.{_quoted(name)}" if base else ""
            _view(con, name, selects.get(name) or there or at(name, made.snapshot))
            continue
        select = at(name, made.snapshot)
        if name.startswith("bronze."):
            select = f"SELECT _batch_id, _sheet, _source_row FROM ({select})"
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        con.execute(f"DROP VIEW IF EXISTS {name}")  # it may have served to make the table again
        con.execute(f"CREATE TABLE {name} AS {select}")


def once_more(
    con: duckdb.DuckDBPyConnection, made: Made, base: str, table: str, selects: Mapping[str, str]
) -> None:
    """Lay out a table and those below it, made once more where ``selects`` change anything.

    Small cells are not suppressed: this is nobody's report.
    """
    changed = set(selects)
    for name in (*made_models(made, table), table):
        model = made.graph.models[name]
        if changed & {*model.inputs}:
            changed.add(name)
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
            con.execute(f"CREATE TABLE {name} AS {model.sql(made.parameters)}")
        else:
            _view(con, name, f"SELECT * FROM {quoted(base)}.{_quoted(name)}")


def made_models(made: Made, table: str) -> list[str]:
    """The gold and report tables below a table, each after its inputs."""
    return [name for name in made.graph.upstream(table) if name.partition(".")[0] in LAYERS]


def _view(con: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
    con.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")


def _quoted(table: str) -> str:
    layer, _, name = table.partition(".")
    return f"{quoted(layer)}.{quoted(name)}"


def _shown(
    con: duckdb.DuckDBPyConnection, made: Made, table: str, again: pa.Table | None
) -> pa.Table:
    """The table whose figures are asked for: as sealed, as it stands, or below a package's."""
    if not made.package_id or again is None:
        query = f"SELECT * FROM lake.{_quoted(table)}"
        return values.normalise(con.execute(query).to_arrow_table())
    if made.sealed is None or table != made.report:
        return again
    if not _holds(again, made.sealed):
        raise PackageError(
            f"made again from snapshot {made.snapshot}, {table} does not hold the package's rows",
            where=made.package_id,
            todo="Compare both with `countylake package explain-diff`",
        )
    return made.sealed


def _holds(made: pa.Table, sealed: pa.Table) -> bool:
    """Whether every sealed row was made again; a package may hold one of several periods."""
    rows = {tuple(row.values()) for row in made.to_pylist()}
    return all(tuple(row.values()) in rows for row in sealed.to_pylist())
