"""What is to be started now: by its timetable, by a file, or again after a failure.

Whoever asks starts it: Dagster's sensor, or a person. Nothing is started here.

A failure is tried again only where time may mend it: a counterpart that did not answer, a full
disk, a lake that was held, a process that was killed. A wrong password is not tried four times,
and a refused file stays refused until another one comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dagster_project.components.steps.occasion import Trigger
from dagster_project.components.steps.tasks.facts import Executions
from dagster_project.components.steps.tasks.standing import Standing
from dagster_project.components.steps.tasks.timetable import Timetable
from dagster_project.contracts.model import Feed

BACKOFF = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
)
"""So long after each failure of one start the task is tried again; then its timetable decides."""


@dataclass(frozen=True)
class Start:
    """One task that is to be started: by what, and the instant since which it should run.

    Two looks that find the same start find the same ``at``: after a night in which nobody looked,
    there is one start and not one for each time that was missed.
    """

    task: str
    trigger: Trigger
    at: datetime
    attempt: int = 1


def retry_at(executions: Executions) -> datetime | None:
    """When a failed task is tried again; None where only its timetable starts it."""
    if not executions.is_transient or executions.acted_at is None:
        return None
    if not 1 <= executions.attempt <= len(BACKOFF):
        return None
    return executions.acted_at + BACKOFF[executions.attempt - 1]


def start_of(
    feed: Feed,
    executions: Executions,
    timetable: Timetable,
    stands: Standing,
    *,
    files: Iterable[datetime],
    now: datetime,
) -> Start | None:
    """Why a task is to be started now, if it is; a retry comes before the timetable, a file last.

    Args:
        feed: Whose task.
        executions: What it did until now.
        timetable: When it starts by itself.
        stands: Whether its period is served: only then an inbox needs no look at the deadline.
        files: When each file that waits in the inbox was written.
        now: The present instant.
    """
    again = retry_at(executions)
    if again is not None and again <= now:
        return Start(feed.name, "retry", again, executions.attempt + 1)
    tick, last = timetable.previous(now), executions.last_started
    if feed.pulled:
        ticks = last is None or last < tick
    else:
        ticks = last is not None and last < tick and not stands.is_served
    if ticks:
        return Start(feed.name, "schedule", tick)
    written = list(files)
    return Start(feed.name, "arrival", max(written)) if written else None
