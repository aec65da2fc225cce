"""Opening one figure, with the parameters that its table was built with.

A figure is opened as it stands in the lake, or as a sealed package has it: then the package's
table is made again from silver as it was, by the SQL that the package was made by.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from dagster_project.clock import local_day
from dagster_project.components.steps.explaining.sealed import find
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError, UsageError
from dagster_project.lake.table_state import table_states
from dagster_project.lineage.describe import lineages
from dagster_project.lineage.trace import Trace, trace
from dagster_project.privacy.suppress import suppress
from dagster_project.transform.models import (
    Graph,
    Inputs,
    Parameters,
    Scene,
    at,
    parameters_of,
    stage,
)

PARTS = 3


def open_figure(workshop: Workshop, figure: str, where: Mapping[str, str], limit: int) -> Trace:
    """Open ``layer.table.column`` of the row that ``where`` picks out.

    Raises:
        UsageError: No such figure, or it was never built.
        ModelError: It cannot be traced exactly.
    """
    table, column = _named(figure)
    with workshop.lake.reader() as con:
        row = con.execute(
            "SELECT max_by(cut_off_at, built_at) FROM ops.model_build WHERE table_name = ?", [table]
        ).fetchone()
        if row is None or row[0] is None or table not in workshop.graph.models:
            raise UsageError(
                f"{table} was never built",
                todo=f"Run `countylake run`, or name one of {', '.join(workshop.graph.models)}",
            )
        otherwise = Parameters(row[0], local_day(row[0]), workshop.site.code)
        parameters = parameters_of(con, workshop.graph, table, otherwise)
        return trace(
            con,
            workshop.graph,
            workshop.contracts,
            workshop.lineages,
            parameters.literals(),
            table,
            where,
            column,
            limit=limit,
        )


def open_sealed(
    workshop: Workshop, package_id: str, figure: str, where: Mapping[str, str], limit: int
) -> Trace:
    """Open ``report.<name>.<column>`` as a package of this site has it.

    Raises:
        UsageError: No such package or figure, or the package is of another report.
        ModelError: It cannot be made again, or not be traced exactly.
        PackageError: What made it is no longer known, or made again it is another table.
    """
    table, column = _named(figure)
    with workshop.lake.reader() as con:
        sealed = find(workshop, con, package_id)
        if table != sealed.model.table:
            raise UsageError(
                f"{package_id} holds no {table}", todo=f"Ask for a figure of {sealed.model.table}"
            )
        entities = {n: m for n, m in workshop.graph.models.items() if m.layer == "silver"}
        graph = Graph({**entities, **sealed.models})
        found = lineages(tuple(graph.models.values()), workshop.contracts, workshop.given)
        scene = Scene(sealed.graph, sealed.parameters, Inputs(sealed.snapshot))
        with stage(con, suppress) as on:
            made = on.yields(scene, table)
            if sealed.table is not None and not _holds(made, sealed.table):
                raise PackageError(
                    f"made again from snapshot {sealed.snapshot}, {table} does not hold the "
                    "package's rows",
                    where=package_id,
                    todo="Compare both with `countylake package explain-diff`",
                )
            _lay_out(con, workshop, sealed.snapshot)
            con.register("made_again", sealed.table if sealed.table is not None else made)
            con.execute("CREATE SCHEMA IF NOT EXISTS report")
            con.execute(f"CREATE OR REPLACE TABLE {table} AS FROM made_again")
            con.unregister("made_again")
            return trace(
                con,
                graph,
                workshop.contracts,
                found,
                sealed.parameters.literals(),
                table,
                where,
                column,
                limit=limit,
            )


def _holds(made: pa.Table, sealed: pa.Table) -> bool:
    """Whether every sealed row was made again; a package may hold one of several periods."""
    rows = {tuple(row.values()) for row in made.to_pylist()}
    return all(tuple(row.values()) in rows for row in sealed.to_pylist())


def _lay_out(con: duckdb.DuckDBPyConnection, workshop: Workshop, snapshot: int) -> None:
    """Put what leads from silver to files beside the models' tables: bronze and its ledgers."""
    ledgers = ("ops.batch", "ops.batch_file")
    feeds = workshop.contracts.feeds
    wanted = [
        *ledgers,
        *(f"bronze.{name}" for name in feeds),
        *(f"silver.{name}" for name in feeds),
    ]
    for name in table_states(con, wanted, snapshot):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        con.execute(f"CREATE OR REPLACE VIEW {name} AS {at(name, snapshot)}")


def _named(figure: str) -> tuple[str, str]:
    """The table and the column of ``layer.table.column``."""
    parts = figure.split(".")
    if len(parts) != PARTS:
        raise UsageError(
            f"{figure!r} names no figure",
            todo="Write layer.table.column, e.g. gold.house_by_town_usage.house_cnt",
        )
    return ".".join(parts[:2]), parts[2]
