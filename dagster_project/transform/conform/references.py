"""References between departments, asked of silver as sets after a merge of child or parent.

They warn and never reject, so results do not depend on who delivers first. References that
reject are part of the row's verdict (``select``).
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from dagster_project.contracts.model import Column, Feed, Reference
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform.batch import is_delivered
from dagster_project.transform.conform.facts import CheckResult
from dagster_project.transform.conform.tables import silver


def cross_checks(
    con: duckdb.DuckDBPyConnection, feeds: Iterable[Feed], changed: Iterable[str] | None = None
) -> list[CheckResult]:
    """Count values without a parent in another department's feed.

    Args:
        con: A connection to the lake, reading or writing.
        feeds: The feeds whose references are asked.
        changed: Only references from or to these feeds; None asks all.

    Returns:
        One result per reference whose two tables both hold something.
    """
    touched = None if changed is None else set(changed)
    return [
        _check(con, feed, column, column.reference)
        for feed in feeds
        for column in feed.columns
        if column.reference
        and not column.reference.rejects
        and (touched is None or touched & {feed.name, column.reference.feed})
        and is_delivered(con, feed.name)
        and is_delivered(con, column.reference.feed)
    ]


def _check(
    con: duckdb.DuckDBPyConnection, feed: Feed, column: Column, parent: Reference
) -> CheckResult:
    name, key = quoted(column.name), quoted(parent.column)
    row = con.execute(
        f"""SELECT count(*), count(*) FILTER (p.key IS NULL)
        FROM {silver(feed)} c LEFT JOIN (
            SELECT DISTINCT {key} AS key FROM lake.silver.{quoted(parent.feed)}
            WHERE NOT _is_deleted
        ) p ON c.{name} = p.key
        WHERE NOT c._is_deleted AND c.{name} IS NOT NULL"""
    ).fetchone()
    checked, failed = row or (0, 0)
    return CheckResult(
        table_name=f"silver.{feed.name}",
        rule_id=f"{column.name}.reference",
        column_name=column.name,
        severity="warn",
        checked=int(checked),
        failed=int(failed),
        message=f"{column.title}在 {parent.feed} 中不存在",
    )
