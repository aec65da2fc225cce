"""``countylake hold …``: deliveries that wait for a decision, their rows, and the decision.

Changed structures are decided with ``countylake drift``, which changes the contract too.
"""

from __future__ import annotations

import getpass
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
        "Held deliveries 搁置的交付: list, show, return, release, refuse.\n\n"
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
    table.add_column("行 rows", justify="right", no_wrap=True)
    for hold in found:
        table.add_row(
            hold.hold_id,
            literally(hold.path),
            KINDS[hold.kind],
            local(hold.opened_at),
            STATES[hold.state],
            "–" if hold.rows is None else f"{hold.rows:,}",
        )
    console().print(table)
    note("`countylake hold show ID` says more")


@app.command()
def show(
    number: Number,
    rows: Annotated[
        bool, typer.Option("--rows", help="read the file again and list its broken rows")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="how many rows to list")] = 50,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """One held delivery: why, which rows, and everything that was decided."""
    from dagster_project.components.steps.arriving.history import course_of

    workshop = deciding(home)
    with workshop.lake.reader() as con:
        course = course_of(con, number)
    listed = []
    if rows:
        from dagster_project.components.steps.correcting.held import held_rows

        with working("reading the file again"):
            listed = held_rows(workshop, number, limit)
    if as_json:
        emit(course.told() | ({"rows": [asdict(one) for one in listed]} if rows else {}))
        return
    from dagster_project.cli.hold_tables import tell_course, tell_rows

    tell_course(console(), course, kind=KINDS, state=STATES)
    if rows:
        tell_rows(console(), listed)
        if len(listed) == limit:
            note(f"only the first {limit} rows; ask for more with --limit")
    elif course.hold.kind == "quality":
        note(f"`countylake hold show {number} --rows` lists the rows")


@app.command(name="return")
def give_back(
    number: Number,
    out: Annotated[
        Path | None, typer.Option(help="folder of the copies; else returns/<feed> in the home")
    ] = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of a held or refused file with its broken rows marked, for the department."""
    from dagster_project.cli.quarantine import PERSONAL, returned_table
    from dagster_project.components.steps.correcting.held import return_hold

    workshop = deciding(home)
    with working("writing the copies"):
        made = return_hold(workshop, number, out)
    if as_json:
        emit({"returned": [asdict(one) for one in made]})
        return
    console().print(returned_table(made))
    for remark in dict.fromkeys(remark for one in made for remark in one.remarks):
        note(remark)
    note(PERSONAL)


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
