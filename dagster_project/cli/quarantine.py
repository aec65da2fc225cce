"""``countylake quarantine``: what departments must correct, and their files back to them.

Cells of persons are masked on the screen; they stand only in the returned copies.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    deciding,
    emit,
    literally,
    note,
    opened,
    working,
)

if TYPE_CHECKING:
    from rich.table import Table

    from dagster_project.components.steps.correcting.cases import ClosedCase, OpenKind
    from dagster_project.components.steps.correcting.copying import Returned
    from dagster_project.components.steps.overview import RejectedRow

PERSONAL = (
    "副本含个人信息，仅限交还责任部门；the copies hold personal data: for the department only"
)
HOW = {
    "corrected": "已更正 corrected",
    "superseded": "同批另有合格行 superseded",
    "accepted": "重新校核合格 accepted",
    "withdrawn": "已撤回 withdrawn",
    "agreed": "双方一致 agreed",
}


class _Group(TyperGroup):
    """A group whose first word may be a feed: without a known command it shows what is open."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    help=(
        "What departments must correct: open cases, and their files back to them.\n\n"
        "`countylake quarantine [FEED]` is `countylake quarantine show [FEED]`."
    ),
)


@app.command()
def show(
    feed: Annotated[str, typer.Argument(help="one feed; all of them if left out")] = "",
    limit: Annotated[int, typer.Option(min=1, help="how many rows to show")] = 50,
    every: Annotated[bool, typer.Option("--all", help="also the cases that are closed")] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """The open rejected rows: file, sheet, row and what is wrong; personal cells are masked."""
    from dagster_project.components.steps import overview
    from dagster_project.components.steps.correcting import cases
    from dagster_project.components.steps.workshop import Workshop

    workshop = Workshop.at(opened(home).root)
    with working("reading the lake"):
        kinds = cases.open_kinds(workshop, feed)
        rows = overview.rejected_rows(workshop, feed, limit)
        closed = cases.closed_cases(workshop, feed, limit) if every else []
    if as_json:
        told = {"cases": [asdict(one) for one in kinds], "rows": [asdict(row) for row in rows]}
        emit(told | ({"closed": [asdict(one) for one in closed]} if every else {}))
        return
    if kinds:
        console().print(_kinds_table(kinds))
    if rows:
        console().print(_rows_table(rows, one_feed=bool(feed)))
    else:
        console().print("没有待更正的行 no row waits for correction")
    if every:
        console().print(_closed_table(closed))
    if limit in {len(rows), len(closed)}:
        note(f"only the first {limit} rows; ask for more with --limit")


@app.command(name="return")
def give_back(
    feed: Annotated[str, typer.Option("--feed", help="whose deliveries")],
    batch: Annotated[str, typer.Option(help="only this batch")] = "",
    out: Annotated[
        Path | None, typer.Option(help="folder of the copies; else returns/<feed> in the home")
    ] = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of each delivered file with its open cases marked, for the department."""
    from dagster_project.components.steps.correcting.returns import return_feed

    workshop = deciding(home)
    with working("writing the copies"):
        made = return_feed(workshop, feed, batch, out)
    if as_json:
        emit({"returned": [asdict(one) for one in made]})
        return
    if not made:
        note(f"{feed} has no open case; nothing was written")
        return
    console().print(returned_table(made))
    for remark in dict.fromkeys(remark for one in made for remark in one.remarks):
        note(remark)
    note(PERSONAL)


def _table(title: str, *heads: str) -> Table:
    from rich.table import Table

    table = Table(pad_edge=False, title=title, title_justify="left")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _kinds_table(kinds: list[OpenKind]) -> Table:
    table = _table("待更正事项 open cases", "归集任务 feed", "问题 rule")
    for head in ("事项\ncases", "最早/天\noldest, days"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in kinds:
        table.add_row(
            f"{one.title} [dim]{one.feed}[/dim]",
            literally(one.sentence),
            f"{one.cases:,}",
            str(one.oldest_days),
        )
    return table


def _rows_table(rows: list[RejectedRow], *, one_feed: bool) -> Table:
    """The rows; no column says the same in each of them, and a case's number can be copied."""
    with_sheet = any(row.sheet for row in rows)
    heads = [*([] if one_feed else ["归集任务"]), "文件 file", *(["工作表"] if with_sheet else [])]
    table = _table("问题数据 open rejected rows", *heads, "行 row", "原因 reasons")
    table.add_column("编号 case", no_wrap=True)
    for row in rows:
        table.add_row(
            *([] if one_feed else [f"{row.title} [dim]{row.feed}[/dim]"]),
            literally(row.file),
            *([literally(row.sheet)] if with_sheet else []),
            str(row.row),
            literally("\n".join(row.sentences)),
            row.case_id,
        )
    return table


def _closed_table(closed: list[ClosedCase]) -> Table:
    from dagster_project.cli.tables import local

    heads = ("编号 case", "归集任务", "文件 file", "行 row", "原因 reasons")
    table = _table("已办结事项 closed cases", *heads, "办结 closed", "办结文件 by file")
    for one in closed:
        table.add_row(
            one.case_id,
            f"{one.title} [dim]{one.feed}[/dim]",
            literally(one.file),
            str(one.row),
            literally("\n".join(one.sentences)),
            f"{local(one.closed_at)} {HOW.get(one.how, one.how)}",
            literally(one.closed_file),
        )
    return table


def returned_table(made: list[Returned]) -> Table:
    """The copies that were written, with what is marked in each."""
    table = _table("退回副本 returned copies", "文件 file", "副本 copy")
    for head in ("事项\ncases", "行\nrows", "单元格\ncells"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in made:
        counts = (f"{count:,}" for count in (one.cases, one.rows, one.cells))
        table.add_row(literally(one.file), literally(one.path), *counts)
    return table
