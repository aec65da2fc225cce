"""What one run is: its id, its day, and the instant up to which its reports look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, cast, get_args
from uuid import uuid4

from dagster_project import clock
from dagster_project.errors import UsageError

Trigger = Literal["schedule", "arrival", "retry", "manual", "rerun"]
"""What started a run: its timetable, a file, an earlier failure, a person, a person's decision."""


@dataclass(frozen=True)
class Occasion:
    """One run of a site.

    ``day`` is the calendar day that is worked for (Asia/Shanghai). ``cut_off_at`` is None unless
    the caller insists on one; ``cutoff`` decides otherwise. A manual step builds nothing, so that
    its reports keep the cut-off they were built with.
    """

    run_id: str
    day: date
    cut_off_at: datetime | None = None
    is_manual: bool = False
    trigger: Trigger = "manual"


def told(run_id: str, day: str, cut_off_at: str, trigger: str = "") -> Occasion:
    """The run as its caller described it; an empty day is today in the county.

    Raises:
        UsageError: ``day`` or ``cut_off_at`` is not a date or an instant, or nothing starts so.
    """
    if trigger and trigger not in get_args(Trigger):
        raise UsageError(
            f"a run cannot be started by {trigger!r}", todo=f"Say {', '.join(get_args(Trigger))}"
        )
    try:
        worked = date.fromisoformat(day) if day else clock.local_day(clock.now())
        cut_off = datetime.fromisoformat(cut_off_at) if cut_off_at else None
    except ValueError as error:
        raise UsageError(
            f"the run's day or cut-off cannot be read ({day or cut_off_at!r})",
            todo="Write the day as 2026-11-22 and the cut-off as 2026-11-22T20:30:00+08:00",
        ) from error
    if cut_off is not None and cut_off.tzinfo is None:
        cut_off = cut_off.replace(tzinfo=clock.SHANGHAI)
    return Occasion(run_id, worked, cut_off, trigger=cast("Trigger", trigger or "manual"))


def manual(day: str = "", run_id: str = "") -> Occasion:
    """A step done by hand, outside a run.

    Raises:
        UsageError: The day is not a date.
    """
    return replace(told(run_id or f"manual-{uuid4()}", day, ""), is_manual=True)
