"""Records that break table rules, as people read them: where they stand and what is wrong.

Opening and closing is ``quality.findings``' work, deciding on one ``decisions``'. The records are
valid by themselves and in silver: a department corrects them, or somebody confirms them.
"""

from __future__ import annotations

from typing import Any

import duckdb

from dagster_project.contracts.model import Feed
from dagster_project.contracts.table_rule import TableRule
from dagster_project.lake.batch_files import real_file
from dagster_project.lake.emptiness import has_rows

LEDGER = "lake.ops.finding"

# Every record that breaks a rule, in the form of ``cases.OPEN_PLACES``.
OPEN_PLACES = """
SELECT feed, batch_id, sheet, source_row, [rule_id] AS reasons, NULL::VARCHAR AS raw, case_id
FROM lake.ops.finding
WHERE state = 'open' AND ($feed = '' OR feed = $feed)
"""

_FILE = real_file("f.opened_sheet")
_CLOSED = f"""
SELECT f.case_id, f.feed, {_FILE.path} AS file, {_FILE.sheet} AS sheet, f.opened_row,
    [f.rule_id] AS reasons, f.attempts, f.opened_at, f.returned_at, f.closed_at, f.how,
    coalesce(f.closed_batch_id, ''), coalesce(c.path, '')
FROM lake.ops.finding AS f
LEFT JOIN lake.ops.batch AS b ON b.batch_id = f.opened_batch_id
LEFT JOIN lake.ops.batch AS c ON c.batch_id = f.closed_batch_id
{_FILE.join}
WHERE f.state <> 'open' AND ($feed = '' OR f.feed = $feed)
ORDER BY f.closed_at DESC, f.case_id
LIMIT $limit
"""


def summary(con: duckdb.DuckDBPyConnection, feed: str = "") -> list[tuple[Any, ...]]:
    """Open findings by feed and rule: feed, rule, how many, since when."""
    if not has_rows(con, LEDGER):
        return []
    return con.execute(
        f"SELECT feed, rule_id, count(*), min(opened_at) AS oldest FROM {LEDGER}"
        " WHERE state = 'open' AND ($feed = '' OR feed = $feed)"
        " GROUP BY ALL ORDER BY oldest, feed, rule_id",
        {"feed": feed},
    ).fetchall()


def closed(con: duckdb.DuckDBPyConnection, feed: str, limit: int) -> list[tuple[Any, ...]]:
    """Findings that are done, the newest first, as ``cases`` lists its own."""
    if not has_rows(con, LEDGER):
        return []
    return con.execute(_CLOSED, {"feed": feed, "limit": limit}).fetchall()


def rule_of(feed: Feed, rule_id: str) -> TableRule | None:
    """The table rule of that id; nothing when the contract no longer has it."""
    return next((rule for rule in feed.table_rules if rule.id == rule_id), None)


def columns_of(feed: Feed, rule: TableRule) -> tuple[str, ...]:
    """The columns in which a copy marks the fault: those that the rule names, else the key."""
    column, _, kind = rule.id.rpartition(".")
    if kind == "reference":
        return (column,)
    named = (*rule.columns, *((rule.sequence,) if rule.sequence else ()))
    return named or feed.key
