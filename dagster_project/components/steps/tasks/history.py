"""One task with everything that is known of it: executions, deliveries, decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from dagster_project.components.steps.tasks.look import TaskLine, task
from dagster_project.components.steps.workshop import Workshop

_EXECUTIONS = """
SELECT
  started_at AS started,
  ROUND(EPOCH(finished_at) - EPOCH(started_at), 3) AS took,
  status,
  trigger,
  attempt,
  deliveries,
  read,
  accepted,
  rejected,
  COALESCE(error, reason, '') AS told,
  run_id
FROM lake.ops.task_run
WHERE task = $task AND kind = $kind
ORDER BY finished_at DESC
LIMIT $last
"""
_DELIVERIES = """
SELECT received_at AS received, channel, path, outcome, COALESCE(message, '') AS told
FROM lake.ops.delivery
WHERE feed = $task
ORDER BY received_at DESC
LIMIT $last
"""
_DECISIONS = """
SELECT decided_at AS decided, action, decided_by AS by, why, since, until
FROM lake.ops.task_decision
WHERE task = $task
ORDER BY decided_at DESC
LIMIT $last
"""


@dataclass(frozen=True)
class History:
    """How a task stands, and what happened to it, the newest first."""

    line: TaskLine
    executions: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)


def history(workshop: Workshop, name: str, last: int = 10, now: datetime | None = None) -> History:
    """Open one task.

    Raises:
        UsageError: There is no such task.
    """
    line = task(workshop, name, now)
    if not workshop.home.catalog.exists():
        return History(line)
    asked = {"task": line.task, "last": last}
    with workshop.lake.reader() as con:
        return History(
            line,
            _rows(con, _EXECUTIONS, {**asked, "kind": line.kind}),
            _rows(con, _DELIVERIES, asked) if line.kind == "feed" else [],
            _rows(con, _DECISIONS, asked),
        )


def _rows(con: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    found = con.execute(sql, values)
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
