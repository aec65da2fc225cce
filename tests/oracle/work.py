"""The reports about the work itself: executions, what was aggregated, and its quality.

What is in the files is counted from them. Instants are the county's own: the tests bracket them by
their clock and hand them in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.asked import Answer
from tests.oracle.book import Book, Delivery
from tests.oracle.forms import Form, forms, is_workday, percent, quality
from tests.oracle.papers import read
from tests.oracle.towns import ALL, CENTS, Table

SHANGHAI = ZoneInfo("Asia/Shanghai")
DIMENSIONS = (
    *("normativity", "completeness", "accuracy"),
    *("consistency", "timeliness", "accessibility"),
)
GRADES = ((90, "1"), (80, "2"), (70, "3"), (60, "4"), (0, "5"))


@dataclass(frozen=True)
class Brought:
    """A file that the test delivered, in which run, and what had to become of it.

    ``fate`` is merged, held or refused; ``at`` is when the county received it, ``opened`` when it
    was held.
    """

    run: int
    feed: str
    file: str
    fate: str
    at: datetime
    opened: datetime | None = None


@dataclass(frozen=True)
class Span:
    """When a run worked on a feed."""

    run: int
    feed: str
    started: datetime
    finished: datetime


@dataclass(frozen=True)
class Work:
    """Everything that happened up to a cut-off.

    ``answers`` are those of the last run; ``found`` those of the runs before, whose cases are open.
    """

    book: Book
    brought: Sequence[Brought]
    spans: Sequence[Span]
    answers: Sequence[Answer]
    found: Sequence[Answer]
    day: date
    cut_off: datetime

    def of(self, feed: str, *fates: str) -> list[Brought]:
        """What came of a feed, the oldest first."""
        return [one for one in self.brought if one.feed == feed and one.fate in fates]


def due_at(form: Form, at: datetime, *, ahead: bool = False) -> datetime:
    """The deadline of the period to which the day of an instant belongs, or the next one.

    The day of a deadline belongs to its period until midnight.
    """
    today = at.astimezone(SHANGHAI).date()
    day = today - timedelta(days=62)
    while True:
        if _is_last(form.cycle, day):
            due = day
            while form.on_workdays and not is_workday(due):
                due += timedelta(days=1)
            deadline = datetime.combine(due, form.until, SHANGHAI)
            if deadline >= at or (due >= today and not ahead):
                return deadline
        day += timedelta(days=1)


def _is_last(cycle: tuple[int, str], day: date) -> bool:
    """Whether a day is the last of a period: a day, week, month, quarter, half year, year."""
    often, unit = cycle
    tomorrow = day + timedelta(days=1)
    if unit == "d":
        return often == 1 or day.weekday() == 6
    if unit == "w":
        return day.weekday() == 6
    months = often * {"m": 1, "q": 3, "y": 12}[unit]
    return tomorrow.day == 1 and day.month % months == 0


def executions(work: Work) -> Table:
    """任务执行情况: what each feed's task did on the day, and all together."""
    table: Table = {}
    lines: list[dict[str, Any]] = []
    for name, form in forms().items():
        made = [one for span in work.spans if (one := _executed(work, form, span))]
        lines += made
        row = _summed(made)
        row |= {"task": name, "title": form.title}
        row |= dict(zip(("department_code", "department_name"), form.department, strict=True))
        row["status"] = made[-1]["status"] if made else "none"
        table[name,] = row
    table[ALL,] = _summed(lines) | {
        "task": ALL, "title": "合计", "status": "",
        "department_code": ALL, "department_name": "合计",
    }  # fmt: skip
    return table


def _executed(work: Work, form: Form, span: Span) -> dict[str, Any] | None:
    """One execution; looking into an empty inbox is none."""
    came = [one for one in work.brought if (one.feed, one.run) == (form.name, span.run)]
    if span.feed != form.name or not came:
        return None
    files = {one.file for one in came if one.fate == "merged"}
    taken = [one for one in work.book.of(form.name) if one.file in files]
    bad = len(came) - len(files)
    due = due_at(form, span.started)
    status = "failed" if bad == len(came) else "partial" if bad else "success"
    return {
        "status": status,
        "due_at": due,
        "started_at": span.started,
        "finished_at": span.finished,
        "on_time": status == "success" and span.finished <= due,
        "delivery_cnt": len(came),
        **{
            f"{what}_cnt": sum(getattr(one, what) for one in taken)
            for what in ("read", "accepted", "rejected", "duplicate", "superseded", "dropped")
        },
    }


def _summed(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    states = Counter(line["status"] for line in lines)
    counts = ("delivery", "read", "accepted", "rejected", "duplicate", "superseded", "dropped")
    on_time = sum(line["on_time"] for line in lines)
    return {
        "due_at": max((line["due_at"] for line in lines), default=None),
        "started_at": min((line["started_at"] for line in lines), default=None),
        "finished_at": max((line["finished_at"] for line in lines), default=None),
        "execution_cnt": len(lines),
        **{f"{state}_cnt": states[state] for state in ("success", "partial", "failed")},
        "success_pct": percent(states["success"], len(lines)),
        "on_time_cnt": on_time,
        "on_time_pct": percent(on_time, len(lines)),
        **{f"{what}_cnt": sum(line[f"{what}_cnt"] for line in lines) for what in counts},
    }


Scores = dict[str, tuple[int, int]]
"""Per dimension, checks that passed and checks."""


def _standing(work: Work, form: Form) -> list[Delivery]:
    """The deliveries that count today: of a full snapshot the newest, else all of today's."""
    taken = work.book.of(form.name)
    return taken[-1:] if form.delivery == "full" else taken


def _scores(work: Work, form: Form) -> Scores:
    checked: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    standing = _standing(work, form)
    for one in standing:
        checked += one.asked.checked
        failed += one.asked.failed
        for agrees in totals_agree(one):
            checked["completeness"] += 1
            failed["completeness"] += not agrees
    for answer in work.answers:
        if answer.feed == form.name and answer.checked:
            checked[answer.dimension] += answer.checked
            failed[answer.dimension] += len(answer.broken)
    for is_served in due_periods(work, form):
        weight = max(sum(one.read - one.dropped for one in standing), 1)
        checked["timeliness"] += weight
        failed["timeliness"] += weight * (not is_served)
    for came in work.of(form.name, "merged", "held", "refused"):
        checked["accessibility"] += 1
        failed["accessibility"] += came.fate == "refused"
    return {d: (checked[d] - failed[d], checked[d]) for d in DIMENSIONS if checked[d]}


def due_periods(work: Work, form: Form) -> Iterator[bool]:
    """Whether the period of the feed's first delivery was served in time, once it was due."""
    merged = work.of(form.name, "merged")
    first = next((one for one in work.spans if one.feed == form.name), None)
    if first and (due := due_at(form, first.started, ahead=True)) < work.cut_off:
        yield bool(merged) and merged[0].at <= due


def totals_agree(one: Delivery) -> list[bool]:
    """Whether each total that a file states is the sum of the cells above it, or since the last."""
    found = []
    above: dict[tuple[str, str], int] = {}
    form = forms()[one.feed]
    for sheet, row, column, text in sorted(one.paper.stated):
        rows = [r for r in one.judged.rows if r.line.sheet == sheet and r.line.row < row]
        since = above.get((sheet, column), 0)
        above[sheet, column] = row
        sums = {
            sum((r.values[column] or 0 for r in rows if r.line.row > start), Decimal(0))
            for start in (0, since)
        }
        said = Decimal(text.replace(",", "")).quantize(
            Decimal(1).scaleb(-form.column(column).scale)
        )
        found.append(said in sums)
    return found


def _scored(scores: Scores) -> dict[str, Any]:
    """The score and its parts, by the county's weights."""
    weights = quality()["weights"]
    row: dict[str, Any] = {}
    points = total = Decimal(0)
    for dimension in DIMENSIONS:
        passed, checked = scores.get(dimension, (None, None))
        share = percent(passed, checked) if passed is not None and checked else None
        row[f"{dimension}_passed_cnt"] = passed
        row[f"{dimension}_checked_cnt"] = checked
        row[f"{dimension}_pct"] = share
        if share is not None:
            points += weights[dimension] * share
            total += weights[dimension]
    is_scored = bool(scores.keys() - {"timeliness", "accessibility"})
    row["score"] = (points / total).quantize(CENTS, "ROUND_HALF_UP") if is_scored else None
    row["grade"] = (
        next(grade for least, grade in GRADES if row["score"] >= least) if is_scored else None
    )
    return row


def aggregation(work: Work) -> Table:
    """数据归集情况 of every catalogue item."""
    table: Table = {}
    for name, form in forms().items():
        merged, held = work.of(name, "merged"), work.of(name, "held")
        taken = work.book.of(name)
        live = taken[-1].live if taken else 0
        checked = sum(one.read - one.dropped for one in taken)
        rejected = sum(one.rejected for one in taken)
        last = merged[-1].at if merged else None
        promised = not form.draft and form.catalogue.get("updateCycle") != "不更新"
        # A deadline before the feed's first execution is nobody's.
        begun = next(s.started for s in work.spans if s.feed == name)
        first_due = due_at(form, begun, ahead=True)
        in_time = bool(merged) and (merged[0].at <= first_due)
        waiting = [read(work.book.inbox / one.file, form) for one in held]
        newest = taken[-1].rejected if taken else 0
        table[name,] = {
            "feed": name,
            "catalogue_code": form.catalogue.get("code"),
            "title": form.title,
            "department_code": form.department[0],
            "department_name": form.department[1],
            "share_type": form.catalogue.get("shareType"),
            "update_cycle": form.catalogue.get("updateCycle"),
            "column_cnt": len(form.columns),
            "is_mounted": bool(merged),
            "is_required": form.catalogue.get("required", True),
            "is_collected": live > 0,
            "last_update_at": last,
            "is_update_promised": promised,
            "is_on_time": promised and in_time,
            "is_zombie": False,
            "batch_cnt": len(merged),
            "row_cnt": live,
            "period_row_cnt": sum(one.read for one in taken),
            "checked_cnt": checked,
            "valid_cnt": checked - rejected,
            "valid_pct": percent(checked - rejected, checked),
            **_scored(_scores(work, form)),
            "open_issue_cnt": newest if form.delivery == "full" else rejected,
            "data_age_days": (work.cut_off - last).days if last else None,
            "is_held": bool(held),
            "held_since_at": held[0].opened if held else None,
            "held_row_cnt": sum(len(paper.lines) for paper in waiting),
        }
    return table


def summary(work: Work, code: str) -> Table:
    """数据归集汇总: the items of ``aggregation``, together."""
    items = list(aggregation(work).values())
    total: Counter[str] = Counter()
    for item in items:
        for name in ("row", "period_row", "checked", "valid", "open_issue"):
            total[f"{name}_cnt"] += item[f"{name}_cnt"]
    mounted = sum(item["is_mounted"] for item in items)
    promised = sum(item["is_update_promised"] for item in items)
    on_time = sum(item["is_on_time"] for item in items)
    scores: Scores = {}
    for form in forms().values():
        for dimension, (passed, checked) in _scores(work, form).items():
            before = scores.get(dimension, (0, 0))
            scores[dimension] = (before[0] + passed, before[1] + checked)
    row = {
        "division_code": code,
        "item_cnt": len(items),
        "mounted_cnt": mounted,
        "mounted_pct": percent(mounted, len(items)),
        "on_time_cnt": on_time,
        "promised_cnt": promised,
        "on_time_pct": percent(on_time, promised),
        "empty_cnt": sum(item["is_mounted"] and not item["row_cnt"] for item in items),
        **total,
        "valid_pct": percent(total["valid_cnt"], total["checked_cnt"]),
        **_scored(scores),
    }
    return {(code,): row}
