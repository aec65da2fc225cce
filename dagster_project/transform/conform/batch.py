"""One batch through one statement into bronze, silver and ops; inside the caller's transaction.

What each row becomes is ``select``'s, how rows meet silver is ``merge``'s, what is noted is
``records``'s. Here they follow one another, and the law of conservation is enforced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import duckdb

from dagster_project.contracts.model import Feed
from dagster_project.contracts.rules import REPEATED
from dagster_project.errors import LakeError
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform import cases, records
from dagster_project.transform.conform.counts import count_repeated, count_rules
from dagster_project.transform.conform.facts import BatchCounts, BatchInput, RuleCount
from dagster_project.transform.conform.merge import Arrival, merge
from dagster_project.transform.conform.mojibake import MARK
from dagster_project.transform.conform.plan import Plan
from dagster_project.transform.conform.profile import write_profile
from dagster_project.transform.conform.records import Head
from dagster_project.transform.conform.select import Rows, statement
from dagster_project.transform.conform.tables import BRONZE_COLUMNS, bronze

SHANGHAI = ZoneInfo("Asia/Shanghai")
TEMPORARY = ("rows", "repeated", "losers", "held", "rest", "groups", "repairs")


def conform(con: duckdb.DuckDBPyConnection, plan: Plan, batch: BatchInput) -> BatchCounts:
    """Take a delivered table into the lake.

    Args:
        con: The writer's connection, inside a transaction; tables made by ``evolve``.
        plan: The compiled contract.
        batch: The reader's Parquet and what is known of the delivery.

    Returns:
        The counts that were stored.

    Raises:
        LakeError: A law of the lake would be broken; roll back.
    """
    head = Head(
        batch_id=batch.batch_id,
        source_batch_id=None,
        sha256=batch.sha256,
        path=batch.path,
        format=batch.format,
        encoding=batch.encoding,
        delivered_at=batch.delivered_at,
        run_id=batch.run_id,
        committed_at=batch.committed_at,
        units=batch.units,
    )
    plan = plan.with_units(batch.units)
    source = f"SELECT * FROM read_parquet({literal(batch.rows)})"
    with_source(con, source)
    _land(con, plan.feed, batch)
    records.write_dropped(con, plan, head, batch.dropped)
    counts = run(con, plan, head, dropped=len(batch.dropped))
    records.write_control_totals(con, plan, head, batch.control_totals)
    write_profile(con, plan, head.batch_id)
    finish(con)
    return counts


def with_source(con: duckdb.DuckDBPyConnection, select: str) -> None:
    """Name the raw rows that the next ``run`` reads."""
    con.execute(f"CREATE OR REPLACE TEMP VIEW conform_source AS {select}")


def run(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    head: Head,
    *,
    dropped: int,
    waiting: Mapping[str, int] | None = None,
) -> BatchCounts:
    """Conform ``conform_source``, merge it, and note everything about it.

    Args:
        con: The writer's connection, inside a transaction.
        plan: The compiled contract.
        head: What is known of the batch.
        dropped: Rows that the reader set aside.
        waiting: Of a replay of some rows of a landed batch: how many of them each rule had rejected
            before. Without it the rows are all of the batch.
    """
    whole = waiting is None
    unchecked = judge_rows(con, plan, head.delivered_at)
    rules = count_rules(con, plan, unchecked)
    found = con.execute(
        "SELECT (SELECT count(*) FROM conform_source), count(*) FILTER (NOT _ok) FROM conform_rows"
    ).fetchone()
    assert found is not None  # noqa: S101 - an aggregate always has a row
    merged = merge(con, plan.feed, Arrival(head.landed_id, head.delivered_at, whole))
    rules.append(count_repeated(con, plan, merged.repeated))
    if waiting is not None:
        rules = [replace(rule, replaced=_replaced(rule, waiting)) for rule in rules]
    counts = BatchCounts(
        batch_id=head.batch_id,
        read=int(found[0]) + dropped,
        accepted=merged.accepted,
        rejected=int(found[1]),
        duplicate=merged.duplicate,
        superseded=merged.superseded,
        dropped=dropped,
        inserted=merged.inserted,
        updated=merged.updated,
        deleted=merged.deleted,
        live=merged.live,
        replaced=None if whole else int(found[0]),
        rules=tuple(rules),
    )
    _conserve(counts)
    if counts.rejected:
        records.write_quarantine(con, plan, head)
    cases.settle(con, plan, head, rejected=counts.rejected, whole=whole)
    records.write_repairs(con, plan, head, rules)
    records.write_counts(con, plan, head, counts)
    return counts


def _replaced(rule: RuleCount, waiting: Mapping[str, int]) -> int:
    """How many of the replayed rows failed the rule before.

    They had been rejected for want of a parent and for nothing else, so that every other rule that
    rejects had passed them. A rule that only warns says of them what it said before.
    """
    if rule.rule_id == REPEATED:
        return 0
    return waiting.get(rule.rule_id, 0) if rule.kind == "rule" else rule.failed


def finish(con: duckdb.DuckDBPyConnection) -> None:
    """Give back the memory of the temp tables."""
    con.execute("DROP VIEW IF EXISTS temp.conform_winners")
    for name in TEMPORARY:
        con.execute(f"DROP TABLE IF EXISTS temp.conform_{name}")
    con.execute("DROP VIEW IF EXISTS temp.conform_source")


def judge_rows(con: duckdb.DuckDBPyConnection, plan: Plan, delivered_at: datetime) -> set[str]:
    """Evaluate the one statement over a lake; return the references that could not be checked."""
    parents = {
        cell.column.name: cell.column.reference.feed
        for cell in plan.cells
        if cell.column.reference and f"{cell.column.name}.reference" in plan.slots
    }
    ready = frozenset(
        name
        for name, parent in parents.items()
        if parent == plan.feed.name or is_delivered(con, parent)
    )
    conform_rows(con, plan, ready, delivered_at)
    return {f"{name}.reference" for name in parents if name not in ready}


def conform_rows(
    con: duckdb.DuckDBPyConnection, plan: Plan, references: frozenset[str], delivered_at: datetime
) -> None:
    """``conform_source`` through the statement into the temp table ``conform_rows``."""
    marked = con.execute(
        f"SELECT 1 FROM conform_source WHERE _defect = {literal(MARK)} LIMIT 1"
    ).fetchone()
    parts: tuple[Rows, ...] = ("others", "mojibake") if marked else ("all",)
    verb = "CREATE OR REPLACE TEMP TABLE conform_rows AS"
    for part in parts:
        sql, parameters = statement(plan, references, part)
        values = bound(delivered_at)
        con.execute(f"{verb} {sql}", {name: values[name] for name in parameters})
        verb = "INSERT INTO conform_rows"


def bound(delivered_at: datetime) -> dict[str, object]:
    """The parameters of a conforming statement: the delivery's wall clock in the county."""
    local = delivered_at.astimezone(SHANGHAI)
    return {
        "delivered_at": local.replace(tzinfo=None),
        "delivered_day": int(f"{local:%Y%m%d}"),
    }


def is_delivered(con: duckdb.DuckDBPyConnection, feed: str) -> bool:
    """Whether silver holds anything of that feed."""
    table = con.execute(
        "SELECT count(*) FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'silver' AND table_name = ?",
        [feed],
    ).fetchone()
    if not table or not table[0]:
        return False
    row = con.execute(f"SELECT 1 FROM lake.silver.{quoted(feed)} LIMIT 1").fetchone()
    return row is not None


def _land(con: duckdb.DuckDBPyConnection, feed: Feed, batch: BatchInput) -> None:
    """The rows as sent into bronze: the reader's file itself where it lies in bronze's folder."""
    if batch.adopt:
        con.execute(
            "CALL ducklake_add_data_files('lake', ?, ?, schema => 'bronze', allow_missing => true)",
            [feed.name, str(batch.rows)],
        )
        return
    names = ", ".join(quoted(n) for n in [*(c.name for c in feed.columns), *BRONZE_COLUMNS])
    con.execute(f"INSERT INTO {bronze(feed)} ({names}) SELECT {names} FROM conform_source")


def _conserve(counts: BatchCounts) -> None:
    parts = (
        counts.accepted + counts.rejected + counts.duplicate + counts.superseded + counts.dropped
    )
    if counts.read != parts:
        raise LakeError(
            f"batch {counts.batch_id} read {counts.read} rows but accounts for {parts}",
            where=counts.batch_id,
            todo="Nothing was written; report this batch",
        )
