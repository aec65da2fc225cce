"""The states of tasks, by a clock that stands still."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dagster_project.clock import SHANGHAI
from dagster_project.components.steps.arriving.holds import Hold
from dagster_project.components.steps.tasks.facts import Executions, Facts
from dagster_project.components.steps.tasks.look import STATES, Look, TaskLine
from dagster_project.components.steps.tasks.pausing import Decision
from dagster_project.components.steps.tasks.running import Running
from dagster_project.components.steps.tasks.standing import standing, within
from dagster_project.components.steps.tasks.starting import BACKOFF
from dagster_project.components.steps.tasks.timetable import timetable
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.due import due_after, due_before, period
from dagster_project.contracts.model import Column, Feed, Server, Sla
from tests.conform_kit import feed_of

FEED = feed_of(Column("no", "编号", "string"), name="people")
PULLED = replace(FEED, servers=(Server("civil_db", "postgresql", "parquet"),))
DAY = timedelta(days=1)


def at(text: str) -> datetime:
    """An instant on the county's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


NOW = at("2026-11-22 12:00")
BEFORE = at("2026-11-01 09:00")


def line(
    ran: Executions | None = None,
    *,
    feed: Feed = FEED,
    now: datetime = NOW,
    taken: tuple[datetime, ...] = (),
    **more: Any,
) -> TaskLine:
    """A feed's line, from what its ledgers say."""
    running = more.pop("running", {})
    files = more.pop("files", {})
    facts = Facts(
        executions={("feed", feed.name): ran} if ran else {},
        deliveries={feed.name: taken},
        **more,
    )
    workshop = cast("Workshop", SimpleNamespace())
    return Look(workshop, now, facts, running, files).feed(feed)


def ran(**more: Any) -> Executions:
    """A task that has run since the beginning of the month, last this morning."""
    given: dict[str, Any] = {
        "first_run": BEFORE,
        "last_started": NOW - timedelta(hours=3),
        "last_run": NOW - timedelta(hours=3),
        "last_status": "success",
    }
    return Executions(**(given | more))


def held() -> Hold:
    """A hold that waits for a decision and keeps no later file."""
    return Hold(
        *("people-1", "people", "vanished", "d", "b", "p", "s", NOW, "r", [], "m", "open"),
        *(None, "", "", "1.0.0", ""),
    )


FAILED = {
    "last_status": "failed",
    "acted_status": "failed",
    "acted_at": NOW - timedelta(hours=3),
    "failures": 1,
    "error": "no answer.",
}
RUNNING = {"people": Running("people", "run", NOW, 1)}
PAUSED = {"people": Decision("people", "pause", NOW, "w", "y")}


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("never", line()),
        ("ok", line(ran(), taken=(NOW - timedelta(hours=3),))),
        ("waiting", line(ran(), taken=(NOW - DAY,))),
        ("due", line(ran(), taken=(NOW - DAY,), files={"people": [NOW]})),
        ("failed", line(ran(**FAILED), taken=(NOW - DAY,))),
        ("late", line(ran(**FAILED), taken=(NOW - 2 * DAY,))),
        ("held", line(ran(**FAILED), holds={"people": (held(),)})),
        ("paused", line(ran(**FAILED), holds={"people": (held(),)}, pauses=PAUSED)),
        ("running", line(ran(), pauses=PAUSED, running=RUNNING)),
    ],
)
def test_every_state_and_the_one_that_wins(state: str, found: TaskLine) -> None:
    """Each state from the facts that make it; later ones in the order are hidden by it."""
    assert found.state == state
    assert state in STATES


@pytest.mark.parametrize(
    ("now", "state", "missed"),
    [
        ("2026-11-22 19:59", "waiting", None),
        ("2026-11-22 20:00", "due", None),
        ("2026-11-22 20:01", "late", "2026-11-22 20:00"),
        ("2026-11-23 00:30", "late", "2026-11-22 20:00"),
    ],
)
def test_a_day_is_late_after_its_deadline_and_over_midnight(
    now: str, state: str, missed: str | None
) -> None:
    """A day that was missed stays so until something comes."""
    found = line(ran(), now=at(now), taken=(at("2026-11-21 10:00"),))
    assert (found.state, found.missed_at) == (state, at(missed) if missed else None)
    came = line(ran(), now=at(now), taken=(at("2026-11-21 10:00"), at(now)))
    assert came.state == "ok"


def test_a_file_half_an_hour_late_every_day_is_late_every_day() -> None:
    """Yesterday's late delivery does not serve today."""
    taken = tuple(at(f"2026-11-{day} 20:30") for day in (19, 20, 21))
    assert line(ran(), now=at("2026-11-22 20:10"), taken=taken).state == "late"


def test_no_deadline_is_missed_before_the_first_execution() -> None:
    """A feed that was added at nine in the evening is not late for eight."""
    first = ran(first_run=at("2026-11-22 21:00"), last_started=at("2026-11-22 21:00"))
    assert line(first, now=at("2026-11-22 22:00")).state == "waiting"
    assert line(first, now=at("2026-11-23 21:00")).state == "late"


@pytest.mark.parametrize(
    ("sla", "day", "expected"),
    [
        (Sla(1, "d"), "2028-02-29", ("2028-02-29", "2028-02-29")),
        (Sla(1, "w"), "2026-11-22", ("2026-11-16", "2026-11-22")),
        (Sla(2, "w"), "2026-11-22", None),
        (Sla(1, "m"), "2028-02-10", ("2028-02-01", "2028-02-29")),
        (Sla(2, "m"), "2026-12-31", ("2026-11-01", "2026-12-31")),
        (Sla(1, "q"), "2026-11-22", ("2026-10-01", "2026-12-31")),
        (Sla(1, "y"), "2026-11-22", ("2026-01-01", "2026-12-31")),
    ],
)
def test_periods_hold_their_days(sla: Sla, day: str, expected: tuple[str, str] | None) -> None:
    """The period of a day, leap days included; neighbours meet without a gap."""
    found = period(sla, date.fromisoformat(day))
    if expected:
        assert tuple(map(str, found)) == expected
    after = period(sla, found[1] + DAY)
    assert after[0] == found[1] + DAY
    assert period(sla, found[0]) == period(sla, found[1]) == found


@pytest.mark.parametrize("unit", ["d", "w", "m", "q", "y"])
def test_an_instant_lies_between_two_deadlines(unit: str) -> None:
    """The deadline before is not later, the one after is."""
    sla = Sla(1, unit, "18:00")  # type: ignore[arg-type]
    for now in (NOW, at("2026-12-31 18:00"), at("2028-02-29 23:59"), at("2027-01-01 00:00")):
        assert due_before(sla, now) <= now < due_after(sla, now)
        assert due_after(sla, due_before(sla, now)) == due_after(sla, now)


@pytest.mark.parametrize(
    ("unit", "late_at", "taken"),
    [
        ("w", "2026-11-22 20:01", "2026-11-15 19:00"),
        ("q", "2026-12-31 20:01", "2026-09-30 10:00"),
    ],
)
def test_weeks_and_quarters_are_late_at_their_ends(unit: str, late_at: str, taken: str) -> None:
    """Served in the period before, and not in the one that has just ended."""
    sla = Sla(1, unit)  # type: ignore[arg-type]
    since = at("2026-01-01 08:00")
    served = within([at(taken)])
    assert standing(sla, served, since, at(late_at)).missed_at is not None
    assert standing(sla, served, since, at(late_at) - timedelta(hours=1)).missed_at is None


def test_a_channel_starts_before_its_deadline_and_once_after_a_night_without() -> None:
    """The same start is found by every look, however many were missed."""
    start = line(ran(last_started=NOW - 5 * DAY), feed=PULLED, now=at("2026-11-22 15:00")).start
    assert start is not None
    assert (start.trigger, start.at) == ("schedule", at("2026-11-22 14:00"))
    done = ran(last_started=at("2026-11-22 14:01"))
    assert line(done, feed=PULLED, now=at("2026-11-22 15:00")).start is None


def test_a_schedule_of_the_contract_comes_first() -> None:
    """A cron line stands in the place of what follows from the deadline."""
    feed = replace(PULLED, sla=Sla(1, "d", "20:00", "0 2 * * *"))
    found = line(ran(last_started=at("2026-11-22 02:00")), feed=feed)
    assert found.start is None
    assert (found.cron, found.next_run) == ("0 2 * * *", at("2026-11-23 02:00"))


def test_timetables_are_said_in_words() -> None:
    """Departments' files come when they come; channels are asked six hours before."""
    assert timetable(FEED).words == "on arrival; daily 20:00"
    assert timetable(PULLED).words == "daily 14:00"
    assert timetable(replace(PULLED, sla=Sla(1, "m", "18:00"))).cron == "0 12 L * *"
    early = timetable(replace(PULLED, sla=Sla(1, "m", "04:00")))
    assert early.cron == ""
    assert early.next(NOW) == at("2026-11-29 22:00")


def test_a_failure_is_tried_again_later_and_later_then_by_the_timetable() -> None:
    """Four times after one start; the fifth failure waits for the next one."""
    failed = FAILED | {"is_transient": True, "acted_at": NOW, "last_started": NOW}
    feed = replace(PULLED, sla=Sla(1, "m"))
    for attempt, pause in enumerate(BACKOFF, start=1):
        again = ran(**failed, attempt=attempt)
        assert line(again, feed=feed).retry_at == NOW + pause
        assert line(again, feed=feed, now=NOW + pause - timedelta(seconds=1)).start is None
        start = line(again, feed=feed, now=NOW + pause).start
        assert start is not None
        assert (start.trigger, start.attempt) == ("retry", attempt + 1)
    assert line(ran(**failed, attempt=len(BACKOFF) + 1), feed=feed).retry_at is None


def test_a_wrong_password_is_not_tried_again() -> None:
    """Only what time may mend is; a refused file waits for another one."""
    assert line(ran(**FAILED, attempt=1), feed=PULLED).retry_at is None


def test_a_source_with_nothing_new_has_answered() -> None:
    """A database that was asked in this period is not late."""
    asked = ran(answered=(NOW - timedelta(hours=3),))
    assert line(asked, feed=PULLED, now=at("2026-11-22 13:00")).state == "ok"


def test_a_held_structure_starts_nothing() -> None:
    """Later files would fare no better."""
    stopped = replace(held(), kind="schema")
    found = line(ran(), holds={"people": (stopped,)}, files={"people": [NOW]})
    assert found.start is None
    assert Path("people-1").name in found.holds
