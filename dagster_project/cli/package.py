"""``countylake package …``: seal reports, take them back, and look at what was sealed.

Which periods are sealed, and from which state, is decided in ``steps.packaging``.
"""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from dagster_project.cli.explain import register_explain
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
from dagster_project.errors import PackageError, UsageError

app = typer.Typer(
    help=(
        "Packages 报送包: build, withdraw, list, show, explain-diff.\n\n"
        "`countylake verify` proves them."
        "\n\n"
        "A sealed package never changes: a correction is the next revision, with its reason, and a "
        "withdrawal is a package, too."
    ),
    no_args_is_help=True,
)
register_explain(app)
Identity = Annotated[str, typer.Argument(metavar="PACKAGE", help="as `package list` names it")]
WhyOr = Annotated[str, typer.Option("--why", help="the reason, written into the package")]
DAY = ["%Y-%m-%d"]


@app.command()
def build(  # noqa: PLR0917 - options of a command
    report: Annotated[str, typer.Argument(help="one report; every report if left out")] = "",
    period: Annotated[str, typer.Option(help="one period: 20230531, 202305, 2023Q2, 2023")] = "",
    since: Annotated[
        datetime | None, typer.Option("--from", formats=DAY, help="first day of a range")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=DAY, help="its last day, included")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="seal a revision that says the same; needs --why")
    ] = False,
    why: WhyOr = "",
    by: ByOption = "",
    day: Annotated[str, typer.Option(help="the day reported on; today if empty")] = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Seal reports whose figures changed, take packages up, and collect the answers.

    With --period, or --from and --to: also past periods that were never sealed, in order. A report
    of a state is then made from the state that the lake was in when the period was due. One that
    was sealed is made again only with --why, and from the state that it was sealed from.

    Exit code 9: some periods could not be sealed, the others were; 7: none could.
    """
    from dagster_project.components.steps.occasion import manual
    from dagster_project.components.steps.packaging.building import Wanted
    from dagster_project.components.steps.packaging.drafting import Will
    from dagster_project.components.steps.report import seal_and_deliver

    if again and not why.strip():
        raise UsageError("a package is not sealed again without a reason", todo="Add --why")
    if period and (since or until):
        raise UsageError("--period is one period, --from and --to a range", todo="Give one of them")
    wanted = None
    if period or since or until:
        wanted = Wanted(period, since.date() if since else None, until.date() if until else None)
    will = Will(why.strip(), by or getpass.getuser(), again) if why.strip() else None
    workshop = deciding(home)
    with working("sealing and delivering"):
        done = seal_and_deliver(workshop, manual(day), report, will, wanted)
    if as_json:
        emit(asdict(done))
    else:
        _tell(asdict(done), asked=wanted is not None or will is not None)
    if done.refused:
        raise typer.Exit(PARTIAL if done.sealed or done.kept else PackageError.exit_code)


def _tell(done: dict[str, Any], *, asked: bool) -> None:
    screen = console()
    for verb in ("sealed", "delivered", "answered"):
        for name in done[verb]:
            screen.print(f"{verb} {name}")
    if asked:
        for name in done["kept"]:
            screen.print(f"{name} says so already")
    if not any(done[verb] for verb in ("sealed", "delivered", "answered", "refused")):
        screen.print("nothing new to seal, to deliver or to collect")
    for sentence in done["refused"]:
        complain(sentence)
    for remark in done["remarks"]:
        note(remark)


@app.command()
def withdraw(
    package: Identity,
    why: Annotated[str, typer.Option("--why", help="the reason, which the parent site reads")],
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Take a reported period back: the parent site no longer counts it. What was sealed stays.

    The period is reported again when its figures are others than those that were taken back, or
    with `package build --again`.
    """
    from dagster_project.components.steps.packaging.withdrawing import withdraw_package

    workshop = deciding(home)
    done = withdraw_package(workshop, package, why=why, by=by or getpass.getuser())
    if as_json:
        emit({"withdrawn": package, **asdict(done)})
        return
    console().print(f"sealed {done.package_id}, which withdraws {package}")
    note("`countylake deliver` takes it up")


@app.command("list")
def list_all(
    report: Annotated[str, typer.Option("--report", help="one report")] = "",
    waiting: Annotated[
        bool, typer.Option("--waiting", help="only those that the parent has not settled")
    ] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """The packages in the order of the chain, with the parent's answers."""
    from dagster_project.components.steps.packaging.looking import list_packages
    from dagster_project.components.steps.workshop import Workshop

    found = list_packages(Workshop.at(opened(home).root), report, waiting=waiting)
    if as_json:
        emit({"packages": found})
        return
    if not found:
        console().print("no package waits" if waiting else "nothing was sealed yet")
        return
    from dagster_project.cli.package_tables import packages_table

    screen = console()
    screen.print(packages_table(found, screen.width))
    note("`countylake package show ID` says more, `package explain-diff A B` why figures moved")


@app.command()
def show(package: Identity, home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """One package: what it says, its place in the chain, the answers, what it replaced and why."""
    from dagster_project.components.steps.packaging.looking import show_package
    from dagster_project.components.steps.workshop import Workshop

    told = show_package(Workshop.at(opened(home).root), package)
    if as_json:
        emit(told)
    else:
        from dagster_project.cli.package_tables import tell_package

        tell_package(console(), told)
    if told["fault"]:
        complain(told["fault"])
        raise typer.Exit(PackageError.exit_code)
