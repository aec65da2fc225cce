"""``schemas/calendar.csv`` -> the calendar of workdays, with the county's own days over it.

The file holds only the days that differ from Monday to Friday, as the State Council announces them
for each year; a county's own days stand in ``calendar_county.csv`` beside it. A year that no
notice is known of counts as Monday to Friday.
"""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path

from dagster_project.contracts.model import Problem
from dagster_project.contracts.workdays import Calendar

FILE, COUNTY_FILE = "calendar.csv", "calendar_county.csv"
HEADER = ["date", "is_workday", "name"]
LONGEST = 31
"""No more days than these are free one after the other: more of them are a slip of the pen."""
_SOURCE = re.compile(r"#\s*source (\d{4}):\s*\S")


def read_calendar(root: Path, problems: list[Problem]) -> Calendar:
    """Read the calendar of a ``schemas`` folder, with the county's own days over it.

    Args:
        root: The folder; without the files every week is Monday to Friday.
        problems: Takes what is wrong; a file with a fault is left out whole.
    """
    days: dict[date, bool] = {}
    names: dict[date, str] = {}
    years: set[int] = set()
    for file in (FILE, COUNTY_FILE):
        path = root / file
        if not path.exists():
            continue
        found = _read(path, f"{root.name}/{file}")
        if isinstance(found, Problem):
            problems.append(found)
            continue
        days |= found.days
        names |= found.names
        years |= found.years
    made = Calendar(days, names, frozenset(years))
    if fault := _endless(made):
        problems.append(Problem(f"{root.name}/{FILE}", 0, fault))
        return Calendar()
    return made


def _read(path: Path, name: str) -> Calendar | Problem:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return Problem(name, 0, "the calendar cannot be read; save it as UTF-8 text")
    notes = [line for line in lines if line.startswith("#")]
    years = frozenset(int(found[1]) for note in notes if (found := _SOURCE.match(note)))
    rows = csv.reader(lines[len(notes) :])
    if next(rows, None) != HEADER:
        at = len(notes) + 1
        return Problem(name, at, f"the header is not `{','.join(HEADER)}`; write it so")
    days: dict[date, bool] = {}
    names: dict[date, str] = {}
    for row in rows:
        told = _day(row)
        fault = told if isinstance(told, str) else ""
        if not isinstance(told, str):
            day, is_workday, title = told
            if day in days:
                fault = f"the day {day} stands here twice; keep one of them"
            elif path.name == FILE and day.year not in years:
                fault = f"no `# source {day.year}: …` names the notice this day is of; add it"
            days[day], names[day] = is_workday, title
        if fault:
            return Problem(name, len(notes) + rows.line_num, fault)
    return Calendar(days, names, years)


def _day(row: list[str]) -> tuple[date, bool, str] | str:
    try:
        said, is_workday, title = row
        day = date.fromisoformat(said)
    except ValueError:
        return "the row is not a day as 2026-10-01, true or false, and a name; write it so"
    if is_workday not in ("true", "false"):
        return f"`{is_workday}` is not true (works) or false (free); write one of them"
    return day, is_workday == "true", title


def _endless(calendar: Calendar) -> str:
    """A stretch without any workday, in which nothing could ever be due."""
    for day in sorted(day for day, works in calendar.days.items() if not works):
        if (calendar.next_workday(day) - day).days > LONGEST:
            return f"more than {LONGEST} days from {day} on are free; correct the days"
    return ""
