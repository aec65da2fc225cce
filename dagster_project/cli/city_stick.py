"""``countylake city stick``: packages of counties without a network, and the answers to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.shared import (
    CITY_HOME,
    CityOption,
    JsonOption,
    complain,
    console,
    counted,
    emit,
    note,
    opened,
    working,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(stick)


def stick(
    folder: Annotated[Path, typer.Argument(help="where the stick is mounted")],
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Take in what counties sent by a stick, and write the signed answers onto it."""
    from dagster_project.components.steps.city_stick import visit
    from dagster_project.components.steps.journal import open_journal
    from dagster_project.components.steps.workshop import Workshop

    city = opened(home, "receive")
    open_journal(city)
    with working("receiving"):
        done = visit(Workshop.at(city.root, "receive"), folder.expanduser().resolve())
    decided = done.received.decisions
    if as_json:
        emit(
            {
                "brought": done.brought.packages,
                "decided": [
                    {"package_id": one.package_id, "outcome": one.outcome} for one in decided
                ],
                "answers": done.given.answers,
                "letters": done.brought.letters + done.given.letters,
                "remarks": done.remarks,
            }
        )
        return
    screen = console()
    for one in decided:
        screen.print(f"{one.outcome} {one.package_id}")
    came = counted(len(done.brought.packages), "package")
    screen.print(
        f"came: {came}; with the stick goes back: {counted(len(done.given.answers), 'answer')}"
    )
    if decided:
        note("`countylake city receive` makes the view anew")
    for remark in done.remarks:
        complain(remark)
