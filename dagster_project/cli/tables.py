"""Rich tables for people; the same words as everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from dagster_project.cli.shared import console, literally
from dagster_project.clock import SHANGHAI, local_day

if TYPE_CHECKING:
    from dagster_project.city.corrections import Asked

WIDE = 110

HEADS = {
    "read": "读取\nread",
    "accepted": "合格\naccepted",
    "rejected": "问题\nrejected",
    "duplicate": "重复\nduplicate",
    "superseded": "被取代\nsuperseded",
    "dropped": "剔除\ndropped",
}
MARKS = {
    "success": "[green]✓[/green]",
    "partial": "[yellow]![/yellow]",
    "held": "[yellow]‖[/yellow]",
    "failed": "[red]✗[/red]",
    "skipped": "[dim]·[/dim]",
    "never": "[dim]–[/dim]",
}


def answer_tables(
    screen: Console, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Iterator[Table]:
    """The rows of a query as one table, or one table per row where the screen is too narrow.

    A cell is folded, never cut off.
    """
    table = Table(pad_edge=False)
    for name in columns:
        table.add_column(literally(name), overflow="fold")
    for row in rows:
        table.add_row(*(literally(cell) for cell in row))
    unbound = screen.options.update(max_width=sys.maxsize)
    if screen.measure(table, options=unbound).maximum <= screen.width or not rows:
        yield table
        return
    for number, row in enumerate(rows, start=1):
        record = Table(
            title=f"{number}", title_justify="left", box=None, show_header=False, pad_edge=False
        )
        record.add_column(style="dim", overflow="fold")
        record.add_column(overflow="fold")
        for name, cell in zip(columns, row, strict=True):
            record.add_row(literally(name), literally(cell))
        yield record


def local(instant: datetime | None) -> str:
    """An instant on the county's clock."""
    return instant.astimezone(SHANGHAI).strftime("%m-%d %H:%M") if instant else "–"


def _head(words: str) -> str:
    """Both languages on a wide screen, Chinese on a narrow one."""
    return words if console().width >= WIDE else words.partition("\n")[0]


def feed_table(title: str, feeds: Iterable[Mapping[str, Any]]) -> Table:
    """Feed by feed: read = accepted + rejected + duplicate + superseded + dropped.

    Counts are never cut off, however narrow the screen is. A feed with a held delivery is marked
    as held; its counts are of what was merged.
    """
    shown = list(feeds)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_footer=True)
    table.add_column("")
    table.add_column(_head("归集任务\nfeed"), "合计 all", overflow="fold")
    for name, words in HEADS.items():
        total = f"{sum(feed[name] for feed in shown):,}"
        table.add_column(_head(words), total, justify="right", no_wrap=True)
    table.add_column(_head("得分\nscore"), justify="right", no_wrap=True)
    for feed in shown:
        counts = {name: f"{feed[name]:,}" for name in HEADS}
        if feed["rejected"]:
            counts["rejected"] = f"[yellow]{counts['rejected']}[/yellow]"
        table.add_row(
            MARKS["held"] if feed.get("holds") else MARKS.get(feed["last_status"], ""),
            f"{feed['title']} [dim]{feed['feed']}[/dim]",
            *counts.values(),
            "–" if feed["score"] is None else f"{Decimal(str(feed['score'])):.2f}",
        )
    return table


def report_table(reports: Iterable[Mapping[str, Any]]) -> Table:
    """Every package with the city's answer."""
    table = Table(title="报送 reports sent", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(_head("编号\nno"), justify="right")
    table.add_column(_head("报送包\npackage"), overflow="fold")
    table.add_column(_head("截止\ncut-off"), no_wrap=True)
    table.add_column(_head("上级答复\nanswer"), overflow="fold")
    colours = {"accepted": "green", "rejected": "red"}
    for report in reports:
        colour = colours.get(report["outcome"], "yellow")
        table.add_row(
            str(report["package_no"]),
            report["package_id"],
            local(report["cut_off_at"]),
            f"[{colour}]{report['outcome']}[/{colour}] {report['reasons']}",
        )
    return table


KEY_STATES = {
    "current": "[green]现用 current[/green]",
    "replaced": "[yellow]交接 replaced[/yellow]",
    "ended": "[dim]停用 ended[/dim]",
    "revoked": "[red]吊销 revoked[/red]",
}


def county_table(state: Mapping[str, Any]) -> Table:
    """What came from each county."""
    site = state["site"]
    heading = f"{site['code']} {site['name']}"
    table = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(_head("县\ncounty"), no_wrap=True)
    for head in ("收妥\naccepted", "退回\nrejected", "等待\nheld", "缺号\ngaps"):
        table.add_column(_head(head), justify="right")
    table.add_column(_head("最近报表\nnewest reports"))
    for county in state["counties"]:
        newest = "、".join(map(_newest, county["reports"]))
        table.add_row(
            f"{county['county']} {county['name']}",
            *(str(county[name]) for name in ("accepted", "rejected", "held", "gaps")),
            literally(newest),
        )
    return table


def _newest(report: Mapping[str, Any]) -> str:
    """A report's newest period, and whose data its figures lack since when."""
    titles = "、".join(f"{one['title']} 数据至 {_until(one)}" for one in report["held"])
    return f"{report['report']} {report['period']}" + (f"（搁置 {titles}）" if titles else "")


def _until(held: Mapping[str, Any]) -> str:
    until = held["data_until"]
    return local(datetime.fromisoformat(until)) if until else "–"


def key_table(site: Mapping[str, Any]) -> Table:
    """The keys of a site, with what became of each."""
    table = Table(title=f"{site['code']} {site['name']}", title_justify="left", box=box.SIMPLE_HEAD)
    counted = any("packages" in key for key in site["keys"])
    table.add_column(_head("密钥\nkey"), no_wrap=True, min_width=32)  # to be copied whole
    table.add_column(_head("状态\nstate"))
    table.add_column(_head("起止\nsince, until"), no_wrap=True, min_width=10)
    if counted:
        table.add_column(_head("报送包\npackages"), justify="right")
    table.add_column(_head("原因\nreason"))
    for key in site["keys"]:
        ends = key["revoked_at"] or key["valid_until"]
        table.add_row(
            key["key_id"],
            KEY_STATES[key["state"]],
            f"{_day(key['valid_from'])}\n{_day(ends) or '至今 until now'}",
            *([str(key.get("packages", 0))] if counted else []),
            literally(key["revoked_why"]),
        )
    return table


def _day(instant: str) -> str:
    """A day with its year: a key lives longer than what else is shown here."""
    return local_day(datetime.fromisoformat(instant)).isoformat() if instant else ""


def correction_table(found: Sequence[Asked]) -> Table:
    """Corrections that a city asked for, with the answers."""
    table = Table(pad_edge=False, title="更正请求 corrections", title_justify="left")
    for head in ("编号 id", "报送包 package", "指标 figure", "提出 asked", "答复 answer"):
        table.add_column(head, overflow="fold")
    for one in found:
        place = " ".join(f"{name}={value}" for name, value in one.place.items())
        answer = f"{one.outcome} {local(one.answered_at)}: {one.answer}" if one.outcome else "…"
        table.add_row(
            one.correction_id,
            one.package_id,
            literally(f"{one.column_name or '*'} {place}"),
            local(one.asked_at),
            literally(answer),
        )
    return table
