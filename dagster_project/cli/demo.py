"""``countylake demo``, which is ``make run``: two counties and a city, each its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dagster_project.cli.shared import PARTIAL, JsonOption, complain, console, emit, note, working
from dagster_project.paths import PROJECT, SAMPLES

COUNTIES = (("140321", "平定县", "county"), ("140322", "盂县", "county-140322"))
CITY = ("140300", "阳泉市")


@dataclass(frozen=True)
class Done:
    """A process that ended: its exit code and what it printed as JSON."""

    code: int
    told: dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    root: Annotated[
        Path, typer.Option(help="folder for the three homes", envvar="COUNTYLAKE_DEMO")
    ] = PROJECT / "var",
    samples: Annotated[Path, typer.Option(help="folder with one inbox per county")] = SAMPLES
    / "inbox",
    as_json: JsonOption = False,
) -> None:
    """Take a day of department files of two counties to their city, and show what happened."""
    started = time.monotonic()
    root = root.expanduser().resolve()
    homes = found_sites(root, samples.expanduser().resolve())
    with working("two counties are running"):
        counties = run_all([["run", "--home", str(home), "--json"] for home in homes])
    with working("the city receives"):
        city = run_all([["city", "receive", "--home", str(root / "city"), "--json"]])[0]
    with working("the counties collect the answers"):
        reports = [collect(home) for home in homes]
    told = [
        {**one.told, "reports": sent}
        for one, sent in zip(counties, reports, strict=True)
        if one.told
    ]
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        emit({"counties": told, "city": city.told, "seconds": seconds})
    else:
        show(told, city.told, root, seconds)
    codes = [one.code for one in (*counties, city)]
    raise typer.Exit(next((code for code in codes if code not in {0, PARTIAL}), 0))


def found_sites(root: Path, samples: Path) -> list[Path]:
    """The three homes, with keys exchanged; what is there already stays.

    Raises:
        UsageError: A county's samples are missing.
    """
    from dagster_project.city.register import register as enter
    from dagster_project.components.steps.founding import found
    from dagster_project.errors import UsageError
    from dagster_project.paths import Home
    from dagster_project.reporting.identity import trust_parent
    from dagster_project.settings import Site

    shared = str(root / "dagster")
    city = Home(root / "city")
    code, name = CITY
    found(city, Site(code=code, name=name, collects=False, receives=True, dagster_home=shared))
    homes = []
    for number, (code, name, folder) in enumerate(COUNTIES):
        inbox = samples / code
        if not inbox.is_dir():
            raise UsageError(
                "the sample files are missing", where=str(inbox), todo="Run `make samples`"
            )
        home = Home(root / folder)
        wanted = Site(
            code=code,
            name=name,
            parent=CITY[0],
            inbox=str(inbox),
            exchange=str(city.exchange / code),
            dagster_home="dagster" if number else shared,
        )
        if found(home, wanted).is_new:
            trust_parent(home, city.public_file)
        enter(city, home.public_file)
        homes.append(home.root)
    return homes


def run_all(commands: list[list[str]]) -> list[Done]:
    """Run countylake commands side by side, sharing the cores, and read their JSON."""
    command = [sys.executable, "-m", "dagster_project.cli"]
    share = max(1, (os.cpu_count() or 1) // len(commands))
    environment = {
        "COUNTYLAKE_THREADS": str(share),
        **os.environ,
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    environment.pop("COUNTYLAKE_HOME", None)
    environment.pop("COUNTYLAKE_CITY_HOME", None)
    running = [
        subprocess.Popen(  # noqa: S603 - our own command
            [*command, *arguments], stdout=subprocess.PIPE, env=environment, text=True
        )
        for arguments in commands
    ]
    done = []
    for process in running:
        printed, _ = process.communicate()
        try:
            told = json.loads(printed)
        except json.JSONDecodeError:
            told = {}
        done.append(Done(process.returncode, told))
    return done


def collect(home: Path) -> list[dict[str, Any]]:
    """Bring the city's answers down, and tell how the county's reports stand."""
    from dagster_project.components.steps import delivering, overview, replica
    from dagster_project.components.steps.workshop import Workshop

    workshop = Workshop.at(home)
    sent = delivering.deliver(workshop)
    for remark in sent.remarks:
        note(remark)
    if sent.answers:
        replica.publish(workshop)
    reports: list[dict[str, Any]] = overview.status(workshop)["reports"]
    return reports


def show(counties: list[dict[str, Any]], city: dict[str, Any], root: Path, seconds: float) -> None:
    """Print the day for people: what each feed brought, what the city has, where to look."""
    from dagster_project.cli.city_view import show_sites
    from dagster_project.cli.run import tell
    from dagster_project.cli.tables import county_table
    from dagster_project.components.steps.city_view import all_sites
    from dagster_project.paths import Home

    screen = console()
    for county in counties:
        tell(county)
        screen.print()
    if city:
        screen.print(county_table(city))
        if not city["failures"]:
            screen.print()
            show_sites(all_sites(Home(root / "city")))
    if counties and all(county["status"] == "unchanged" for county in counties):
        screen.print("[bold]Nothing is new since the last run.[/bold]")
    for county in counties:
        if county["status"] == "partial":
            complain(f"{county['site']['name']}: some feeds failed, see above; the rest went on")
    screen.print("下一步 next:")
    screen.print(
        "  countylake tasks            归集任务：到期、迟到、失败 what is due, late, failed"
    )
    screen.print("  countylake status           每个归集任务与报表 feeds and reports")
    screen.print("  countylake quality show     六个维度的得分 scores by dimension")
    screen.print("  countylake case list        谁该在哪天之前办什么 who must do what by when")
    screen.print(
        "  countylake quarantine       问题数据退回部门 rows that departments must correct"
    )
    screen.print(
        "  countylake feed new         由真实数据接入新部门 a new department from its data"
    )
    screen.print("  countylake sql 'SELECT …'   查询只读副本 ask the read replica")
    screen.print("  countylake trace REPORT     一个数字由哪些行得出 a figure's rows, recomputed")
    screen.print("  countylake verify --all     重做并核验报送包 make what was sealed again")
    screen.print("  countylake lineage page     血缘图 the whole lineage, in the browser")
    screen.print("  countylake city map 图.svg  五色图 the map of the five colours")
    screen.print("  make dev                    调度与血缘界面 the Dagster UI")
    screen.print(f"[dim]{seconds} s; homes below {root}[/dim]")
