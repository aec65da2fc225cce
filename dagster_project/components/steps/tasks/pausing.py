"""The ledger of decisions on tasks: paused, resumed, run again, by whom and why.

What a paused task leaves undone is decided in ``feed``; running one again is ``rerun``'s work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.lake.emptiness import has_rows
from dagster_project.lake.engine import literal

Action = Literal["pause", "resume", "rerun", "backfill"]
_COLUMNS = "task, action, decided_at, decided_by, why, since, until, run_id"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Decision:
    """What somebody decided about a task; ``since`` and ``until`` are the days of a rerun."""

    task: str
    action: Action
    decided_at: datetime
    decided_by: str
    why: str
    since: date | None = None
    until: date | None = None
    run_id: str | None = None


def decisions(con: duckdb.DuckDBPyConnection, task: str = "") -> list[Decision]:
    """Every decision on a task, or on all, oldest first."""
    if not has_rows(con, "lake.ops.task_decision"):
        return []
    of_task = f"task = {literal(task)}" if task else "true"
    rows = con.execute(
        f"SELECT {_COLUMNS} FROM lake.ops.task_decision WHERE {of_task} ORDER BY decided_at, task"
    ).fetchall()
    return [Decision(*row) for row in rows]


def pauses(con: duckdb.DuckDBPyConnection) -> dict[str, Decision]:
    """The tasks that are paused now, with the decision."""
    last = {
        one.task: one for one in decisions(con) if one.action in ("pause", "resume")
    }  # the last one stays
    return {task: one for task, one in last.items() if one.action == "pause"}


def paused(con: duckdb.DuckDBPyConnection, task: str) -> Decision | None:
    """The decision by which a task is paused, if it is."""
    said = [one for one in decisions(con, task) if one.action in ("pause", "resume")]
    return said[-1] if said and said[-1].action == "pause" else None


def why_paused(con: duckdb.DuckDBPyConnection, task: str) -> str:
    """Why a paused task is left alone; empty if it is not paused."""
    decision = paused(con, task)
    if decision is None:
        return ""
    return (
        f"{task} is paused since {clock.local_day(decision.decided_at)} by {decision.decided_by}"
        f" ({decision.why}); its files wait and its channels are not asked."
        f" `countylake tasks resume {task}` ends this."
    )


def decide(
    workshop: Workshop, tasks: Sequence[str], action: Action, *, by: str, why: str
) -> dict[str, bool]:
    """Pause or resume tasks, all of them or none.

    Returns:
        Whether each task was changed; one that is as wanted already is left alone.

    Raises:
        UsageError: A task does not exist, or no reason is given.
    """
    for task in tasks:
        workshop.feed(task)
    if not why.strip():
        raise UsageError(f"a task cannot be {action}d without a reason", todo="Add --why")
    changed: dict[str, bool] = {}
    what = f"{action} {', '.join(tasks)}"
    with workshop.lake.writer(what) as writer, writer.transaction(what) as tx:
        for task in tasks:
            changed[task] = (paused(tx.con, task) is None) == (action == "pause")
            if changed[task]:
                note(tx.con, Decision(task, action, clock.now(), by, why.strip()))
    return changed


def note(con: duckdb.DuckDBPyConnection, decision: Decision) -> None:
    """Write a decision into the ledger; call it inside a transaction."""
    con.execute(
        f"INSERT INTO lake.ops.task_decision ({_COLUMNS})"
        " VALUES (?, ?, ?::TIMESTAMPTZ, ?, ?, ?, ?, ?)",
        [
            decision.task,
            decision.action,
            decision.decided_at,
            decision.decided_by,
            decision.why,
            decision.since,
            decision.until,
            decision.run_id,
        ],
    )
    _log.info("task decided", task=decision.task, action=decision.action, by=decision.decided_by)
