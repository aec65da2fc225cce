"""For whom a task waits: the department that has not delivered, with the task that lacks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dagster_project.clock import SHANGHAI
from dagster_project.components.steps.tasks.facts import Facts, Missed
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.transform.models import Model

if TYPE_CHECKING:
    from dagster_project.components.steps.tasks.look import TaskLine

BEHIND = ("late", "held", "paused", "failed", "never")
"""States of a feed because of which what reads it is not of this period."""


@dataclass(frozen=True)
class Wait:
    """One department that is waited for; ``reason`` says in a sentence what it owes."""

    department: str
    task: str
    title: str
    reason: str


def feed_waits(
    workshop: Workshop, lines: Mapping[str, TaskLine], line: TaskLine, known: Facts
) -> tuple[Wait, ...]:
    """The feed's own department while nothing came from it, and those whose records it lacks."""
    found = []
    feed = workshop.contracts.feeds[line.task]
    if owes := _owes(line):
        found.append(Wait(line.department, line.task, line.title, owes))
    for missed in known.missed.get(line.task, ()):
        if (wait := _lacks(feed, missed, lines)) is not None and wait not in found:
            found.append(wait)
    return tuple(found)


def table_waits(
    workshop: Workshop, lines: Mapping[str, TaskLine], model: Model
) -> tuple[Wait, ...]:
    """The feeds behind a report or a model that are not of this period, however far behind."""
    graph = workshop.graph
    read = {model.table, *graph.upstream(model.table)}
    feeds = sorted(
        name.partition(".")[2]
        for table in read
        for name in graph.models[table].inputs
        if name.startswith("silver.")
    )
    return tuple(
        Wait(line.department, line.task, line.title, _behind(line))
        for line in (lines[name] for name in dict.fromkeys(feeds) if name in lines)
        if line.state in BEHIND
    )


def _owes(line: TaskLine) -> str:
    """What a department owes: a delivery whose deadline is past, or of the present period."""
    if line.deliveries_waiting:
        return ""
    if line.missed_at is not None:
        return f"{line.title} was due {_local(line.missed_at)} and has not come"
    return "" if line.is_served else f"{line.title} is due {_local(line.due_at)}"


def _lacks(feed: Feed, missed: Missed, lines: Mapping[str, TaskLine]) -> Wait | None:
    """The department whose records the feed's rows refer to and lack."""
    column = next((one for one in feed.columns if one.name == missed.column), None)
    if column is None or column.reference is None or column.reference.feed == feed.name:
        return None
    parent = lines.get(column.reference.feed)
    if parent is None:
        return None
    lack = (
        f"{missed.rows:,} rows name a {column.title} that {parent.title} lacks"
        if missed.rows
        else f"no row's {column.title} could be looked up: {parent.title} has never come"
    )
    return Wait(parent.department, parent.task, parent.title, lack)


def _behind(line: TaskLine) -> str:
    said = {
        "late": f"was due {_local(line.missed_at)} and has not come",
        "held": "waits for a decision",
        "paused": "is paused",
        "failed": "failed",
        "never": "has never come",
    }
    return f"{line.title} {said[line.state]}"


def _local(instant: datetime | None) -> str:
    return instant.astimezone(SHANGHAI).strftime("%m-%d %H:%M") if instant else ""
