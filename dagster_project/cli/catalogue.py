"""``countylake catalogue …``: the catalogue (政务信息资源目录) on the screen and as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    emit,
    literally,
    note,
    opened,
    working,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.catalogue.entries import Catalogue, Entry

app = typer.Typer(
    help="The catalogue 政务信息资源目录, made from the contracts: list, show, export.",
)


class Form(StrEnum):
    """How the catalogue is written for others."""

    csv = "csv"
    json = "json"
    dcat = "dcat"


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context, home: HomeOption = COUNTY_HOME, as_json: JsonOption = False
) -> None:
    """List the entries."""
    if context.invoked_subcommand is None:
        list_entries(home, as_json)


@app.command("list")
def list_entries(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Every entry: code, provider, share type, cycle, level, mounted, last update."""
    found = _catalogue(home)
    if as_json:
        from dagster_project.components.steps.catalogue.entries import facts

        shown = [facts(found, entry) for entry in found.entries]
        emit([{**one, "items": len(one["items"])} for one in shown])
        return
    from rich import box
    from rich.table import Table

    from dagster_project.cli.tables import WIDE, local
    from dagster_project.components.steps.catalogue.entries import indicators
    from dagster_project.components.steps.workshop import Workshop

    table = Table(
        title=f"{found.site_code} {found.site_name}", title_justify="left", box=box.SIMPLE_HEAD
    )
    wide = console().width >= WIDE
    for head, is_kept in (("代码 code", True), ("名称 title", True), ("提供方 provider", wide)):
        if is_kept:
            table.add_column(head, overflow="fold", no_wrap=head.endswith("code"))
    for head in (*(["共享"] if wide else []), "周期", "级别", "挂接", "最近更新"):
        table.add_column(head, no_wrap=True)
    table.add_column("数据量", justify="right", no_wrap=True)
    for entry in found.entries:
        share = found.said("share_type", entry.words.share_type) or "–"
        table.add_row(
            literally(entry.words.code or "–"),
            literally(f"{entry.title} {entry.table.partition('.')[2]}"),
            *([literally(entry.provider), literally(share)] if wide else []),
            entry.words.update_cycle or "–",
            entry.level,
            _mounted(entry),
            local(entry.last_update_at),
            f"{entry.rows:,}",
        )
    console().print(table)
    if told := _told(indicators(Workshop.at(home))):
        console().print(told)


def _told(figures: dict[str, Any]) -> str:
    """The indicators of the last run in one line."""
    if not figures:
        return ""
    shares = (
        ("挂接率", "mounted_pct", "mounted_cnt", "item_cnt"),
        ("应归尽归率", "collected_pct", "collected_cnt", "required_cnt"),
        ("更新及时率", "on_time_pct", "on_time_cnt", "promised_cnt"),
    )
    told = [
        f"{name} {'–' if figures[share] is None else figures[share]}%"
        f" ({figures[part]}/{figures[whole]})"
        for name, share, part, whole in shares
    ]
    told += [f"空目录 {figures['empty_cnt']}", f"僵尸目录 {figures['zombie_cnt']}"]
    return " · ".join(told)


def _mounted(entry: Entry) -> str:
    if entry.status == "draft":
        return "[dim]仅编目[/dim]"
    return "[green]是[/green]" if entry.is_mounted else "[yellow]否[/yellow]"


@app.command()
def show(
    code: Annotated[str, typer.Argument(help="a resource code, or the name of a feed or table")],
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """One entry with its information items."""
    from rich.table import Table

    from dagster_project.components.steps.catalogue.entries import entry_of, facts
    from dagster_project.components.steps.catalogue.forms import cells

    found = _catalogue(home)
    entry = entry_of(found, code)
    if as_json:
        emit(facts(found, entry))
        return
    record = Table(box=None, show_header=False, pad_edge=False)
    record.add_column(style="dim", no_wrap=True)
    record.add_column(overflow="fold")
    for head, cell in cells(found, entry).items():
        if cell and head != "信息项":
            record.add_row(head, literally(cell))
    items = Table(pad_edge=False)
    for head in ("信息项 item", "名称 title", "类型 type", "长度", "级别", "代码表"):
        items.add_column(head, overflow="fold")
    for item in entry.items:
        items.add_row(
            *map(literally, (item.name, item.title, item.type, item.length, item.level, item.codes))
        )
    console().print(record)
    console().print(items)


@app.command()
def export(
    form: Annotated[Form, typer.Option("--format", help="csv, json, or dcat (JSON-LD)")] = Form.csv,
    out: Annotated[Path | None, typer.Option(help="the file; else stdout")] = None,
    home: HomeOption = COUNTY_HOME,
) -> None:
    """Write the whole catalogue: CSV (UTF-8 with a mark for Excel), JSON, or DCAT 3 JSON-LD."""
    from dagster_project.components.steps.catalogue.forms import render

    found = _catalogue(home)
    data = render(found, form.value)
    if out is None:
        typer.get_binary_stream("stdout").write(data)
        return
    try:
        out.expanduser().write_bytes(data)
    except OSError as error:
        raise UsageError(
            f"the catalogue cannot be written ({error.strerror})",
            where=str(out),
            todo="Name another file with --out",
        ) from error
    note(f"{len(found.entries)} entries, {len(data):,} bytes: {out}")


def _catalogue(home: Path) -> Catalogue:
    from dagster_project.components.steps.catalogue.entries import catalogue
    from dagster_project.components.steps.workshop import Workshop

    with working("reading the catalogue"):
        return catalogue(Workshop.at(opened(home).root))
