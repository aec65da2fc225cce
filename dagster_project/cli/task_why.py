"""``countylake tasks why``: the chain from a report to the department that has not sent."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    emit,
    literally,
    opened,
    working,
)

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text
    from rich.tree import Tree

    from dagster_project.components.steps.tasks.why import Link

Name = Annotated[str, typer.Argument(help="a report, a model or a feed (report.three_assets)")]


def why(
    name: Name,
    *,
    every: Annotated[bool, typer.Option("--all", help="also what is as it should be")] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Why a task is late: down to the department, its channel, what it owes, whom to call.

    Of a task that is on time it tells what its figures rest on, and how old that is.
    """
    from dagster_project.components.steps.tasks.why import why as ask
    from dagster_project.components.steps.workshop import Workshop

    workshop = Workshop.at(opened(home).root)
    with working(f"following {name}"):
        found = ask(workshop, name)
    causes = found.chain.causes()
    if as_json:
        told = {"asked_at": found.asked_at, "verdict": found.verdict}
        waits = [link.task for link in causes]
        emit({**told, "waits_for": waits, "chain": asdict(found.chain)})
        return
    screen = console()
    screen.print(literally(found.verdict))
    # What is fine is left out only where something else is to be seen.
    seen: set[str] = set()
    only_faults = bool(causes) and not every
    screen.print(_tree(found.chain, found.asked_at, seen, only_faults=only_faults))


def _tree(link: Link, now: datetime, seen: set[str], *, only_faults: bool) -> Tree:
    from rich.tree import Tree

    tree = Tree(_told(link, now, is_again=link.task in seen), guide_style="dim")
    if link.task in seen:
        return tree
    seen.add(link.task)
    shown = [one for one in link.reads if not only_faults or one.is_cause or one.causes()]
    for one in shown:
        tree.children.append(_tree(one, now, seen, only_faults=only_faults))
    if rest := len(link.reads) - len(shown):
        tree.add(literally(f"{rest} more as they should be (--all)"), style="dim")
    return tree


def _told(link: Link, now: datetime, *, is_again: bool) -> Text:
    from rich.text import Text

    from dagster_project.cli.task_tables import STATES
    from dagster_project.components.steps.tasks.sentences import age, local

    colour, state, _ = STATES[link.state]
    head = Text.assemble(
        (f"{state} {link.state} ", colour), (link.title, "bold"), (f" {link.task}", "dim")
    )
    if is_again:
        return head.append("  as above", "dim")
    lines = [link.sentence, _held(link, age(link.data_at, now))]
    if link.kind == "feed":
        owner = f" ({link.owner})" if link.owner != link.department else ""
        due = local(link.missed_at or link.due_at)
        lines.append(f"{link.department}{owner}, due {due}, by {link.channel}")
    for line in filter(None, lines):
        head.append("\n").append_text(literally(line))
    if link.todo:
        head.append("\n→ ", "bold").append_text(literally(link.todo))
    return head


def _held(link: Link, age: str) -> str:
    """How old the data are; a table's are as old as its oldest feed."""
    if link.kind == "feed":
        return f"data {age}" if link.data_at else ""
    if not link.data_at:
        return "no data yet" if link.lacks else ""
    lacks = f"; nothing ever came of {', '.join(link.lacks)}" if link.lacks else ""
    return f"oldest data {age}{lacks}"
