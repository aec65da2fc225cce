"""Landed batches again: all of a feed (``rebuild``), or rows whose parent has come (``recheck``).

A replay is a batch of its own that refers to the landed one; nothing recorded is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dagster_project.contracts.model import Feed
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.batch import finish, is_delivered, run, with_source
from dagster_project.transform.conform.facts import BatchCounts
from dagster_project.transform.conform.plan import Plan
from dagster_project.transform.conform.records import Head
from dagster_project.transform.conform.tables import BRONZE_COLUMNS, bronze, recreate_silver


@dataclass(frozen=True)
class _Landed:
    batch_id: str
    sha256: str
    path: str
    format: str
    encoding: str
    delivered_at: datetime
    dropped: int


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
    # A feed that refers to itself must find parents of later batches only after they came: the
    # oldest goes first, as it did when they arrived.
    made = []
    for landed in _landed(con, plan.feed):
        with_source(con, _bronze_rows(plan.feed, landed.batch_id))
        head = _head(con, landed, run_id, committed_at)
        made.append(run(con, plan, head, dropped=landed.dropped))
        finish(con)
    return made


def recheck(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    parents: Iterable[str],
    *,
    run_id: str,
    committed_at: datetime,
) -> list[BatchCounts]:
    """Look again at rows that were rejected, or could not be judged, for want of a parent.

    Rows whose only reasons are references to ``parents`` are replayed if a parent is there now.
    If rows were accepted while a parent feed had never been delivered, the whole feed is rebuilt.
    Asking twice does nothing the second time.

    Args:
        con: The writer's connection, inside a transaction.
        plan: The child feed.
        parents: Parent feeds that changed.
        run_id: The run that asks.
        committed_at: The instant of the replays.

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
        return rebuild(con, plan, run_id=run_id, committed_at=committed_at)
    made = []
    for landed in _landed(con, plan.feed):
        rows = _waiting(plan.feed, landed.batch_id, [(r.id, r.column, r.value) for r in rules])
        with_source(con, _bronze_rows(plan.feed, landed.batch_id, rows))
        found = con.execute("SELECT 1 FROM conform_source LIMIT 1").fetchone()
        if found:
            head = _head(con, landed, run_id, committed_at)
            made.append(run(con, plan, head, dropped=0, whole=False))
        finish(con)
    return made


def _landed(con: duckdb.DuckDBPyConnection, feed: Feed) -> list[_Landed]:
    rows = con.execute(
        "SELECT batch_id, sha256, path, format, encoding, delivered_at, dropped"
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
        run_id=run_id,
        committed_at=committed_at,
    )


def _bronze_rows(feed: Feed, batch_id: str, only: str = "") -> str:
    names = ", ".join(quoted(n) for n in [*(c.name for c in feed.columns), *BRONZE_COLUMNS])
    chosen = f" AND (_sheet, _source_row) IN ({only})" if only else ""
    return f"SELECT {names} FROM {bronze(feed)} WHERE _batch_id = {literal(batch_id)}{chosen}"


def _waiting(feed: Feed, landed_id: str, rules: Sequence[tuple[str, str, str]]) -> str:
    """Places of rows that are rejected for want of parents only, and whose parents have come.

    What counts is the last time that the row was judged: the batch's newest conformation.
    """
    ids = ", ".join(literal(rule) for rule, _, _ in rules)
    last = (
        "SELECT batch_id FROM lake.ops.batch"
        f" WHERE coalesce(source_batch_id, batch_id) = {literal(landed_id)}"
        " ORDER BY source_batch_id IS NOT NULL DESC, length(batch_id) DESC, batch_id DESC LIMIT 1"
    )
    arrived = " AND ".join(
        f"(NOT list_contains(reasons, {literal(rule)}) OR {_raw(column)} IN"
        f" (SELECT {quoted(parent.partition('.')[2])}"
        f" FROM lake.silver.{quoted(parent.partition('.')[0])} WHERE NOT _is_deleted))"
        for rule, column, parent in rules
    )
    return (
        f"SELECT sheet, source_row FROM lake.ops.quarantine WHERE feed = {literal(feed.name)}"
        f" AND batch_id = ({last}) AND len(reasons) > 0"
        f" AND list_has_all([{ids}], reasons) AND {arrived}"
    )


def _raw(column: str) -> str:
    # Parents' keys are codes: trimming is all that stands between the cell and the key.
    return f"trim(json_extract_string(raw, {literal('$.' + column)}))"


def _was_unchecked(con: duckdb.DuckDBPyConnection, feed: Feed, rules: Sequence[str]) -> bool:
    """Whether the latest conformation of some batch could not ask one of these references."""
    row = con.execute(
        f"""WITH latest AS (
            SELECT batch_id FROM lake.ops.batch WHERE feed = ?
            QUALIFY row_number() OVER (
                PARTITION BY coalesce(source_batch_id, batch_id)
                ORDER BY source_batch_id IS NOT NULL DESC, length(batch_id) DESC, batch_id DESC
            ) = 1
        )
        SELECT 1 FROM lake.ops.batch_rule JOIN latest USING (batch_id)
        WHERE kind = 'warn' AND checked = 0 AND rule_id IN ({", ".join("?" * len(rules))})
            AND column_name <> '' LIMIT 1""",
        [feed.name, *rules],
    ).fetchone()
    return row is not None
