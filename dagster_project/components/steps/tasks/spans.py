"""Ranges of days as people write them: 2026-11-22, 2026-W45, 2026-10, 2026-Q4, 2026.

Both ends are included. What is done again for a range is decided in ``rerun``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dagster_project.clock import local_day
from dagster_project.contracts.due import DAY, at_hour, period
from dagster_project.contracts.model import Sla
from dagster_project.errors import UsageError

MOST_DAYS = 366
"""A longer range is asked for in pieces: each is one decision and ends in bounded time."""
_WEEK = re.compile(r"(\d{4})-?W(\d{2})")
_QUARTER = re.compile(r"(\d{4})-?Q([1-4])")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_YEAR = re.compile(r"(\d{4})")
WRITE = "Write a day 2026-11-22, a week 2026-W45, a month 2026-10, a quarter 2026-Q4 or a year 2026"


@dataclass(frozen=True)
class Span:
    """The days from ``since`` to ``until``, both included, on the county's calendar."""

    since: date
    until: date

    def __str__(self) -> str:
        """``2026-10-01 to 2026-10-31, both included (31 days)``."""
        if self.since == self.until:
            return f"{self.since} (one day)"
        return f"{self.since} to {self.until}, both included ({self.days} days)"

    @property
    def days(self) -> int:
        """How many days."""
        return (self.until - self.since).days + 1

    @property
    def instants(self) -> tuple[datetime, datetime]:
        """The instant at which it begins, and the one at which it is over (UTC)."""
        return at_hour(self.since, "00:00"), at_hour(self.until + DAY, "00:00")

    def periods(self, sla: Sla) -> Iterator[tuple[date, date]]:
        """The periods of a task that lie in it, or reach into it."""
        first, last = period(sla, self.since)
        while first <= self.until:
            yield first, last
            first, last = period(sla, last + DAY)


def span_of(text: str, now: datetime) -> Span:
    """The days of a period as it is written.

    Raises:
        UsageError: It cannot be read, or lies ahead.
    """
    try:
        found = _span(text.strip())
    except ValueError:
        found = None
    if found is None:
        raise UsageError(f"{text!r} is no period", todo=WRITE)
    return _bounded(found, now)


def span_between(since: str, until: str, now: datetime) -> Span:
    """The days between two days, both included.

    Raises:
        UsageError: One is no day, the range is empty or too long, or it lies ahead.
    """
    try:
        found = Span(date.fromisoformat(since), date.fromisoformat(until))
    except ValueError as error:
        raise UsageError(
            f"the range {since!r} to {until!r} cannot be read", todo="Write days as 2026-11-22"
        ) from error
    return _bounded(found, now)


def _span(text: str) -> Span | None:
    if whole := _WEEK.fullmatch(text):
        monday = date.fromisocalendar(int(whole[1]), int(whole[2]), 1)
        return Span(monday, monday + timedelta(days=6))
    if whole := _QUARTER.fullmatch(text):
        return Span(*period(Sla(unit="q"), date(int(whole[1]), int(whole[2]) * 3, 1)))
    if whole := _MONTH.fullmatch(text):
        return Span(*period(Sla(unit="m"), date(int(whole[1]), int(whole[2]), 1)))
    if whole := _YEAR.fullmatch(text):
        return Span(*period(Sla(unit="y"), date(int(whole[1]), 1, 1)))
    day = date.fromisoformat(text)
    return Span(day, day)


def _bounded(span: Span, now: datetime) -> Span:
    today = local_day(now)
    if span.since > span.until:
        raise UsageError(
            f"the range from {span.since} to {span.until} is empty",
            todo="Name its first day before its last one",
        )
    if span.since > today:
        raise UsageError(f"the range from {span.since} lies ahead", todo=f"Today is {today}")
    if span.days > MOST_DAYS:
        raise UsageError(
            f"the range {span} is longer than {MOST_DAYS} days", todo="Ask for it in pieces"
        )
    return Span(span.since, min(span.until, today))
