"""``countylake feed check|diff|bump``: versions of contracts and their changelogs.

What a change is worth is the contract room's matter, what the lake knows ``versioning``'s.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    ByOption,
    HomeOption,
    JsonOption,
    WhyOption,
    complain,
    console,
    emit,
    literally,
    note,
)
from dagster_project.errors import ContractError

if TYPE_CHECKING:
    from dagster_project.components.steps.versioning import Checked
    from dagster_project.contracts.changes import Change

Names = Annotated[
    list[str] | None, typer.Argument(help="feeds, or tables like gold/town; all if left out")
]
Side = Annotated[str, typer.Argument(help="a YAML file, NAME, or NAME@1.2.0 as the lake knows it")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(check)
    app.command()(diff)
    app.command()(bump)


def check(names: Names = None, home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Problems of contracts, and whether version and changelog say what changed.

    Compared is the contract that the lake last ran with the right version. Exit code 3: something
    is to be done.
    """
    from dagster_project.components.steps import versioning
    from dagster_project.components.steps.workshop import Workshop

    found = versioning.check(Workshop.at(home), names or ())
    wrong = [one for one in found if one.problems or one.faults]
    if as_json:
        emit({"contracts": [_checked(one) for one in found], "wrong": len(wrong)})
    else:
        for one in wrong:
            for problem in one.problems:
                complain(str(problem))
            for fault in one.faults:
                complain(f"{one.place}: {fault}")
            _list(one.changes)
        if owed := [one.place.removeprefix("feeds/") for one in wrong if one.faults]:
            note(f"Then: countylake feed bump {' '.join(owed)} --why …")
        console().print(f"{len(found)} contracts, {len(wrong)} with something to do")
    if wrong:
        raise typer.Exit(ContractError.exit_code)


def diff(
    old: Side,
    new: Annotated[str, typer.Argument(help="the same; left out: OLD against the lake")] = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """What differs between two versions of a contract, and which version the changes need."""
    from dagster_project.components.steps import versioning
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.contracts.changes import needed_bump
    from dagster_project.contracts.versions import raised

    found = versioning.compare(Workshop.at(home), old, new)
    need = needed_bump(found.changes)
    if as_json:
        emit(
            {
                "old": found.old.version,
                "new": found.new.version,
                "bump": need,
                "needs": raised(found.old.version, need),
                "changes": [change.data() for change in found.changes],
            }
        )
        return
    screen = console()
    if not found.changes:
        screen.print("nothing differs")
        return
    _list(found.changes)
    screen.print(
        f"{len(found.changes)} changes: {found.old.version} → "
        f"{raised(found.old.version, need)} ({need}); the contract says {found.new.version}"
    )


def bump(
    names: Annotated[list[str], typer.Argument(help="feeds, or tables like gold/town")],
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Raise the version as far as the changes need, and write the changelog."""
    from dagster_project.components.steps import versioning
    from dagster_project.components.steps.workshop import Workshop

    done = versioning.bump(Workshop.at(home), names, why=why, by=by or getpass.getuser())
    if as_json:
        emit({"raised": [{**asdict(one), "changelog": str(one.changelog)} for one in done]})
        return
    for one in done:
        version = f"{one.before} → {one.after}" if one.before != one.after else one.after
        console().print(literally(f"{one.place} {version}  {one.changelog}"))
        for line in one.entry.lines:
            console().print(literally(f"  • {line}"))
    if not done:
        console().print("nothing to raise: versions and changelogs say what there is")


def _checked(one: Checked) -> dict[str, Any]:
    return {
        "contract": one.place,
        "version": one.version,
        "known": one.known,
        "problems": [asdict(problem) for problem in one.problems],
        "faults": one.faults,
        "changes": [change.data() for change in one.changes],
    }


def _list(found: Sequence[Change]) -> None:
    """Print changes, the gravest first."""
    colours = {"breaking": "red", "compatible": "yellow", "cosmetic": "dim"}
    for change in found:
        line = literally(f"  {change.grade:<10}  {change.sentence}")
        line.stylize(colours[change.grade], 2, 12)
        console().print(line, soft_wrap=True)
