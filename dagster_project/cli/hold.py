"""``countylake hold …``: deliveries that wait for a decision, and the decision.

Changed structures are decided with ``countylake drift``, which changes the contract too.
"""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    PARTIAL,
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
    working,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.arriving.holds import Hold
    from dagster_project.components.steps.workshop import Workshop

app = typer.Typer(
    help=(
        "Held deliveries 搁置的交付: list, show, release, refuse.\n\n"
        "Nothing of a held delivery is merged; what the lake holds stays as it was until somebody "
        "decides. A run that holds a delivery ends as partial."
    ),
    no_args_is_help=True,
)
KINDS = {
    "schema": "结构变化 structure",
    "vanished": "记录消失 vanished",
    "period": "期次不符 period",
    "rows": "行数不符 rows",
    "quality": "质量超限 quality",
}
STATES = {
    "open": "待决定 open",
    "accepted": "已放行 accepted",
    "refused": "已退回 refused",
    "superseded": "已取代 superseded",
    "noted": "已记录 noted",
}
Number = Annotated[str, typer.Argument(help="as `countylake hold list` names it")]


@app.command("list")
def list_holds(
    feed: Annotated[str, typer.Argument(help="one feed; all of them if left out")] = "",
    everything: Annotated[bool, typer.Option("--all", help="also what was decided")] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """What waits for a decision: which file, since when and why."""
    workshop = deciding(home)
    if feed:
        workshop.feed(feed)
    found = _found(workshop, feed, everything=everything)
    if as_json:
        emit({"holds": [asdict(hold) for hold in found]})
        return
    if not found:
        console().print("nothing is held")
        return
    from rich.table import Table

    from dagster_project.cli.tables import local

    table = Table(pad_edge=False, title="搁置的交付 held deliveries", title_justify="left")
    for head in ("编号 id", "文件 file", "原因 why", "自 since", "状态 state"):
        table.add_column(head, overflow="fold")
    for hold in found:
        table.add_row(
            hold.hold_id,
            literally(hold.path),
            KINDS[hold.kind],
            local(hold.opened_at),
            STATES[hold.state],
        )
    console().print(table)
    note("`countylake hold show ID` says more")


@app.command()
def show(number: Number, home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """One held delivery: the facts, and what was decided."""
    from dagster_project.components.steps.arriving.holds import hold_of

    workshop = deciding(home)
    with workshop.lake.reader() as con:
        found = hold_of(con, number)
    if as_json:
        emit(asdict(found))
        return
    from rich.table import Table

    from dagster_project.cli.tables import local

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    decided = f"{local(found.decided_at)} {found.decided_by}: {found.why}"
    lines: dict[str, Any] = {
        "编号 id": found.hold_id,
        "归集任务 feed": f"{found.feed} {found.contract_version}",
        "文件 file": found.path,
        "原因 why": KINDS[found.kind],
        "说明 message": found.message,
        "自 since": local(found.opened_at),
        "状态 state": STATES[found.state],
        **({"决定 decision": decided} if found.decided_at else {}),
        "SHA-256": found.sha256,
    }
    for name, value in lines.items():
        table.add_row(name, literally(value))
    for number_of, finding in enumerate(found.findings, start=1):
        facts = " · ".join(f"{name} {value}" for name, value in finding.items())
        table.add_row(f"事实 fact {number_of}", literally(facts))
    console().print(table)


@app.command()
def release(
    number: Number,
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Merge a held delivery after all; it keeps the place in time at which it was received."""
    from dagster_project.components.steps.arriving.release import replay
    from dagster_project.components.steps.occasion import manual

    workshop = deciding(home)
    _not_schema(workshop, number, "accept")
    with working(f"releasing {number}"):
        done = replay(workshop, number, manual(), by=by or getpass.getuser(), why=why)
    if as_json:
        emit({"hold_id": number, **asdict(done)})
    elif done.batches:
        named = {**done.counts, "deleted": done.deleted}
        counts = "  ".join(f"{name} {count:,}" for name, count in named.items())
        console().print(f"{number} is merged: {counts}")
        note("`countylake run` brings gold and reports up to date")
    elif not done.held:
        console().print(f"{number} is released; its rows were merged already")
    for sentence in () if as_json else done.held:
        complain(sentence)
    raise typer.Exit(PARTIAL if done.held else 0)


@app.command()
def refuse(
    number: Number,
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Send a held delivery back: nothing of it is merged, and the file is not looked at again."""
    from dagster_project.components.steps.arriving.release import send_back
    from dagster_project.components.steps.occasion import manual

    workshop = deciding(home)
    _not_schema(workshop, number, "refuse")
    done = send_back(workshop, number, manual(), by=by or getpass.getuser(), why=why)
    if as_json:
        emit(asdict(done))
    else:
        console().print(f"{number} is sent back; tell {done.path}'s department why")


def _found(workshop: Workshop, feed: str, *, everything: bool) -> list[Hold]:
    from dagster_project.components.steps.arriving.holds import holds

    if not workshop.home.catalog.exists():
        return []
    with workshop.lake.reader() as con:
        return holds(con, feed, "" if everything else "open")


def _not_schema(workshop: Workshop, number: str, word: str) -> None:
    """A changed structure is decided where its contract is changed."""
    from dagster_project.components.steps.arriving.holds import hold_of

    with workshop.lake.reader() as con:
        found = hold_of(con, number)
    if found.kind == "schema":
        raise UsageError(
            f"{number} is held because its structure changed",
            where=found.path,
            todo=f"Decide it with `countylake drift {word} {number}`",
        )
