"""How the feeds behind a report stand at its cut-off, for its package.

What it may say is ``protocol.standing``'s form; how a score comes about is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from dagster_project.clock import utc_text
from dagster_project.components.steps.packaging.held_feeds import feeds_behind
from dagster_project.components.steps.scoring.standing import is_built
from dagster_project.components.steps.workshop import Workshop
from dagster_project.protocol.standing import Dimension, FeedStanding, Standings, Task
from dagster_project.transform.models import Parameters

_TASKS = """
WITH done AS (
  SELECT task, status, finished_at,
    max(finished_at) FILTER (WHERE status = 'success') OVER (PARTITION BY task) AS succeeded_at
  FROM lake.ops.task_run
  WHERE kind = 'feed' AND status <> 'skipped' AND finished_at < $at
    AND list_contains($feeds, task)
)
SELECT task, arg_max(status, finished_at), max(finished_at), any_value(succeeded_at),
  count(*) FILTER (WHERE status = 'failed' AND finished_at > coalesce(succeeded_at, '-infinity'))
FROM done GROUP BY task
"""
_CASES = """
SELECT feed, count(*)
FROM (
  SELECT feed, opened_at, closed_at FROM lake.ops.rectification UNION ALL
  SELECT feed, opened_at, closed_at FROM lake.ops.disagreement UNION ALL
  SELECT feed, opened_at, closed_at FROM lake.ops.finding
)
WHERE opened_at < $at AND coalesce(closed_at, 'infinity') >= $at AND list_contains($feeds, feed)
GROUP BY feed
"""
_DEADLINES = """
SELECT feed, arg_max(state, due_at)
FROM lake.gold.feed_period
WHERE state <> 'open' AND opens_at < $at AND list_contains($feeds, feed)
GROUP BY feed
"""
_SCORES = """
SELECT feed, score::VARCHAR FROM lake.gold.quality_trend
WHERE day = $day AND list_contains($feeds, feed) AND score IS NOT NULL
"""
_SHARES = """
SELECT s.feed, s.dimension, s.passed_cnt, s.checked_cnt
FROM lake.gold.quality_by_feed_day AS s
LEFT JOIN lake.ops.quality_dimension AS d USING (dimension)
WHERE s.day = $day AND list_contains($feeds, s.feed)
ORDER BY s.feed, d.position, s.dimension
"""


def standings_behind(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str, parameters: Parameters
) -> Standings:
    """How every feed behind a report stands.

    Args:
        workshop: The site.
        con: A reader's or the writer's connection.
        table: ``report.<name>``.
        parameters: Those of the report: its cut-off and its day.
    """
    feeds = sorted(feeds_behind(workshop, table))
    at = {"at": parameters.cut_off_at, "feeds": feeds}
    on = {"day": parameters.day, "feeds": feeds}
    tasks = {row[0]: _task(row[1:]) for row in con.execute(_TASKS, at).fetchall()}
    cases = dict(con.execute(_CASES, at).fetchall())
    deadlines = _asked(con, "gold.feed_period", _DEADLINES, at)
    scores = _asked(con, "gold.quality_trend", _SCORES, on)
    shares: dict[str, list[Dimension]] = {}
    if is_built(con, "gold.quality_by_feed_day"):
        for feed, name, passed, checked in con.execute(_SHARES, on).fetchall():
            shares.setdefault(feed, []).append(
                Dimension(dimension=name, passed=passed, checked=checked)
            )
    return Standings(
        feeds=tuple(
            FeedStanding(
                feed=feed,
                title=workshop.contracts.feeds[feed].title[:200],
                task=tasks.get(feed, _NEVER),
                deadline=deadlines.get(feed, ""),
                score=scores.get(feed, ""),
                dimensions=tuple(shares.get(feed, ())),
                open_cases=cases.get(feed, 0),
            )
            for feed in feeds
        )
    )


_NEVER = Task(status="", finished_at="", succeeded_at="", failures=0)


def _task(row: Sequence[Any]) -> Task:
    status, finished_at, succeeded_at, failures = row
    return Task(
        status=status,
        finished_at=utc_text(finished_at) if finished_at else "",
        succeeded_at=utc_text(succeeded_at) if succeeded_at else "",
        failures=failures,
    )


def _asked(
    con: duckdb.DuckDBPyConnection, table: str, query: str, values: dict[str, object]
) -> dict[str, Any]:
    """A text per feed from a model's table; nothing where it was never built."""
    return dict(con.execute(query, values).fetchall()) if is_built(con, table) else {}
