"""How a watermark column counts, and which range of it an extract holds.

Marks are texts as the source writes them. How a range becomes SQL is the sources' matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

from dagster_project.clock import SHANGHAI
from dagster_project.errors import UsageError
from dagster_project.ingest.channels.watermarks import whole_days

Kind = Literal["", "zoned", "timestamp", "date", "number", "text"]
"""What a column can be as a watermark; empty where it has no order that could be trusted."""

FLOOR = datetime(1900, 1, 1, tzinfo=SHANGHAI)
"""Earlier times are nobody's: 0000-00-00, 0001-01-01, -infinity stand for none."""

FORMS = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "%Y-%m-%d %H:%M:%S"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", "%Y-%m-%dT%H:%M:%S"),
    (r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "%Y/%m/%d %H:%M:%S"),
    (r"(?:19|20|99)\d{12}", "%Y%m%d%H%M%S"),
    (r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
    (r"\d{4}/\d\d/\d\d", "%Y/%m/%d"),
    (r"(?:19|20|99)\d{6}", "%Y%m%d"),
)
"""How systems write times into columns of text; each of them sorts as time does."""


@dataclass(frozen=True)
class Span:
    """A range of the watermark: empty bounds are none.

    ``after`` and ``before`` leave the bound itself out. With ``unplaced`` rows without a mark, or
    with one below ``floor`` or above ``ceiling``, belong to it as well.
    """

    low: str = ""
    high: str = ""
    after: bool = False
    before: bool = False
    unplaced: bool = False
    floor: str = ""
    ceiling: str = ""


@dataclass(frozen=True)
class Scale:
    """How one watermark column counts; ``form`` is how it writes times as text, if it does."""

    kind: Kind
    form: str = ""

    @classmethod
    def of(cls, kind: Kind, newest: str | None) -> Scale:
        """The scale of a column whose newest mark is this."""
        if kind != "text" or newest is None:
            return cls(kind)
        return cls(kind, next((form for shape, form in FORMS if re.fullmatch(shape, newest)), ""))

    def bounds(self, instant: datetime) -> tuple[str, str]:
        """The earliest and the latest mark that are believed; empty for what is no time.

        Nothing ahead of the county's clock is: it would hide what others write until then.
        """
        latest = instant.astimezone(SHANGHAI)
        match self.kind:
            case "zoned":
                form = "%Y-%m-%d %H:%M:%S+08"
            case "timestamp":
                form = "%Y-%m-%d %H:%M:%S"
            case "date":
                form = "%Y-%m-%d"
            case _:
                form = self.form
        return (FLOOR.strftime(form), latest.strftime(form)) if form else ("", "")

    def back(self, mark: str, overlap: int) -> str:
        """The mark so many seconds, or units of a number, before one; dates go back whole days."""
        if not mark or not overlap:
            return mark
        try:
            return self._back(mark, overlap)
        except (ValueError, OverflowError, InvalidOperation):
            raise UsageError(
                "the watermark's overlap cannot be taken from a mark that is no time and no number",
                todo="Set `overlap: 0`, or name another column as the watermark",
            ) from None

    def _back(self, mark: str, overlap: int) -> str:
        if self.kind == "number":
            return format(Decimal(mark) - overlap, "f")
        if self.kind == "text":
            # A text's fractions sort behind their second: they may be left out of a lower bound.
            whole = mark.partition(".")[0]
            moment = datetime.strptime(whole, self.form)  # noqa: DTZ007 - the source's own clock
            by = timedelta(seconds=overlap) if "%H" in self.form else whole_days(overlap)
            return (moment - by).strftime(self.form)
        moment = datetime.fromisoformat(mark)
        if self.kind == "date":
            return (moment.date() - whole_days(overlap)).isoformat()
        return (moment - timedelta(seconds=overlap)).isoformat(sep=" ")

    def checked(self, mark: str) -> str:
        """A mark that a person gave, in the column's own form.

        Raises:
            UsageError: The column cannot hold it.
        """
        try:
            if self.kind == "number":
                Decimal(mark)
            elif self.form:
                return datetime.fromisoformat(mark).strftime(self.form)
            elif self.kind != "text":
                datetime.fromisoformat(mark)
        except (ValueError, InvalidOperation):
            what = "a number" if self.kind == "number" else "a time like 2026-11-22 08:00:00"
            raise UsageError(
                "the window's bounds do not fit the watermark", todo=f"Give {what}"
            ) from None
        return mark
