"""When a task is due: the end of its period that holds a day, at its hour (Asia/Shanghai).

Periods of several days, weeks, months or years are counted from the beginning of our calendar, so
that every machine finds the same ones: two months begin in January, March, May …
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta

from dagster_project.clock import SHANGHAI, local_day
from dagster_project.contracts.model import Sla

DAY = timedelta(days=1)
WEEK = 7
YEAR = 12
MONTHS = {"m": 1, "q": 3, "y": YEAR}


def due_at(sla: Sla, day: date) -> datetime:
    """The instant by which the delivery of the period around ``day`` has to be there."""
    return at_hour(period(sla, day)[1], sla.due_time)


def due_before(sla: Sla, instant: datetime) -> datetime:
    """The last due instant that is not later than ``instant``."""
    day = local_day(instant)
    due = due_at(sla, day)
    return due if due <= instant else due_at(sla, period(sla, day)[0] - DAY)


def due_after(sla: Sla, instant: datetime) -> datetime:
    """The first due instant that is later than ``instant``."""
    day = local_day(instant)
    due = due_at(sla, day)
    return due if due > instant else due_at(sla, period(sla, day)[1] + DAY)


def at_hour(day: date, due_time: str) -> datetime:
    """``HH:MM`` of a day on the county's clock, as an instant in UTC."""
    hour, minute = (int(part) for part in due_time.split(":"))
    return datetime.combine(day, time(hour, minute), SHANGHAI).astimezone(UTC)


def period(sla: Sla, day: date) -> tuple[date, date]:
    """The first and the last day of the period that holds ``day``."""
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
