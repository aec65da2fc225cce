"""Watermarks as a source writes them: told apart, compared, and moved back by an overlap.

A watermark is a number, a date or a time; it is handed back to its source in the form that the
source itself gave it. Which rows lie above one, the source decides.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from dagster_project.clock import SHANGHAI, local_day

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_TIME = re.compile(
    r"(?P<date>\d{4}[-/]\d{2}[-/]\d{2})"
    r"(?:(?P<gap>[T ])(?P<time>\d{2}:\d{2}(?::\d{2})?)(?P<part>\.\d{1,9})?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_NANOS = 9


@dataclass(frozen=True)
class Mark:
    """One watermark: how it is written, of which kind it is, and what it is compared by."""

    text: str
    kind: str
    order: tuple[Decimal | datetime, str]

    def is_believable(self, instant: datetime) -> bool:
        """Whether it may move what was reached.

        9999-12-31 would hide all that comes later, and so would tomorrow until it has come.
        """
        first = self.order[0]
        if isinstance(first, Decimal):
            return True
        return first.date() <= local_day(instant) if self.kind == "date" else first <= instant

    def earlier(self, overlap: int) -> str:
        """The text of the mark so many seconds, or units of a number, before this one."""
        if not overlap:
            return self.text
        if self.kind == "number":
            return format(Decimal(self.text) - overlap, "f")
        found = _TIME.fullmatch(self.text)
        if found is None:
            raise AssertionError(self.kind)
        day_form = f"%Y{self.text[4]}%m{self.text[4]}%d"
        if self.kind == "date":
            day = datetime.strptime(found["date"], day_form) - whole_days(overlap)  # noqa: DTZ007
            return day.strftime(day_form)
        form = f"{day_form}{found['gap']}{_clock(found['time'])}"
        whole = found["date"] + found["gap"] + found["time"]
        moved = datetime.strptime(whole, form) - timedelta(seconds=overlap)  # noqa: DTZ007
        return moved.strftime(form) + (found["part"] or "") + (found["zone"] or "")


def whole_days(seconds: int) -> timedelta:
    """How far a date goes back where a time would go back so many seconds."""
    return timedelta(days=math.ceil(seconds / 86400))


def mark(text: str) -> Mark | None:
    """What a text is as a watermark; nothing when it is neither a number nor a date nor a time.

    A time without a zone is the county's.

    >>> mark("2026-11-22 10:00:00.5").earlier(300)
    '2026-11-22 09:55:00.5'
    >>> mark("2026-11-22T10:00:00Z").order < mark("2026-11-22T18:00:01").order
    True
    """
    if _NUMBER.fullmatch(text):
        return Mark(text, "number", (Decimal(text), ""))
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    try:
        if found["time"] is None:
            day = datetime.fromisoformat(text.replace("/", "-")).replace(tzinfo=UTC)
            return Mark(text, "date", (day, ""))
        plain = f"{found['date'].replace('/', '-')}T{found['time']}{found['zone'] or ''}"
        instant = datetime.fromisoformat(plain)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=SHANGHAI)
    part = (found["part"] or ".")[1:].ljust(_NANOS, "0")
    return Mark(text, "time", (instant.astimezone(UTC), part))


def _clock(text: str) -> str:
    return "%H:%M:%S" if text.count(":") > 1 else "%H:%M"
