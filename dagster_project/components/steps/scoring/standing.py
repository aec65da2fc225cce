"""Score, grade, trend and dimensions of each feed on one day, as the gold tables have them.

Why a score is what it is stands in ``costs``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb

from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError

ALL = "all"
"""All feeds together, as the gold tables call them."""
TREND, DIMENSIONS = "gold.quality_trend", "gold.quality_by_feed_day"
_SCORES = f"""
SELECT feed, day, score, grade, since_day, since_week, since_month
FROM lake.{TREND}
WHERE day = coalesce($day, (SELECT max(day) FROM lake.{TREND})) AND ($feed = '' OR feed = $feed)
ORDER BY feed <> '{ALL}', feed
"""
_SHARES = f"""
SELECT s.feed, s.dimension, d.title, s.weight, s.passed_cnt, s.checked_cnt, s.pass_pct
FROM lake.{DIMENSIONS} AS s JOIN lake.ops.quality_dimension AS d USING (dimension)
WHERE s.day = $day AND ($feed = '' OR s.feed = $feed)
ORDER BY s.feed, d.position
"""


@dataclass(frozen=True)
class DimensionShare:
    """One dimension of a feed: of ``checked`` checks ``passed``, in per cent ``pct``."""

    dimension: str
    title: str
    weight: int
    passed: int
    checked: int
    pct: Decimal


@dataclass(frozen=True)
class FeedScore:
    """A feed's score on a day; ``since_…`` say how many points it moved, None where unknown."""

    feed: str
    title: str
    day: date
    score: Decimal
    grade: str
    grade_title: str
    since_day: Decimal | None
    since_week: Decimal | None
    since_month: Decimal | None
    dimensions: tuple[DimensionShare, ...] = ()


def standing(workshop: Workshop, feed: str = "", day: date | None = None) -> list[FeedScore]:
    """All feeds together and each of them, or one feed; on the newest day that was built.

    Raises:
        UsageError: No such feed.
    """
    if feed and feed != ALL:
        workshop.feed(feed)
    if not workshop.home.catalog.exists():
        return []
    with workshop.lake.reader() as con:
        return read_standing(workshop, con, feed, day)


def read_standing(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, feed: str = "", day: date | None = None
) -> list[FeedScore]:
    """The same, where the lake is open already; nothing where no score was ever built."""
    if not is_built(con, TREND):
        return []
    rows = con.execute(_SCORES, {"feed": feed, "day": day}).fetchall()
    if not rows:
        return []
    shares: dict[str, list[DimensionShare]] = {}
    for name, *share in con.execute(_SHARES, {"feed": feed, "day": rows[0][1]}).fetchall():
        shares.setdefault(str(name), []).append(DimensionShare(*share))
    titles = {one.name: one.title for one in workshop.contracts.feeds.values()} | {ALL: "全县"}
    grades = grade_titles(workshop)
    return [
        FeedScore(
            feed=name,
            title=titles.get(name, name),
            day=on,
            score=value,
            grade=code,
            grade_title=grades.get(code, code),
            since_day=since_day,
            since_week=since_week,
            since_month=since_month,
            dimensions=tuple(shares.get(name, ())),
        )
        for name, on, value, code, since_day, since_week, since_month in rows
    ]


def grade_titles(workshop: Workshop) -> Mapping[str, str]:
    """Each grade's word in the county's code list."""
    known = workshop.contracts.codes.get("quality_grade")
    return {one.code: one.title for one in known.entries} if known else {}


def is_built(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a model's table is there yet."""
    found = con.execute(
        "SELECT 1 FROM lake.ops.model_build WHERE table_name = ? LIMIT 1", [table]
    ).fetchone()
    return found is not None


def known_day(text: str) -> date | None:
    """A day as a person writes it; None of an empty text.

    Raises:
        UsageError: It is no day.
    """
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day", todo="Write it as 2026-05-31") from error
