"""The dates of a file that lies elsewhere: the period its name states, or else its own time.

A backfill asks for a range of dates; which files lie in it is told here. What a period is called is
the contract's matter (``contracts.periods``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import PurePosixPath

from dagster_project.clock import SHANGHAI
from dagster_project.contracts.model import Feed
from dagster_project.contracts.periods import periods_in
from dagster_project.errors import UsageError
from dagster_project.ingest.channels.pull import Window

USUAL = (
    "YYYY-MM-DD", "YYYYMMDD", "YYYY年M月D日", "YYYY年第n季度", "YYYYQn", "YYYY年M月", "YYYY-MM",
    "YYYYMM", "YYYY年",
)  # fmt: skip
"""How names state periods where the contract does not say it; a whole date before its month."""


@dataclass(frozen=True)
class Range:
    """From a day up to, not with, another one; ``pattern`` is how names state their period."""

    since: date
    until: date
    pattern: str = ""

    @classmethod
    def of(cls, window: Window, feed: Feed) -> Range:
        """The days that a window means.

        Raises:
            UsageError: One of its ends is no date.
        """
        pattern = feed.period.pattern if feed.period else ""
        return cls(_day(window.since, date.min), _day(window.until, date.max), pattern)

    def holds(self, path: str, mtime_ns: int) -> bool:
        """Whether a file belongs to the range: its period meets it, or its time lies in it."""
        period = stated_period(PurePosixPath(path).name, self.pattern)
        if period is None:
            day = datetime.fromtimestamp(mtime_ns // 10**9, SHANGHAI).date()
            return self.since <= day < self.until
        first, end = period
        return first < self.until and self.since < end


def stated_period(name: str, pattern: str = "") -> tuple[date, date] | None:
    """The first day of the one period that a name states, and the first day after it.

    >>> stated_period("低保_202611.csv")
    (datetime.date(2026, 11, 1), datetime.date(2026, 12, 1))
    """
    for way in (pattern,) if pattern else USUAL:
        found = periods_in(name, way)
        if len(found) == 1:
            return _days(found[0])
    return None


def _days(period: str) -> tuple[date, date] | None:
    """``2023``, ``2023-Q2``, ``2023-05`` or ``2023-05-31`` as days."""
    year, _, rest = period.partition("-")
    if rest.startswith("Q"):
        return _months(int(year), 3 * int(rest[1]) - 2, 3)
    month, _, day = rest.partition("-")
    if not day:
        return _months(int(year), int(month or 1), 1 if month else 12)
    try:
        first = date(int(year), int(month), int(day))
    except ValueError:  # the 31st of a short month
        return None
    return first, first + timedelta(days=1)


def _months(year: int, month: int, count: int) -> tuple[date, date]:
    after = month + count - 1
    return date(year, month, 1), date(year + after // 12, after % 12 + 1, 1)


def _day(text: str, otherwise: date) -> date:
    """A date, or the county's day of an instant."""
    if not text:
        return otherwise
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"`{text}` is no date, and files are asked for by dates",
            todo="Write it as 2026-11-01",
        ) from error
    return (instant.astimezone(SHANGHAI) if instant.tzinfo else instant).date()
