"""Landed batches again: a feed rebuilt on demand, rows whose parent has come, feeds that warn.

How a row is judged is ``conform``'s work; here it is decided when to ask again.
"""

from __future__ import annotations

from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion, manual
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.tasks.execution import Task, record_task
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.lake import Writer
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform import CheckResult, cross_checks, rebuild, recheck


def rebuild_feed(workshop: Workshop, name: str, occasion: Occasion | None = None) -> dict[str, Any]:
    """Conform every landed batch of a feed again, in one transaction.

    Raises:
        UsageError, ContractError: No such feed, or its contract did not load.
        LakeError: A law of the lake would be broken; nothing was changed.
    """
    feed, occasion = workshop.feed(name), occasion or manual()
    plan, started = workshop.plan(name), clock.now()
    with workshop.lake.writer(f"rebuilding {name}") as writer:
        with writer.transaction(
            f"rebuild {feed.title}",
            run_id=occasion.run_id,
            feed=name,
            contract_version=feed.version,
        ) as tx:
            made = rebuild(tx.con, plan, run_id=occasion.run_id, committed_at=clock.now())
            if _was_asked_for(tx.con, name):
                task = Task.of_feed(feed, name, occasion, started, clock.now())
                record_task(tx.con, task, FeedOutcome(name, status="success"))
        row = writer.con.execute(
            f"SELECT count(*) FROM lake.silver.{quoted(name)} WHERE NOT _is_deleted"
        ).fetchone()
    return {"feed": name, "batches": len(made), "rows": int(row[0]) if row else 0}


def _was_asked_for(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether the feed's task failed for want of this rebuild: then it has succeeded now."""
    row = con.execute(
        "SELECT status = 'failed' AND contains(error, ?) FROM lake.ops.task_run"
        " WHERE kind = 'feed' AND task = ? AND status <> 'skipped'"
        " ORDER BY finished_at DESC LIMIT 1",
        [f"`countylake rebuild {name}`", name],
    ).fetchone()
    return bool(row and row[0])


def look_again(workshop: Workshop, occasion: Occasion) -> dict[str, int]:
    """After all feeds: replay rows whose parent came later, and ask references that only warn.

    A run in which nothing was delivered has nothing to look at again.
    """
    with workshop.lake.writer("looking again at references") as writer:
        changed = [
            row[0]
            for row in writer.con.execute(
                "SELECT DISTINCT feed FROM lake.ops.batch WHERE run_id = ?", [occasion.run_id]
            ).fetchall()
        ]
        if not changed:
            return {"replays": 0, "warnings": 0}
        feeds = workshop.contracts.feeds
        replays = 0
        for name in (name for name, feed in feeds.items() if _refers(feed, changed)):
            with writer.transaction(f"look again at {name}", run_id=occasion.run_id) as tx:
                replays += len(
                    recheck(
                        tx.con,
                        workshop.plan(name),
                        changed,
                        run_id=occasion.run_id,
                        committed_at=clock.now(),
                    )
                )
        results = cross_checks(writer.con, feeds.values(), changed)
        _keep(writer, occasion, results)
    return {"replays": replays, "warnings": sum(not one.success for one in results)}


def _refers(feed: Feed, changed: list[str]) -> bool:
    """Whether rows of a feed may have waited for one of these parents."""
    references = (column.reference for column in feed.columns if column.reference)
    return any(one.rejects and one.feed in changed for one in references)


def _keep(writer: Writer, occasion: Occasion, results: list[CheckResult]) -> None:
    if not results:
        return
    now = clock.now()
    line = "(?, ?, 'countylake', ?, ?, ?, ?, ?, ?, false, ?::TIMESTAMPTZ)"
    with writer.transaction("references between departments", run_id=occasion.run_id) as tx:
        tx.con.execute(
            "INSERT INTO lake.ops.check_result (run_id, table_name, suite, rule_id, column_name,"
            " severity, success, checked, failed, sampled, checked_at)"
            f" VALUES {', '.join(line for _ in results)}",
            [
                cell
                for one in results
                for cell in (
                    occasion.run_id,
                    one.table_name,
                    one.rule_id,
                    one.column_name,
                    one.severity,
                    one.success,
                    one.checked,
                    one.failed,
                    now,
                )
            ],
        )
