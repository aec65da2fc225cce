"""How a task stands towards its deadline: is its period served, and which deadline was missed.

A delivery serves the calendar period in which it was received (Asia/Shanghai), as the county's
reports count it: the day, week, month, quarter or year. What else a state rests on is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from dagster_project.clock import local_day
from dagster_project.components.steps.tasks.due import DAY, due_at, period
from dagster_project.contracts.model import Sla

Serves = Callable[[date, date], bool]
"""Whether something came for the period between two days, both included."""


@dataclass(frozen=True)
class Standing:
    """The period that holds the present instant, its deadline, and the deadline that was missed.

    ``missed_at`` is the present period's deadline once it is past, or the last period's as long as
    nothing came for either; None where nothing is late.
    """

    first: date
    last: date
    due_at: datetime
    is_served: bool
    missed_at: datetime | None


def standing(sla: Sla, serves: Serves, since: datetime | None, now: datetime) -> Standing:
    """Judge a task's periods.

    Args:
        sla: How often and by when.
        serves: What came.
        since: The task's first execution: no deadline before it can be missed. None: it never ran.
        now: The present instant.
    """
    first, last = period(sla, local_day(now))
    due = due_at(sla, last)
    if serves(first, last):
        return Standing(first, last, due, is_served=True, missed_at=None)
    before = period(sla, first - DAY)
    missed: datetime | None = None
    if now > due:
        missed = due
    elif not serves(*before):
        missed = due_at(sla, before[1])
    if missed is not None and (since is None or since > missed):
        missed = None
    return Standing(first, last, due, is_served=False, missed_at=missed)


def within(instants: Iterable[datetime]) -> Serves:
    """What came at these instants."""
    days = [local_day(instant) for instant in instants]
    return lambda first, last: any(first <= day <= last for day in days)
