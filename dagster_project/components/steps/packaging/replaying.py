"""A site's model evaluated again from its lake's past, and whether a report is of one past state.

How a model is evaluated again is ``transform.models.replay``'s work; which SQL and contracts a past
package had is ``explaining``'s question.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import ModelError
from dagster_project.lake.engine import quoted
from dagster_project.privacy.suppress import suppress
from dagster_project.protocol import table as values
from dagster_project.transform.models import Inputs, Parameters, Scene, parameters_of, replay


@dataclass(frozen=True)
class State:
    """The one state of the lake that a table was made of: its snapshot and parameters."""

    snapshot: int
    parameters: Parameters


def as_of(workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str, state: State) -> pa.Table:
    """What the present SQL makes of a state of the lake, in the form that a package seals.

    Args:
        workshop: The site.
        con: A reader, or a writer outside of a transaction.
        table: ``layer.name``.
        state: The snapshot of silver and ops, and the parameters.

    Raises:
        ModelError: The snapshot does not hold what the table is made of.
    """
    scene = Scene(workshop.graph, state.parameters, Inputs(state.snapshot))
    return replay(con, scene, table, suppress)


def newest_state(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str, occasion: Occasion
) -> State:
    """The state that a table's newest build was made of, or a build of a table below it.

    A table is not built again where what lies below it came out equal; it then stands for the day
    that those below were built for.

    Raises:
        ModelError: It was never built.
    """
    row = con.execute(
        "SELECT snapshot, cut_off_at FROM lake.ops.model_build"
        " WHERE list_contains(?, table_name)"
        " AND EXISTS (FROM lake.ops.model_build WHERE table_name = ?)"
        " ORDER BY snapshot DESC, built_at DESC LIMIT 1",
        [[*workshop.graph.upstream(table), table], table],
    ).fetchone()
    if row is None:
        raise ModelError(f"{table} was never built", todo="Run `countylake run` first")
    otherwise = Parameters(row[1], occasion.day, workshop.site.code)
    return built_state(workshop, con, table, int(row[0]), otherwise)


def built_state(
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    table: str,
    snapshot: int,
    otherwise: Parameters,
) -> State:
    """The state that the build which read a snapshot was made of.

    ``otherwise`` holds for parameters that no SQL below the table uses.
    """
    return State(snapshot, parameters_of(con, workshop.graph, table, otherwise, snapshot))


def one_state(workshop: Workshop, table: str, occasion: Occasion) -> State:
    """Make sure that a built table is what one state of the lake yields, and name that state.

    The tables below a report are built one after the other, each in a commit of its own; when
    another run commits between two of them, they are of different states, and no snapshot would
    yield the report again. Then all of them are built once more in one transaction.

    Returns:
        The state from which ``as_of`` gives the table as it now stands.

    Raises:
        ModelError: The table was never built, or cannot be built.
    """
    with workshop.lake.writer(f"looking whether {table} is of one state") as writer:
        state = newest_state(workshop, writer.con, table, occasion)
        if _stands(workshop, writer.con, table).equals(as_of(workshop, writer.con, table, state)):
            return state
        models = [workshop.graph.models[n] for n in (*workshop.graph.upstream(table), table)]
        together = [model for model in models if model.layer != "silver"]
        # Late: it loads the client of lineage events, and most callers only read.
        from dagster_project.components.steps.model import build_together  # noqa: PLC0415

        build_together(workshop, writer, together, occasion, state.parameters)
        return newest_state(workshop, writer.con, table, occasion)


def _stands(workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str) -> pa.Table:
    """The table as it stands in the lake, in the form that a package seals."""
    contract = workshop.graph.model(table).contract
    terms = ", ".join(f"{quoted(name)} ASC NULLS FIRST" for name in contract.key)
    query = f"SELECT * FROM lake.{quoted(contract.layer)}.{quoted(contract.name)} ORDER BY {terms}"
    return values.normalise(con.execute(query).to_arrow_table())
