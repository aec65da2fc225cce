"""``countylake deliver``: meet the parent site now, or by a stick that is carried to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    console,
    counted,
    deciding,
    emit,
    note,
    working,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(deliver)


def deliver(
    now: Annotated[
        bool, typer.Option("--now", help="try at once, although the last meetings failed")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="a folder that is carried to the parent, such as a stick's"),
    ] = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Send packages that the parent site lacks, and collect its signed answers.

    Exit code 10: the link is down; everything is kept and goes up later.
    """
    from dagster_project.cli.tables import local
    from dagster_project.components.steps import delivering
    from dagster_project.errors import ChannelError

    workshop = deciding(home)
    folder = to.expanduser().resolve() if to else None
    with working("meeting the parent site"):
        done = delivering.deliver(workshop, to=folder, is_urgent=now)
    if as_json:
        emit(
            {
                "delivered": done.delivered,
                "answers": [one.model_dump() for one in done.answers],
                "waiting": done.waiting,
                "remarks": done.remarks,
                "fault": done.fault,
                "postponed_until": done.postponed_until,
            }
        )
    else:
        screen = console()
        for name in done.delivered:
            screen.print(f"delivered {name}")
        for one in done.answers:
            screen.print(f"answered {one.package_id}: {one.outcome}")
            for told in (*one.reasons, *one.remarks):
                note(f"{one.package_id}: {told}")
        if done.postponed_until:
            note(
                f"the last meetings failed; the next one is at {local(done.postponed_until)},"
                " --now tries at once"
            )
        if not (done.delivered or done.answers or done.fault or done.postponed_until):
            screen.print("nothing new to deliver or to collect")
        if done.waiting:
            note(f"not accepted by the parent site yet: {counted(len(done.waiting), 'package')}")
        for remark in done.remarks:
            complain(remark)
    if done.fault:
        raise typer.Exit(ChannelError.exit_code)
