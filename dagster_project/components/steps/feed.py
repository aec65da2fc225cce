"""One feed's step: what its channels bring goes to landing, bronze, silver, quarantine and counts.

A feed that fails leaves the lake as it was, is recorded with its sentence, and stops nobody else.
How a delivery is taken stands in ``desk``; how a row is judged is ``conform``'s work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from uuid import uuid4

import structlog

from dagster_project import clock
from dagster_project.components.steps.arriving.fetching import Fetch
from dagster_project.components.steps.arriving.taking import take_all
from dagster_project.components.steps.checks import KEYS, ROWS, answer_checks
from dagster_project.components.steps.faults import sentence_of
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.tasks.execution import Task, record_killed, record_task
from dagster_project.components.steps.tasks.pausing import why_paused
from dagster_project.components.steps.tasks.running import (
    PATIENCE_S,
    TaskRunningError,
    abandoned,
    running,
)
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.errors import LakeBusyError, LakeError
from dagster_project.lake import Writer
from dagster_project.quality.score import Checked, score

_log = structlog.get_logger(__name__)


def run_feed(workshop: Workshop, name: str, occasion: Occasion) -> FeedOutcome:
    """Take every new delivery of a feed, unless it is paused or another process does so.

    Raises:
        LakeBusyError: Another process kept the lake; nothing was done, try again.
    """
    done = FeedOutcome(name)
    started = clock.now()
    try:
        feed = workshop.feed(name)
        with alone(workshop, feed, occasion):
            if stopped := _paused(workshop, name):
                done.reason = stopped
            else:
                with workshop.lake.writer(f"taking {name}") as writer:
                    take_all(workshop, writer, feed, occasion, done)
                Fetch(workshop, feed, occasion, done).all()
    except TaskRunningError as other:
        done.reason = str(other)
    except LakeBusyError:
        raise
    except Exception as error:  # noqa: BLE001 - one feed's failure stops no other
        done.error = sentence_of(error)
        if isinstance(error, LakeError):
            # Which law would have been broken stands in the sentence; nothing was committed.
            done.failed_checks |= {ROWS, KEYS}
            done.is_transient = True
        _log.warning("feed failed", run_id=occasion.run_id, feed=name, kind=type(error).__name__)
    return close_step(workshop, name, occasion, started, done)


def give_up(workshop: Workshop, name: str, occasion: Occasion, why: Exception) -> FeedOutcome:
    """Record that a feed's step could not even begin."""
    failed = FeedOutcome(name, error=sentence_of(why), is_transient=True)
    return close_step(workshop, name, occasion, clock.now(), failed)


@contextmanager
def alone(workshop: Workshop, feed: Feed, occasion: Occasion) -> Iterator[None]:
    """Run a feed's task in no other process at the same time; record one that was killed before.

    A feed without channels waits for the other process, which needs the lake's lock anyway and
    not for long. Another one may be fetching for hours: it does what would be done here.

    Raises:
        TaskRunningError: Another process runs the task.
    """
    patience = PATIENCE_S if feed.pulled else workshop.settings.lock_timeout_s
    with running(workshop.home, feed.name, occasion.run_id, patience_s=patience) as before:
        if before is not None:
            with workshop.lake.writer(f"recording {feed.name}") as writer:
                record_killed(writer, feed, before, occasion.day)
        yield


def bury_killed(workshop: Workshop) -> list[str]:
    """Record the executions whose process was killed, so that they are tried again."""
    feeds = workshop.contracts.feeds
    found = [name for name in abandoned(workshop.home) if name in feeds]
    for name in found:
        occasion = Occasion(f"look-{uuid4()}", clock.local_day(clock.now()))
        with suppress(TaskRunningError), alone(workshop, feeds[name], occasion):
            pass
    return found


def _paused(workshop: Workshop, name: str) -> str:
    """Why the feed is left alone, if it is paused."""
    with workshop.lake.writer(f"looking up {name}") as writer:
        return why_paused(writer.con, name)


def close_step(
    workshop: Workshop, name: str, occasion: Occasion, started: datetime, done: FeedOutcome
) -> FeedOutcome:
    """Say how it went, in the ledger of executions and to the caller."""
    problems = [*done.refused, *done.held, *done.failures, *([done.error] if done.error else [])]
    if problems:
        done.status = "partial" if done.batches else "failed"
        done.error = " ".join(problems)
    elif done.deliveries:
        done.status = "success"
    feed = workshop.contracts.feeds.get(name)
    with workshop.lake.writer(f"recording {name}") as writer:
        with writer.transaction(f"{name}: {done.status}", run_id=occasion.run_id) as tx:
            record_task(tx.con, Task.of_feed(feed, name, occasion, started, clock.now()), done)
        if feed is not None:
            _measure(writer, feed, done)
    return done


def _measure(writer: Writer, feed: Feed, done: FeedOutcome) -> None:
    """Row counts, check answers and version of the feed's tables as they are now."""
    con = writer.con
    sums = con.execute(
        "SELECT coalesce(sum(read - dropped), 0), coalesce(sum(rejected), 0),"
        " list(batch_id ORDER BY batch_id), arg_max(batch_id, delivered_at)"
        " FROM lake.ops.batch WHERE feed = ? AND source_batch_id IS NULL",
        [feed.name],
    ).fetchone()
    assert sums is not None  # noqa: S101 - an aggregate always has one row
    done.bronze_rows, done.quarantined = int(sums[0]), int(sums[1])
    batches = [str(one) for one in sums[2] or []]
    done.score = _score(writer, str(sums[3] or ""))
    done.version = hashlib.sha256("\n".join(batches).encode()).hexdigest()[:32]
    if batches:
        row = con.execute(
            f'SELECT count(*) FROM lake.silver."{feed.name}" WHERE NOT _is_deleted'
        ).fetchone()
        done.silver_rows = int(row[0]) if row else 0
    done.checks = answer_checks(con, feed, done.batches, done.failed_checks, done.error)


def _score(writer: Writer, batch_id: str) -> Decimal | None:
    """What the newest batch's own rows are worth; days and table rules come in the models."""
    rows = writer.con.execute(
        "SELECT dimension, sum(checked), sum(failed) FROM lake.ops.batch_rule"
        " WHERE batch_id = ? AND kind IN ('rule', 'warn') GROUP BY dimension",
        [batch_id],
    ).fetchall()
    weights = dict(
        writer.con.execute("SELECT dimension, weight FROM lake.ops.quality_dimension").fetchall()
    )
    return score([Checked(name, int(asked), int(lost)) for name, asked, lost in rows], weights)
