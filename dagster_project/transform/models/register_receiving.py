"""Contracts and register -> what ``sql/city`` reads of a receiving site's own affairs.

These are ``ops.child``, ``ops.owed_period``, ``ops.assessment_indicator`` and ``ops.tier``. What
was received is not written here. The caller holds the writer's lock and an open transaction;
nothing is written that is there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import duckdb

from dagster_project.clock import local_day
from dagster_project.contracts.assessment import COUNTS, RATES, TIERS, Assessment
from dagster_project.contracts.due import DAY
from dagster_project.contracts.model import Table
from dagster_project.contracts.report_period import period_at

SHOWN_DAYS = 31
"""Days, the present one included, for which a daily report stands in the view."""
SHOWN_MONTHS: Mapping[str, int] = {"monthly": 12, "quarterly": 12, "yearly": 24}
"""Months from a period's first day for which it stands in the view."""
_TOP = Decimal("100.01")


@dataclass(frozen=True)
class Child:
    """A site that is registered here.

    ``via`` is the site that relays its packages; ``since`` is None where its registration is of an
    older programme, which did not note it.
    """

    code: str
    name: str
    via: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class Owed:
    """One period of one report, as ``ops.owed_period`` keeps it."""

    report: str
    title: str
    every: str
    period: str
    first_day: date
    last_day: date
    due_at: datetime
    shown_until: date


def register_children(
    con: duckdb.DuckDBPyConnection, children: Iterable[Child], now: datetime
) -> None:
    """Make ``ops.child`` say who is registered since when, and who is so no longer."""
    known = {
        str(row[0]): row
        for row in con.execute(
            "SELECT site_code, site_name, via, registered_at, registered_day, removed_at"
            " FROM lake.ops.child"
        ).fetchall()
    }
    wanted = {one.code: one for one in children}
    rows: list[tuple[object, ...]] = []
    for code in sorted(known.keys() | wanted.keys()):
        before, one = known.get(code), wanted.get(code)
        if one is None:
            assert before is not None  # noqa: S101 - a code of one of the two
            rows.append((*before[:5], before[5] or now))
            continue
        since = one.since or (before[3] if before else now)
        rows.append((one.code, one.name, one.via, since, local_day(since), None))
    if rows != [known[code] for code in sorted(known)]:
        _replace(con, "lake.ops.child", rows)


def register_assessment(con: duckdb.DuckDBPyConnection, policy: Assessment) -> None:
    """Make both tables of the assessment say what the configuration says."""
    rates = [
        (name, title, "%", True, policy.weights[name], policy.sample)
        for name, title in RATES.items()
    ]
    counts = [(name, title, unit, False, 0, 0) for name, (title, unit) in COUNTS.items()]
    indicators = [(*row, place) for place, row in enumerate((*rates, *counts), start=1)]
    tiers, below = [], _TOP
    for place, (name, title) in enumerate(TIERS.items(), start=1):
        tier = policy.tiers[name]
        tiers.append((name, title, tier.floor, below, tier.coefficient, place))
        below = tier.floor
    for table, rows in (("assessment_indicator", indicators), ("tier", tiers)):
        found = con.execute(f"SELECT * FROM lake.ops.{table} ORDER BY position").fetchall()
        if found != rows:
            _replace(con, f"lake.ops.{table}", rows)


def register_owed(
    con: duckdb.DuckDBPyConnection,
    reports: Iterable[Table],
    grace: timedelta,
    day: date,
    now: datetime,
) -> None:
    """Write down the periods in sight of ``day``; one that is past due stays as it was written.

    Args:
        con: The writer's connection.
        reports: The contracts of the reports that are owed.
        grace: What goes on top of their due time.
        day: The day that is worked for.
        now: The present instant.
    """
    wanted = {(one.report, one.period): one for table in reports for one in owed(table, grace, day)}
    names = ", ".join(Owed.__dataclass_fields__)
    written = [
        Owed(*row)
        for row in con.execute(
            f"SELECT {names} FROM lake.ops.owed_period WHERE first_day <= ? AND shown_until >= ?",
            [day, day],
        ).fetchall()
    ]
    kept = {
        (one.report, one.period)
        for one in written
        if one.due_at <= now or wanted.get((one.report, one.period)) == one
    }
    for one in written:
        if (one.report, one.period) not in kept:
            con.execute(
                "DELETE FROM lake.ops.owed_period WHERE report = ? AND period = ?",
                [one.report, one.period],
            )
    new = [
        tuple(getattr(one, name) for name in Owed.__dataclass_fields__)
        for key, one in sorted(wanted.items())
        if key not in kept
    ]
    _insert(con, "lake.ops.owed_period", new)


def owed(table: Table, grace: timedelta, day: date) -> list[Owed]:
    """The periods of a report that have begun by ``day`` and still stand in the view on it."""
    found: list[Owed] = []
    one = period_at(table.period, day)
    while (until := _shown_until(table.period, one.first)) >= day:
        due = one.due_at(table) + grace
        told = (table.name, table.title, table.period, one.name, one.first, one.last, due, until)
        found.append(Owed(*told))
        one = period_at(table.period, one.first - DAY)
    return found[::-1]


def _shown_until(every: str, first: date) -> date:
    """The last day on which a period that began on ``first`` stands in the view."""
    if every not in SHOWN_MONTHS:
        return first + (SHOWN_DAYS - 1) * DAY
    return _months_on(first, SHOWN_MONTHS[every]) - DAY


def _months_on(first: date, months: int) -> date:
    ahead = first.year * 12 + first.month - 1 + months
    return date(ahead // 12, ahead % 12 + 1, 1)


def _replace(
    con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]
) -> None:
    con.execute(f"DELETE FROM {table}")
    _insert(con, table, rows)


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Write all rows in one statement, because each INSERT of its own writes a file of its own."""
    if not rows:
        return
    line = f"({', '.join('?' * len(rows[0]))})"
    cells = [cell for row in rows for cell in row]
    con.execute(f"INSERT INTO {table} VALUES {', '.join([line] * len(rows))}", cells)
