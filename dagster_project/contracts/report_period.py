"""A report's periods: how packages spell them, their days, and which one a value names.

Days are the county's (Asia/Shanghai). When a period is due follows from its last day and the
contract's ``dueTime``; whether it was sealed is asked of the lake, not here. Periods that a file's
name states are ``periods``' matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from dagster_project.clock import local_day
from dagster_project.contracts.due import DAY, at_hour, period
from dagster_project.contracts.model import Sla, Table
from dagster_project.contracts.report_words import PeriodKind

UNITS: Mapping[str, Literal["d", "m", "q", "y"]] = {
    "daily": "d",
    "monthly": "m",
    "quarterly": "q",
    "yearly": "y",
}
SPELLED: Mapping[str, str] = {
    "daily": "a day, 20230531",
    "monthly": "a month, 202305",
    "quarterly": "a quarter, 2023Q2",
    "yearly": "a year, 2023",
}
# What a cell or a person may write; packages write it without the hyphens.
_TEXTS: Mapping[str, re.Pattern[str]] = {
    "daily": re.compile(r"(\d{4})(-?)(\d{2})\2(\d{2})", re.ASCII),
    "monthly": re.compile(r"(\d{4})-?(\d{2})", re.ASCII),
    "quarterly": re.compile(r"(\d{4})-?Q([1-4])", re.ASCII),
    "yearly": re.compile(r"(\d{4})", re.ASCII),
}


@dataclass(frozen=True, order=True)
class Period:
    """One period of a report: its days, both included, and its name in packages."""

    first: date
    last: date
    name: str

    def due_at(self, table: Table) -> datetime:
        """By when its package is due (UTC)."""
        return at_hour(self.last, table.due_time)


def period_at(kind: PeriodKind | Literal[""], day: date) -> Period:
    """The period that holds a day; of a table without periods, the day itself."""
    first, last = period(Sla(1, UNITS[kind or "daily"]), day)
    name = {
        "monthly": f"{day:%Y%m}",
        "quarterly": f"{day:%Y}Q{(day.month + 2) // 3}",
        "yearly": f"{day:%Y}",
    }.get(kind, f"{day:%Y%m%d}")
    return Period(first, last, name)


def period_called(kind: PeriodKind | Literal[""], text: str) -> Period | None:
    """The period of a name, with or without hyphens; None if it names none of that kind."""
    found = _TEXTS[kind or "daily"].fullmatch(text.strip())
    if found is None:
        return None
    said = found.groups()
    try:
        match kind:
            case "monthly":
                day = date(int(said[0]), int(said[1]), 1)
            case "quarterly":
                day = date(int(said[0]), 3 * int(said[1]), 1)
            case "yearly":
                day = date(int(said[0]), 1, 1)
            case _:
                day = date(int(said[0]), int(said[2]), int(said[3]))
    except ValueError:
        return None
    return period_at(kind, day)


def period_of_value(kind: PeriodKind | Literal[""], value: object) -> Period | None:
    """The period that a cell of the contract's ``periodColumn`` names; None if it names none.

    A date or an instant belongs to the period that holds it; a text has to spell the period.
    """
    if isinstance(value, datetime):
        return period_at(kind, local_day(value) if value.tzinfo else value.date())
    if isinstance(value, date):
        return period_at(kind, value)
    return period_called(kind, value) if isinstance(value, str) else None


def periods_between(kind: PeriodKind | Literal[""], since: date, until: date) -> Iterator[Period]:
    """The periods that lie between two days, both included, or reach into them, in order."""
    one = period_at(kind, since)
    while one.first <= until:
        yield one
        one = period_at(kind, one.last + DAY)
