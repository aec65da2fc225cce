"""``countylake package explain-diff``: why figures moved between two packages of one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    console,
    emit,
    literally,
    note,
    opened,
    working,
)

SHORT = 12
"""So much of a SHA-256 tells files apart for people; JSON has all of it."""
KINDS = {"rejudged": "重新评判", "new": "新增", "corrected": "更正", "removed": "删除"}
_DELTA_UNITS = {"%": "个百分点"}
"""A rate that goes from 87 % to 80 % moved by 7 points, not by 7 %."""


def register_explain(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain-diff")(explain_diff)


def explain_diff(  # noqa: PLR0917 - options of a command
    before: Annotated[str, typer.Argument(metavar="A", help="a package's id")],
    after: Annotated[str, typer.Argument(metavar="B", help="a later package of the same report")],
    rows: Annotated[bool, typer.Option("--rows", help="name every changed record")] = False,
    most: Annotated[int, typer.Option(help="show so many figures")] = 30,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Say which figures moved between two packages of a report, why, and by which records.

    One thing is changed at a time and the report evaluated again from the lake's past, so that the
    shares of all causes add up to the whole movement. Cells of records are never shown.
    """
    from dagster_project.components.steps.explaining.explain import explain
    from dagster_project.components.steps.workshop import Workshop

    workshop = Workshop.at(opened(home).root)
    with working("evaluating the report again"):
        told = explain(workshop, before, after, with_rows=rows)
    if as_json:
        emit(told)
    else:
        show(told, most)


def show(told: Mapping[str, Any], most: int) -> None:
    """Print an explanation for a person."""
    from dagster_project.cli.tables import local

    screen = console()
    screen.print(literally(f"{told['title']} {told['report']}"))
    for one in told["packages"]:
        reason = f"：{one['reason']}" if one["reason"] else ""
        screen.print(literally(f"  {one['package_id']} 截止 {local(one['cut_off_at'])}{reason}"))
        for held in one["held"]:
            screen.print(
                literally(f"    搁置 held: {held['title']} {held['feed']} {held['hold_id']}")
            )
    for check in told["checks"]:
        say = note if check["equal"] else complain
        say(f"{check['package_id']} {check['sentence']}")
    for sentence in told["notes"]:
        complain(sentence)
    if not told["figures"]:
        screen.print("没有数字变动 no figure moved")
    else:
        screen.print(_causes(told["causes"]))
        screen.print(_figures(told["figures"][:most]))
        _more(told["figures"], most)
    for feed in told["feeds"]:
        for line in _batches(feed):
            screen.print(literally(line), soft_wrap=True)
        if "rows" in feed:
            screen.print(_rows(feed))
    note(f"Changed in this order, one after the other: {told['order']}.")


def _more(figures: list[Any], most: int) -> None:
    if len(figures) > most:
        note(f"{len(figures) - most:,} more figures moved; --most shows more, --json all.")


def _causes(causes: list[Mapping[str, Any]]) -> Any:
    table = _table("原因 causes")
    table.add_column("")
    table.add_column("改变了什么 what was changed", overflow="fold")
    table.add_column("数字 figures", justify="right", no_wrap=True)
    for one in causes:
        table.add_row(one["id"], literally(one["sentence"]), f"{one['figures']:,}")
    return table


def _figures(figures: list[Mapping[str, Any]]) -> Any:
    table = _table("变动的数字 figures that moved")
    for head in ("行 row", "指标 figure"):
        table.add_column(head, overflow="fold")
    for head in ("原 old", "现 new", "增减 delta"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("其中 by cause", overflow="fold")
    for one in figures:
        unit = f" {_DELTA_UNITS.get(one['unit'], one['unit'])}" if one["unit"] else ""
        table.add_row(
            literally(" ".join(one["row"].values())),
            literally(one["title"] or one["column"]),
            literally(_plain(one["old"])),
            literally(_plain(one["new"])),
            literally("" if one["delta"] is None else f"{_signed(one['delta'])}{unit}"),
            literally("，".join(_shares(one))),
        )
    return table


def _shares(one: Mapping[str, Any]) -> Iterator[str]:
    for share in one["causes"]:
        if share["delta"] is None:
            yield f"{share['cause']} {_plain(share['old'])} → {_plain(share['new'])}"
        else:
            yield f"{share['cause']} {_signed(share['delta'])}"
    if one["remainder"]:
        yield f"remainder {_signed(one['remainder'])}"


def _batches(feed: Mapping[str, Any]) -> Iterator[str]:
    from dagster_project.cli.tables import local

    columns = f"；改动字段 columns {'、'.join(feed['columns'])}" if feed["columns"] else ""
    yield f"{feed['title']} {feed['feed']}：{feed['records']:,} 条记录 records{columns}"
    idle = sum(one["records"] for one in feed["batches"] if not one.get("figures", 1))
    for one in feed["batches"]:
        if not one.get("figures", 1):
            continue
        parts = [
            f"{KINDS[one['kind']]} {one['kind']} {one['records']:,}",
            f"接收 received {local(one.get('received_at'))}",
            f"{one.get('channel', '')} {one.get('path', '')}".strip(),
            f"sha256 {one.get('sha256', '')[:SHORT]}",
            f"批次 batch {one.get('batch_id', '–')}",
            *_remarks(one),
        ]
        yield "  " + " · ".join(parts)
    if idle:
        yield f"  其中 {idle:,} 条未使本报表数字变动 of these moved no figure of this report"


def _remarks(one: Mapping[str, Any]) -> Iterator[str]:
    if one.get("hold_id"):
        yield f"搁置后放行 released from {one['hold_id']}"
    judged = one.get("judged_by")
    if judged and judged != one.get("contract_version"):
        yield f"契约 contract {one.get('contract_version')} → {judged}"


def _rows(feed: Mapping[str, Any]) -> Any:
    table = _table(f"{feed['feed']}：逐条 every record")
    for head in ("类别 kind", "主键 key", "原处 before", "现处 after", "字段 columns"):
        table.add_column(head, overflow="fold")
    for one in feed["rows"]:
        table.add_row(
            f"{KINDS[one['kind']]}",
            literally(one.get("key", "–")),
            literally(_place(one.get("before"))),
            literally(_place(one.get("after"))),
            literally("、".join(one.get("columns", ()))),
        )
    return table


def _place(place: Mapping[str, Any] | None) -> str:
    if place is None:
        return ""
    sheet = f"[{place['sheet']}]" if place["sheet"] else ""
    return f"{place['file']}{sheet} 第{place['row']}行"


def _plain(value: object) -> str:
    return "–" if value is None else f"{value}"


def _signed(value: int | Decimal) -> str:
    return f"{value:+,}"


def _table(title: str) -> Any:
    from rich import box
    from rich.table import Table

    return Table(title=literally(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
