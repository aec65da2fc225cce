"""Opening figures as they were made: by the SQL, the parameters and the snapshot of their build.

A figure is opened as it stands in the lake, or as a sealed package has it. Either way the tables
below it are made again from silver as it was when the figure was made, so that what came since
changes nothing. How one figure is opened is ``lineage.trace``'s matter; here is what to open it
with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project import clock
from dagster_project.components.steps.explaining.sealed import find
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.replaying import newest_state
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError, UsageError
from dagster_project.lake.engine import quoted
from dagster_project.lake.table_state import table_states
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.describe import lineages
from dagster_project.lineage.trace import Trace, trace
from dagster_project.privacy.suppress import suppress
from dagster_project.protocol import table as values
from dagster_project.transform.models import (
    Graph,
    Inputs,
    Model,
    Parameters,
    Scene,
    Stage,
    at,
    stage,
)
from dagster_project.written import nearest

LAYERS = ("report", "gold")
"""Where a bare name is looked for, in this order."""


@dataclass(frozen=True)
class _Made:
    """What a table was made of: a package's scene, or that of its newest build."""

    graph: Graph
    parameters: Parameters
    snapshot: int
    package_id: str = ""
    report: str = ""
    sealed: pa.Table | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """One table whose figures can be opened, one after the other.

    ``snapshot`` is the state of silver and ops that the table was made of; ``columns`` are its
    figures, ``key`` names its rows.
    """

    workshop: Workshop
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    snapshot: int
    package_id: str
    notes: tuple[str, ...]
    _con: duckdb.DuckDBPyConnection
    _made: _Made
    _lineages: Mapping[str, ModelLineage]

    def rows(self) -> list[dict[str, Any]]:
        """The table's rows, as the package has them or as they stand, in order of the key."""
        terms = ", ".join(quoted(name) for name in self.key)
        found = self._con.execute(f"SELECT * FROM {self.table} ORDER BY {terms or 'ALL'}")
        return list(values.normalise(found.to_arrow_table()).to_pylist())

    def trace(self, where: Mapping[str, str], column: str, *, limit: int = 1000) -> Trace:
        """Open one figure.

        Args:
            where: Values of columns that pick out one row, as text.
            column: The figure's column.
            limit: How many rows of files to list; all are counted.

        Raises:
            UsageError: No such column or row, or more rows than one.
            ModelError: It cannot be opened exactly.
        """
        return trace(
            self._con,
            self._made.graph,
            self.workshop.contracts,
            self._lineages,
            self._made.parameters.literals(),
            self.table,
            where,
            column,
            limit=limit,
        )


@contextlib.contextmanager
def figures(workshop: Workshop, package_id: str = "", table: str = "") -> Iterator[Figures]:
    """Open a table for tracing: made once, for as many figures as are asked for.

    Args:
        workshop: The site.
        package_id: The table as this package has it; else as it stands.
        table: ``report.<name>``, ``gold.<name>`` or the bare name; may be left out of a package.

    Raises:
        UsageError: No such table or package, or it was never built.
        PackageError: What made the package is no longer known, or made again it is another table.
    """
    with workshop.lake.reader() as con:
        name = named(workshop.graph, table) if table or not package_id else ""
        made = (
            _sealed(workshop, con, package_id, name)
            if package_id
            else _standing(workshop, con, name)
        )
        name = name or made.report
        models = tuple(made.graph.models.values())
        found = lineages(models, workshop.contracts, workshop.given)
        with stage(con, suppress) as on:
            _lay_out(con, workshop, made, on, name)
            model = made.graph.model(name)
            key = tuple(model.contract.key)
            yield Figures(
                workshop,
                name,
                key,
                tuple(one for one in found[name].columns if one not in key),
                made.snapshot,
                package_id,
                made.notes,
                con,
                made,
                found,
            )


def named(graph: Graph, table: str) -> str:
    """The table that was meant: with its layer, or the report, else the gold table, of that name.

    Raises:
        UsageError: There is none.
    """
    known = [name for name in graph.models if name.partition(".")[0] in LAYERS]
    for name in (table, *(f"{layer}.{table}" for layer in LAYERS)):
        if name in known:
            return name
    meant = nearest(table, [*known, *(one.partition(".")[2] for one in known)])
    raise UsageError(
        f"there is no table {table}{meant}", todo=f"Name one of {', '.join(sorted(known))}"
    )


def _standing(workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str) -> _Made:
    """What the newest build of a table was made of."""
    built = con.execute(
        "SELECT 1 FROM lake.ops.model_build WHERE table_name = ? LIMIT 1", [table]
    ).fetchone()
    if built is None:
        raise UsageError(f"{table} was never built", todo="Run `countylake run`")
    now = clock.now()
    occasion = Occasion("", clock.local_day(now))
    state = newest_state(workshop, con, table, occasion)
    return _Made(workshop.graph, state.parameters, state.snapshot)


def _sealed(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, package_id: str, table: str
) -> _Made:
    """What a package was made of."""
    sealed = find(workshop, con, package_id)
    if table not in ("", *sealed.models):
        raise UsageError(
            f"{package_id} holds no {table}", todo=f"Ask for a figure of {sealed.model.table}"
        )
    entities = {n: m for n, m in workshop.graph.models.items() if m.layer == "silver"}
    graph = Graph({**entities, **sealed.models})
    return _Made(
        graph,
        sealed.parameters,
        sealed.snapshot,
        package_id,
        sealed.model.table,
        sealed.table,
        sealed.notes,
    )


def _lay_out(
    con: duckdb.DuckDBPyConnection, workshop: Workshop, made: _Made, on: Stage, table: str
) -> None:
    """Put every table that leads from a figure to its files side by side, as they were then."""
    models: dict[str, Model] = {
        name: made.graph.models[name]
        for name in (*made.graph.upstream(table), table)
        if name.partition(".")[0] in LAYERS
    }
    scene = Scene(Graph(models), made.parameters, Inputs(made.snapshot))
    again = on.yields(scene, table)
    below = {name for model in made.graph.models.values() for name in model.inputs}
    feeds = workshop.contracts.feeds
    wanted = {
        *("ops.batch", "ops.batch_file"),
        *(f"{layer}.{name}" for layer in ("bronze", "silver") for name in feeds),
        *(name for name in below if name.startswith(("silver.", "ops."))),
    }
    for name in table_states(con, wanted, made.snapshot):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        con.execute(f"CREATE OR REPLACE VIEW {name} AS {at(name, made.snapshot)}")
    shown = _shown(con, made, table, again)
    layer = table.partition(".")[0]
    con.register("shown", shown)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
    con.execute(f"CREATE OR REPLACE TABLE {table} AS FROM shown")
    con.unregister("shown")


def _shown(con: duckdb.DuckDBPyConnection, made: _Made, table: str, again: pa.Table) -> pa.Table:
    """The table whose figures are asked for: as sealed, as it stands, or below a package's."""
    if not made.package_id:
        layer, _, name = table.partition(".")
        query = f"SELECT * FROM lake.{quoted(layer)}.{quoted(name)}"
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
