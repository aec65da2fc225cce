"""What one run is: its id, its day, and the instant up to which its reports look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

from dagster_project import clock
from dagster_project.errors import UsageError


@dataclass(frozen=True)
class Occasion:
    """One run of a site.

    ``day`` is the calendar day that is worked for (Asia/Shanghai). ``cut_off_at`` is None unless
    the caller insists on one; ``cutoff`` decides otherwise.
    """

    run_id: str
    day: date
    cut_off_at: datetime | None = None


def manual(day: str = "", run_id: str = "") -> Occasion:
    """A step done by hand, outside a run.

    Raises:
        UsageError: The day is not a date.
    """
    try:
        worked = date.fromisoformat(day) if day else clock.local_day(clock.now())
    except ValueError as error:
        raise UsageError(f"{day!r} is not a day", todo="Write it as 2026-11-22") from error
    return Occasion(run_id=run_id or f"manual-{uuid4()}", day=worked)
