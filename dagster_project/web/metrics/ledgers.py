"""What the ledgers say of a site at one snapshot: counts and instants, read in one look.

Ages are not computed here: the same look is shown for as long as nothing is committed. A row of a
replay repeats rows of its batch and is not counted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from dagster_project.components.steps.correcting.ledger import OpenCases, tally
from dagster_project.components.steps.tasks.facts import Facts, facts
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.snapshots import snapshots
from dagster_project.reporting.answers import newest_answers

FATES = ("accepted", "rejected", "duplicate", "superseded", "dropped")
"""What becomes of a row that was read; together they are all that were read."""

_ROWS = f"""
SELECT feed, SUM(read)::BIGINT, {", ".join(f"SUM({fate})::BIGINT" for fate in FATES)}
FROM lake.ops.batch
WHERE source_batch_id IS NULL
GROUP BY feed
ORDER BY feed
"""
_DELIVERIES = """
SELECT feed, outcome, COUNT(*) FROM lake.ops.delivery GROUP BY ALL ORDER BY ALL
"""
_RUNS = """
SELECT kind, task, status, COUNT(*) FROM lake.ops.task_run GROUP BY ALL ORDER BY ALL
"""
_DEPARTMENTS = "SELECT feed, department_code FROM lake.ops.feed ORDER BY feed"
_PACKAGES = """
SELECT report, MAX(package_no), MAX(sealed_at) FROM lake.ops.package GROUP BY report ORDER BY report
"""
_ANSWERS = """
WITH answers AS ({answers})
SELECT COALESCE(outcome, 'waiting') AS answer, COUNT(*), MIN(sealed_at)
FROM lake.ops.package
LEFT JOIN answers USING (package_id)
GROUP BY ALL
ORDER BY ALL
"""
# Points and percentages as the models round them, of the newest day that they were built for.
_SCORES = """
SELECT feed, score FROM lake.gold.quality_trend
WHERE day = (SELECT MAX(day) FROM lake.gold.quality_trend)
ORDER BY feed
"""
_DIMENSIONS = """
SELECT feed, dimension, pass_pct FROM lake.gold.quality_by_feed_day
WHERE day = (SELECT MAX(day) FROM lake.gold.quality_by_feed_day)
ORDER BY feed, dimension
"""


@dataclass(frozen=True)
class Ledgers:
    """One look at the ledgers; instants in UTC."""

    read_at: datetime
    snapshot: int = -1
    snapshot_at: datetime | None = None
    departments: Sequence[tuple[str, str]] = ()
    facts: Facts = field(default_factory=Facts)
    rows: Sequence[tuple[Any, ...]] = ()
    deliveries: Sequence[tuple[str, str, int]] = ()
    runs: Sequence[tuple[str, str, str, int]] = ()
    packages: Sequence[tuple[str, int, datetime]] = ()
    answers: Sequence[tuple[str, int, datetime]] = ()
    scores: Sequence[tuple[str, Any]] = ()
    dimensions: Sequence[tuple[str, str, Any]] = ()
    cases: Sequence[OpenCases] = ()


def read(workshop: Workshop, con: duckdb.DuckDBPyConnection, now: datetime) -> Ledgers:
    """Read everything that is shown.

    Args:
        workshop: The site.
        con: A reader's connection.
        now: The present instant.
    """

    def all_of(query: str) -> list[Any]:
        return con.execute(query).fetchall()

    newest = snapshots(con, 1)
    asked = [name for name, feed in workshop.contracts.feeds.items() if feed.is_asked]
    built = _models(con)
    return Ledgers(
        read_at=now,
        snapshot=newest[0].id if newest else -1,
        snapshot_at=newest[0].committed_at if newest else None,
        departments=all_of(_DEPARTMENTS),
        facts=facts(con, asked),
        rows=all_of(_ROWS),
        deliveries=all_of(_DELIVERIES),
        runs=all_of(_RUNS),
        packages=all_of(_PACKAGES),
        answers=all_of(_ANSWERS.format(answers=newest_answers(con))),
        scores=all_of(_SCORES) if "quality_trend" in built else (),
        dimensions=all_of(_DIMENSIONS) if "quality_by_feed_day" in built else (),
        cases=tally(workshop, con),
    )


def _models(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables of gold that were built already."""
    found = con.execute(
        "SELECT DISTINCT table_name FROM duckdb_columns()"
        " WHERE database_name = 'lake' AND schema_name = 'gold'"
    ).fetchall()
    return {name for (name,) in found}
