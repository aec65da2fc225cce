"""When a feed is due: the end of its period, at its hour (Asia/Shanghai), on a day that can be due.

Periods of several days, weeks, months or years are counted from the beginning of our calendar, so
that every machine finds the same ones: two months begin in January, March, May …

On working days only, a deadline that would fall on a free day moves to the next workday, and
periods that would share a deadline are one. So Saturday and Sunday belong to Monday's period of a
daily feed, and a week within the Spring Festival to the one before. Until its deadline has come, a
delivery counts for the older period.

Which period something served is not decided here, nor when a task starts.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from dagster_project.clock import SHANGHAI, local_day
from dagster_project.contracts.model import Sla

DAY = timedelta(days=1)
WEEK = 7
YEAR = 12
MONTHS = {"m": 1, "q": 3, "y": YEAR}


@dataclass(frozen=True)
class Deadline:
    """One period of a feed, from its ``first`` to its ``last`` day, and the instant it is due.

    What comes from the beginning of the day ``opens`` on counts for it. ``promise`` and
    ``calendar`` are what the contract said when the deadline was set.
    """

    first: date
    last: date
    opens: date
    due_at: datetime
    promise: str
    calendar: str

    @property
    def due(self) -> date:
        """The day on which it is due."""
        return local_day(self.due_at)


def promise(sla: Sla) -> str:
    """How often and by when, in one word: ``1d 20:00``."""
    return f"{sla.every}{sla.unit} {sla.due_time}"


def deadline(sla: Sla, day: date) -> Deadline:
    """The period that a delivery of that day serves: the one that is due next."""
    first, last = period(sla, day)
    due, opens = _due_day(sla, last), first
    while sla.calendar:
        before = period(sla, first - DAY)
        opens = _due_day(sla, before[1]) + DAY
        if opens <= day:
            break
        (first, last), due = before, opens - DAY
    while sla.calendar:
        after = period(sla, last + DAY)
        if _due_day(sla, after[1]) != due:
            break
        last = after[1]
    due_at = at_hour(due, sla.due_time)
    return Deadline(first, last, opens, due_at, promise(sla), sla.calendar)


def timeline(
    sla: Sla, since: datetime, now: datetime, written: Sequence[Deadline] = ()
) -> list[Deadline]:
    """The deadlines up to the first that lies ahead.

    Those that are past stay as they were written, whatever the contract says today; those that lie
    ahead are the contract's of today.

    Args:
        sla: What the contract says today.
        since: The feed's first execution: a deadline before it is nobody's.
        now: The present instant.
        written: The feed's newest deadlines, in order; those that lie ahead need not be right.
    """
    made = [one for one in written if one.due_at <= now]
    start = local_day(since)
    if len(made) < len(written):
        since = now  # what was not due until now cannot become so afterwards
    if written and (written[-1].promise, written[-1].calendar) != (promise(sla), sla.calendar):
        start, since = local_day(now), now  # a new promise holds from now on
    elif written:
        start = made[-1].due + DAY if made else written[0].opens
    while not made or made[-1].due_at <= now:
        found = deadline(sla, start)
        start = found.due + DAY
        if found.due_at < since or (made and found.last <= made[-1].last):
            continue
        if made:
            found = replace(found, first=made[-1].last + DAY, opens=made[-1].due + DAY)
        made.append(found)
    return made


def due_at(sla: Sla, day: date) -> datetime:
    """The instant by which the delivery of a day has to be there."""
    return deadline(sla, day).due_at


def due_before(sla: Sla, instant: datetime) -> datetime:
    """The last due instant that is not later than ``instant``."""
    found = deadline(sla, local_day(instant))
    return found.due_at if found.due_at <= instant else due_at(sla, found.opens - DAY)


def due_after(sla: Sla, instant: datetime) -> datetime:
    """The first due instant that is later than ``instant``."""
    found = deadline(sla, local_day(instant))
    return found.due_at if found.due_at > instant else due_at(sla, found.due + DAY)


def at_hour(day: date, due_time: str) -> datetime:
    """``HH:MM`` of a day on the county's clock, as an instant in UTC."""
    hour, minute = (int(part) for part in due_time.split(":"))
    return datetime.combine(day, time(hour, minute), SHANGHAI).astimezone(UTC)


def period(sla: Sla, day: date) -> tuple[date, date]:
    """The first and the last day of the period that holds ``day``, whatever days can be due."""
    if sla.unit in ("d", "w"):
        length = sla.every * (1 if sla.unit == "d" else WEEK)
        first = date.fromordinal((day.toordinal() - 1) // length * length + 1)
        return first, first + timedelta(days=length - 1)
    length = sla.every * MONTHS[sla.unit]
    # Years are counted from 1, as days are: ten years are 2021 to 2030, and quarters stay quarters.
    month = ((day.year - 1) * YEAR + day.month - 1) // length * length
    year, number = month // YEAR + 1, month % YEAR + 1
    last = month + length - 1
    last_year, last_number = last // YEAR + 1, last % YEAR + 1
    days = calendar.monthrange(last_year, last_number)[1]
    return date(year, number, 1), date(last_year, last_number, days)


def _due_day(sla: Sla, last: date) -> date:
    return sla.workdays.next_workday(last) if sla.calendar else last
