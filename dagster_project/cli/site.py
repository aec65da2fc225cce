"""Commands that set a site up: init, simulate, dev."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    CITY_HOME,
    COUNTY_HOME,
    DagsterOption,
    HomeOption,
    JsonOption,
    console,
    emit,
    folders,
    note,
)

if TYPE_CHECKING:
    from datetime import date

    from rich.progress import TaskID


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(init)
    app.command()(simulate)
    app.command()(dev)


def init(  # noqa: PLR0917 - options of a command
    home: HomeOption = COUNTY_HOME,
    code: Annotated[str, typer.Option(help="division code of 6, 9 or 12 digits")] = "140321",
    name: Annotated[str, typer.Option(help="the county's name")] = "平定县",
    parent: Annotated[str, typer.Option(help="code of the site that it reports to")] = "140300",
    inbox: Annotated[
        Path | None, typer.Option(help="folder that departments deliver into; else in the home")
    ] = None,
    exchange: Annotated[
        str, typer.Option(help="folder shared with the parent, or its https address")
    ] = "",
    receives: Annotated[
        bool, typer.Option("--receives", help="other sites, towns say, report to it as well")
    ] = False,
    dagster_home: DagsterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a county's home: folders, keys (outside the repository), Dagster's storage."""
    from dagster_project.components.steps.founding import found
    from dagster_project.paths import Home
    from dagster_project.settings import described_site

    place = Home(home.expanduser().resolve())
    named = folders(place, inbox=inbox, dagster_home=dagster_home)
    if exchange:
        named |= (
            {"exchange": exchange} if "://" in exchange else folders(place, exchange=Path(exchange))
        )
    wanted = described_site(
        {"code": code, "name": name, "parent": parent, "receives": receives, **named},
        where="countylake init",
        todo="Name a division code of 6, 9 or 12 digits with --code",
    )
    founded = found(place, wanted)
    site = founded.site
    if any(getattr(site, option) != folder for option, folder in named.items()):
        note(f"the home keeps the folders it has; change them in {place.site_file}")
    if as_json:
        emit({"home": str(founded.home.root), "new": founded.is_new, **site.model_dump()})
        return
    state = "made" if founded.is_new else "was there already"
    console().print(f"{site.code} {site.name}: home {founded.home.root} ({state})")
    console().print(f"  departments deliver into {site.folder(founded.home, 'inbox')}")
    if not site.parent:
        return
    console().print(f"  give {founded.home.public_file} to {site.parent}: countylake city register")
    if not founded.home.parent_file.exists():
        console().print(f"  keep the card of {site.parent}: countylake key trust its/public.json")


def simulate(  # noqa: PLR0917 - options of a command
    out: Annotated[Path | None, typer.Option(help="the inbox folder to write into")] = None,
    code: Annotated[str, typer.Option(help="a county of 阳泉市, as 140321 平定县")] = "140321",
    scale: Annotated[float, typer.Option(help="1 is the real county's size")] = 0.01,
    seed: Annotated[int, typer.Option(help="another seed is another county")] = 1,
    day: Annotated[str, typer.Option(help="the day the files are of")] = "2023-05-31",
    faults: Annotated[bool, typer.Option(help="plant dirt and faults")] = True,
    samples: Annotated[bool, typer.Option("--samples", help="make data_samples again")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a simulated county: department files with planted faults, and their manifest."""
    from datetime import date

    from dagster_project.errors import UsageError
    from dagster_project.paths import SAMPLES
    from dagster_project.simulate import write_samples

    if not samples and out is None:
        raise UsageError("no folder is named", todo="Name one with --out, or ask for --samples")
    try:
        worked = date.fromisoformat(day)
    except ValueError as error:
        raise UsageError(f"{day!r} is not a day", todo="Write it as 2023-05-31") from error
    if samples or out is None:
        made = write_samples()
        told = [_told(made[county], SAMPLES / "inbox" / county) for county in made]
    else:
        folder = out.expanduser().resolve()
        told = [_simulate(code, folder, scale, seed, day=worked, faults=faults)]
    if as_json:
        emit({"counties": told})
        return
    for one in told:
        console().print(f"{one['county']} {one['name']}: {one['rows']:,} rows in {one['folder']}")


def _simulate(
    code: str, folder: Path, scale: float, seed: int, *, day: date, faults: bool
) -> dict[str, object]:
    """One county, with progress on stderr."""
    from rich.progress import Progress

    from dagster_project.simulate import simulate as write

    with Progress(console=console(stderr=True), transient=True) as screen:
        tasks: dict[str, TaskID] = {}

        def show(feed: str, share: float) -> None:
            if feed not in tasks:
                tasks[feed] = screen.add_task(f"{code} {feed}", total=1.0)
            screen.update(tasks[feed], completed=share)

        manifest = write(
            code,
            scale,
            folder,
            seed,
            day=day,
            faults=faults,
            progress=show,
        )
    return _told(manifest, folder)


def _told(manifest: dict[str, Any], folder: Path) -> dict[str, object]:
    """What was written for one county."""
    rows = sum(int(feed["read"]) for feed in manifest["feeds"].values())
    return {
        "county": manifest["county"],
        "name": manifest["name"],
        "folder": str(folder),
        "rows": rows,
    }


def dev(
    home: HomeOption = COUNTY_HOME,
    city_home: Annotated[
        Path, typer.Option(envvar="COUNTYLAKE_CITY_HOME", help="the city's home")
    ] = CITY_HOME,
    port: Annotated[int, typer.Option(help="port on this machine (loopback only)")] = 3000,
) -> None:
    """Open the Dagster UI for the county and the city, on this machine only."""
    import os
    import sys

    from dagster_project.components.steps.founding import ready_dagster
    from dagster_project.components.steps.workspace import write_workspace
    from dagster_project.errors import UsageError
    from dagster_project.paths import PROJECT, SAMPLES, Home
    from dagster_project.settings import load_site

    command = Path(sys.executable).with_name("dagster")
    if not command.with_name("dagster-webserver").exists():
        raise UsageError(
            "the Dagster UI is not installed",
            todo="Run `make dev`, or `uv sync --extra ui`",
        )
    county = Home(home.expanduser().resolve())
    if home == COUNTY_HOME and not county.site_file.exists():
        from dagster_project.cli.demo import found_sites

        found_sites(PROJECT / "var", SAMPLES / "inbox")
    folder = load_site(county).folder(county, "dagster_home")
    ready_dagster(folder)
    workspace = write_workspace(folder)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PYTHONWARNINGS": "ignore",
        "COUNTYLAKE_HOME": str(county.root),
        "COUNTYLAKE_CITY_HOME": str(city_home.expanduser().resolve()),
    }
    note(f"Dagster UI: http://127.0.0.1:{port} (this machine only; it asks for no password)")
    arguments = ["dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    os.execve(command, [str(command), *arguments], environment)  # noqa: S606
