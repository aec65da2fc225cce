"""Landed batches again: all of a feed (``rebuild``), or rows whose parent has come (``recheck``).

A replay is a batch of its own that refers to the landed one; nothing recorded is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import Feed
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform import cases, naming
from dagster_project.transform.conform.ast import sql
from dagster_project.transform.conform.batch import finish, is_delivered, run, with_source
from dagster_project.transform.conform.cells import Cell
from dagster_project.transform.conform.facts import BatchCounts
from dagster_project.transform.conform.plan import Plan
from dagster_project.transform.conform.records import Head
from dagster_project.transform.conform.select import typed
from dagster_project.transform.conform.stages import stage
from dagster_project.transform.conform.tables import BRONZE_COLUMNS, bronze, recreate_silver

# Conformations of one landed batch, the newest first: …-r10, …-r9, …, the landed one.
_NEWEST = "source_batch_id IS NOT NULL DESC, length(batch_id) DESC, batch_id DESC"


@dataclass(frozen=True)
class _Landed:
    batch_id: str
    sha256: str
    path: str
    format: str
    encoding: str
    delivered_at: datetime
    dropped: int
    stated: str | None

    @property
    def units(self) -> Mapping[str, str]:
        """The units that the file states for columns."""
        return json.loads(self.stated or "{}")  # type: ignore[no-any-return]


def rebuild(
    con: duckdb.DuckDBPyConnection, plan: Plan, *, run_id: str, committed_at: datetime
) -> list[BatchCounts]:
    """Recreate silver from all landed batches; call it in a transaction.

    Returns:
        One entry per landed batch, oldest delivery first.

    Raises:
        LakeError: A law of the lake would be broken; roll back.
    """
    recreate_silver(con, plan.feed)
    cases.set_aside(con, plan.feed)
    # A feed that refers to itself must find parents of later batches only after they came: the
    # oldest goes first, as it did when they arrived.
    made = []
    for landed in _landed(con, plan.feed):
        with_source(con, _bronze_rows(plan.feed, landed.batch_id))
        head = _head(con, landed, run_id, committed_at)
        made.append(run(con, plan.with_units(landed.units), head, dropped=landed.dropped))
        finish(con)
    cases.restore(con, plan.feed, committed_at)
    return made


def recheck(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    parents: Iterable[str],
    *,
    run_id: str,
    committed_at: datetime,
    begun: Callable[[], object] | None = None,
) -> list[BatchCounts]:
    """Look again at rows that were rejected, or could not be judged, for want of a parent.

    If all parents of a row that was rejected for references only are there now, the rows of its
    batch that wait for parents are replayed. If rows were accepted while a parent feed had never
    been delivered, the whole feed is rebuilt.
    Asking twice does nothing the second time.

    Args:
        con: The writer's connection, inside a transaction.
        plan: The child feed.
        parents: Parent feeds that changed.
        run_id: The run that asks.
        committed_at: The instant of the replays.
        begun: Called before each replay.

    Returns:
        The replays that were made.
    """
    rules = [
        rule
        for rule in plan.rules
        if rule.kind == "reference"
        and rule.severity == "fail"
        and rule.value.partition(".")[0] in set(parents)
        and is_delivered(con, rule.value.partition(".")[0])
    ]
    if not rules:
        return []
    if _was_unchecked(con, plan.feed, [rule.id for rule in rules]):
        if begun is not None:
            begun()
        return rebuild(con, plan, run_id=run_id, committed_at=committed_at)
    made = []
    orphaned = _with_orphans(con, plan.feed, [rule.id for rule in rules])
    for landed in _landed(con, plan.feed):
        if landed.batch_id not in orphaned:
            continue
        if _has_arrived(con, plan, landed.batch_id):
            if begun is not None:
                begun()
            waiting = "SELECT sheet, source_row FROM conform_waiting"
            with_source(con, _bronze_rows(plan.feed, landed.batch_id, waiting))
            head = _head(con, landed, run_id, committed_at)
            counted = plan.with_units(landed.units)
            made.append(run(con, counted, head, dropped=0, waiting=_waiting(con)))
            finish(con)
        con.execute("DROP TABLE conform_waiting")
    return made


def _landed(con: duckdb.DuckDBPyConnection, feed: Feed) -> list[_Landed]:
    rows = con.execute(
        "SELECT batch_id, sha256, path, format, encoding, delivered_at, dropped, units"
        " FROM lake.ops.batch WHERE feed = ? AND source_batch_id IS NULL"
        " ORDER BY delivered_at, batch_id",
        [feed.name],
    ).fetchall()
    return [_Landed(*row) for row in rows]


def _head(
    con: duckdb.DuckDBPyConnection, landed: _Landed, run_id: str, committed_at: datetime
) -> Head:
    row = con.execute(
        "SELECT count(*) FROM lake.ops.batch WHERE source_batch_id = ?", [landed.batch_id]
    ).fetchone()
    number = 1 + (int(row[0]) if row else 0)
    return Head(
        batch_id=f"{landed.batch_id}-r{number}",
        source_batch_id=landed.batch_id,
        sha256=landed.sha256,
        path=landed.path,
        format=landed.format,
        encoding=landed.encoding,
        delivered_at=landed.delivered_at,
        units=landed.units,
        run_id=run_id,
        committed_at=committed_at,
    )


def _bronze_rows(feed: Feed, batch_id: str, only: str = "") -> str:
    names = ", ".join(quoted(n) for n in [*(c.name for c in feed.columns), *BRONZE_COLUMNS])
    chosen = f" AND (_sheet, _source_row) IN ({only})" if only else ""
    return f"SELECT {names} FROM {bronze(feed)} WHERE _batch_id = {literal(batch_id)}{chosen}"


def _with_orphans(con: duckdb.DuckDBPyConnection, feed: Feed, rules: Sequence[str]) -> set[str]:
    """Landed batches in which one of these references ever failed: years of others are skipped."""
    rows = con.execute(
        f"""SELECT DISTINCT coalesce(b.source_batch_id, b.batch_id)
        FROM lake.ops.batch_rule r JOIN lake.ops.batch b USING (batch_id)
        WHERE b.feed = ? AND r.failed > 0 AND r.rule_id IN ({", ".join("?" * len(rules))})""",
        [feed.name, *rules],
    ).fetchall()
    return {landed_id for (landed_id,) in rows}


def _has_arrived(con: duckdb.DuckDBPyConnection, plan: Plan, landed_id: str) -> bool:
    """Note the rows that wait for parents only; say whether all parents of one of them are there.

    What counts is the batch's newest conformation. It judged every row that was waiting then,
    because a replay takes all of them even if one parent came.
    """
    parents = {c.column.name: c.column.reference for c in plan.cells if c.column.reference}
    cells = [c for c in plan.cells if (p := parents.get(c.column.name)) and p.rejects]
    asked = [c for c in cells if f"{c.column.name}.reference" in plan.slots]
    ids = ", ".join(literal(f"{c.column.name}.reference") for c in asked)
    raw = ", ".join(
        f"json_extract_string(raw, {literal('$.' + c.column.name)}) AS {quoted(c.column.name)}"
        for c in asked
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE conform_waiting AS
        SELECT sheet, source_row, reasons, {raw} FROM lake.ops.quarantine
        WHERE feed = {literal(plan.feed.name)} AND batch_id = (
            SELECT batch_id FROM lake.ops.batch
            WHERE coalesce(source_batch_id, batch_id) = {literal(landed_id)}
            ORDER BY {_NEWEST} LIMIT 1
        ) AND len(reasons) > 0 AND list_has_all([{ids}], reasons)"""
    )
    read = typed(asked, exp.select("*").from_("conform_waiting"))
    ready = [c.column.name for c in asked if is_delivered(con, parents[c.column.name].feed)]
    values = sql(naming.coded((c.column for c in asked), plan.names, ready, read))
    there = " AND ".join(_is_there(con, c) for c in asked)
    return con.execute(f"SELECT 1 FROM ({values}) WHERE {there} LIMIT 1").fetchone() is not None


def _waiting(con: duckdb.DuckDBPyConnection) -> Mapping[str, int]:
    """How many of the waiting rows each rule had rejected."""
    return dict(
        con.execute(
            "SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM conform_waiting)"
            " GROUP BY reason"
        ).fetchall()
    )


def _is_there(con: duckdb.DuckDBPyConnection, cell: Cell) -> str:
    parent = cell.column.reference
    assert parent is not None  # noqa: S101 - only cells with a reference are asked
    unmissed = f"NOT list_contains(reasons, {literal(cell.column.name + '.reference')})"
    if not is_delivered(con, parent.feed):
        return unmissed
    value, key = sql(stage(cell.column, "v")), quoted(parent.column)
    known = f"SELECT {key} FROM lake.silver.{quoted(parent.feed)} WHERE NOT _is_deleted"
    return f"({unmissed} OR {value} IN ({known}))"


def _was_unchecked(con: duckdb.DuckDBPyConnection, feed: Feed, rules: Sequence[str]) -> bool:
    """Whether the latest conformation of some batch could not ask one of these references."""
    row = con.execute(
        f"""WITH latest AS (
            SELECT batch_id FROM lake.ops.batch WHERE feed = ?
            QUALIFY row_number() OVER (
                PARTITION BY coalesce(source_batch_id, batch_id)
                ORDER BY {_NEWEST}
            ) = 1
        )
        SELECT 1 FROM lake.ops.batch_rule JOIN latest USING (batch_id)
        WHERE kind = 'warn' AND checked = 0 AND rule_id IN ({", ".join("?" * len(rules))})
            AND column_name <> '' LIMIT 1""",
        [feed.name, *rules],
    ).fetchone()
    return row is not None
