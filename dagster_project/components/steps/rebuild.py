"""Landed batches again: a feed rebuilt on demand, rows whose parent has come, feeds that warn.

How a row is judged is ``conform``'s work; here it is decided when to ask again.
"""

from __future__ import annotations

from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.components.steps.judging.review import review
from dagster_project.components.steps.occasion import Occasion, manual
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.tasks.execution import Task, record_task
from dagster_project.components.steps.told import judging_again
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.lake import Writer
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform import rebuild, recheck
from dagster_project.transform.models import register_case_terms


def rebuild_feed(workshop: Workshop, name: str, occasion: Occasion | None = None) -> dict[str, Any]:
    """Conform every landed batch of a feed again, in one transaction.

    Raises:
        UsageError, ContractError: No such feed, or its contract did not load.
        LakeError: A law of the lake would be broken; nothing was changed.
    """
    feed, occasion = workshop.feed(name), occasion or manual()
    plan, started = workshop.plan(name), clock.now()
    with (
        workshop.lake.writer(f"rebuilding {name}") as writer,
        judging_again(workshop, feed, occasion, started) as (run, judged),
    ):
        run.begin()
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
        judged(made, tx.snapshot)
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


def look_again(workshop: Workshop, occasion: Occasion) -> dict[str, Any]:
    """After all feeds: replay rows whose parent came later, and ask the rules of whole tables.

    Returns:
        ``replays``; of the table rules how many were ``judged``, found ``broken``, are ``waiting``
        for a feed, and ``failed`` because their SQL did; ``told`` says so in sentences, if any.
    """
    replays = 0
    with workshop.lake.writer("looking again at references") as writer:
        rows = writer.con.execute(
            "SELECT DISTINCT feed FROM lake.ops.batch WHERE run_id = ?", [occasion.run_id]
        ).fetchall()
        changed = [row[0] for row in rows]
        feeds = workshop.contracts.feeds if changed else {}
        for name in (name for name, feed in feeds.items() if _refers(feed, changed)):
            replays += _again(workshop, writer, feeds[name], changed, occasion)
        with writer.transaction("calendar and terms of cases", run_id=occasion.run_id) as tx:
            register_case_terms(tx.con, workshop.contracts, occasion.day)
        found = review(workshop, writer, occasion)
    return {
        "replays": replays,
        "judged": len(found.judged),
        "broken": found.broken,
        "waiting": len(found.waiting),
        "failed": len(found.failures),
        **({"told": "\n".join(found.failures)} if found.failures else {}),
    }


def _again(
    workshop: Workshop, writer: Writer, feed: Feed, changed: list[str], occasion: Occasion
) -> int:
    """Replay rows of a feed that waited for one of the changed parents; how many replays."""
    now = clock.now()
    with judging_again(workshop, feed, occasion, now) as (run, judged):
        with writer.transaction(f"look again at {feed.name}", run_id=occasion.run_id) as tx:
            made = recheck(
                tx.con,
                workshop.plan(feed.name),
                changed,
                run_id=occasion.run_id,
                committed_at=now,
                begun=run.begin,
            )
        if made:
            judged(made, tx.snapshot)
    return len(made)


def _refers(feed: Feed, changed: list[str]) -> bool:
    """Whether rows of a feed may have waited for one of these parents."""
    references = (column.reference for column in feed.columns if column.reference)
    return any(one.rejects and one.feed in changed for one in references)
