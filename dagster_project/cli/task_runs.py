"""``countylake tasks run``, ``rerun`` and ``backfill``: a task now, or for a range again."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    PARTIAL,
    ByOption,
    HomeOption,
    JsonOption,
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
    from dagster_project.components.steps.tasks.pausing import Action
    from dagster_project.components.steps.tasks.spans import Span

Names = Annotated[list[str], typer.Argument(help="feeds, as `countylake tasks` names them")]
Name = Annotated[str, typer.Argument(help="a feed, or a report (report.task_execution)")]
Reason = Annotated[str, typer.Option("--why", help="the reason, kept with the decision")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what would be done")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, rerun, backfill):
        app.command()(command)


def run(
    names: Names,
    *,
    day: Annotated[str, typer.Option(help="the day worked for, 2026-11-22; today if empty")] = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Run tasks now, also when they are not due: feeds, what is made of them, the replica.

    A paused task is left out, and said so. Reports are sealed by `countylake run`.
    """
    from dagster_project.cli.run import run_day, tell
    from dagster_project.components.steps.occasion import told
    from dagster_project.components.steps.workshop import Workshop

    county = opened(home)
    told("", day, "")
    workshop = Workshop.at(county.root)
    for name in names:
        workshop.feed(name)
    done = run_day(county, {"day": day, "trigger": "manual"}, names, behind=True)
    done["feeds"] = [feed for feed in done["feeds"] if feed["feed"] in names]
    if as_json:
        emit(done)
    else:
        tell(done)
    raise typer.Exit(done["exit_code"])


def rerun(
    name: Name,
    *,
    period: Annotated[str, typer.Option(help="2026-10, 2026-W45, 2026-Q4 or 2026-11-22")],
    why: Reason = "",
    by: ByOption = "",
    dry_run: DryRun = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Run a task again for one period: its deliveries of these days, under today's contract."""
    from dagster_project import clock
    from dagster_project.components.steps.tasks.spans import span_of

    span = span_of(period, clock.now())
    _again(name, span, "rerun", why=why, by=by, dry_run=dry_run, home=home, as_json=as_json)


def backfill(
    name: Name,
    *,
    since: Annotated[str, typer.Option("--from", help="the first day, 2026-10-01")],
    until: Annotated[str, typer.Option("--to", help="the last day, included")],
    why: Reason = "",
    by: ByOption = "",
    dry_run: DryRun = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Run a task again for a range of days, both ends included."""
    from dagster_project import clock
    from dagster_project.components.steps.tasks.spans import span_between

    span = span_between(since, until, clock.now())
    _again(name, span, "backfill", why=why, by=by, dry_run=dry_run, home=home, as_json=as_json)


def _again(
    name: str,
    span: Span,
    action: Action,
    *,
    why: str,
    by: str,
    dry_run: bool,
    home: Path,
    as_json: bool,
) -> None:
    from dagster_project.components.steps.occasion import manual
    from dagster_project.components.steps.tasks import rerun as step

    workshop = deciding(home)
    plan = step.plan_rerun(workshop, name, span)
    said = {**asdict(plan), "sentences": plan.sentences}
    if not as_json:
        console().print(f"{plan.task}, {span}:")
        for sentence in (*plan.sentences, *plan.left_out):
            console().print(f"  {sentence}")
    if dry_run or plan.is_empty:
        if as_json:
            emit({"plan": said, "done": None})
        return
    if not why.strip():
        raise UsageError(f"{plan.task} cannot be run again without a reason", todo="Add --why")
    with working(f"running {plan.task} again"):
        done = step.rerun(
            workshop, plan, manual(), action=action, by=by or getpass.getuser(), why=why
        )
    error = done.outcome.error if done.outcome else ""
    if as_json:
        emit({"plan": said, "done": asdict(done)})
    elif done.outcome:
        console().print(
            f"{plan.task}: {len(done.outcome.batches)} new batches, {done.replays} batches"
            f" conformed again, {done.outcome.silver_rows:,} rows in silver"
        )
        note("`countylake run` brings gold and reports up to date")
    else:
        console().print(f"{plan.task}: {', '.join(done.sealed) or 'nothing new to seal'}")
        for sentence in done.refused:
            complain(sentence)
    if error:
        complain(error)
    raise typer.Exit(PARTIAL if error or done.refused else 0)
