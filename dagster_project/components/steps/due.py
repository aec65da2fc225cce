"""When a task is due: the end of its period that holds a day, at its hour (Asia/Shanghai)."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta

from dagster_project.clock import SHANGHAI
from dagster_project.contracts.model import Sla

LAST_WEEKDAY = 6
MONTHS = 12


def due_at(sla: Sla, day: date) -> datetime:
    """The instant by which the delivery of the period around ``day`` has to be there."""
    return at_hour(_last_day(sla, day), sla.due_time)


def at_hour(day: date, due_time: str) -> datetime:
    """``HH:MM`` of a day on the county's clock, as an instant in UTC."""
    hour, minute = (int(part) for part in due_time.split(":"))
    return datetime.combine(day, time(hour, minute), SHANGHAI).astimezone(UTC)


def _last_day(sla: Sla, day: date) -> date:
    if sla.unit == "d":
        return day
    if sla.unit == "w":
        return day + timedelta(days=LAST_WEEKDAY - day.weekday())
    month = {"m": day.month, "q": (day.month + 2) // 3 * 3, "y": MONTHS}[sla.unit]
    return date(day.year, month, calendar.monthrange(day.year, month)[1])
