"""Which days are workdays in China, and arithmetic on workdays.

A calendar holds only the days that differ from Monday to Friday; it is read in ``calendar_file``.
What is due when is ``due``'s matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

DAY = timedelta(days=1)
FRIDAY = 5


@dataclass(frozen=True)
class Calendar:
    """Workdays and free days; ``years`` are those whose notice is known.

    ``days`` holds the days that differ from Monday to Friday, ``names`` what they are called.
    """

    days: Mapping[date, bool] = field(default_factory=dict)
    names: Mapping[date, str] = field(default_factory=dict)
    years: frozenset[int] = frozenset()

    def is_workday(self, day: date) -> bool:
        """Whether offices work on that day."""
        return self.days.get(day, day.isoweekday() <= FRIDAY)

    def next_workday(self, day: date) -> date:
        """The day itself if it is a workday, else the first workday after it."""
        while not self.is_workday(day):
            day += DAY
        return day

    def add_workdays(self, day: date, workdays: int) -> date:
        """The ``workdays``-th workday after a day, which itself does not count (《民法典》第201条).

        None at all is the day itself, or the first workday after it.

        >>> Calendar().add_workdays(date(2027, 1, 1), 1).isoformat()
        '2027-01-04'
        """
        if workdays < 0:
            raise ValueError("workdays are counted forwards")
        for _ in range(workdays):
            day = self.next_workday(day + DAY)
        return self.next_workday(day)

    def workdays_between(self, since: date, until: date) -> int:
        """The workdays after ``since`` up to and including ``until``; none if that is not later."""
        days = (until - since).days
        return sum(self.is_workday(since + number * DAY) for number in range(1, days + 1))
