"""``countylake tasks``: 归集任务管理, every task with its deadline and state, and what to do.

What a state means stands in ``components.steps.tasks``; how it is shown, in ``task_tables``.
"""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dagster_project.cli import task_runs, task_why
from dagster_project.cli.shared import (
    COUNTY_HOME,
    ByOption,
    HomeOption,
    JsonOption,
    WhyOption,
    complain,
    console,
    deciding,
    emit,
    note,
    opened,
    working,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.tasks.look import TaskLine

app = typer.Typer(
    help=(
        "Aggregation tasks 归集任务: what is due, running, late or failed; run, pause, resume.\n\n"
        "Without a command it lists them, the most urgent first."
    ),
)
task_runs.register(app)
app.command()(task_why.why)
Names = Annotated[list[str], typer.Argument(help="feeds, as `countylake tasks` names them")]
Kind = Literal["all", "feed", "report", "model"]


@app.callback(invoke_without_command=True)
def tasks(
    context: typer.Context,
    *,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="late, failed, held …; as often as needed")
    ] = None,
    department: Annotated[str, typer.Option(help="only this department's, 民政局")] = "",
    kind: Annotated[
        Kind | None, typer.Option(help="only these; models are shown only if asked or in trouble")
    ] = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Aggregation tasks 归集任务: what is due, running, late or failed; run, pause, resume.

    Without a command it lists them, the most urgent first.
    """
    if context.invoked_subcommand is not None:
        return
    from dagster_project.components.steps.tasks.look import STATES
    from dagster_project.components.steps.tasks.look import tasks as every
    from dagster_project.components.steps.workshop import Workshop

    if unknown := sorted(set(state or ()) - set(STATES)):
        raise UsageError(f"there is no state {unknown[0]}", todo=f"States: {', '.join(STATES)}")
    workshop = Workshop.at(opened(home).root)
    with working("looking at the tasks"):
        found = every(workshop)
    shown = [
        line
        for line in found
        if (not state or line.state in state)
        and department in ("", line.department)
        and (kind in (line.kind, "all") or (kind is None and (as_json or _is_told(line))))
    ]
    problems = [str(problem) for problem in workshop.contracts.problems]
    if as_json:
        emit({"tasks": [asdict(line) for line in shown], "problems": problems})
        return
    from dagster_project.cli.task_tables import tell_tasks

    tell_tasks(console(), shown, is_part=len(shown) < len(found) and bool(state or department))
    for problem in problems:
        complain(problem)


def _is_told(line: TaskLine) -> bool:
    """Models of which nothing is to be said are left out where people read."""
    return line.kind != "model" or line.state in ("running", "failed")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="a feed, or a report or model (report.name)")],
    last: Annotated[int, typer.Option(min=1, help="how many executions and deliveries")] = 10,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """One task: how it stands and why, its executions, deliveries and decisions."""
    from dagster_project.components.steps.tasks.history import history
    from dagster_project.components.steps.workshop import Workshop

    workshop = Workshop.at(opened(home).root)
    with working(f"looking at {name}"):
        found = history(workshop, name, last)
    if as_json:
        emit(asdict(found))
        return
    from dagster_project.cli.task_tables import tell_history

    tell_history(console(), found)


@app.command()
def pause(
    names: Names,
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Pause tasks: their files wait in the inbox, and their channels are not asked."""
    _decide(names, "pause", why=why, by=by, home=home, as_json=as_json)


@app.command()
def resume(
    names: Names,
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Let paused tasks go on; the next run takes what has waited."""
    _decide(names, "resume", why=why, by=by, home=home, as_json=as_json)


def _decide(
    names: list[str],
    action: Literal["pause", "resume"],
    *,
    why: str,
    by: str,
    home: Any,
    as_json: bool,
) -> None:
    from dagster_project.components.steps.tasks.pausing import decide

    changed = decide(deciding(home), names, action, by=by or getpass.getuser(), why=why)
    if as_json:
        emit({"action": action, "changed": changed})
        return
    for name, is_new in changed.items():
        console().print(f"{name} is {action}d" if is_new else f"{name} is {action}d already")
    if action == "pause":
        note("`countylake tasks resume` ends it")
    else:
        note("`countylake tasks run` takes now what has waited")
