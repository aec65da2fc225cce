"""Rows of bronze through their contract once more: what a delivered row says, and by which repairs.

Rows are conformed batch by batch, as their files stated units and as the day of their delivery
asks; references are not looked up, because parents may have come or gone since. What the answer is
held against, or put beside, is ``proving``'s and ``rejected``'s matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform import Plan
from dagster_project.transform.conform.batch import conform_rows, finish, with_source
from dagster_project.transform.conform.tables import BRONZE_COLUMNS, bronze

PLACE = "_batch_id, _sheet, _source_row"
"""What names a delivered row in bronze and in silver."""


@dataclass(frozen=True)
class Landed:
    """One landed batch as the ledger knew it: ``is_today`` says that today's contract judged it."""

    batch_id: str
    delivered_at: datetime
    units: dict[str, str]
    is_today: bool


@dataclass(frozen=True)
class Again:
    """Some rows of a feed, conformed once more.

    ``table`` is the temp table of what they became: what ``select.conforming_select`` gives, with
    ``_batch_id``, ``_defect`` and ``_repairs`` (``column:repair`` of each). ``older`` are batches
    that were judged by another contract than today's: their rows are not in it.
    """

    feed: Feed
    table: str
    older: tuple[str, ...]


def landed(con: duckdb.DuckDBPyConnection, feed: Feed, places: str) -> Iterator[Landed]:
    """The landed batches that some rows came in.

    Args:
        con: A connection with the ledgers laid out.
        feed: The feed.
        places: A relation with ``_batch_id``.
    """
    rows = con.execute(
        f"""SELECT b.batch_id, b.delivered_at, b.units, bool_and(c.contract_hash = ?)
        FROM ops.batch AS b
        JOIN ops.batch AS c ON coalesce(c.source_batch_id, c.batch_id) = b.batch_id
        WHERE b.batch_id IN (SELECT DISTINCT _batch_id FROM {places})
            AND c.committed_at >= (
                SELECT max(w.committed_at) FROM ops.batch AS w
                WHERE coalesce(w.source_batch_id, w.batch_id) = b.batch_id AND w.replaced IS NULL
            )
        GROUP BY ALL ORDER BY b.batch_id""",
        [feed.hash],
    ).fetchall()
    for batch_id, delivered_at, units, is_today in rows:
        yield Landed(batch_id, delivered_at, json.loads(units or "{}"), bool(is_today))


def conform_again(
    con: duckdb.DuckDBPyConnection, workshop: Workshop, feed: Feed, places: str
) -> Again:
    """Conform the bronze rows at some places, as bronze stands now.

    Args:
        con: A connection with the lake attached and the ledgers laid out.
        workshop: The site.
        feed: The feed.
        places: A SELECT of ``_batch_id``, ``_sheet`` and ``_source_row``.
    """
    into, wanted = f"tracing_again_{feed.name}", f"tracing_places_{feed.name}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {wanted} AS {places}")
    batches = list(landed(con, feed, wanted))
    names = ", ".join(quoted(n) for n in [*(c.name for c in feed.columns), *BRONZE_COLUMNS])
    columns = ", ".join(quoted(column.name) for column in feed.columns)
    verb = f"CREATE OR REPLACE TEMP TABLE {into} AS"
    plan = workshop.plan(feed.name)
    con.execute(f"{verb} {_nothing(feed)}")
    for one in batches:
        if not one.is_today:
            continue
        counted = plan.with_units(one.units)
        with_source(
            con,
            f"SELECT {names} FROM {bronze(feed)} WHERE _batch_id = {literal(one.batch_id)}"
            f" AND (_sheet, _source_row) IN (SELECT (_sheet, _source_row) FROM {wanted}"
            f" WHERE _batch_id = {literal(one.batch_id)})",
        )
        try:
            conform_rows(con, counted, frozenset(), one.delivered_at)
            con.execute(
                f"INSERT INTO {into} SELECT {columns}, c._sheet, c._source_row, c._ok,"
                f" {literal(one.batch_id)}, s._defect, {_repairs(counted)} FROM conform_rows AS c"
                f" JOIN (SELECT _sheet, _source_row, _defect FROM conform_source) AS s"
                f" USING (_sheet, _source_row)"
            )
        finally:
            finish(con)
    return Again(feed, into, tuple(one.batch_id for one in batches if not one.is_today))


def _nothing(feed: Feed) -> str:
    """A SELECT of no rows in the form of the answer."""
    columns = ", ".join(
        f"CAST(NULL AS {column.duck_type}) AS {quoted(column.name)}" for column in feed.columns
    )
    return (
        f"SELECT {columns}, '' AS _sheet, 0::BIGINT AS _source_row, FALSE AS _ok, '' AS _batch_id,"
        f" '' AS _defect, CAST([] AS VARCHAR[]) AS _repairs WHERE FALSE"
    )


def _repairs(plan: Plan) -> str:
    """The logged repairs of a row, as a list of ``column:repair``."""
    made = [
        f"CASE WHEN _r{slot.word} & {slot.mask} <> 0"
        f" THEN {literal(f'{repair.column}:{repair.id}')} END"
        for repair, slot in zip(plan.repairs, plan.repair_slots, strict=True)
        if repair.logged
    ]
    return f"list_filter([{', '.join(made) or 'NULL'}], one -> one IS NOT NULL)"
