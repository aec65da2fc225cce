"""Contracts -> ``ops.feed`` and ``ops.quality_dimension``, as SQL models read them.

Also holds feeds that nobody ever delivered, and drafts that nobody supplies yet: a report on
aggregation must name what is missing.
"""

from __future__ import annotations

from datetime import date

import duckdb

from dagster_project.contracts.catalogue import catalogued, channels, table_level
from dagster_project.contracts.model import Contracts, Feed
from dagster_project.contracts.policy import DIMENSIONS

DIMENSION_TITLES = {
    "normativity": "规范性",
    "completeness": "完整性",
    "accuracy": "准确性",
    "consistency": "一致性",
    "timeliness": "时效性",
    "accessibility": "可访问性",
}


def register_feeds(con: duckdb.DuckDBPyConnection, contracts: Contracts) -> bool:
    """Make ``ops.feed`` say what the contracts say; write nothing when it already does.

    The caller holds the writer's lock and an open transaction.

    Returns:
        Whether the table was written.
    """
    entries = {**contracts.feeds, **contracts.drafts}
    wanted = [_row(feed) for _, feed in sorted(entries.items())]
    if con.execute("SELECT * FROM ops.feed ORDER BY feed").fetchall() == wanted:
        return False
    con.execute("DELETE FROM ops.feed")
    if wanted:
        # One statement, because each INSERT of its own writes a file of its own.
        line = f"({', '.join('?' * len(wanted[0]))})"
        cells = [cell for row in wanted for cell in row]
        con.execute(f"INSERT INTO ops.feed VALUES {', '.join([line] * len(wanted))}", cells)
    return True


def register_weights(con: duckdb.DuckDBPyConnection, contracts: Contracts) -> bool:
    """Make ``ops.quality_dimension`` say what the county's policy says, if it does not yet.

    The caller holds the writer's lock and an open transaction.

    Returns:
        Whether the table was written.
    """
    weights = contracts.policy.weights
    wanted = [
        (name, DIMENSION_TITLES[name], weights[name], position)
        for position, name in enumerate(DIMENSIONS, start=1)
    ]
    table = "ops.quality_dimension"
    if con.execute(f"SELECT * FROM {table} ORDER BY position").fetchall() == wanted:
        return False
    con.execute(f"DELETE FROM {table}")
    cells = [cell for row in wanted for cell in row]
    con.execute(f"INSERT INTO {table} VALUES {', '.join(['(?, ?, ?, ?)'] * len(wanted))}", cells)
    return True


def _row(feed: Feed) -> tuple[object, ...]:
    words = catalogued(feed)
    return (
        feed.name,
        feed.title,
        feed.department_code,
        feed.department_name,
        feed.delivery,
        feed.is_reference,
        words.code,
        words.share_type,
        words.update_cycle,
        feed.sla.every,
        feed.sla.unit,
        feed.sla.due_time,
        feed.version,
        feed.hash,
        len(feed.columns),
        feed.status,
        table_level(feed.columns),
        channels(feed),
        words.required,
        words.provider_code,
        words.share_condition,
        words.share_mode,
        words.legal_basis,
        words.open_type,
        date.fromisoformat(words.published) if words.published else None,
        feed.is_asked,
    )
