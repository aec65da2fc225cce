"""Records that break table rules as cases: opened, followed from delivery to delivery, closed.

A finding is open as long as a live record breaks the rule, whoever delivered last. It closes when
the record obeys, is withdrawn when the record or the rule is gone, and may be confirmed: somebody
looked and the record is right. A confirmed finding stays so while the record says the same and the
rule asks the same. Asking twice changes nothing. Which rules are asked, and when, is decided by the
caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import duckdb

from dagster_project.contracts.case_numbers import case_number_sql
from dagster_project.contracts.model import Feed
from dagster_project.contracts.tablesql import record_key
from dagster_project.lake.emptiness import has_rows
from dagster_project.lake.engine import literal, quoted
from dagster_project.quality.table_rules import BREAKING, Judged, question

FINDINGS = "lake.ops.finding"
COLUMNS = (
    *("case_id", "feed", "rule_id", "severity", "record_key", "record_hash", "batch_id", "sheet"),
    *("source_row", "opened_at", "opened_batch_id", "opened_sheet", "opened_row", "failed_at"),
    *("attempts", "returned_at", "state", "closed_at", "closed_batch_id", "how", "rule_hash"),
)

_NUMBER = case_number_sql(
    *("'rule'", "$feed", "p.rule_id", "p.batch_id", "p.sheet", "p.source_row", "p.earlier_cases")
)
_NEXT = """
CREATE OR REPLACE TEMP TABLE finding_next AS
WITH broken AS (
    SELECT b.*, a.severity, a.rule_hash
    FROM temp.{breaking} AS b JOIN finding_asked AS a USING (rule_id)
    WHERE b.feed = $feed
),
earlier AS (
    SELECT rule_id, record_key, count(*) AS cases,
        arg_max(record_hash, (closed_at, case_id)) FILTER (state = 'confirmed') AS confirmed,
        arg_max(rule_hash, (closed_at, case_id)) FILTER (state = 'confirmed') AS confirmed_of
    FROM finding_known
    WHERE state <> 'open'
    GROUP BY ALL
),
present AS (
    SELECT
        o.case_id IS NULL AS is_new,
        b.record_key IS NOT NULL AS fails,
        coalesce(b.rule_id, o.rule_id) AS rule_id,
        coalesce(b.severity, o.severity) AS severity,
        coalesce(b.record_key, o.record_key) AS record_key,
        coalesce(b.record_hash, o.record_hash) AS record_hash,
        coalesce(b.batch_id, o.batch_id) AS batch_id,
        coalesce(b.sheet, o.sheet) AS sheet,
        coalesce(b.source_row, o.source_row) AS source_row,
        b.record_hash IS DISTINCT FROM o.record_hash AS is_changed,
        b.batch_id IS DISTINCT FROM o.batch_id OR b.sheet IS DISTINCT FROM o.sheet
            OR b.source_row IS DISTINCT FROM o.source_row
            OR b.rule_hash IS DISTINCT FROM o.rule_hash AS is_moved,
        coalesce(b.rule_hash, o.rule_hash) AS rule_hash,
        coalesce(e.cases, 0) AS earlier_cases,
        o.case_id, o.opened_at, o.opened_batch_id, o.opened_sheet, o.opened_row, o.failed_at,
        o.attempts, o.returned_at
    FROM broken AS b
    FULL JOIN (SELECT * FROM finding_known WHERE state = 'open') AS o
        ON o.rule_id = b.rule_id AND o.record_key = b.record_key
    LEFT JOIN earlier AS e ON e.rule_id = b.rule_id AND e.record_key = b.record_key
    WHERE o.case_id IS NOT NULL OR e.confirmed IS DISTINCT FROM b.record_hash
        OR e.confirmed_of <> b.rule_hash
),
living AS (
    SELECT {key} AS record_key, _batch_id AS batch_id
    FROM {silver} WHERE NOT _is_deleted
)
SELECT
    coalesce(p.case_id, {number}) AS case_id,
    $feed AS feed, p.rule_id, p.severity, p.record_key, p.record_hash, p.batch_id, p.sheet,
    p.source_row,
    coalesce(p.opened_at, $at::TIMESTAMPTZ) AS opened_at,
    coalesce(p.opened_batch_id, p.batch_id) AS opened_batch_id,
    coalesce(p.opened_sheet, p.sheet) AS opened_sheet,
    coalesce(p.opened_row, p.source_row) AS opened_row,
    CASE WHEN p.fails AND p.is_changed THEN $at::TIMESTAMPTZ ELSE p.failed_at END AS failed_at,
    coalesce(p.attempts, 0) + (p.fails AND p.is_changed)::BIGINT AS attempts,
    p.returned_at,
    CASE WHEN p.fails THEN 'open' WHEN l.record_key IS NULL THEN 'withdrawn' ELSE 'closed' END
        AS state,
    CASE WHEN NOT p.fails THEN $at::TIMESTAMPTZ END AS closed_at,
    CASE WHEN NOT p.fails THEN l.batch_id END AS closed_batch_id,
    CASE WHEN p.fails THEN NULL WHEN l.record_key IS NULL THEN 'withdrawn' ELSE 'corrected' END
        AS how,
    p.rule_hash
FROM present AS p LEFT JOIN living AS l ON NOT p.fails AND l.record_key = p.record_key
WHERE p.is_new OR NOT p.fails OR p.is_changed OR p.is_moved
"""


def settle(
    con: duckdb.DuckDBPyConnection, feed: Feed, judged: Sequence[Judged], at: datetime
) -> None:
    """Open and close a feed's findings by what was just judged; other rules' findings stay.

    Args:
        con: The writer's connection, inside a transaction, with the temp table ``breaking``.
        feed: The feed whose rules were asked.
        judged: The answers of the rules that were asked.
        at: When.
    """
    anything = any(one.failed for one in judged)
    if not judged or not (anything or has_rows(con, FINDINGS)):
        return
    asked = ", ".join(
        f"({literal(o.rule.id)}, {literal(o.rule.severity)}, {literal(question(feed, o.rule))})"
        for o in judged
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE finding_asked AS"
        f" SELECT * FROM (VALUES {asked}) AS asked(rule_id, severity, rule_hash)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE finding_known AS SELECT {', '.join(COLUMNS)}"
        f" FROM {FINDINGS} WHERE feed = ? AND rule_id IN (SELECT rule_id FROM finding_asked)",
        [feed.name],
    )
    text = _NEXT.format(
        number=_NUMBER,
        breaking=BREAKING,
        key=record_key(feed),
        silver=f"lake.silver.{quoted(feed.name)}",
    )
    con.execute(text, {"feed": feed.name, "at": at})
    _write(con)
    for name in ("asked", "known", "next"):
        con.execute(f"DROP TABLE IF EXISTS temp.finding_{name}")


def _write(con: duckdb.DuckDBPyConnection) -> None:
    names = ", ".join(COLUMNS)
    row = con.execute("SELECT count(*) FROM finding_next").fetchone()
    if row and row[0]:
        con.execute(f"DELETE FROM {FINDINGS} WHERE case_id IN (SELECT case_id FROM finding_next)")
        con.execute(f"INSERT INTO {FINDINGS} ({names}) SELECT {names} FROM finding_next")


def confirmed(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """How many findings of each rule somebody confirmed, by feed and rule."""
    if not has_rows(con, FINDINGS):
        return {}
    rows = con.execute(
        f"SELECT feed, rule_id, count(*) FROM {FINDINGS} WHERE state = 'confirmed' GROUP BY ALL"
    ).fetchall()
    return {(feed, rule): int(count) for feed, rule, count in rows}


def still_wrong(
    con: duckdb.DuckDBPyConnection, feed: Feed, judged: Sequence[Judged]
) -> list[Judged]:
    """The answers without the records that somebody confirmed, after ``settle``."""
    if not any(one.failed for one in judged):
        return list(judged)
    rows = con.execute(
        f"SELECT rule_id, count(*) FROM {FINDINGS} WHERE feed = ? AND state = 'open'"
        " GROUP BY rule_id",
        [feed.name],
    ).fetchall()
    found = {rule: int(count) for rule, count in rows}
    return [replace(one, failed=found.get(one.rule.id, 0)) for one in judged]


def gone(con: duckdb.DuckDBPyConnection, feeds: Mapping[str, Feed]) -> list[tuple[str, str]]:
    """Feed and rule of open findings whose contract no longer has the rule.

    Findings of feeds whose contract is not among ``feeds`` stay: it may be refused for a while.
    """
    if not has_rows(con, FINDINGS):
        return []
    rows = con.execute(f"SELECT DISTINCT feed, rule_id FROM {FINDINGS} WHERE state = 'open'")
    return [
        (feed, rule)
        for feed, rule in rows.fetchall()
        if feed in feeds and all(one.id != rule for one in feeds[feed].table_rules)
    ]


def withdraw(
    con: duckdb.DuckDBPyConnection, rules: Sequence[tuple[str, str]], at: datetime
) -> None:
    """Withdraw the open findings of some rules, as ``gone`` found them; inside a transaction."""
    for feed, rule in rules:
        con.execute(
            f"UPDATE {FINDINGS} SET state = 'withdrawn', how = 'rule_gone',"
            " closed_at = ?::TIMESTAMPTZ WHERE feed = ? AND rule_id = ? AND state = 'open'",
            [at, feed, rule],
        )
