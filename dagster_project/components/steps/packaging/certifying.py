"""A sealed report's receipt at this site: which models, inputs and feeds are behind it.

The facts from the ledgers are ``lineage.receipts``' work, the form is ``protocol.receipt``'s. An
input's content is hashed once for each state that it is in, however many reports read it: its
state is known from the catalog, so that a large table that did not change is not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

import duckdb
import pyarrow as pa

from dagster_project import clock
from dagster_project.components.steps.packaging.held_feeds import feeds_behind
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import ModelError
from dagster_project.lake.table_state import table_states
from dagster_project.lineage.receipts import Proof, feeds_at, make_receipt, record
from dagster_project.protocol.held import Holds
from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import FeedBehind, Input, Receipt
from dagster_project.transform.models import Model, Parameters, at
from dagster_project.transform.models.content import content_hash
from dagster_project.transform.models.replay import READ


def certifier(
    workshop: Workshop,
    con: duckdb.DuckDBPyConnection,
    parameters: Parameters,
    holds: Holds,
) -> Callable[[Header, pa.Table], Receipt]:
    """What makes and records the receipt of the report that is being sealed.

    Packages of several periods that are sealed from one state are told of their inputs and feeds
    once.

    Args:
        workshop: The site.
        con: The lake writer's connection, inside the transaction that seals.
        parameters: Those that the report, and the tables below it, were made with.
        holds: What the package says of held deliveries.
    """

    @lru_cache(maxsize=1)
    def facts(
        table: str, snapshot: int
    ) -> tuple[tuple[Model, ...], tuple[Input, ...], tuple[FeedBehind, ...]]:
        graph = workshop.graph
        names = [
            name for name in (*graph.upstream(table), table) if name.partition(".")[0] not in READ
        ]
        models = tuple(graph.models[name] for name in names)
        read = {one for model in models for one in model.inputs if one.partition(".")[0] in READ}
        feeds = sorted(feeds_behind(workshop, table))
        return models, hashed(con, read, snapshot), feeds_at(con, feeds, snapshot)

    def certify(header: Header, rows: pa.Table) -> Receipt:
        models, inputs, feeds = facts(f"report.{header.report}", header.snapshot)
        proof = Proof(
            header,
            rows,
            parameters.texts(),
            models,
            inputs,
            feeds,
            holds,
            workshop.described(f"report.{header.report}"),
        )
        receipt = make_receipt(con, proof)
        record(con, receipt)
        return receipt

    return certify


def hashed(
    con: duckdb.DuckDBPyConnection, tables: Iterable[str], snapshot: int
) -> tuple[Input, ...]:
    """Rows and content hash of tables as they were at a snapshot, sorted by name.

    Args:
        con: The lake writer's connection, inside a transaction: what is computed is kept.
        tables: ``layer.name`` of each.
        snapshot: A snapshot that is committed.

    Raises:
        ModelError: A table did not exist at that snapshot.
    """
    wanted = sorted(tables)
    states = table_states(con, wanted, snapshot)
    if lacking := [name for name in wanted if name not in states]:
        raise ModelError(
            f"{lacking[0]} did not exist at snapshot {snapshot}",
            todo="Build the report anew with `countylake run`, then seal it",
        )
    rows = con.execute(
        "SELECT table_name, state, content_hash, row_count FROM lake.ops.input_hash"
        " WHERE list_contains($states, state)",
        {"states": list(states.values())},
    ).fetchall()
    known = {(str(name), str(state)): (str(digest), int(n)) for name, state, digest, n in rows}
    found = []
    for name in wanted:
        spot = (name, states[name])
        if spot not in known:
            known[spot] = content_hash(con, f"({at(name, snapshot)})")
            _keep(con, spot, known[spot])
        digest, count = known[spot]
        found.append(Input(table=name, rows=count, content_hash=digest))
    return tuple(found)


def _keep(con: duckdb.DuckDBPyConnection, spot: tuple[str, str], found: tuple[str, int]) -> None:
    con.execute(
        "INSERT INTO lake.ops.input_hash BY NAME SELECT ? AS table_name, ? AS state,"
        " ? AS content_hash, ? AS row_count, ?::TIMESTAMPTZ AS hashed_at",
        [*spot, *found, clock.now()],
    )
