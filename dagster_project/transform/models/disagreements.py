"""Departments that disagree, as cases: one per key, item and department that must correct.

They have a ledger of their own, because they end otherwise than the cases of rejected rows: those
close when their feed delivers a valid row of the key, and a whole snapshot withdraws those that it
lacks; a row that contradicts another department is valid, and delivering it once more settles
nothing. So these follow from the state: a case is open as long as a living row of the feed says
something else than the entity's table, whoever delivered last. Nothing is read from the batches, a
rebuild leaves the same rows and therefore the same cases, and asking twice changes nothing. They
are settled in the transaction that builds the table, so that both tell of the same rows.

A case opens at the delivery that brought the later of the two values. It ends ``agreed`` when both
say the same, and ``withdrawn`` when one of them says nothing any more, the row or the rule is gone,
or the order of the sources made the loser the winner. Its number comes from the losing row's place.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import duckdb

from dagster_project.contracts.case_numbers import case_number_sql
from dagster_project.contracts.entities import Entity, Item, Source
from dagster_project.contracts.model import Contracts
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.models.entities import differs, key_of, speaks, value

DISAGREEMENTS = "lake.ops.disagreement"
TEMPORARY = ("open", "said", "now", "next")
COLUMNS = (
    *("case_id", "entity", "record_key", "item", "feed", "column_name", "source_feed"),
    *("batch_ids", "sheets", "source_rows", "opened_at", "opened_batch_id", "opened_sheet"),
    *("opened_row", "failed_at", "attempts", "returned_at", "state", "closed_at"),
    *("closed_batch_id", "how"),
)

# One row per key, item and losing feed: does any of its rows differ, which ones, since when.
_NOW = """
CREATE OR REPLACE TEMP TABLE item_now AS
WITH told AS (
    SELECT s.*, b.delivered_at AS source_at
    FROM item_said AS s LEFT JOIN lake.ops.batch AS b ON b.batch_id = s.source_batch_id
)
SELECT
    record_key,
    item,
    feed,
    any_value(column_name) AS column_name,
    any_value(source_feed) AS source_feed,
    any_value(source_batch_id) AS source_batch_id,
    any_value(source_at) AS source_at,
    bool_or(differs) AS fails,
    list_sort(
        list(struct_pack(delivered_at, batch_id, sheet, source_row)) FILTER (differs)
    ) AS places,
    max(delivered_at) FILTER (differs) AS failed_at,
    max(delivered_at) AS said_at,
    arg_max(batch_id, (delivered_at, batch_id)) AS said_batch_id
FROM told
GROUP BY record_key, item, feed
"""

_NUMBER = case_number_sql(
    *("'item'", "$entity", "n.item", "n.feed", "n.places[-1].batch_id", "n.places[-1].sheet"),
    *("n.places[-1].source_row", "coalesce(b.cases, 0)"),
)
_NEXT = f"""
CREATE OR REPLACE TEMP TABLE item_next AS
WITH before AS (
    SELECT record_key, item, feed, count(*) AS cases
    FROM lake.ops.disagreement
    WHERE entity = $entity AND state <> 'open'
    GROUP BY ALL
),
present AS (
    SELECT
        o.case_id IS NULL AS is_new,
        coalesce(n.fails, FALSE) AS fails,
        n.record_key IS NOT NULL AS is_said,
        coalesce(o.case_id, {_NUMBER}) AS case_id,
        coalesce(o.record_key, n.record_key) AS record_key,
        coalesce(o.item, n.item) AS item,
        coalesce(o.feed, n.feed) AS feed,
        coalesce(n.column_name, o.column_name) AS column_name,
        coalesce(n.source_feed, o.source_feed) AS source_feed,
        coalesce([p.batch_id FOR p IN n.places], o.batch_ids) AS batch_ids,
        coalesce([p.sheet FOR p IN n.places], o.sheets) AS sheets,
        coalesce([p.source_row FOR p IN n.places], o.source_rows) AS source_rows,
        coalesce(o.opened_at, greatest(n.failed_at, n.source_at)) AS opened_at,
        coalesce(o.opened_batch_id, n.places[-1].batch_id) AS opened_batch_id,
        coalesce(o.opened_sheet, n.places[-1].sheet) AS opened_sheet,
        coalesce(o.opened_row, n.places[-1].source_row) AS opened_row,
        coalesce(n.failed_at, o.failed_at) AS failed_at,
        coalesce(o.attempts, 0) + (
            n.fails AND (o.case_id IS NULL OR n.failed_at > o.failed_at)
        )::BIGINT AS attempts,
        o.returned_at AS returned_at,
        greatest(n.said_at, n.source_at) AS agreed_at,
        CASE WHEN n.source_at > n.said_at THEN n.source_batch_id ELSE n.said_batch_id END
            AS agreed_batch_id,
        o.source_feed AS source_feed_before,
        o.batch_ids AS batch_ids_before,
        o.sheets AS sheets_before,
        o.source_rows AS source_rows_before
    FROM item_open AS o
    FULL JOIN item_now AS n
        ON n.record_key = o.record_key AND n.item = o.item AND n.feed = o.feed
    LEFT JOIN before AS b ON b.record_key = n.record_key AND b.item = n.item AND b.feed = n.feed
)
SELECT
    case_id, $entity AS entity, record_key, item, feed, column_name, source_feed, batch_ids, sheets,
    source_rows, opened_at, opened_batch_id, opened_sheet, opened_row, failed_at, attempts,
    returned_at,
    CASE WHEN fails THEN 'open' WHEN is_said THEN 'closed' ELSE 'withdrawn' END AS state,
    CASE WHEN fails THEN NULL WHEN is_said THEN agreed_at ELSE $at::TIMESTAMPTZ END AS closed_at,
    CASE WHEN NOT fails AND is_said THEN agreed_batch_id END AS closed_batch_id,
    CASE WHEN fails THEN NULL WHEN is_said THEN 'agreed' ELSE 'withdrawn' END AS how
FROM present
WHERE (is_new AND fails) OR (NOT is_new AND (
    NOT fails OR source_feed IS DISTINCT FROM source_feed_before
    OR batch_ids IS DISTINCT FROM batch_ids_before
    OR sheets IS DISTINCT FROM sheets_before OR source_rows IS DISTINCT FROM source_rows_before
))
"""


def settle(
    con: duckdb.DuckDBPyConnection, contracts: Contracts, entity: Entity, at: datetime
) -> None:
    """Open and close an entity's cases by what its table and its feeds' rows say now.

    Args:
        con: The writer's connection, in the transaction that built the entity's table.
        contracts: The contracts of the feeds.
        entity: What to settle.
        at: When cases are withdrawn of which nothing is said any more.
    """
    names = ", ".join(COLUMNS)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE item_open AS SELECT {names} FROM {DISAGREEMENTS}"
        " WHERE entity = ? AND state = 'open'",
        [entity.name],
    )
    parts = [
        _compared(contracts, entity, item, source)
        for item in entity.items
        for source in item.sources[1:]
    ]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE item_said AS SELECT * FROM"
        f" ({' UNION ALL '.join([_NOTHING, *parts])})"
        " WHERE differs OR (record_key, item, feed) IN"
        " (SELECT (record_key, item, feed) FROM item_open)"
    )
    con.execute(_NOW)
    con.execute(_NEXT, {"entity": entity.name, "at": at})
    _write(con, entity.name)
    for name in TEMPORARY:
        con.execute(f"DROP TABLE IF EXISTS temp.item_{name}")


@dataclass(frozen=True)
class Compared:
    """How many rows of a feed could be compared with the source of an item, and how many differ."""

    feed: str
    rule_id: str
    column: str
    checked: int
    failed: int


def compare(con: duckdb.DuckDBPyConnection, contracts: Contracts, entity: Entity) -> list[Compared]:
    """Count what ``settle`` looks at: rows of later sources where both say something.

    相同数据一致性 of GB/T 36344: equal pairs of compared pairs, per item and losing feed.
    """
    parts = [
        f"SELECT {literal(source.feed)}, {literal(f'{entity.name}.{item.name}.differs')},"
        f" {literal(source.column)}, count(*), count(*) FILTER (c.differs)"
        f" FROM ({_compared(contracts, entity, item, source)}) AS c"
        for item in entity.items
        for source in item.sources[1:]
    ]
    if not parts:
        return []
    return [Compared(*row) for row in con.execute(" UNION ALL ".join(parts)).fetchall()]


def withdraw_others(con: duckdb.DuckDBPyConnection, entities: Collection[str], at: datetime) -> int:
    """Withdraw the open cases of entities that nobody declares any more.

    Returns:
        How many there were.
    """
    known = [*entities, ""]
    others = f"state = 'open' AND entity NOT IN ({', '.join('?' * len(known))})"
    row = con.execute(f"SELECT count(*) FROM {DISAGREEMENTS} WHERE {others}", known).fetchone()
    count = int(row[0]) if row else 0
    if count:
        con.execute(
            f"UPDATE {DISAGREEMENTS} SET state = 'withdrawn', how = 'withdrawn',"
            f" closed_at = ?::TIMESTAMPTZ WHERE {others}",
            [at, *known],
        )
    return count


# So that an entity without a second source has a statement too.
_NOTHING = """SELECT NULL::VARCHAR AS record_key, NULL::VARCHAR AS item, NULL::VARCHAR AS feed,
    NULL::VARCHAR AS column_name, NULL::VARCHAR AS source_feed, NULL::VARCHAR AS source_batch_id,
    NULL::VARCHAR AS batch_id, NULL::VARCHAR AS sheet, NULL::BIGINT AS source_row,
    NULL::TIMESTAMPTZ AS delivered_at, FALSE AS differs WHERE FALSE"""


def _compared(contracts: Contracts, entity: Entity, item: Item, source: Source) -> str:
    """Every row of a later source beside the value that holds, where both say something."""
    feed = contracts.feeds[source.feed]
    key, name = quoted(entity.key.name), quoted(item.name)
    origin = f"e.{quoted(item.name + '_source')}"
    verdict = differs(item.column, value(item, source, feed, "s"), f"e.{name}")
    return (
        f"SELECT CAST(e.{key} AS VARCHAR), {literal(item.name)}, {literal(feed.name)},"
        f" {literal(source.column)}, {origin}, e.{quoted(item.name + '_batch_id')},"
        f" s._batch_id, s._sheet, s._source_row, s._delivered_at,"
        f" {verdict} AS differs"
        f" FROM lake.silver.{quoted(entity.name)} AS e"
        f" JOIN lake.silver.{quoted(feed.name)} AS s"
        f" ON {key_of(entity, feed, 's')} = e.{key}"
        f" WHERE {speaks(entity, item, source, feed, 's')} AND {origin} <> {literal(feed.name)}"
    )


def _write(con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Put the new state in the place of the old one; write nothing where nothing changed."""
    row = con.execute("SELECT count(*) FROM item_next").fetchone()
    if not row or not row[0]:
        return
    con.execute(
        f"DELETE FROM {DISAGREEMENTS} WHERE entity = ? AND state = 'open'"
        " AND case_id IN (SELECT case_id FROM item_next)",
        [entity],
    )
    names = ", ".join(COLUMNS)
    con.execute(f"INSERT INTO {DISAGREEMENTS} ({names}) SELECT {names} FROM item_next")
