"""``countylake drift …``: files whose structure differs from their contract, and the decision.

Deliveries held for other reasons are ``hold``'s; what acceptance does is ``amending``'s work.
"""

from __future__ import annotations

import getpass
import sys
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
    deciding,
    emit,
    literally,
    note,
    opened,
    working,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.arriving.amending import Decision, Shown
    from dagster_project.components.steps.arriving.holds import Hold
    from dagster_project.contracts.acceptance import Proposal

app = typer.Typer(
    help="Changed structures of department files: list, show, accept, refuse.",
    no_args_is_help=True,
)
Number = Annotated[str, typer.Argument(help="as `countylake drift list` names it")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="TITLE=NAME: the column that a title of the file is"),
]


@app.command("list")
def list_drifts(
    everything: Annotated[
        bool, typer.Option("--all", help="also what was only noted, and what was decided")
    ] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Feeds that wait because a file's structure changed."""
    from rich.table import Table

    from dagster_project.cli.tables import local
    from dagster_project.components.steps.arriving.amending import drifts
    from dagster_project.components.steps.workshop import Workshop

    found = drifts(Workshop.at(opened(home).root), everything=everything)
    if as_json:
        emit({"drifts": [asdict(hold) for hold in found]})
        return
    if not found:
        console().print("no changed structure waits")
        return
    table = Table(pad_edge=False, title="结构变化 changed structures", title_justify="left")
    table.add_column("编号 id", no_wrap=True)
    decided = ("状态 state", "决定 decision") if everything else ()
    for head in ("文件 file", "自 since", "发现 findings", *decided):
        table.add_column(head, overflow="fold")
    for hold in found:
        cells = [hold.path, local(hold.opened_at), "\n".join(_lines(hold))]
        cells += [hold.state, _decision(hold)] if everything else []
        table.add_row(hold.hold_id, *(literally(cell) for cell in cells))
    console().print(table)


@app.command()
def show(
    number: Number,
    columns: Columns = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """What differs, what depends on it, and the change of the contract that accepts it."""
    from dagster_project.components.steps.arriving import amending
    from dagster_project.components.steps.workshop import Workshop

    workshop = Workshop.at(opened(home).root)
    with working("following the lineage"):
        found = amending.shown(workshop, number, _choices(columns))
    if as_json:
        emit(
            {
                **asdict(found.hold),
                "affected": [{**asdict(one), "layer": one.layer} for one in found.affected],
                "proposal": _plain(found.proposal),
                "needs": found.needs,
            }
        )
    else:
        _show(found)


@app.command()
def accept(  # noqa: PLR0917 - what, how, why, who
    number: Number,
    why: WhyOption,
    columns: Columns = None,
    by: ByOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Change the contract to the new structure and take the held file."""
    from dagster_project.components.steps.arriving import amending

    workshop, choices = deciding(home), _choices(columns)
    proposal = amending.prepare(workshop, number, choices)
    if not as_json:
        _propose(proposal)
    if not yes:
        _ask(f"Accept {number}?")
    with working("changing the contract and taking the file"):
        done = amending.accept(workshop, number, proposal, by=by or getpass.getuser(), why=why)
    if as_json:
        emit({**asdict(done), "proposal": _plain(proposal)})
    else:
        _tell(done)


@app.command()
def refuse(
    number: Number,
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Send the held file back; the feed goes on with its later files."""
    from dagster_project.components.steps.arriving import amending

    workshop = deciding(home)
    done = amending.refuse(workshop, number, by=by or getpass.getuser(), why=why)
    if as_json:
        emit(asdict(done))
    else:
        _tell(done)


def _choices(columns: Sequence[str] | None) -> dict[str, str]:
    pairs = [one.rpartition("=") for one in columns or ()]
    for title, sign, name in pairs:
        if not (sign and title.strip() and name.strip()):
            raise UsageError(
                f"{title + sign + name!r} says no column", todo="Write --column TITLE=NAME"
            )
    return {title.strip(): name.strip() for title, _, name in pairs}


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", todo="Add --yes to accept in a script")
    typer.confirm(question, abort=True)


def _lines(hold: Hold) -> list[str]:
    from dagster_project.components.steps.arriving.drift import phrase
    from dagster_project.contracts.drift import Finding

    return [phrase(Finding.of(data)) for data in hold.findings]


def _decision(hold: Hold) -> str:
    from dagster_project.cli.tables import local

    if hold.decided_at is None:
        return ""
    after = f" → {hold.contract_version_after}" if hold.contract_version_after else ""
    return f"{local(hold.decided_at)} {hold.decided_by}: {hold.why}{after}"


def _plain(proposal: Proposal | None) -> dict[str, Any] | None:
    if proposal is None:
        return None
    return {
        "version": proposal.version,
        "version_after": proposal.version_after,
        "files": [change.name for change in proposal.changes],
        "diff": proposal.diff,
        "notes": proposal.notes,
    }


def _show(found: Shown) -> None:
    """Print one changed structure whole."""
    from rich.table import Table

    screen, hold = console(), found.hold
    screen.print(f"[bold]{hold.hold_id}[/bold] {hold.feed} {hold.state}  ", end="")
    screen.print(literally(hold.path))
    if hold.decided_at:
        screen.print(literally(_decision(hold)))
    for line, one in zip(_lines(hold), found.findings, strict=True):
        screen.print(literally(f"• {one.kind}: {line}"))
        if one.evidence:
            shown = ", ".join(f"{name} {value}" for name, value in one.evidence.items())
            screen.print(literally(f"  {shown}"), style="dim")
    if found.affected:
        table = Table(pad_edge=False, title="受影响 depends on it", title_justify="left")
        for head in ("表 table", "字段 column", "名称 title", "how"):
            table.add_column(head, overflow="fold")
        for reached in found.affected:
            table.add_row(reached.table, reached.column, reached.title, reached.how)
        screen.print(table)
    else:
        screen.print("no gold table and no report depends on it")
    if found.proposal:
        _propose(found.proposal)
    if found.needs:
        complain(found.needs)


def _propose(proposal: Proposal) -> None:
    """Print what acceptance changes."""
    from rich.syntax import Syntax

    screen = console()
    if proposal.diff:
        screen.print(Syntax(proposal.diff, "diff", background_color="default"))
    else:
        screen.print("no contract changes")
    for remark in proposal.notes:
        note(remark)


def _tell(done: Decision) -> None:
    """Print what was decided."""
    hold, after = done.hold, done.hold.contract_version_after
    version = f", contract {hold.contract_version} → {after}" if after else ""
    console().print(f"{hold.hold_id} {hold.state} by {hold.decided_by}{version}")
    for sentence in done.held:
        complain(sentence)
    if done.merged:
        note("the held file is in silver; `countylake run` takes the files that waited")
    elif done.rebuilt:
        note("its landed files were conformed again; `countylake run` brings reports up to date")
    elif hold.state == "refused" and hold.message:
        note("nothing of it is merged; `countylake run` takes the files that waited")
    elif hold.state == "accepted" and not done.held:
        note("the next file fills the column; deliver the last one again to fill it now")
