"""When a feed's task starts by itself: its contract's cron line, or what follows from its deadline.

Arrivals and retries are not on it; what is to be started now is decided in ``starting``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from dagster_project.clock import SHANGHAI, local_day
from dagster_project.contracts.cron import Cron, in_words
from dagster_project.contracts.due import at_hour, due_after, due_before
from dagster_project.contracts.model import Feed, Sla

PULL_LEAD = timedelta(hours=6)
"""A channel without a schedule is asked this long before each deadline: all retries of a failed
start come before it."""
_NOON = datetime(2023, 5, 31, 12, tzinfo=SHANGHAI)
WORDS = {"d": "days", "w": "weeks", "m": "months", "q": "quarters", "y": "years"}
ENDS = {"d": "daily", "w": "Sundays", "m": "month's end", "q": "quarter's end", "y": "year's end"}


@dataclass(frozen=True)
class Timetable:
    """The instants at which a task starts; ``cron`` is empty where no cron line says them."""

    sla: Sla
    lead: timedelta
    cron: str
    words: str

    def previous(self, until: datetime) -> datetime:
        """The last start that is not later than ``until``."""
        if self.cron:
            return _line(self.cron).previous(until)
        return due_before(self.sla, until + self.lead) - self.lead

    def next(self, after: datetime) -> datetime:
        """The first start that is later than ``after``."""
        if self.cron:
            return _line(self.cron).next(after)
        return due_after(self.sla, after + self.lead) - self.lead


def timetable(feed: Feed) -> Timetable:
    """The feed's timetable.

    A feed of files that departments bring is started by their arrival; at each deadline its inbox
    is looked at once more.
    """
    sla = feed.sla
    lead = PULL_LEAD if feed.pulled else timedelta(0)
    if sla.schedule:
        return Timetable(sla, lead, sla.schedule, in_words(sla.schedule))
    start = at_hour(local_day(_NOON), sla.due_time) - lead
    often = ENDS[sla.unit] if sla.every == 1 else f"every {sla.every} {WORDS[sla.unit]}"
    if sla.calendar:
        often = "workdays" if (sla.every, sla.unit) == (1, "d") else f"{often} or next workday"
    at = f"{often} {start.astimezone(SHANGHAI):%H:%M}"
    words = at if feed.pulled else f"on arrival; {at}"
    return Timetable(sla, lead, _derived(sla, start), words)


def _derived(sla: Sla, start: datetime) -> str:
    """The deadline less the lead as a cron line, where one can say it."""
    if sla.every != 1 or sla.calendar or (sla.unit != "d" and local_day(start) != local_day(_NOON)):
        return ""
    local = start.astimezone(SHANGHAI)
    at = f"{local.minute} {local.hour}"
    return {
        "d": f"{at} * * *",
        "w": f"{at} * * 0",
        "m": f"{at} L * *",
        "q": f"{at} L 3,6,9,12 *",
        "y": f"{at} L 12 *",
    }[sla.unit]


@lru_cache(maxsize=512)
def _line(text: str) -> Cron:
    return Cron.parse(text)
