"""Deadlines: every period has one, on a day that can be due, and what is past is never changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dagster_project.clock import SHANGHAI, local_day
from dagster_project.components.steps.tasks.standing import standing, within
from dagster_project.components.steps.tasks.timetable import timetable
from dagster_project.contracts.calendar_file import read_calendar
from dagster_project.contracts.due import (
    Deadline,
    deadline,
    due_after,
    due_before,
    period,
    timeline,
)
from dagster_project.contracts.model import Column, Contracts, Feed, Sla
from dagster_project.lake.ops import TABLES
from dagster_project.paths import schemas_dir
from dagster_project.transform.models import register_deadlines
from tests.conform_kit import feed_of

CALENDAR = read_calendar(schemas_dir(), [])
DAY = timedelta(days=1)
DAILY = Sla(1, "d", "18:00", calendar="workdays", workdays=CALENDAR)
SLAS = st.builds(
    lambda every, unit, calendar: Sla(every, unit, "18:00", "", calendar, CALENDAR),
    st.integers(1, 4),
    st.sampled_from(["d", "w", "m", "q", "y"]),
    st.sampled_from(["", "workdays"]),
)
DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))


def at(text: str) -> datetime:
    """An instant on the county's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def days(one: Deadline) -> tuple[str, str, str]:
    """First, last and due day."""
    return str(one.first)[5:], str(one.last)[5:], str(one.due)[5:]


@given(SLAS, DAYS)
def test_periods_tile_the_time_line_and_none_is_due_on_a_free_day(sla: Sla, day: date) -> None:
    """Of any two neighbours: no gap, no overlap, one deadline each, the later one later."""
    found = deadline(sla, day)
    after = deadline(sla, found.due + DAY)
    before = deadline(sla, found.opens - DAY)
    assert found.opens <= day <= found.due
    assert found.first <= found.last <= found.due
    assert (before.last + DAY, found.last + DAY) == (found.first, after.first)
    assert (before.due + DAY, found.due + DAY) == (found.opens, after.opens)
    assert before.due_at < found.due_at < after.due_at
    if sla.calendar:
        assert CALENDAR.is_workday(found.due)
        assert found.due == CALENDAR.next_workday(found.last)
    else:
        assert (found.first, found.last) == period(sla, day)
        assert found.due == found.last


@given(SLAS, DAYS, st.integers(0, 60 * 24))
def test_an_instant_lies_between_two_working_deadlines(sla: Sla, day: date, minute: int) -> None:
    """The one before is not later, the next one is, and nothing is due in between."""
    now = at(f"{day} 00:00") + timedelta(minutes=minute)
    before, after = due_before(sla, now), due_after(sla, now)
    assert before <= now < after
    assert due_after(sla, before) == after
    assert due_before(sla, after - timedelta(minutes=1)) == before


@given(DAYS)
def test_shanghai_has_no_summer_time(day: date) -> None:
    """The hour of a deadline is the same all year."""
    due_at = deadline(DAILY, day).due_at
    assert due_at.astimezone(UTC).strftime("%H:%M") == "10:00"


@pytest.mark.parametrize(
    ("unit", "day", "expected"),
    [
        ("d", "2026-11-20", ("11-20", "11-20", "11-20")),
        ("d", "2026-11-21", ("11-21", "11-23", "11-23")),
        ("d", "2026-11-23", ("11-21", "11-23", "11-23")),
        ("d", "2026-02-14", ("02-14", "02-14", "02-14")),  # a make-up Saturday
        ("d", "2026-02-15", ("02-15", "02-24", "02-24")),  # the Spring Festival
        ("d", "2026-09-20", ("09-19", "09-20", "09-20")),  # a make-up Sunday after a free Saturday
        ("w", "2026-11-22", ("11-16", "11-22", "11-23")),
        ("w", "2026-11-23", ("11-16", "11-22", "11-23")),  # Monday still serves the week before
        ("w", "2026-11-24", ("11-23", "11-29", "11-30")),
        (
            "w",
            "2026-02-18",
            ("02-09", "02-22", "02-24"),
        ),  # a week without work joins the one before
        ("w", "2026-02-08", ("02-02", "02-08", "02-09")),
        ("m", "2026-11-02", ("10-01", "10-31", "11-02")),
        ("m", "2026-11-03", ("11-01", "11-30", "11-30")),
        ("q", "2026-10-01", ("10-01", "12-31", "12-31")),
        ("m", "2027-02-01", ("01-01", "01-31", "02-01")),  # a year that no notice is known of
    ],
)
def test_a_deadline_on_a_free_day_moves_to_the_next_workday(
    unit: str, day: str, expected: tuple[str, str, str]
) -> None:
    """The period that a delivery of that day serves: first, last and due day."""
    assert days(deadline(replace(DAILY, unit=unit), date.fromisoformat(day))) == expected


def test_a_week_that_moved_is_late_only_after_its_workday() -> None:
    """Sunday's deadline is Monday's; Monday's file serves it, Tuesday's does not."""
    sla, since = replace(DAILY, unit="w"), at("2026-10-01 08:00")
    nothing, monday = within([]), within([at("2026-11-23 17:00")])
    assert standing(sla, nothing, since, at("2026-11-22 23:00")).missed_at == at("2026-11-16 18:00")
    served = within([at("2026-11-16 17:00")])
    assert standing(sla, served, since, at("2026-11-23 17:59")).missed_at is None
    assert standing(sla, served, since, at("2026-11-23 18:01")).missed_at == at("2026-11-23 18:00")
    assert standing(sla, monday, since, at("2026-11-23 18:01")).is_served
    tuesday = standing(sla, monday, since, at("2026-11-24 09:00"))
    assert (tuesday.is_served, tuesday.missed_at) == (False, None)


def test_timetables_of_workdays_are_said_in_words() -> None:
    """No cron line can name them; a channel starts before the deadline that counts."""
    feed = replace(feed_of(Column("no", "编号", "string")), sla=DAILY)
    times = timetable(feed)
    assert (times.words, times.cron) == ("on arrival; workdays 18:00", "")
    assert times.next(at("2026-11-20 19:00")) == at("2026-11-23 18:00")
    assert timetable(replace(feed, sla=replace(DAILY, unit="m"))).words == (
        "on arrival; month's end or next workday 18:00"
    )


@given(SLAS, SLAS, DAYS, st.integers(0, 80), st.integers(1, 80))
@example(Sla(1, "m"), Sla(1, "w"), date(2024, 1, 1), 35, 1)  # a week that had begun before
def test_a_new_promise_changes_nothing_that_is_past(
    old: Sla, new: Sla, day: date, until: int, later: int
) -> None:
    """Written day by day or at once, before and after a change: one line without gap or overlap."""
    since = at(f"{day} 09:00")
    changed = since + timedelta(days=until)
    written: list[Deadline] = []
    for number in range(until + 1):
        written = timeline(old, since, since + timedelta(days=number), written)
    assert written == timeline(old, since, changed)
    past = [one for one in written if one.due_at <= changed]
    after = timeline(new, since, changed, written)
    now = changed + timedelta(days=later)
    end = timeline(new, since, now, after)
    assert end[: len(past)] == past
    assert all(one.due_at > changed for one in end[len(past) :])
    assert all(a.last + DAY == b.first for a, b in pairwise(end))
    assert all(a.due < b.due and a.due + DAY == b.opens for a, b in pairwise(end))
    assert end[-1].due_at > now >= (end[-2].due_at if len(end) > 1 else since)
    assert timeline(new, since, now, end) == end


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """A database with the two ledgers."""
    con = duckdb.connect()
    con.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.ops")
    for name in ("deadline", "task_run"):
        body = ", ".join(f"{column} {kind}" for column, kind, _ in TABLES[name].columns)
        con.execute(f"CREATE TABLE lake.ops.{name} ({body})")
    return con


def contracts(sla: Sla, **catalogue: str) -> Contracts:
    """One feed with that promise."""
    feed: Feed = replace(feed_of(Column("no", "编号", "string")), sla=sla, catalogue=catalogue)
    return Contracts({"people": feed}, {}, {})


def ledger(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Last day and due day of each deadline."""
    found = con.execute("SELECT last_day, due_at FROM lake.ops.deadline ORDER BY due_at").fetchall()
    return [(str(last)[5:], str(local_day(due_at))[5:]) for last, due_at in found]


def test_the_ledger_is_written_as_time_goes_and_keeps_what_was_promised(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """From the first execution on; a stop of days is caught up; a new contract holds from now."""
    daily, weekly = contracts(DAILY), contracts(replace(DAILY, unit="w"))
    assert register_deadlines(con, daily, at("2026-11-18 09:00")) == 0  # it never ran
    assert register_deadlines(con, daily, at("2026-11-18 19:00"), "people") == 1
    assert ledger(con) == [("11-19", "11-19")]  # that day's deadline was before it
    con.execute(
        "INSERT INTO lake.ops.task_run (task, kind, started_at) VALUES ('people', 'feed', ?)",
        [at("2026-11-18 19:00")],
    )
    assert register_deadlines(con, daily, at("2026-11-19 12:00"), "people") == 0
    assert register_deadlines(con, daily, at("2026-11-23 12:00")) == 2
    assert ledger(con) == [("11-19", "11-19"), ("11-20", "11-20"), ("11-23", "11-23")]
    assert register_deadlines(con, weekly, at("2026-11-23 13:00")) == 1
    expected = [("11-19", "11-19"), ("11-20", "11-20"), ("11-22", "11-23")]
    assert ledger(con) == expected
    assert register_deadlines(con, weekly, at("2026-11-23 13:00")) == 0
    assert register_deadlines(con, weekly, at("2026-11-24 13:00")) == 1
    assert ledger(con) == [*expected, ("11-29", "11-30")]


def test_a_day_that_the_county_frees_moves_only_what_lies_ahead(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """A calendar that is amended changes no deadline that is past."""
    register_deadlines(con, contracts(DAILY), at("2026-11-23 12:00"), "people")
    flood = replace(CALENDAR, days={**CALENDAR.days, date(2026, 11, 23): False})
    amended = contracts(replace(DAILY, workdays=flood))
    assert register_deadlines(con, amended, at("2026-11-23 12:30"), "people") == 1
    assert ledger(con) == [("11-24", "11-24")]


def test_what_promises_no_updates_has_no_deadline(con: duckdb.DuckDBPyConnection) -> None:
    """不更新 is never due."""
    never = contracts(DAILY, updateCycle="不更新")
    assert register_deadlines(con, never, at("2026-11-23 12:00"), "people") == 0
