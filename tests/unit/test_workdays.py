"""Working days, against the State Council's notices as people read them, and against themselves."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.components.steps.configuration.schemas import calendar_faults
from dagster_project.contracts.calendar_file import read_calendar
from dagster_project.contracts.model import Problem
from dagster_project.contracts.workdays import Calendar
from dagster_project.paths import schemas_dir

DAY = timedelta(days=1)
KNOWN = read_calendar(schemas_dir(), [])
# Month and day, first and last of each holiday, then the make-up workdays: 国办发明电〔2023〕7号,
# 〔2024〕12号, 〔2025〕7号.
NOTICES = {
    2024: (
        "1/1 2/10-2/17 4/4-4/6 5/1-5/5 6/8-6/10 9/15-9/17 10/1-10/7",
        "2/4 2/18 4/7 4/28 5/11 9/14 9/29 10/12",
    ),
    2025: ("1/1 1/28-2/4 4/4-4/6 5/1-5/5 5/31-6/2 10/1-10/8", "1/26 2/8 4/27 9/28 10/11"),
    2026: (
        "1/1-1/3 2/15-2/23 4/4-4/6 5/1-5/5 6/19-6/21 9/25-9/27 10/1-10/7",
        "1/4 2/14 2/28 5/9 9/20 10/10",
    ),
}
WORKDAYS = {2024: 251, 2025: 248, 2026: 248}
ANY_DAY = st.dates(date(2023, 6, 1), date(2028, 6, 30))


def of(year: int, text: str) -> date:
    """A day as the table above writes it."""
    month, day = text.split("/")
    return date(year, int(month), int(day))


@pytest.mark.parametrize("year", sorted(NOTICES))
def test_each_day_of_a_year_is_what_its_notice_says(year: int) -> None:
    """Every holiday is free, every make-up day works, all others go by the week."""
    free, works = set[date](), {of(year, one) for one in NOTICES[year][1].split()}
    for span in NOTICES[year][0].split():
        first, _, last = span.partition("-")
        day = of(year, first)
        while day <= of(year, last or first):
            free.add(day)
            day += DAY
    day, workdays = date(year, 1, 1), 0
    while day.year == year:
        expected = day in works or (day not in free and day.isoweekday() <= 5)
        assert KNOWN.is_workday(day) == expected, day
        workdays += expected
        day += DAY
    assert workdays == WORKDAYS[year]
    assert KNOWN.years == set(NOTICES)


def test_a_year_without_notice_is_monday_to_friday() -> None:
    """No holiday is guessed."""
    assert KNOWN.is_workday(date(2027, 10, 1))
    assert not KNOWN.is_workday(date(2027, 10, 2))
    assert KNOWN.add_workdays(date(2026, 12, 31), 2) == date(2027, 1, 4)


@pytest.mark.parametrize(
    ("day", "workdays", "expected"),
    [
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-14", 1, "2026-02-24"),
        ("2026-02-16", 0, "2026-02-24"),
        ("2026-09-18", 2, "2026-09-21"),
        ("2026-11-23", 10, "2026-12-07"),
        ("2026-11-21", 1, "2026-11-23"),
    ],
)
def test_working_days_are_counted_from_the_day_after(
    day: str, workdays: int, expected: str
) -> None:
    """Over the Spring Festival, a make-up Sunday, two plain weeks, and from a Saturday."""
    assert KNOWN.add_workdays(date.fromisoformat(day), workdays) == date.fromisoformat(expected)


@given(ANY_DAY, st.integers(0, 40))
def test_adding_and_counting_agree(day: date, workdays: int) -> None:
    """What was added is what lies between; the end is a workday and none was left out."""
    end = KNOWN.add_workdays(day, workdays)
    assert KNOWN.is_workday(end)
    assert KNOWN.next_workday(end) == end
    if workdays:
        assert KNOWN.workdays_between(day, end) == workdays
        assert KNOWN.workdays_between(day, end - DAY) == workdays - 1
    assert KNOWN.workdays_between(end, day) == 0


def test_no_time_is_counted_backwards() -> None:
    """A deadline never lies before its beginning."""
    with pytest.raises(ValueError, match="forwards"):
        KNOWN.add_workdays(date(2026, 11, 23), -1)


def test_the_county_has_its_own_days(tmp_path: Path) -> None:
    """A day of the county's comes before the State's; nobody need name a notice for it."""
    text = (schemas_dir() / "calendar.csv").read_text("utf-8")
    (tmp_path / "calendar.csv").write_text(text, "utf-8")
    own = "# a flood\ndate,is_workday,name\n2026-11-23,false,防汛停工\n2026-10-01,true,值班\n"
    (tmp_path / "calendar_county.csv").write_text(own, "utf-8")
    problems: list[Problem] = []
    calendar = read_calendar(tmp_path, problems)
    assert problems == []
    assert calendar.next_workday(date(2026, 11, 21)) == date(2026, 11, 24)
    assert calendar.is_workday(date(2026, 10, 1))
    assert calendar.names[date(2026, 11, 23)] == "防汛停工"
    assert calendar.years == KNOWN.years


HEAD = "# source 2027: a notice\ndate,is_workday,name\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("date,free,name\n", 1, "the header"),
        (HEAD + "2027-13-01,false,x\n", 3, "not a day"),
        (HEAD + "2027-01-01,false\n", 3, "not a day"),
        (HEAD + "2027-01-01,no,x\n", 3, "`no` is not true"),
        (HEAD + "2027-01-01,false,x\n2027-01-01,true,x\n", 4, "stands here twice"),
        (HEAD + "2028-01-03,false,x\n", 3, "names the notice"),
    ],
)
def test_a_calendar_that_is_wrong_is_named_and_left_out(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    """The line, what is wrong, what to do; every week is then Monday to Friday."""
    (tmp_path / "calendar.csv").write_text(text, "utf-8")
    problems: list[Problem] = []
    assert read_calendar(tmp_path, problems) == Calendar()
    (problem,) = problems
    assert (problem.line, said in problem.sentence) == (line, True), problem.sentence


def test_a_month_without_work_is_a_slip(tmp_path: Path) -> None:
    """Nothing could be due, and the search for a workday must end."""
    days = [date(2027, 3, 1) + number * DAY for number in range(40)]
    body = "".join(f"{day},false,x\n" for day in days)
    (tmp_path / "calendar.csv").write_text(HEAD + body, "utf-8")
    problems: list[Problem] = []
    assert read_calendar(tmp_path, problems) == Calendar()
    assert "2027-03-01" in problems[0].sentence


@pytest.mark.parametrize(
    ("today", "years"),
    [("2026-09-30", []), ("2026-10-01", [2027]), ("2027-03-01", [2027]), ("2023-12-31", [2023])],
)
def test_a_year_that_nobody_wrote_down_is_told_from_october_on(
    today: str, years: list[int]
) -> None:
    """A warning that names the year; the year itself once it has begun."""
    faults = list(calendar_faults(KNOWN, date.fromisoformat(today)))
    assert [fault.what.split("holidays of ")[1][:4] for fault in faults] == [str(y) for y in years]
    assert all(fault.is_warning for fault in faults)
