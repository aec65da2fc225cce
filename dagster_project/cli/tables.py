"""Rich tables for people; the same words as everywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rich.table import Table

from dagster_project.clock import SHANGHAI

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
    "failed": "[red]✗[/red]",
    "skipped": "[dim]·[/dim]",
    "never": "[dim]–[/dim]",
}


def local(instant: datetime | None) -> str:
    """An instant on the county's clock."""
    return instant.astimezone(SHANGHAI).strftime("%m-%d %H:%M") if instant else "–"


def feed_table(title: str, feeds: Iterable[Mapping[str, Any]]) -> Table:
    """Feed by feed: read = accepted + rejected + duplicate + superseded + dropped."""
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    table.add_column("")
    table.add_column("归集任务\nfeed", no_wrap=True)
    for head in HEADS.values():
        table.add_column(head, justify="right")
    table.add_column("得分\nscore", justify="right")
    for feed in feeds:
        rejected = feed["rejected"]
        table.add_row(
            MARKS.get(feed["last_status"], ""),
            f"{feed['title']} [dim]{feed['feed']}[/dim]",
            *(
                f"[yellow]{feed[name]:,}[/yellow]"
                if name == "rejected" and rejected
                else f"{feed[name]:,}"
                for name in HEADS
            ),
            "–" if feed["score"] is None else f"{feed['score']}",
        )
    return table


def report_table(reports: Iterable[Mapping[str, Any]]) -> Table:
    """Every package with the city's answer."""
    table = Table(title="报送 reports sent", title_justify="left", pad_edge=False)
    for head in ("编号 no", "报送包 package", "截止 cut-off", "上级答复 answer"):
        table.add_column(head)
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


def county_table(state: Mapping[str, Any]) -> Table:
    """What came from each county."""
    site = state["site"]
    table = Table(title=f"{site['code']} {site['name']}", title_justify="left", pad_edge=False)
    table.add_column("县 county")
    for head in ("收妥\naccepted", "退回\nrejected", "等待\nheld", "缺号\ngaps"):
        table.add_column(head, justify="right")
    table.add_column("最近报表 newest reports")
    for county in state["counties"]:
        newest = "、".join(f"{one['report']} {one['period']}" for one in county["reports"])
        table.add_row(
            f"{county['county']} {county['name']}",
            *(str(county[name]) for name in ("accepted", "rejected", "held", "gaps")),
            newest,
        )
    return table
