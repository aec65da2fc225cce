"""A model's table as it was or would be: evaluated again from silver and ops at a past snapshot.

Every model below the wanted one is evaluated in order into a database in memory, where the SQL
meets nothing else: the lake's own gold and report tables are never read. Silver and ops are read by
time travel; an entity's table in silver is a model's too, but is read as the lake kept it. Nothing
is written to the lake. Which snapshot, parameters and SQL are wanted is the caller's decision;
small-cell suppression is handed in, as it is to ``build``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from uuid import uuid4

import duckdb
import pyarrow as pa

from dagster_project.errors import ModelError
from dagster_project.lake.engine import quoted
from dagster_project.protocol import table as values
from dagster_project.transform.models.build import Suppress, reason_of
from dagster_project.transform.models.model import Graph, Model, Parameters

READ = ("silver", "ops")
"""The layers that are read from the lake; all others are made here."""


@dataclass(frozen=True)
class Inputs:
    """What the models read of the lake.

    ``snapshot`` holds for every table that is not named in ``tables``, which gives single tables a
    snapshot of their own. ``selects`` puts a SELECT in the place of a table, for questions of the
    form *what if*; it may read the attached lake by full names only.
    """

    snapshot: int
    tables: Mapping[str, int] = field(default_factory=dict)
    selects: Mapping[str, str] = field(default_factory=dict)

    def select(self, table: str) -> str:
        """The SELECT that yields a table of the lake."""
        if table in self.selects:
            return self.selects[table]
        return at(table, self.tables.get(table, self.snapshot))

    def having(self, table: str, select: str) -> Inputs:
        """The same, with a SELECT in the place of one table."""
        return replace(self, selects={**self.selects, table: select})


def at(table: str, snapshot: int) -> str:
    """The SELECT of a table of the attached lake as it was at a snapshot."""
    layer, _, name = table.partition(".")
    return f"SELECT * FROM lake.{quoted(layer)}.{quoted(name)} AT (VERSION => {int(snapshot)})"


@dataclass(frozen=True)
class Scene:
    """All that decides what a model yields: the SQL and contracts, the parameters, the inputs."""

    graph: Graph
    parameters: Parameters
    inputs: Inputs


def replay(
    con: duckdb.DuckDBPyConnection, scene: Scene, table: str, suppress: Suppress
) -> pa.Table:
    """Evaluate one model, with all models below it, from silver and ops.

    Args:
        con: A reader (see ``Lake.reader``), or a writer outside of a transaction: the lake is
            attached as ``lake`` and in use.
        scene: The models, parameters and inputs.
        table: ``layer.name`` of the wanted model.
        suppress: Blanks small cells of whatever model's contract has them.

    Returns:
        The table in the types that travel, in the total order of its contract's key: what a
        package of it holds.

    Raises:
        ModelError: No such model, an input that did not exist at that snapshot, a snapshot that
            is gone, or SQL that cannot be evaluated.
    """
    with stage(con, suppress) as on:
        return on.yields(scene, table)


@contextlib.contextmanager
def stage(con: duckdb.DuckDBPyConnection, suppress: Suppress) -> Iterator[Stage]:
    """A database in memory in which scenes are played; what two scenes share is evaluated once."""
    name = f"replay_{uuid4().hex[:12]}"
    before = con.execute("SELECT CURRENT_DATABASE()").fetchone()
    con.execute(f"ATTACH ':memory:' AS {name}")
    try:
        con.execute(f"USE {name}")
        con.execute("CREATE SCHEMA made")
        yield Stage(con, name, suppress)
    finally:
        con.execute(f"USE {quoted(str(before[0]) if before else 'memory')}")
        with contextlib.suppress(duckdb.Error):  # an interrupted query may still hold it
            con.execute(f"DETACH {name}")


@dataclass
class Stage:
    """Where scenes are played; ``made`` knows each evaluated table by all that decided it."""

    con: duckdb.DuckDBPyConnection
    name: str
    suppress: Suppress
    made: dict[str, str] = field(default_factory=dict)

    def yields(self, scene: Scene, table: str) -> pa.Table:
        """What ``replay`` gives; see there."""
        model = scene.graph.model(table)
        relation = self._relation(scene, table)
        terms = ", ".join(f"{quoted(name)} ASC NULLS FIRST" for name in model.contract.key)
        query = f"SELECT * FROM {relation} ORDER BY {terms or 'ALL ASC NULLS FIRST'}"
        return values.normalise(self.con.execute(query).to_arrow_table())

    def _relation(self, scene: Scene, table: str) -> str:
        """The relation that holds a table of the scene."""
        layer = table.partition(".")[0]
        if layer in READ:
            select = scene.inputs.select(table)
            return self._ledger(select) if layer == "ops" else f"({select})"
        model = scene.graph.model(table)
        known = {name: self._relation(scene, name) for name in model.inputs}
        identity = _identity(model, scene.parameters, known)
        if identity not in self.made:
            self.made[identity] = self._evaluate(model, scene.parameters, known)
        return self.made[identity]

    def _ledger(self, select: str) -> str:
        """An ops table, copied once: ledgers are small, lie in many files, and are read often."""
        if select not in self.made:
            relation = f"made.model_{len(self.made)}"
            with _sentence("a ledger"):
                self.con.execute(f"CREATE TABLE {relation} AS {select}")
            self.made[select] = relation
        return self.made[select]

    def _evaluate(self, model: Model, parameters: Parameters, inputs: Mapping[str, str]) -> str:
        relation = f"made.model_{len(self.made)}"
        with _sentence(model.table, model.path):
            for name, source in inputs.items():
                layer, _, stem = name.partition(".")
                self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(layer)}")
                view = f"{quoted(layer)}.{quoted(stem)}"
                self.con.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {source}")
            self.con.execute(f"CREATE TABLE {relation} AS {model.sql(parameters)}")
        if model.contract.small_cells is not None:
            self.suppress(self.con, f"{self.name}.{relation}", model.contract)
        return relation


@contextlib.contextmanager
def _sentence(what: str, where: str = "") -> Iterator[None]:
    """Say what could not be evaluated, and why."""
    try:
        yield
    except duckdb.Error as error:
        raise ModelError(
            f"{what} cannot be evaluated again ({reason_of(error)})",
            where=where,
            todo="A table or snapshot that it reads is not in this lake; name a newer package",
        ) from error


def _identity(model: Model, parameters: Parameters, inputs: Mapping[str, str]) -> str:
    given = {name: text for name, text in parameters.texts().items() if name in model.parameters}
    told = json.dumps([model.table, model.hash, model.contract.hash, given, inputs], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
