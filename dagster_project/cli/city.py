"""``countylake city …``: the receiving site's commands."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from dagster_project.cli.shared import (
    CITY_HOME,
    ByOption,
    CityOption,
    DagsterOption,
    JsonOption,
    WhyOption,
    complain,
    console,
    emit,
    folders,
    opened,
    working,
)

app = typer.Typer(
    help="The receiving site: register counties, receive, show.", no_args_is_help=True
)


@app.command()
def init(  # noqa: PLR0917 - options of a command
    home: CityOption = CITY_HOME,
    code: Annotated[str, typer.Option(help="division code of 6, 9 or 12 digits")] = "140300",
    name: Annotated[str, typer.Option(help="the city's name")] = "阳泉市",
    parent: Annotated[
        str, typer.Option(help="code of the site that it passes packages on to")
    ] = "",
    exchange: Annotated[
        str, typer.Option(help="folder or address shared with that site; else in the home")
    ] = "exchange",
    dagster_home: DagsterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the city's home and its signing key."""
    from dagster_project.components.steps.founding import found
    from dagster_project.paths import Home
    from dagster_project.settings import described_site

    place = Home(home.expanduser().resolve())
    wanted = described_site(
        {
            "code": code,
            "name": name,
            "collects": False,
            "receives": True,
            "parent": parent,
            "exchange": exchange,
            **folders(place, dagster_home=dagster_home),
        },
        where="countylake city init",
        todo="Name a division code of 6, 9 or 12 digits with --code",
    )
    founded = found(place, wanted)
    if as_json:
        emit({"home": str(founded.home.root), "new": founded.is_new, **founded.site.model_dump()})
        return
    state = "made" if founded.is_new else "was there already"
    console().print(f"{founded.site.code} {founded.site.name}: home {founded.home.root} ({state})")


@app.command()
def receive(home: CityOption = CITY_HOME, as_json: JsonOption = False) -> None:
    """Verify and merge what counties sent, and answer (the Dagster job city_receive)."""
    city = opened(home, "receive")
    os.environ["COUNTYLAKE_CITY_HOME"] = str(city.root)
    with working("receiving"):
        from dagster_project.city.definitions import defs
        from dagster_project.components.launch import launch
        from dagster_project.components.received_reports import JOB
        from dagster_project.components.steps import city as step
        from dagster_project.components.steps.workshop import Workshop

        launched = launch(city, defs(), JOB, site={"duty": "receive"})
        state = step.overview(Workshop.at(city.root, "receive"))
    if as_json:
        told = {"failures": dict(launched.failures), "remarks": launched.warnings}
        emit({**state, "run_id": launched.run_id, **told})
    else:
        show(state)
        for name, sentence in launched.failures.items():
            complain(f"{name}: {sentence}")
        for remark in launched.warnings:
            complain(remark)
    raise typer.Exit(0 if launched.success else 1)


@app.command()
def pull(
    code: Annotated[str, typer.Argument(help="one child of `pulls`; all if left out")] = "",
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Fetch packages from children that do not deliver, and hand them the answers that lie ready.

    Where they are is told by `pulls` in site.yaml. `city receive` does it before and after.
    """
    from dagster_project.components.steps import city as step
    from dagster_project.components.steps.workshop import Workshop

    with working("fetching"):
        done = step.fetch(Workshop.at(opened(home, "receive").root, "receive"), code)
    if as_json:
        emit({"pulled": [asdict(one) for one in done]})
    for one in done if not as_json else ():
        for what, names in (("fetched", one.taken), ("handed back", one.handed)):
            if names:
                console().print(f"{one.site}: {what} {', '.join(names)}", markup=False)
        for remark in one.remarks:
            complain(remark)
    raise typer.Exit(1 if any(one.remarks for one in done) else 0)


@app.command()
def status(home: CityOption = CITY_HOME, as_json: JsonOption = False) -> None:
    """What came from each county, what was refused, and what is missing."""
    from dagster_project.components.steps import city as step
    from dagster_project.components.steps.workshop import Workshop

    state = step.overview(Workshop.at(opened(home, "receive").root, "receive"))
    if as_json:
        emit(state)
    else:
        show(state)


@app.command()
def correct(  # noqa: PLR0917 - options of a command
    package: Annotated[str, typer.Argument(help="the package whose figure is doubtful")],
    where: Annotated[list[str], typer.Option(help="column=value; names the row, repeatable")],
    why: WhyOption,
    column: Annotated[str, typer.Option(help="the doubtful column; else the row")] = "",
    by: ByOption = "",
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Ask a county for the correction of a figure; its departments get a case, it answers."""
    import getpass

    from dagster_project import clock
    from dagster_project.city.corrections import ask
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.reporting.identity import signer_of

    workshop = Workshop.at(opened(home, "receive").root, "receive")
    made = ask(
        workshop.lake,
        workshop.site,
        signer_of(workshop.site),
        package,
        place=dict(one.partition("=")[::2] for one in where),
        column=column,
        by=by or getpass.getuser(),
        why=why,
        at=clock.now(),
    )
    if as_json:
        emit(asdict(made))
    else:
        console().print(f"{made.correction_id}: asked of {made.site_code}", markup=False)


@app.command()
def corrections(home: CityOption = CITY_HOME, as_json: JsonOption = False) -> None:
    """Corrections that were asked for, and what counties answered."""
    from dagster_project.city.corrections import asked
    from dagster_project.cli.tables import correction_table
    from dagster_project.components.steps.workshop import Workshop

    found = asked(Workshop.at(opened(home, "receive").root, "receive").lake)
    if as_json:
        emit({"corrections": [asdict(one) for one in found]})
    elif not found:
        console().print("没有更正请求 no correction was asked for")
    else:
        console().print(correction_table(found))


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="one SELECT over the published replica")],
    limit: Annotated[int, typer.Option(min=1, help="how many rows to show")] = 1000,
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Ask the city's published replica, read-only."""
    from dagster_project.cli.look import show_answer
    from dagster_project.components.steps.question import ask

    show_answer(ask(opened(home, "receive"), query, limit), as_json=as_json)


def show(state: dict[str, object]) -> None:
    """Print what the city knows of each county."""
    from dagster_project.cli.tables import county_table

    console().print(county_table(state))
