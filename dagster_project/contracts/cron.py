"""Cron lines as contracts write them: reading them, and which instants they name (Asia/Shanghai).

Five fields as in ``crontab(5)``: lists, ranges, steps, names, Sunday as 0 or 7; where both the day
of the month and the weekday are limited, either of them is enough. ``L`` is the last day of the
month. When a task is started is not decided here.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from dagster_project.clock import SHANGHAI

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_FAR = timedelta(days=366 * 8 + 2)
"""29 February may be eight years away (1896, 1904); no day that a line can name is farther."""
_DAYS = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


@dataclass(frozen=True)
class Cron:
    """One cron line; ``days`` and ``weekdays`` are None where the line leaves them open.

    Weekdays count from 0, Sunday, as cron does.
    """

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] | None
    last_day: bool
    months: frozenset[int]
    weekdays: frozenset[int] | None

    @staticmethod
    def parse(text: str) -> Cron:
        """Read a line.

        Raises:
            ValueError: With a sentence part that says what cannot be read.
        """
        fields = ALIASES.get(text.strip().lower(), text).split()
        if len(fields) != 5:  # noqa: PLR2004 - crontab(5)
            raise ValueError(
                f"{text!r} has {len(fields)} fields in place of five"
                " (minute hour day month weekday)"
            )
        minute, hour, day, month, weekday = fields
        ends = [one for one in day.split(",") if one.upper() == "L"]
        others = ",".join(one for one in day.split(",") if one.upper() != "L")
        days = _field(others, "day of the month", 1, 31) if others else frozenset()
        months = _field(month, "month", 1, 12, MONTHS)
        weekdays = frozenset(one % 7 for one in _field(weekday, "weekday", 0, 7, WEEKDAYS))
        made = Cron(
            text.strip(),
            tuple(sorted(_field(minute, "minute", 0, 59))),
            tuple(sorted(_field(hour, "hour", 0, 23))),
            None if len(days) == 31 else days,  # noqa: PLR2004 - every day
            bool(ends),
            months,
            None if len(weekdays) == 7 else weekdays,  # noqa: PLR2004 - every weekday
        )
        if days and not ends and made.weekdays is None and not _exists(days, months):
            raise ValueError(f"{text!r} names a day that no month has")
        return made

    def next(self, after: datetime) -> datetime:
        """The first instant later than ``after``, in UTC."""
        local = after.astimezone(SHANGHAI)
        for day in self._days(local.date(), 1):
            for moment in self._times(day):
                if moment > after:
                    return moment
        raise ValueError(f"{self.text!r} names no day")

    def previous(self, until: datetime) -> datetime:
        """The last instant not later than ``until``, in UTC."""
        local = until.astimezone(SHANGHAI)
        for day in self._days(local.date(), -1):
            for moment in reversed(self._times(day)):
                if moment <= until:
                    return moment
        raise ValueError(f"{self.text!r} names no day")

    def _days(self, start: date, step: int) -> Iterator[date]:
        day = start
        while abs(day - start) <= _FAR:
            if self._falls_on(day):
                yield day
            day += timedelta(days=step)

    def _falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        last = self.last_day and day.day == calendar.monthrange(day.year, day.month)[1]
        by_day = self.days is None or day.day in self.days or last
        by_weekday = self.weekdays is None or day.isoweekday() % 7 in self.weekdays
        if self.days is not None and self.weekdays is not None:
            return by_day or by_weekday
        return by_day and by_weekday

    def _times(self, day: date) -> list[datetime]:
        return [
            datetime.combine(day, time(hour, minute), SHANGHAI).astimezone(UTC)
            for hour in self.hours
            for minute in self.minutes
        ]


def in_words(text: str) -> str:
    """A cron line for people where it is a plain one, else as it is.

    >>> in_words("30 2 * * 1")
    'Mon 02:30'
    """
    line = Cron.parse(text)
    if len(line.hours) != 1 or len(line.minutes) != 1:
        return line.text
    at = f"{line.hours[0]:02d}:{line.minutes[0]:02d}"
    days = [str(day) for day in sorted(line.days or ())] + ["last"] * line.last_day
    every_month = len(line.months) == len(MONTHS)
    if line.weekdays is not None:
        if line.days is not None or not every_month:
            return line.text
        return f"{'/'.join(WEEKDAYS[day].title() for day in sorted(line.weekdays))} {at}"
    if line.days is None:
        return f"daily {at}" if every_month else line.text
    months = "" if every_month else f" of {'/'.join(_month(one) for one in sorted(line.months))}"
    return f"day {'/'.join(days)}{months} {at}"


def _month(number: int) -> str:
    return MONTHS[number - 1].title()


def _exists(days: frozenset[int], months: frozenset[int]) -> bool:
    return any(min(days) <= _DAYS[month] for month in months)


def _field(
    text: str, what: str, lowest: int, highest: int, names: Sequence[str] = ()
) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if slash and not (step.isdigit() and int(step)):
            raise ValueError(f"{part!r} is no step of the {what}")
        if span in ("*", "?"):
            start, end = lowest, highest
        else:
            start = _number(first, what, lowest, highest, names)
            end = _number(last, what, lowest, highest, names) if dash else start
            if slash and not dash:
                end = highest
        if end < start:
            raise ValueError(f"{part!r} runs backwards in the {what}")
        found.update(range(start, end + 1, int(step) if slash else 1))
    return frozenset(found)


def _number(text: str, what: str, lowest: int, highest: int, names: Sequence[str]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + lowest
    if text.isascii() and text.isdigit() and lowest <= int(text) <= highest:
        return int(text)
    raise ValueError(f"{text!r} is no {what} ({lowest} to {highest})")
