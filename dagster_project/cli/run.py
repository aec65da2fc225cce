"""``countylake run``: the county's day, as the Dagster job that it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    PARTIAL,
    HomeOption,
    JsonOption,
    complain,
    complain_of,
    console,
    emit,
    opened,
)

if TYPE_CHECKING:
    from dagster_project.components.launch import OnStep
    from dagster_project.paths import Home

EXIT = {"success": 0, "unchanged": 0, "partial": PARTIAL, "failed": 1}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    home: HomeOption = COUNTY_HOME,
    day: Annotated[str, typer.Option(help="the day worked for, 2026-11-22; today if empty")] = "",
    cut_off_at: Annotated[str, typer.Option(help="what reports look up to; decided if empty")] = "",
    as_json: JsonOption = False,
) -> None:
    """Take what departments delivered through to signed reports, once.

    Exit code 9: some feeds failed or were held, the others went on; 5: the lake was busy all the
    time. A held delivery is merged only
    when somebody decides so (`countylake hold`, `countylake drift`).
    """
    from dagster_project.components.steps.notices.sending import send_due
    from dagster_project.components.steps.occasion import told
    from dagster_project.components.steps.workshop import Workshop

    county = opened(home)
    told("", day, cut_off_at)
    done = run_day(county, {"day": day, "cut_off_at": cut_off_at})
    if as_json:
        emit(done)
    else:
        tell(done)
    send_due(Workshop.at(county.root))
    raise typer.Exit(done["exit_code"])


def run_day(
    county: Home, site: dict[str, str], feeds: list[str] | None = None, *, behind: bool = False
) -> dict[str, Any]:
    """Execute the job (or some feeds of it) and collect what happened.

    With ``behind``, what is made of these feeds is made too, up to reports.
    """
    os.environ["COUNTYLAKE_HOME"] = str(county.root)
    with steps_shown() as on_step:
        on_step("loading the definitions")
        from dagster_project.components.county_day import JOB, feed_assets, task_assets
        from dagster_project.components.launch import launch
        from dagster_project.components.steps.forwarding import forward_events
        from dagster_project.components.steps.replica import publish
        from dagster_project.components.steps.summary import summary
        from dagster_project.components.steps.workshop import Workshop
        from dagster_project.definitions import defs

        assets = None if feeds is None else feed_assets(feeds)
        if feeds is not None and behind:
            assets = task_assets(Workshop.at(county.root), feeds)
        launched = launch(county, defs(), JOB, site=site, assets=assets, on_step=on_step)
        workshop = Workshop.at(county.root)
        if not launched.success or feeds is not None:
            publish(workshop)
        forward_events(workshop)
        done = summary(workshop, launched.run_id, dict(launched.failures))
        return {**done, "exit_code": launched.exit_code or EXIT[done["status"]]}


@contextmanager
def steps_shown() -> Iterator[OnStep]:
    """Show on stderr which step is running, where somebody looks."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield lambda _step: None
        return
    with screen.status("starting") as line:
        yield lambda step: line.update(step.replace("__", " ").replace("_", " "))


def tell(done: dict[str, Any]) -> None:
    """Print what happened for people: feeds, reports, where to look next."""
    from dagster_project.cli.tables import feed_table, report_table

    site = done["site"]
    screen = console()
    screen.print(feed_table(f"{site['code']} {site['name']}  {done['day']}", done["feeds"]))
    if done["reports"]:
        screen.print(report_table(done["reports"]))
    if done["status"] == "unchanged":
        screen.print(
            "[green]Nothing new:[/green] silver, gold, reports and packages are as they were."
        )
    for name, sentence in done["failures"].items():
        complain(f"{name}: {sentence}")
    for feed in done["feeds"]:
        complain_of(feed, but=done["failures"].values())
    for remark in (*done["problems"], *done["remarks"]):
        complain(remark)
    if any(feed["rejected"] for feed in done["feeds"]):
        screen.print("问题数据 rejected rows:  countylake quarantine" + _home_option(done))
    if done["replica"]:
        screen.print(f"只读副本 read replica:    {done['replica']}")
    if done["docs"]:
        screen.print(f"质量报告 Data Docs:       {done['docs']}")


def _home_option(done: dict[str, Any]) -> str:
    home = done["site"]["home"]
    return "" if Path(home) == COUNTY_HOME.resolve() else f" --home {home}"
