"""How a task stands towards its deadline: is its period served, and which deadline was missed.

A delivery serves the period in which it was received (Asia/Shanghai), as ``contracts.due`` and
``gold.feed_period`` count it. What else a state rests on is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from dagster_project.clock import local_day
from dagster_project.contracts.due import Deadline, deadline, timeline
from dagster_project.contracts.model import Sla

Serves = Callable[[date, date], bool]
"""Whether something came between two days, both included."""


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


def standing(
    sla: Sla,
    serves: Serves,
    since: datetime | None,
    now: datetime,
    written: Sequence[Deadline] = (),
) -> Standing:
    """Judge a task's periods.

    Args:
        sla: How often and by when.
        serves: What came.
        since: The task's first execution: no deadline before it can be missed. None: it never ran.
        now: The present instant.
        written: The newest deadlines that were written down; none where nobody writes them.
    """
    today = local_day(now)
    known = timeline(sla, since or now, now, written)
    number = next(n for n, one in enumerate(known) if one.due >= today)
    before, present = known[number - 1] if number else None, known[number]
    if present.opens > today:
        # The first execution came after that day's deadline, which nobody can have missed.
        present = deadline(sla, today)
        is_late = False
    else:
        is_late = now > present.due_at
    if serves(present.opens, present.due):
        return _standing(present, is_served=True)
    missed: datetime | None = None
    if is_late:
        missed = present.due_at
    elif before is not None and not serves(before.opens, before.due):
        missed = before.due_at
    return _standing(present, is_served=False, missed_at=missed)


def _standing(present: Deadline, *, is_served: bool, missed_at: datetime | None = None) -> Standing:
    return Standing(present.first, present.last, present.due_at, is_served, missed_at)


def within(instants: Iterable[datetime]) -> Serves:
    """What came at these instants."""
    days = [local_day(instant) for instant in instants]
    return lambda first, last: any(first <= day <= last for day in days)
