"""``countylake receipt …``: what proves a package's figures, for people, machines and PROV.

A receipt's form is ``protocol.receipt``'s; whether it is true is found by ``countylake verify``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    emit,
    note,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.workshop import Workshop

app = typer.Typer(
    help=(
        "Receipts 凭证: list, show, prov.\n\nA receipt says of one sealed report by which SQL, "
        "from which state of which tables and from which deliveries it was made. "
        "`countylake verify` finds out whether that is true."
    ),
    no_args_is_help=True,
)
Identity = Annotated[str, typer.Argument(metavar="PACKAGE", help="as `package list` names it")]


@app.command("list")
def list_(
    report: Annotated[str, typer.Argument(help="one report; all if left out")] = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """The chain of receipts, oldest first."""
    from dagster_project.cli.receipt_tables import receipts_table
    from dagster_project.components.steps.receipts import receipts

    workshop = _workshop(home)
    found = receipts(workshop, report)
    if as_json:
        emit({"receipts": found})
    elif found:
        screen = console()
        screen.print(receipts_table(found, screen.width))
    elif report:
        raise UsageError(
            f"no receipt of a report {report}",
            todo="`countylake receipt list` without a name lists all",
        )
    elif not workshop.site.collects:
        note("none sealed here; `countylake receipt show PACKAGE` reads those that were received")
    else:
        note("no receipt yet: `countylake run` seals reports")


@app.command()
def show(package: Identity, home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """What one receipt says."""
    from dagster_project.cli.receipt_tables import tell_receipt
    from dagster_project.components.steps.receipts import receipt_of

    kept = receipt_of(_workshop(home), package)
    if as_json:
        emit(kept.receipt.told())
    else:
        tell_receipt(console(), kept.receipt, kept.title)


@app.command()
def prov(
    package: Identity,
    out: Annotated[Path | None, typer.Option("--out", help="the file to write")] = None,
    home: HomeOption = COUNTY_HOME,
) -> None:
    """A package's origin as W3C PROV-JSON, for whoever does not have this programme.

    Entities are the package, tables, batches and landed files; activities are sealing, evaluation
    and merging; agents are the site and the programme. It holds what the receipt holds.
    """
    from dagster_project.components.steps.receipts import prov as document

    made = document(_workshop(home), package)
    if out is None:
        emit(made)
        return
    text = json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True)
    out.write_text(text + "\n", encoding="utf-8")
    note(f"{_count(made)} PROV records: {out}")


def _workshop(home: Path) -> Workshop:
    """Any site's: one that receives keeps the receipts of others."""
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.paths import Home
    from dagster_project.settings import load_site

    found = Home(home.expanduser().resolve())
    return Workshop.at(found.root, load_site(found).duties[0])


def _count(made: dict[str, Any]) -> int:
    return sum(len(records) for kind, records in made.items() if kind != "prefix")
