"""What every command shares: the home option, JSON output, sentences on stderr, progress.

Nothing here knows a feed or a report.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.errors import UsageError
from dagster_project.paths import DEFAULT_CITY_HOME, DEFAULT_HOME, Home

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from dagster_project.components.steps.city_lineage import CityTrace
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.lineage.trace import Trace
    from dagster_project.settings import Duty, Site

PARTIAL = 9
"""Exit code of a run in which some feeds failed or were held and the others went on."""

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="COUNTYLAKE_HOME", help="the county's home folder"),
]
CityOption = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar=["COUNTYLAKE_CITY_HOME", "COUNTYLAKE_HOME"],
        help="the city's home folder",
    ),
]
DagsterOption = Annotated[
    Path | None, typer.Option(help="folder of Dagster's storage; else in the home")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for machines")]
PlaceOption = Annotated[
    list[str] | None, typer.Option("--where", help="column=value; as often as needed")
]
WhyOption = Annotated[str, typer.Option("--why", help="the reason, kept with the decision")]
ByOption = Annotated[str, typer.Option("--by", help="who decides; the system's user if left out")]
COUNTY_HOME = DEFAULT_HOME
CITY_HOME = DEFAULT_CITY_HOME


def console(*, stderr: bool = False) -> Console:
    """A console on stdout (results) or stderr (progress and complaints)."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def complain(sentence: str) -> None:
    """One sentence on stderr, in red where the terminal has colours."""
    console(stderr=True).print(f"[red]✗[/red] {_escape(sentence)}", soft_wrap=True)


def complain_of(feed: Mapping[str, Any], *, but: Collection[str] = ()) -> None:
    """What is to be said of one feed: why it failed, what of it is held, what is unusual."""
    from dagster_project.cli.tables import local

    if feed["error"] and feed["error"] not in but:
        complain(f"{feed['feed']}: {feed['error']}")
    for hold in feed["holds"]:
        since = f"held since {local(hold['since'])} as {hold['hold_id']}"
        paused = ", and the feed waits" if hold["kind"] == "schema" else ""
        complain(f"{feed['feed']}: {since}{paused}: {hold['message']}")
    if feed["holds"]:
        age = data_age(feed["data_until"], feed["data_age_days"])
        note(f"{feed['feed']}: what is published {age}")
    if feed["alarm"]:
        note(f"{feed['feed']}: {feed['alarm']}")


def complain_of_delivery(delivery: Mapping[str, Any]) -> None:
    """What is to be said of the way up: two histories, packages that wait, a link that is down."""
    from dagster_project.cli.tables import local

    for sentence in delivery["contradictions"]:
        complain(sentence)
    if delivery["waiting"]:
        since = local(delivery["waiting_since"])
        waiting = counted(len(delivery["waiting"]), "package")
        note(f"not accepted by the parent site yet: {waiting}, since {since}")
    if delivery["failures"]:
        last = delivery["last_success_at"]
        whole = f", the last that succeeded was {local(last)}" if last else ""
        failed = counted(delivery["failures"], "meeting")
        complain(f"{failed} in a row failed{whole}: {delivery['last_error']}")


def counted(number: int, thing: str) -> str:
    """A number of things, as English counts them."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def data_age(until: datetime | None, days: int | None) -> str:
    """How old data are, to go after what they are called."""
    from dagster_project.cli.tables import local

    if until is None:
        return "holds no data: nothing was ever merged"
    old = "less than a day" if not days else f"{days:,} day{'s' if days > 1 else ''}"
    return f"is of {local(until)}, {old} old"


def note(sentence: str) -> None:
    """One quiet sentence on stderr."""
    console(stderr=True).print(f"[dim]{_escape(sentence)}[/dim]", soft_wrap=True)


def literally(value: object) -> Text:
    """Foreign text for a table: never read as markup, and unable to steer the terminal."""
    from rich.text import Text

    return Text(_visible("" if value is None else str(value)))


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(_visible(text))


def _visible(text: str) -> str:
    return "".join(
        one if one.isprintable() or one in "\n\u3000" else f"\\x{ord(one):02x}" for one in text
    )


def emit(value: object) -> None:
    """Print a value as JSON; Chinese stays readable."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write(text + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)


@contextmanager
def working(sentence: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time; silent where nobody looks."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(_escape(sentence)):
        yield


def folders(home: Home, **named: Path | None) -> dict[str, Any]:
    """The folders that were named, as ``site.yaml`` keeps them.

    A name means what it means to the shell; a folder below the home moves along with it.
    """
    resolved = {
        option: folder.expanduser().resolve()
        for option, folder in named.items()
        if folder is not None
    }
    return {
        option: str(folder.relative_to(home.root) if folder.is_relative_to(home.root) else folder)
        for option, folder in resolved.items()
    }


def deciding(home: Path) -> Workshop:
    """A county's workshop for a command that changes something: what it logs goes to the home.

    Raises:
        UsageError: No such home, or a home of the other role.
    """
    from dagster_project.components.steps.journal import open_journal
    from dagster_project.components.steps.workshop import Workshop

    county = opened(home)
    open_journal(county)
    return Workshop.at(county.root)


def standing(home: Path) -> tuple[Site, Home]:
    """A site and its home, whatever it does.

    Raises:
        UsageError: No such home.
    """
    from dagster_project.settings import load_site

    found = Home(home.expanduser().resolve())
    return load_site(found), found


def opened(home: Path, duty: Duty = "collect") -> Home:
    """The home of a site that does what the command is for.

    Raises:
        UsageError: No such home, or its site does something else.
    """
    from dagster_project.settings import load_site

    found = Home(home.expanduser().resolve())
    site = load_site(found)
    if duty not in site.duties:
        deed = "collects from departments" if duty == "collect" else "receives from other sites"
        raise UsageError(
            f"{site.code} {site.name} is no site that {deed}",
            where=str(found.root),
            todo="Name another home with --home",
        )
    return found


def show_figure(screen: Console, found: Trace | CityTrace) -> None:
    """Print an opened figure and the tables that it goes through."""
    from rich.markup import escape

    shown = "（已隐去 suppressed）" if found.suppressed else escape(_visible(str(found.figure)))
    screen.print(f"{found.table}.{found.column} = [bold]{shown}[/bold]")
    for step in found.steps:
        screen.print(f"  ← {step.table}: {step.rows:,} rows")


def pairs(texts: list[str] | None) -> dict[str, str]:
    """Conditions as they were typed: each ``column=value``.

    Raises:
        UsageError: One of them is none.
    """
    found = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"{text!r} is no condition", todo="Write column=value")
        found[name.strip()] = value.strip()
    return found
