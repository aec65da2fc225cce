"""Tasks on screens of every width: nothing cut off, the urgent first, every state explained."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from dagster_project.cli.task_tables import STATES, sentences, tell_tasks, took
from dagster_project.components.steps.tasks import look as tasks
from dagster_project.components.steps.tasks.look import TaskLine, in_order
from dagster_project.components.steps.tasks.waits import Wait
from tests.unit.test_task_states import FAILED, NOW, PAUSED, line, ran

WAIT = Wait("民政局", "subsistence", "低保", "低保 was due 11-21 20:00 and has not come")


def lines() -> list[TaskLine]:
    """A county's tasks in several states, with long names and large numbers."""
    late = line(ran(**FAILED), taken=(NOW - timedelta(days=2),))
    ok = line(ran(read=12_345_678, durations=(75.2, 3_700.0)), taken=(NOW,))
    name = "rural_collective_econ_orgs"
    return [
        replace(ok, task=name, title="农村集体经济组织登记赋码信息"),
        replace(late, task="subsistence", title="低保", waits_for=(WAIT,)),
        replace(line(ran(), pauses=PAUSED), task="moved", deliveries_waiting=3),
        replace(line(), task="new"),
    ]


@pytest.mark.parametrize("width", [80, 110, 160])
def test_the_table_fits_its_screen(width: int) -> None:
    """No line is wider than the screen, and no name or figure is shortened."""
    screen = Console(file=io.StringIO(), width=width)
    tell_tasks(screen, in_order(lines()), is_part=False)
    assert isinstance(screen.file, io.StringIO)
    text = screen.file.getvalue()
    assert all(cell_len(one.rstrip()) <= width for one in text.splitlines())
    assert "…" not in text
    for word in ("subsistence", "rural_collective_econ_orgs", "12,345,678", "合计 all 4"):
        assert word in text
    assert text.index("subsistence") < text.index("rural_collective")
    assert "waits for 民政局" in text
    assert "3 deliveries wait" in text


def test_every_state_is_explained() -> None:
    """The words of the table are those of the states."""
    assert set(STATES) == set(tasks.STATES) == set(tasks.URGENCY)


def test_a_task_that_is_as_it_should_be_needs_no_sentence() -> None:
    """Only trouble is told below the table."""
    assert sentences(line(ran(), taken=(NOW,))) == []


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "–"), (3.21, "3.2 s"), (75.0, "0:01:15"), (3_700.0, "1:01:40")]
)
def test_durations_are_said_as_people_say_them(seconds: float | None, said: str) -> None:
    """Seconds with a tenth, longer ones as hours, minutes and seconds."""
    assert took(seconds) == said
