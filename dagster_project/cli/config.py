"""``countylake config check|show``: how a site is set up, and everything that is wrong with it.

What is looked at stands in ``components.steps.configuration``; nothing here changes anything.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    counted,
    emit,
    literally,
    working,
)
from dagster_project.errors import ContractError, UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.configuration import Fault

app = typer.Typer(
    help="How a site is set up: every value with its source, everything that is wrong.",
    no_args_is_help=True,
)


@app.command()
def check(
    connect: Annotated[
        bool, typer.Option("--connect", help="also ask the servers that feeds are fetched from")
    ] = False,
    seconds: Annotated[float, typer.Option(help="how long each server may take", min=0.1)] = 15.0,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Name everything that is wrong, at once: settings, site, keys, contracts, models, sources.

    Exit code 0: nothing but warnings. 3: something in contracts. 2: something else.
    """
    from dagster_project.components.steps.configuration import OF_CONTRACTS, place_of
    from dagster_project.components.steps.configuration import check as look

    with working("looking at everything"):
        faults = look(place_of(home), connect=connect, seconds=seconds)
    errors = [fault for fault in faults if not fault.is_warning]
    if as_json:
        emit(
            {
                "home": str(home.expanduser().resolve()),
                "errors": len(errors),
                "warnings": len(faults) - len(errors),
                "faults": [fault.data() for fault in faults],
            }
        )
    else:
        _tell(faults)
    if errors:
        of_contracts = any(fault.group in OF_CONTRACTS for fault in errors)
        raise typer.Exit((ContractError if of_contracts else UsageError).exit_code)


@app.command()
def show(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Every setting and word of the site: its value, where it comes from, what it means.

    The first of these that names a setting counts: the environment, `settings:` in site.yaml, the
    default. Secrets are never shown: only their references, and whether they stand for anything.
    """
    from dataclasses import asdict

    from rich.table import Table

    from dagster_project.components.steps.configuration import place_of, words

    place = place_of(home)
    found = words(place.workshop.home, place.site, place.workshop.contracts)
    if as_json:
        emit({"words": [asdict(word) for word in found]})
        return
    for kind, group in groupby(found, key=lambda word: word.kind):
        table = Table(pad_edge=False, title=kind, title_justify="left")
        for head in ("词 name", "值 value", "来源 source", "含义 meaning"):
            table.add_column(head, overflow="fold")
        for word in group:
            source = word.source.removeprefix(f"{place.workshop.home.root}/")
            cells: list[Any] = [word.name, word.value, source, word.meaning]
            table.add_row(*(literally(cell) for cell in cells))
        console().print(table)


def _tell(faults: list[Fault]) -> None:
    """Print faults by group, errors before warnings, each with what to do."""
    from dagster_project.components.steps.configuration import GROUPS

    screen = console()
    for group, found in groupby(faults, key=lambda fault: fault.group):
        listed = list(found)
        screen.print(f"[bold]{GROUPS[group]}[/bold] ({len(listed)})")
        for todo, alike in groupby(listed, key=lambda fault: fault.todo):
            same = list(alike)
            # A remedy that several faults share is said once, below the last of them.
            is_shared = bool(todo) and len(same) > 1
            for fault in same:
                sign = "[yellow]![/yellow]" if fault.is_warning else "[red]✗[/red]"
                screen.print(f"  {sign} ", end="")
                shown = replace(fault, todo="") if is_shared else fault
                screen.print(literally(str(shown)), soft_wrap=True)
            if is_shared:
                screen.print(literally(f"  → {todo}."), soft_wrap=True)
    warnings = sum(1 for fault in faults if fault.is_warning)
    screen.print(f"{counted(len(faults) - warnings, 'error')}, {counted(warnings, 'warning')}")
