"""Rows of bronze through their contract once more: what a delivered row says, and by which repairs.

Rows are conformed batch by batch, as their files stated units, as the day of their delivery asks,
and by the contract that judged them; of a contract only the columns that are asked for. References
are not looked up, because parents may have come or gone since. What the answer is held against, or
put beside, is ``proving``'s and ``rejected``'s matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.contracts.reader import past_feed
from dagster_project.errors import ContractError
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform import Plan, compile_feed
from dagster_project.transform.conform.batch import conform_rows, finish, with_source
from dagster_project.transform.conform.tables import bronze

PLACE = "_batch_id, _sheet, _source_row"
"""What names a delivered row in bronze and in silver."""


@dataclass(frozen=True)
class Landed:
    """One landed batch as the ledger knew it, and the hashes of the contracts that judged it."""

    batch_id: str
    delivered_at: datetime
    units: dict[str, str]
    judged_by: tuple[str, ...]


@dataclass(frozen=True)
class Again:
    """Some rows of a feed, conformed once more.

    ``table`` is the temp table of what they became: ``columns`` as a contract of those columns
    alone has them, with ``_batch_id``, ``_defect``, ``_ok`` and ``_repairs`` (``column:repair`` of
    each). ``names`` are columns whose cells may have been looked up. ``past`` are batches that were
    judged by a contract of some time ago, which is known; ``older`` those whose contract is not
    known any more, or that were judged by several: their rows are not in the table.
    """

    feed: Feed
    table: str
    columns: tuple[str, ...]
    names: frozenset[str]
    past: tuple[str, ...]
    older: tuple[str, ...]


def landed(con: duckdb.DuckDBPyConnection, places: str) -> Iterator[Landed]:
    """The landed batches that some rows came in.

    Args:
        con: A connection with the ledgers laid out.
        places: A relation with ``_batch_id``.
    """
    rows = con.execute(
        f"""SELECT b.batch_id, b.delivered_at, b.units, list_sort(list(DISTINCT c.contract_hash))
        FROM ops.batch AS b
        JOIN ops.batch AS c ON coalesce(c.source_batch_id, c.batch_id) = b.batch_id
        WHERE b.batch_id IN (SELECT DISTINCT _batch_id FROM {places})
            AND c.committed_at >= (
                SELECT max(w.committed_at) FROM ops.batch AS w
                WHERE coalesce(w.source_batch_id, w.batch_id) = b.batch_id AND w.replaced IS NULL
            )
        GROUP BY ALL ORDER BY b.batch_id"""
    ).fetchall()
    for batch_id, delivered_at, units, judged_by in rows:
        yield Landed(batch_id, delivered_at, json.loads(units or "{}"), tuple(judged_by))


def conform_again(
    con: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    feed: Feed,
    places: str,
    columns: Collection[str],
) -> Again:
    """Conform the bronze rows at some places, as bronze stands now.

    Args:
        con: A connection with the lake attached and the ledgers laid out.
        workshop: The site.
        feed: The feed.
        places: A SELECT of ``_batch_id``, ``_sheet`` and ``_source_row``.
        columns: The columns that are asked for; keys are there in any case.
    """
    into, wanted = f"tracing_again_{feed.name}", f"tracing_places_{feed.name}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {wanted} AS {places}")
    plans = _Plans(con, workshop, feed, {*columns})
    today = plans.of(feed.hash)
    assert today is not None  # noqa: S101 - today's contract is always known
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {_nothing(today.feed)}")
    past, older = [], []
    for one in landed(con, wanted):
        plan = plans.of(*one.judged_by)
        if plan is None:
            older.append(one.batch_id)
            continue
        if one.judged_by != (feed.hash,):
            past.append(one.batch_id)
        _conform(con, plan.with_units(one.units), one, wanted, into)
    return Again(
        feed,
        into,
        tuple(column.name for column in today.feed.columns),
        frozenset(plans.names),
        tuple(past),
        tuple(older),
    )


class _Plans:
    """The compiled contracts of a feed's batches, cut down to some columns."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, workshop: Workshop, feed: Feed, columns: set[str]
    ) -> None:
        self.con, self.workshop, self.feed, self.columns = con, workshop, feed, columns
        self.known: dict[str, Plan | None] = {}
        self.names: set[str] = set()
        self.texts: Mapping[str, str] | None = None

    def of(self, *hashes: str) -> Plan | None:
        """The plan by the hash of its contract; None where it is not known, or not the only one."""
        if len(hashes) != 1:
            return None
        digest = hashes[0]
        if digest not in self.known:
            found = self.feed if digest == self.feed.hash else self._past(digest)
            self.known[digest] = plan = (
                compile_feed(cut(found, self.columns), self.workshop.contracts) if found else None
            )
            self.names |= plan.names.keys() if plan else set()
        return self.known[digest]

    def _past(self, digest: str) -> Feed | None:
        if self.texts is None:
            rows = self.con.execute(
                "SELECT DISTINCT text FROM lake.ops.contract WHERE layer = 'feeds'"
                f" AND name = {literal(self.feed.name)} AND text IS NOT NULL"
            ).fetchall()
            self.texts = {hashlib.sha256(text.encode()).hexdigest(): text for (text,) in rows}
        try:
            found = past_feed(self.texts[digest], self.feed.name)
        except (KeyError, ContractError):
            return None
        types = {column.name: column.duck_type for column in self.feed.columns}
        same = all(types.get(one.name, one.duck_type) == one.duck_type for one in found.columns)
        return found if same else None


def cut(feed: Feed, columns: Collection[str]) -> Feed:
    """A feed's contract as far as it speaks of some columns and of the key."""
    wanted = {*columns, *feed.key}
    place = feed.coordinates
    if place and wanted & {place.longitude, place.latitude}:
        wanted |= {place.longitude, place.latitude}
    else:
        place = None
    return replace(
        feed,
        columns=tuple(column for column in feed.columns if column.name in wanted),
        rules=tuple(rule for rule in feed.rules if wanted.issuperset(rule.columns)),
        coordinates=place,
    )


def _conform(
    con: duckdb.DuckDBPyConnection, plan: Plan, one: Landed, wanted: str, into: str
) -> None:
    """Add the rows of one batch."""
    feed = plan.feed
    columns = ", ".join(quoted(column.name) for column in feed.columns)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE tracing_delivered AS"
        f" SELECT {columns}, _defect, _sheet, _source_row FROM {bronze(feed)} AS r SEMI JOIN"
        f" (SELECT _sheet, _source_row FROM {wanted} WHERE _batch_id = {literal(one.batch_id)})"
        f" AS w USING (_sheet, _source_row) WHERE r._batch_id = {literal(one.batch_id)}"
    )
    with_source(con, "FROM tracing_delivered")
    try:
        conform_rows(con, plan, frozenset(), one.delivered_at)
        defects = "SELECT _sheet, _source_row, _defect FROM tracing_delivered"
        marked = con.execute(f"{defects} WHERE _defect IS NOT NULL LIMIT 1").fetchone()
        defect, join = "NULL::VARCHAR", ""
        if marked:
            defect = "s._defect"
            join = f" LEFT JOIN ({defects} WHERE _defect IS NOT NULL) AS s"
            join += " USING (_sheet, _source_row)"
        con.execute(
            f"INSERT INTO {into} BY NAME SELECT {columns}, c._sheet, c._source_row, c._ok,"
            f" {literal(one.batch_id)} AS _batch_id, {defect} AS _defect,"
            f" {_repairs(plan)} AS _repairs FROM conform_rows AS c{join}"
        )
    finally:
        finish(con)


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
    words = {slot.word for slot in plan.repair_slots}
    if not made:
        return "CAST([] AS VARCHAR[])"
    listed = f"list_filter([{', '.join(made)}], one -> one IS NOT NULL)"
    clean = " AND ".join(f"_r{word} = 0" for word in sorted(words))
    return f"CASE WHEN {clean} THEN CAST([] AS VARCHAR[]) ELSE {listed} END"
