"""How a task stands in a sentence, and what is to be done about it. Facts are ``look``'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dagster_project.clock import SHANGHAI
from dagster_project.components.steps.arriving.holds import Hold
from dagster_project.components.steps.tasks.look import TaskLine
from dagster_project.contracts.model import Feed

TWO_DAYS_H = 48


@dataclass(frozen=True)
class Sent:
    """The last thing that a department sent, whatever became of it."""

    at: datetime
    path: str
    outcome: str


def of_feed(
    line: TaskLine, sent: Sent | None, holds: Sequence[Hold], channel: str
) -> tuple[str, str]:
    """How a feed stands, and what is to be done about it; nothing where all is well."""
    last = f"last sent {local(sent.at)}" if sent else "nothing has ever been sent"
    show = f"countylake tasks show {line.task}"
    if line.state == "paused":
        return _paused(line, last)
    if line.state == "held" and holds:
        return _held(holds[0], len(holds))
    if line.state == "late":
        return _late(line, last, channel)
    if line.state == "failed":
        return f"{_failed(line)}; {last}", show
    if line.state == "never":
        return "it never ran", "countylake run"
    return _fine(line, last)


def of_table(line: TaskLine) -> tuple[str, str]:
    """How a report or a model stands, and what is to be done about it."""
    built = f"built {local(line.last_success)}" if line.last_success else "never built"
    if line.state == "failed":
        return f"{_failed(line)}; {built}", f"countylake tasks show {line.task}"
    if line.kind == "model":
        changed = "; what it reads has changed since" * (line.state == "due")
        return f"{built}{changed}", "" if line.last_success and not changed else "countylake run"
    if line.missed_at is not None:
        return f"was due {local(line.missed_at)} and is not sealed; {built}", "countylake run"
    if line.is_served:
        return f"sealed, due {local(line.due_at)}; {built}", ""
    return f"due {local(line.due_at)}, not sealed yet; {built}", ""


def channel_of(feed: Feed) -> str:
    """The feed's channels in a few words: where its deliveries come from."""
    told = [
        f"inbox {one.path}" if one.type == "local" else f"{one.type} {one.name}"
        for one in feed.servers
    ]
    return ", ".join(told)


def local(instant: datetime | None) -> str:
    """An instant on the county's clock."""
    return instant.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if instant else "never"


def age(instant: datetime | None, now: datetime) -> str:
    """How old data are, in whole hours or days."""
    if instant is None:
        return "never came"
    hours = int((now - instant).total_seconds() // 3600)
    return f"{hours} h old" if hours < TWO_DAYS_H else f"{hours // 24} d old"


def _paused(line: TaskLine, last: str) -> tuple[str, str]:
    said = "paused"
    if line.paused:
        decided = line.paused
        said = f"paused {local(decided.decided_at)} by {decided.decided_by}: {decided.why}"
    todo = f"countylake tasks resume {line.task} --why …"
    return f"{said}{_waiting(line)}; {last}", todo


def _held(hold: Hold, number: int) -> tuple[str, str]:
    command = "drift" if hold.kind == "schema" else "hold"
    others = f", and {number - 1} more" if number > 1 else ""
    said = f"{hold.path} came {local(hold.opened_at)} and waits for a decision ({hold.kind})"
    return f"{said}{others}", f"countylake {command} show {hold.hold_id}"


def _late(line: TaskLine, last: str, channel: str) -> tuple[str, str]:
    said = f"was due {local(line.missed_at)} and has not come; {last}"
    if line.failures:
        return f"{said}; {_failed(line)}", f"countylake tasks show {line.task}"
    if line.deliveries_waiting:
        return f"{said}{_waiting(line)}", f"countylake tasks run {line.task}"
    return said, f"ask {line.owner} for it, by {channel}"


def _fine(line: TaskLine, last: str) -> tuple[str, str]:
    """A feed that nobody waits for; one that is to be started says so."""
    if line.state == "running":
        return f"runs now; {last}", ""
    if line.is_served:
        return f"on time for {local(line.due_at)}; {last}", ""
    todo = f"countylake tasks run {line.task}" if line.start else ""
    return f"due {local(line.due_at)}{_waiting(line)}; {last}", todo


def _failed(line: TaskLine) -> str:
    times = f" {line.failures} times" if line.failures > 1 else ""
    again = f" (tried again {local(line.retry_at)})" if line.retry_at else ""
    return f"failed{times}{again}: {line.error}".rstrip(".")


def _waiting(line: TaskLine) -> str:
    files = line.deliveries_waiting
    return f"; {files} {'delivery waits' if files == 1 else 'deliveries wait'}" if files else ""
