"""What a table was made of: a sealed package's scene, or that of its newest build.

How its rows are laid out beside what they were made from is ``laid``'s matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath

import duckdb
import pyarrow as pa

from dagster_project import clock
from dagster_project.components.steps.explaining.sealed import find
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.replaying import newest_state
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.transform.models import Graph, Parameters
from dagster_project.transform.models.versions import newest_builds
from dagster_project.written import nearest

LAYERS = ("report", "gold")
"""Where a bare name is looked for, in this order."""


@dataclass(frozen=True)
class Made:
    """What a table was made of.

    ``report`` is the package's own table and ``sealed`` its rows, where the outbox still holds
    them. ``standing`` are the tables below it that stand in the lake as they were read then.
    """

    graph: Graph
    parameters: Parameters
    snapshot: int
    package_id: str = ""
    report: str = ""
    sealed: pa.Table | None = None
    standing: frozenset[str] = frozenset()
    notes: tuple[str, ...] = field(default=())

    @property
    def cut_off_at(self) -> datetime:
        """The instant up to which anything counts."""
        return self.parameters.cut_off_at


def named(graph: Graph, table: str) -> str:
    """The table that was meant: with its layer, or the report, else the gold table, of that name.

    Raises:
        UsageError: There is none.
    """
    known = [name for name in graph.models if name.partition(".")[0] in LAYERS]
    for name in (table, *(f"{layer}.{table}" for layer in LAYERS)):
        if name in known:
            return name
    stems = {table, table.partition(".")[2]}
    for problem in graph.problems:
        if PurePath(problem.path).stem in stems:
            raise UsageError(
                f"the model of {table} is refused: {problem.sentence.rstrip('.')}",
                where=f"{problem.path}:{problem.line}",
                todo="`countylake config check` names all that is wrong",
            )
    meant = nearest(table, [*known, *(one.partition(".")[2] for one in known)])
    raise UsageError(
        f"there is no table {table}{meant}", todo=f"Name one of {', '.join(sorted(known))}"
    )


def as_built(workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str) -> Made:
    """What the newest build of a table was made of.

    Raises:
        UsageError: It was never built.
    """
    builds = newest_builds(con)
    if table not in builds:
        raise UsageError(f"{table} was never built", todo="Run `countylake run`")
    graph = workshop.graph
    state = newest_state(workshop, con, table, Occasion("", clock.local_day(clock.now())))
    models = [graph.models[name] for name in (*graph.upstream(table), table)]
    other = [
        model.table
        for model in models
        if model.table in builds and builds[model.table].sql_hash != model.hash
    ]
    notes = [f"the SQL of {name} was changed since it was built" for name in other]
    standing = {
        model.table
        for model in models
        if model.layer in LAYERS and model.table != table and model.table in builds
    }
    for model in models:
        said = builds[model.table].inputs if model.table in builds else {}
        if any(said.get(name) != builds[name].content_hash for name in standing & {*model.inputs}):
            standing = set()  # something below was built again since: make it as it was then
    return Made(
        graph,
        state.parameters,
        state.snapshot,
        standing=frozenset(standing if not other else ()),
        notes=tuple(notes),
    )


def as_sealed(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, package_id: str, table: str
) -> Made:
    """What a package was made of.

    Args:
        workshop: The site that sealed it.
        con: A reader.
        package_id: The package.
        table: A table that is asked for; empty: the package's own.

    Raises:
        UsageError: No such package, or it was not made of that table.
        PackageError: What made it is no longer known.
    """
    sealed = find(workshop, con, package_id)
    known = {name for one in sealed.models for name in (one, one.partition(".")[2])}
    if table and table not in known:
        raise UsageError(
            f"{package_id} holds no {table}", todo=f"Ask for a figure of {sealed.model.table}"
        )
    entities = {n: m for n, m in workshop.graph.models.items() if m.layer == "silver"}
    return Made(
        Graph({**entities, **sealed.models}),
        sealed.parameters,
        sealed.snapshot,
        package_id,
        sealed.model.table,
        sealed.table,
        notes=sealed.notes,
    )
