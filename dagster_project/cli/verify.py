"""``countylake verify``: whether what was sealed, or received, is still whole and true.

What is held against what is decided in ``steps.verifying``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    console,
    counted,
    emit,
    note,
    standing,
    working,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from dagster_project.components.steps.verifying.verdict import Verified

_FEW = 8
_UNTRUE = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(  # noqa: PLR0917 - options of a command
    package: Annotated[
        str, typer.Argument(metavar="[PACKAGE]", help="as `package list` names it")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="every package, the chains, and the answers")
    ] = False,
    report: Annotated[str, typer.Option("--report", help="every package of one report")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="signatures, hashes and chains; make nothing again")
    ] = False,
    files: Annotated[
        bool, typer.Option("--files", help="also read the landed files again: all of bronze")
    ] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Make sealed packages again from silver and hold them against files, receipts and chains.

    What runs is the SQL of each package's receipt, at the snapshot that it names; today's SQL,
    contracts, gold and report tables are not read. At a site that receives: what it keeps of the
    packages of others, what it merged of them, and what it answered.

    Exit code 1: something is not as it was sealed, and is named.
    """
    from dagster_project.components.steps.verifying.site import verify_site

    if sum((bool(package), everything, bool(report))) != 1:
        raise UsageError("say which package", todo="Name one, or give --all or --report")
    if quick and files:
        raise UsageError("--quick reads no landed file", todo="Give --quick or --files")
    _, found = standing(home)
    with working("making the packages again" if not quick else "reading the packages"):
        done = verify_site(found, package, report=report, quick=quick, files=files)
    if as_json:
        emit(done.told())
    else:
        _tell(console(), done)
    if done.every_fault:
        raise typer.Exit(_UNTRUE)


def _tell(screen: Console, done: Verified) -> None:
    for sentence in done.every_fault:
        complain(sentence)
    for sentence in done.every_note:
        note(sentence)
    if done.packages <= _FEW:
        for one in done.verdicts:
            screen.print(f"{one.package_id}: {one.made}", soft_wrap=True)
    made = Counter(one.made for one in done.verdicts)
    told = ", ".join(f"{number:,} {words}" for words, number in sorted(made.items()))
    screen.print(f"{counted(done.packages, 'package')}: {told or 'none'}", soft_wrap=True)
    looked = ", ".join(f"{what} {number:,}" for what, number in sorted(done.looked.items()))
    if looked:
        screen.print(f"looked at: {looked}", soft_wrap=True)
    screen.print(counted(len(done.every_fault), "fault"))
