"""What notices say and when: grouped, bounded, told once, told again when it changed or lasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from dagster_project.components.steps.notices.sending import (
    Due,
    Notice,
    concerns,
    decided,
    notice_id,
)
from dagster_project.components.steps.notices.text import (
    MOST_BYTES,
    MOST_PARTS,
    Condition,
    line,
    messages,
    title,
)
from dagster_project.settings import Recipient, Site

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATE = Condition(
    kind="late",
    task="population",
    title="实有人口",
    department="公安局",
    department_code="gongan",
    sentence="应于 11-22 20:00 前完成，至今没有；请催送",
    command="countylake tasks show population",
    state="2026-11-22",
)
FAILED = replace(LATE, kind="failed", task="house", title="实有房屋", sentence="执行失败")
OTHER = replace(LATE, task="grid", title="网格", department="政法委", department_code="zhengfawei")
TO = Recipient(to="env:DUTY")


def titled(_: str) -> str:
    """What every task is called here."""
    return "实有人口"


def told(condition: Condition, to: Recipient, at: datetime = NOW) -> Notice:
    """The ledger's row after the condition was told."""
    (notice,) = decided(to, [condition], {}, at, titled).notices
    return notice


def test_a_line_says_what_where_and_what_to_do() -> None:
    """Kind, title, name, sentence and the command, in one line."""
    assert line(LATE) == (
        "[逾期] 实有人口 population：应于 11-22 20:00 前完成，至今没有；请催送"
        " → countylake tasks show population"
    )
    assert title("平定县", [LATE, OTHER, FAILED]) == "平定县 数据归集通知：逾期 2、失败 1"


def test_matters_are_grouped_by_department_and_kind() -> None:
    """Each department stands once, with what is late before what failed."""
    (text,) = messages([FAILED, OTHER, LATE])
    assert [row.partition("：")[0] for row in text.splitlines()] == [
        "■ 公安局",
        "[逾期] 实有人口 population",
        "[失败] 实有房屋 house",
        "■ 政法委",
        "[逾期] 网格 grid",
    ]


@pytest.mark.parametrize("number", [1, 9, 40, 400])
def test_messages_are_bounded_and_count_what_they_leave_out(number: int) -> None:
    """Every part fits into a message of WeCom; no matter is lost without a count."""
    many = [
        replace(LATE, task=f"task_{n:03}", department=f"部门{n // 5:02}", sentence="很长的话" * 60)
        for n in range(number)
    ]
    parts = messages(many)
    assert 1 <= len(parts) <= MOST_PARTS
    assert all(len(part.encode()) <= MOST_BYTES + 60 for part in parts)
    shown = "\n".join(parts).count("[逾期]")
    left = number - shown
    assert (f"另有 {left} 项" in parts[-1]) == (left > 0)
    assert all("→ countylake tasks show" in row for p in parts for row in p.splitlines()[1:2])


def test_nothing_is_said_when_there_is_nothing() -> None:
    """No empty message."""
    assert messages([]) == []


def test_a_recipient_is_told_of_what_was_asked_for() -> None:
    """By kind, by department and by feed."""
    assert concerns(TO, LATE)
    assert not concerns(Recipient(to="env:A", about=("failed",)), LATE)
    assert concerns(Recipient(to="env:A", departments=("gongan",)), LATE)
    assert not concerns(Recipient(to="env:A", departments=("gongan",)), OTHER)
    assert not concerns(Recipient(to="env:A", feeds=("house",)), LATE)


def test_a_matter_is_told_once_until_the_interval() -> None:
    """Told, then quiet, then told again when it lasts a day; once for ever where that is asked."""
    known = {notice_id(TO, LATE): told(LATE, TO)}
    for hours, times in ((1, 0), (23, 0), (24, 1)):
        due = decided(TO, [LATE], known, NOW + timedelta(hours=hours), titled)
        assert len(due.tell) == times
        assert not due.closed
    once = Recipient(to="env:DUTY", every=0)
    assert not decided(once, [LATE], known, NOW + timedelta(days=99), titled).tell


def test_a_matter_that_changed_is_told_again() -> None:
    """Another deadline missed is another matter to tell; other words for the same are not."""
    known = {notice_id(TO, LATE): told(LATE, TO)}
    soon = NOW + timedelta(minutes=1)
    assert decided(TO, [replace(LATE, state="2026-11-23")], known, soon, titled).tell
    assert not decided(TO, [replace(LATE, sentence="别的话")], known, soon, titled).tell


def test_what_is_over_is_told_to_whom_was_told() -> None:
    """Recovered is told once; to somebody who did not ask for it the ledger just closes."""
    known = {notice_id(TO, LATE): told(LATE, TO)}
    due = decided(TO, [], known, NOW, titled)
    assert [one.kind for one in due.tell] == ["recovered"]
    assert "逾期" in due.tell[0].sentence
    assert [one.state for one in due.notices] == ["over"]
    for quiet in (
        Recipient(to="env:DUTY", about=("late",)),
        Recipient(to="env:DUTY", about=("failed", "recovered")),
        Recipient(to="env:DUTY", feeds=("house",)),
    ):
        due = decided(quiet, [], known, NOW, titled)
        assert (due.tell, [one.state for one in due.closed]) == ((), ["over"])


def test_one_address_has_one_entry() -> None:
    """Two entries of one address would each take the other's matters for over."""
    with pytest.raises(ValidationError, match="make one entry of them"):
        Site(code="140321", name="平定县", notify=(TO, Recipient(to="env:DUTY", about=("late",))))


def test_a_paused_task_is_neither_told_nor_over() -> None:
    """Who paused a task knows: no word of it, and none that it recovered."""
    quiet = replace(LATE, quiet=True)
    assert decided(TO, [quiet], {}, NOW, titled) == Due((), (), ())
    known = {notice_id(TO, LATE): told(LATE, TO)}
    assert decided(TO, [quiet], known, NOW + timedelta(days=2), titled) == Due((), (), ())


def test_nobody_hears_that_what_was_never_told_is_over() -> None:
    """A matter that came and went while the address was down needs no word."""
    never = replace(told(LATE, TO), told_at=None, attempts=3, state="waiting")
    later = NOW + timedelta(hours=7)
    due = decided(TO, [], {never.notice_id: never}, later, titled)
    assert (due.tell, [one.state for one in due.closed]) == ((), ["over"])


def test_an_address_that_is_down_is_left_alone_for_ever_longer() -> None:
    """Two minutes, four, … six hours; also new matters wait that long."""
    never = replace(told(LATE, TO), told_at=None, state="waiting")
    for attempts, minutes in ((1, 2), (2, 4), (5, 32), (12, 360), (60, 360)):
        known = {never.notice_id: replace(never, attempts=attempts)}
        before = NOW + timedelta(minutes=minutes, seconds=-1)
        assert not decided(TO, [LATE, OTHER], known, before, titled).tell
        after = NOW + timedelta(minutes=minutes)
        assert len(decided(TO, [LATE, OTHER], known, after, titled).tell) == 2
