"""A feed on workdays through two weeks of a real lake: in time, late, missing, over a weekend."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_project import clock
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.tasks.look import TaskLine, task
from dagster_project.paths import schemas_dir
from tests.delivery_kit import County, rows

MONTHLY = "{property: frequency, value: 1, unit: m}"
DAILY = """{property: frequency, value: 1, unit: d}
  - {property: timeOfAvailability, value: '18:00'}
  - {property: calendar, value: workdays}"""
CALENDAR = "# source 2026: a notice\ndate,is_workday,name\n2026-12-09,false,停工\n"


class Days:
    """A county whose clock is set by the test."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch, self.files = patch, 0
        self.set("2026-12-03 09:00")
        self.county = County(root)
        for folder in ("gold", "codes"):
            (root / "schemas" / folder).symlink_to(schemas_dir() / folder)
        (root / "schemas" / "calendar.csv").write_text(CALENDAR, "utf-8")
        self.promise(MONTHLY, DAILY)

    def promise(self, old: str, new: str) -> None:
        """Another frequency in the contract."""
        path = self.county.workshop.schemas / "feeds" / "permit.yaml"
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        self.county.workshop = self.county.workshop.renewed()
        assert not self.county.workshop.contracts.problems, self.county.workshop.contracts.problems

    def set(self, at: str) -> None:
        """What time it is in the county."""
        now = datetime.fromisoformat(at).replace(tzinfo=clock.SHANGHAI)
        self.patch.setattr(clock, "now", lambda: now)

    def run(self, at: str, *, sent: bool = True) -> TaskLine:
        """The task at that time, with another file or without."""
        self.set(at)
        if sent:
            self.files += 1
            path = self.county.put(f"许可_{self.files}.csv", rows(range(self.files)))
            past = (clock.now() - timedelta(minutes=1)).timestamp()
            os.utime(path, (past, past))
        assert not self.county.run().error
        return self.stands()

    def stands(self) -> TaskLine:
        """How the task stands."""
        return task(self.county.workshop, "permit")

    def build(self, table: str) -> None:
        """A table and what it reads, as of now."""
        workshop = self.county.workshop
        day = clock.local_day(clock.now())
        for name in (*workshop.graph.upstream(table), table):
            build_model(
                workshop, workshop.graph.models[name], Occasion(f"{name} {clock.now()}", day)
            )

    def periods(self) -> list[tuple[Any, ...]]:
        """Last day, state and minutes late of each period, a minute later."""
        later = clock.now() + timedelta(minutes=1)
        self.patch.setattr(clock, "now", lambda: later)
        self.build("gold.catalogue_item")
        return [
            (str(last)[5:], state, late)
            for last, state, late in self.county.ask(
                "SELECT last_day, state, late_minute_cnt FROM lake.gold.feed_period"
                " ORDER BY first_day"
            )
        ]

    def item(self) -> tuple[Any, ...]:
        """Whether the entry is on time, missed periods in a row, whether it is a zombie."""
        (found,) = self.county.ask(
            "SELECT is_on_time, missed_cycle_cnt, is_zombie FROM lake.gold.catalogue_item"
        )
        return found


@pytest.mark.thorough
def test_two_weeks_of_a_feed_on_workdays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thursday in time, Friday late, a weekend's file for Monday; then nothing, and a change."""
    days = Days(tmp_path, monkeypatch)
    assert days.run("2026-12-03 10:00").state == "ok"
    assert days.run("2026-12-04 17:00", sent=False).state == "waiting"
    days.set("2026-12-04 18:01")
    assert (days.stands().state, days.stands().is_served) == ("late", False)
    assert days.run("2026-12-04 19:30").state == "ok"
    days.set("2026-12-05 12:00")  # a Saturday: Monday's period has begun
    line = days.stands()
    assert (line.state, str(line.period and line.period[1])) == ("waiting", "2026-12-07")
    assert days.run("2026-12-06 09:00").state == "ok"
    assert days.periods() == [
        ("12-03", "on_time", None),
        ("12-04", "late", 90),
        ("12-07", "on_time", None),
    ]
    assert days.item() == (True, 0, False)
    # Tuesday is missed; Wednesday is free, so that Thursday's file at noon comes late for Tuesday
    # and in time for itself.
    assert days.run("2026-12-09 20:00", sent=False).state == "late"
    assert days.periods()[3:] == [("12-08", "missing", None), ("12-10", "open", None)]
    assert days.item() == (False, 1, False)
    assert days.run("2026-12-10 12:00").state == "ok"
    assert days.periods()[3:] == [("12-08", "late", 42 * 60), ("12-10", "on_time", None)]
    # From here on nothing comes; on Tuesday the contract becomes monthly.
    assert days.run("2026-12-14 19:00", sent=False).state == "late"
    missed = [("12-11", "missing", None), ("12-14", "missing", None)]
    assert days.periods()[5:] == missed
    assert days.item() == (False, 2, True)
    days.set("2026-12-15 09:00")
    days.promise(DAILY, MONTHLY)
    days.run("2026-12-15 10:00", sent=False)
    assert days.periods()[5:] == [*missed, ("12-31", "open", None)]
    assert str(days.stands().due_at) == "2026-12-31 12:00:00+00:00"
