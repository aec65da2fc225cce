"""Rejected rows as cases: one per record that a department must correct, from opening to closing.

A case is opened by the merge that rejects the row and closed by the merge that takes a valid row
of the same key, or one that carries the case's number. ``ops.quarantine`` keeps every rejected row
of every batch as it was; here stands what is still to be done. Copies for departments are not made
here.

Everything follows from the landed batches, so that a rebuild gives the same cases: numbers come
from places, instants are those of delivery.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from dagster_project.contracts.case_numbers import CASE_PATTERN, case_number_sql
from dagster_project.contracts.model import Feed
from dagster_project.contracts.tablesql import record_key
from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.lake.emptiness import has_rows
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.counts import reasons_list
from dagster_project.transform.conform.plan import Plan
from dagster_project.transform.conform.records import Head

CASES = "lake.ops.rectification"
TEMPORARY = ("case_carried", "case_failed", "case_open", "case_valid", "case_next")
COLUMNS = (
    *("case_id", "feed", "record_key", "batch_id", "sheet", "source_row", "reasons"),
    *("opened_at", "opened_batch_id", "opened_sheet", "opened_row"),
    *("failed_at", "attempts", "returned_at", "state", "closed_at", "closed_batch_id", "how"),
)

# A valid row of the case's own key closes it whatever else is said; a row that merely carries its
# number does not, where the same delivery holds a rejected row of the case.
_NEXT = f"""
CREATE OR REPLACE TEMP TABLE case_next AS
WITH matched AS (
    SELECT f.*, coalesce(said.case_id, keyed.case_id) AS known_id
    FROM case_failed f
    LEFT JOIN case_open said ON said.case_id = f.said
    LEFT JOIN (
        SELECT record_key, min(case_id) AS case_id FROM case_open GROUP BY record_key
    ) keyed ON said.case_id IS NULL AND keyed.record_key = f.record_key
),
grouped AS (
    SELECT
        known_id,
        CASE WHEN known_id IS NULL THEN record_key END AS new_key,
        CASE WHEN known_id IS NULL AND record_key IS NULL THEN (sheet, source_row) END AS new_place,
        arg_max(
            struct_pack(sheet, source_row, record_key, reasons), (sheet, source_row)
        ) AS last
    FROM matched
    GROUP BY ALL
),
present AS (
    SELECT
        coalesce(
            o.case_id, {case_number_sql("$feed", "$landed", "last.sheet", "last.source_row")}
        ) AS case_id,
        $feed AS feed,
        coalesce(o.record_key, last.record_key) AS record_key,
        CASE WHEN last IS NULL THEN o.batch_id ELSE $landed END AS batch_id,
        coalesce(last.sheet, o.sheet) AS sheet,
        coalesce(last.source_row, o.source_row) AS source_row,
        coalesce(last.reasons, o.reasons) AS reasons,
        coalesce(o.opened_at, $delivered_at) AS opened_at,
        coalesce(o.opened_batch_id, $landed) AS opened_batch_id,
        coalesce(o.opened_sheet, last.sheet) AS opened_sheet,
        coalesce(o.opened_row, last.source_row) AS opened_row,
        CASE WHEN last IS NULL THEN o.failed_at ELSE $delivered_at END AS failed_at,
        coalesce(o.attempts, 0) + (last IS NOT NULL)::BIGINT AS attempts,
        o.returned_at,
        last IS NOT NULL AS fails,
        o.case_id IS NULL AS is_new
    FROM case_open o FULL JOIN grouped g ON g.known_id = o.case_id
),
decided AS (
    SELECT *, CASE
        WHEN record_key IN (SELECT key FROM case_valid WHERE key IS NOT NULL)
            THEN CASE WHEN is_new THEN 'superseded' ELSE 'corrected' END
        WHEN fails THEN NULL
        WHEN case_id IN (SELECT said FROM case_valid WHERE said IS NOT NULL) THEN 'corrected'
        WHEN $snapshot THEN 'withdrawn'
    END AS how
    FROM present
)
SELECT * EXCLUDE (fails, is_new, how),
    CASE how WHEN 'withdrawn' THEN 'withdrawn' ELSE if(how IS NULL, 'open', 'closed') END AS state,
    CASE WHEN how IS NOT NULL THEN $delivered_at END AS closed_at,
    CASE WHEN how IS NOT NULL THEN $landed END AS closed_batch_id,
    how
FROM decided
WHERE fails OR how IS NOT NULL
"""

# Rows looked at again for want of a parent: no new delivery, so neither attempts nor new cases.
_AGAIN = f"""
CREATE OR REPLACE TEMP TABLE case_next AS
SELECT {", ".join(COLUMNS)} FROM (
    SELECT o.* REPLACE (
        coalesce(f.reasons, o.reasons) AS reasons,
        CASE WHEN v.key IS NULL THEN 'open' ELSE 'closed' END AS state,
        CASE WHEN v.key IS NOT NULL THEN $delivered_at END AS closed_at,
        CASE WHEN v.key IS NOT NULL THEN $landed END AS closed_batch_id,
        CASE WHEN v.key IS NOT NULL THEN 'accepted' END AS how
    )
    FROM case_open o
    LEFT JOIN (SELECT DISTINCT key FROM case_valid) v ON v.key = o.record_key
    LEFT JOIN case_failed f
        ON o.batch_id = $landed AND f.sheet = o.sheet AND f.source_row = o.source_row
    WHERE v.key IS NOT NULL OR f.reasons IS NOT NULL
)
"""


def settle(
    con: duckdb.DuckDBPyConnection, plan: Plan, head: Head, *, rejected: int, whole: bool
) -> None:
    """Open and close the feed's cases by what ``conform_rows`` became; inside the merge.

    Args:
        con: The writer's connection, before the temp tables of the batch are given back.
        plan: The compiled contract.
        head: The batch; a replay acts as the landed batch that it repeats.
        rejected: How many rows of the batch were rejected.
        whole: Whether the rows are all of the batch; otherwise some of them were judged again.
    """
    if not rejected and not has_rows(con, CASES):
        return
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE case_open AS SELECT {', '.join(COLUMNS)} FROM {CASES}"
        f" WHERE feed = ? AND state = 'open' AND failed_at <= ?::TIMESTAMPTZ",
        [plan.feed.name, head.delivered_at],
    )
    row = con.execute("SELECT count(*) FROM case_open").fetchone()
    opened = bool(row and row[0])
    if rejected or opened:
        _carried(con, plan.feed, opened=opened)
        _failed(con, plan)
        _valid(con, plan.feed)
        _change(con, plan.feed, head, whole=whole)
        _write(con, plan.feed, opened=opened)
    for name in TEMPORARY:
        con.execute(f"DROP TABLE IF EXISTS temp.{name}")


def set_aside(con: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Before a rebuild: forget the feed's cases, so that its batches make them again."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE cases_before AS SELECT {', '.join(COLUMNS)} FROM {CASES}"
        " WHERE feed = ?",
        [feed.name],
    )
    con.execute(f"DELETE FROM {CASES} WHERE feed = ?", [feed.name])


def restore(con: duckdb.DuckDBPyConnection, feed: Feed, at: datetime) -> None:
    """After a rebuild: keep what only the cases themselves knew, and lose none of them.

    A case that the contract of today would not open is closed as accepted, unless it was closed
    already.
    """
    con.execute(
        f"UPDATE {CASES} AS c SET returned_at = b.returned_at FROM cases_before AS b"
        " WHERE c.feed = ? AND c.case_id = b.case_id AND b.returned_at IS NOT NULL",
        [feed.name],
    )
    con.execute(
        f"""INSERT INTO {CASES} ({", ".join(COLUMNS)})
        SELECT * REPLACE (
            CASE WHEN state = 'open' THEN 'closed' ELSE state END AS state,
            CASE WHEN state = 'open' THEN ?::TIMESTAMPTZ ELSE closed_at END AS closed_at,
            CASE WHEN state = 'open' THEN batch_id ELSE closed_batch_id END AS closed_batch_id,
            CASE WHEN state = 'open' THEN 'accepted' ELSE how END AS how
        )
        FROM cases_before ANTI JOIN (
            SELECT case_id FROM {CASES} WHERE feed = ?
        ) USING (case_id)""",
        [at, feed.name],
    )
    con.execute("DROP TABLE temp.cases_before")


def _carried(con: duckdb.DuckDBPyConnection, feed: Feed, *, opened: bool) -> None:
    """Which rows carry the number of an open case; mostly no row carries any."""
    if not opened:
        con.execute(
            "CREATE OR REPLACE TEMP TABLE case_carried"
            " (_sheet VARCHAR, _source_row BIGINT, said VARCHAR)"
        )
        return
    cells = ", ".join(quoted(column.name) for column in feed.columns)
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE case_carried AS
        SELECT * FROM (
            SELECT _sheet, _source_row, {_number("_extra")} AS said
            FROM conform_source WHERE contains(_extra, {literal(RETURN_COLUMNS[1])})
            UNION
            -- A ragged row's cells are shifted, and its number with them.
            SELECT _sheet, _source_row, {_number(f"concat_ws(' ', {cells}, _extra)")}
            FROM conform_source WHERE _defect IS NOT NULL
        ) WHERE said IN (SELECT case_id FROM case_open)"""
    )


def _failed(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """The rejected rows: place, key, reasons, and the case number that they carry."""
    words = ", ".join(f"_w{w}" for w in range(plan.words))
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE case_failed AS
        WITH spelled AS (SELECT {words}, {reasons_list(plan)} AS reasons FROM conform_groups)
        SELECT c._sheet AS sheet, c._source_row AS source_row, c._key AS record_key,
            spelled.reasons, carried.said
        FROM conform_rows c JOIN spelled USING ({words})
        LEFT JOIN case_carried carried USING (_sheet, _source_row)
        WHERE NOT c._ok"""
    )


def _valid(con: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Keys and carried numbers of valid rows, as far as a case may ask for them."""
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE case_valid AS
        WITH asked AS (
            SELECT record_key FROM case_open WHERE record_key IS NOT NULL
            UNION SELECT record_key FROM case_failed WHERE record_key IS NOT NULL
        ),
        keys AS (SELECT {record_key(feed)} AS key FROM conform_rows WHERE _ok)
        SELECT DISTINCT key, NULL::VARCHAR AS said FROM keys
        WHERE key IN (SELECT record_key FROM asked)
        UNION ALL
        SELECT DISTINCT NULL, said FROM case_carried SEMI JOIN (
            SELECT _sheet, _source_row FROM conform_rows WHERE _ok
        ) USING (_sheet, _source_row)"""
    )


def _number(text: str) -> str:
    return f"nullif(regexp_extract({text}, {literal(CASE_PATTERN)}), '')"


def _change(con: duckdb.DuckDBPyConnection, feed: Feed, head: Head, *, whole: bool) -> None:
    """The new state of every case that changes."""
    values: dict[str, object] = {
        "landed": head.landed_id,
        "delivered_at": head.delivered_at if whole else head.committed_at,
    }
    if whole:
        values |= {"feed": feed.name, "snapshot": feed.delivery == "full"}
    select = (_NEXT if whole else _AGAIN).replace("$delivered_at", "$delivered_at::TIMESTAMPTZ")
    con.execute(select, values)


def _write(con: duckdb.DuckDBPyConnection, feed: Feed, *, opened: bool) -> None:
    """Put the new state in the place of the old one."""
    if opened:
        con.execute(
            f"DELETE FROM {CASES} WHERE feed = ? AND state = 'open'"
            " AND case_id IN (SELECT case_id FROM case_next)",
            [feed.name],
        )
    names = ", ".join(COLUMNS)
    con.execute(f"INSERT INTO {CASES} ({names}) SELECT {names} FROM case_next")
