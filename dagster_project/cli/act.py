"""Commands that do one step alone: ingest, rebuild, publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    emit,
    note,
    opened,
    working,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (ingest, rebuild, publish):
        app.command()(command)


def ingest(
    feeds: Annotated[list[str] | None, typer.Argument(help="feeds; all if left out")] = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Take new deliveries to silver, and stop there (the same job, only its feed steps)."""
    from dagster_project.cli.run import run_day, tell
    from dagster_project.components.steps.workshop import Workshop

    county = opened(home)
    workshop = Workshop.at(county.root)
    names = feeds or list(workshop.contracts.feeds)
    for name in names:
        workshop.feed(name)
    done = run_day(county, {}, names)
    done["feeds"] = [feed for feed in done["feeds"] if feed["feed"] in names]
    if as_json:
        emit(done)
    else:
        tell(done)
    raise typer.Exit(done["exit_code"])


def rebuild(
    feed: Annotated[str, typer.Argument(help="the feed whose landed batches are conformed again")],
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Conform every landed batch of a feed again, in one transaction."""
    from dagster_project.components.steps.rebuild import rebuild_feed
    from dagster_project.components.steps.workshop import Workshop

    with working(f"rebuilding {feed}"):
        done = rebuild_feed(Workshop.at(opened(home).root), feed)
    if as_json:
        emit(done)
    else:
        console().print(
            f"{feed}: {done['batches']} batches conformed again, {done['rows']:,} rows in silver"
        )
        note("`countylake run` brings gold and reports up to date")


def publish(
    to: Annotated[
        Path | None, typer.Option("--to", help="write one self-contained file into this folder")
    ] = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Publish the read replica, or write it as one file into a folder."""
    from dagster_project.components.steps import replica
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.lake.publish import replica_path

    workshop = Workshop.at(opened(home).root)
    with working("publishing"):
        if to is not None:
            path, made = replica.export(workshop, to.expanduser().resolve()), True
        else:
            _, made = replica.publish(workshop)
            path = replica_path(workshop.home)
    if as_json:
        emit({"path": str(path), "new": made})
    else:
        console().print(f"{path}" + ("" if made else " (nothing new since)"))
