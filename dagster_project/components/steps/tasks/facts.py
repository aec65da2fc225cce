"""What the ledgers say of every task: its executions, deliveries, holds and decisions.

Facts only, read in one look at the lake; what state they make is decided in ``tasks``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from dagster_project.components.steps.arriving.holds import Hold, holds
from dagster_project.components.steps.tasks.pausing import Decision, pauses
from dagster_project.contracts.due import Deadline
from dagster_project.lake.engine import literal
from dagster_project.transform.models import written_deadlines

REMEMBERED = 40
"""Deliveries of a feed that are looked at: more than any period's that can still be late."""
MEDIAN_OF = 10

# An execution went well when it took something, or when it asked a source that had nothing new.
_RUNS = f"""
WITH runs AS (
  SELECT
    *,
    COALESCE(
      status IN ('success', 'partial')
      OR (status = 'skipped' AND reason IS NULL AND LIST_CONTAINS($asked, task)),
      FALSE
    ) AS is_well,
    ROW_NUMBER() OVER (PARTITION BY kind, task ORDER BY finished_at DESC, run_id DESC) AS recency
  FROM lake.ops.task_run
),
well AS (
  SELECT kind, task, MAX(finished_at) AS well_at FROM runs WHERE is_well GROUP BY kind, task
)
SELECT
  kind,
  task,
  MIN(started_at) AS first_run,
  ARG_MAX(started_at, finished_at) AS last_started,
  MAX(finished_at) AS last_run,
  ARG_MAX(status, finished_at) AS last_status,
  ARG_MAX(COALESCE(reason, ''), finished_at) AS last_reason,
  MAX(finished_at) FILTER (status <> 'skipped') AS acted_at,
  ARG_MAX(status, finished_at) FILTER (status <> 'skipped') AS acted_status,
  -- A refusal stays told until the task takes something again.
  ARG_MAX(COALESCE(error, ''), finished_at) FILTER (status <> 'skipped' OR is_well) AS error,
  ARG_MAX(COALESCE(is_transient, FALSE), finished_at) FILTER (status <> 'skipped' OR is_well)
    AS is_transient,
  ARG_MAX(COALESCE(attempt, 1), finished_at) FILTER (status <> 'skipped' OR is_well) AS attempt,
  MAX(finished_at) FILTER (status IN ('success', 'partial')) AS last_success,
  COUNT(*) FILTER (status = 'failed' AND finished_at > COALESCE(well_at, '-infinity'::TIMESTAMPTZ))
    AS failures,
  ARG_MAX(read, finished_at) FILTER (deliveries > 0 AND is_well) AS read,
  ARG_MAX(accepted, finished_at) FILTER (deliveries > 0 AND is_well) AS accepted,
  ARG_MAX(rejected, finished_at) FILTER (deliveries > 0 AND is_well) AS rejected,
  LIST(EPOCH(finished_at) - EPOCH(started_at) ORDER BY finished_at DESC)
    FILTER (status IN ('success', 'partial'))[1:{MEDIAN_OF}] AS durations,
  LIST(finished_at ORDER BY finished_at DESC) FILTER (status = 'skipped' AND is_well)
    [1:{REMEMBERED}] AS answered
FROM runs
LEFT JOIN well USING (kind, task)
GROUP BY kind, task
"""
_DELIVERIES = f"""
SELECT feed, LIST(received_at ORDER BY received_at DESC)[1:{REMEMBERED}]
FROM lake.ops.delivery
WHERE outcome IN ('merged', 'unchanged')
GROUP BY feed
"""
# References that the newest conformation of a feed's newest delivery missed, or could not ask.
_MISSED = """
WITH newest AS (
  SELECT feed, batch_id
  FROM lake.ops.batch
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY feed
    ORDER BY delivered_at DESC, source_batch_id IS NOT NULL DESC, LENGTH(batch_id) DESC,
      batch_id DESC
  ) = 1
)
SELECT r.feed, r.column_name, r.failed
FROM lake.ops.batch_rule AS r
JOIN newest AS n ON n.batch_id = r.batch_id
WHERE r.rule_id = r.column_name || '.reference' AND (r.failed > 0 OR r.checked = 0)
"""
_MERGES = "SELECT feed, MAX(committed_at) FROM lake.ops.batch GROUP BY feed"
_PACKAGES = "SELECT report, LIST(DISTINCT period), MIN(sealed_at) FROM lake.ops.package GROUP BY 1"
_BUILDS = "SELECT table_name, MAX(built_at) FROM lake.ops.model_build GROUP BY table_name"


@dataclass(frozen=True)
class Executions:
    """What the executions of one task say; instants in UTC, durations in seconds."""

    first_run: datetime | None = None
    last_started: datetime | None = None
    last_run: datetime | None = None
    last_status: str = "never"
    last_reason: str = ""
    acted_at: datetime | None = None
    acted_status: str = ""
    error: str = ""
    is_transient: bool = False
    attempt: int = 0
    last_success: datetime | None = None
    failures: int = 0
    read: int = 0
    accepted: int = 0
    rejected: int = 0
    durations: tuple[float, ...] = ()
    answered: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Missed:
    """Rows of a feed's newest delivery that lack their parent; none counted: nobody could ask."""

    column: str
    rows: int


@dataclass(frozen=True)
class Facts:
    """What a lake says of all its tasks; empty for a home without a lake."""

    executions: Mapping[tuple[str, str], Executions] = field(default_factory=dict)
    deliveries: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    missed: Mapping[str, tuple[Missed, ...]] = field(default_factory=dict)
    holds: Mapping[str, tuple[Hold, ...]] = field(default_factory=dict)
    pauses: Mapping[str, Decision] = field(default_factory=dict)
    merges: Mapping[str, datetime] = field(default_factory=dict)
    packages: Mapping[str, tuple[frozenset[str], datetime]] = field(default_factory=dict)
    builds: Mapping[str, datetime] = field(default_factory=dict)
    deadlines: Mapping[str, Sequence[Deadline]] = field(default_factory=dict)


def facts(con: duckdb.DuckDBPyConnection, asked: Collection[str]) -> Facts:
    """Read the ledgers.

    Args:
        con: A reader's or the writer's connection.
        asked: Feeds whose sources answer for themselves, be it that nothing is new.
    """
    missed: dict[str, list[Missed]] = {}
    for feed, column, failed in con.execute(_MISSED).fetchall():
        missed.setdefault(feed, []).append(Missed(str(column), int(failed)))
    held: dict[str, list[Hold]] = {}
    for hold in holds(con):
        held.setdefault(hold.feed, []).append(hold)
    return Facts(
        executions=_executions(con, asked),
        deliveries={feed: tuple(times) for feed, times in con.execute(_DELIVERIES).fetchall()},
        missed={feed: tuple(some) for feed, some in missed.items()},
        holds={feed: tuple(some) for feed, some in held.items()},
        pauses=pauses(con),
        merges=dict(con.execute(_MERGES).fetchall()),
        packages={
            report: (frozenset(periods), first)
            for report, periods, first in con.execute(_PACKAGES).fetchall()
        },
        builds=dict(con.execute(_BUILDS).fetchall()),
        deadlines=written_deadlines(con),
    )


def _executions(
    con: duckdb.DuckDBPyConnection, asked: Collection[str]
) -> dict[tuple[str, str], Executions]:
    # Spelled out: the first value that a process binds makes DuckDB load pandas, for half a second.
    listed = ", ".join(map(literal, sorted(asked)))
    found = con.execute(_RUNS.replace("$asked", f"[{listed}]::VARCHAR[]"))
    names = [column[0] for column in found.description or []]
    made: dict[tuple[str, str], Executions] = {}
    for row in found.fetchall():
        cells: dict[str, Any] = dict(zip(names, row, strict=True))
        key = (str(cells.pop("kind")), str(cells.pop("task")))
        told = {name: cell for name, cell in cells.items() if cell is not None}
        for name in ("durations", "answered"):
            told[name] = tuple(told.get(name, ()))
        made[key] = Executions(**told)
    return made
