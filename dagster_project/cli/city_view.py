"""``countylake city view`` and ``map``: who reports, how well, what lags and since when.

The figures are read from the published replica; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dagster_project.cli.shared import (
    CITY_HOME,
    CityOption,
    JsonOption,
    console,
    emit,
    literally,
    note,
    opened,
)

if TYPE_CHECKING:
    from datetime import date

    from rich.table import Table

COLOURS = {
    "green": "green",
    "blue": "blue",
    "yellow": "yellow",
    "orange": "dark_orange",
    "red": "red",
}
STATES = {
    "waiting": "待前序",
    "rejected": "已拒收",
    "withdrawn": "已撤回",
    "missing": "缺报",
    "on_time": "已收，新修订未入库",
    "late": "已收，新修订未入库",
    "open": "未到期",
}
FEED_STATES = {
    "unmounted": "未挂接",
    "unlisted": "目录中没有",
    "unreported": "从未报送",
}
Row = Mapping[str, Any]
SiteOption = Annotated[str, typer.Option("--site", help="one site's code; all if left out")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``countylake city``."""
    app.command()(view)
    app.command("map")(five_colours)


def view(site: SiteOption = "", home: CityOption = CITY_HOME, as_json: JsonOption = False) -> None:
    """Score, colour and rank of every site, what is missing since when; or one site's laggards."""
    from dagster_project.components.steps.city_view import all_sites, one_site

    place = opened(home, "receive")
    found = one_site(place, site) if site else all_sites(place)
    if as_json:
        emit(found)
    elif site:
        _show_site(found)
    else:
        show_sites(found)


def five_colours(
    file: Annotated[Path, typer.Argument(help="the picture to write, an SVG")],
    boundaries: Annotated[
        Path | None, typer.Option(help="GeoJSON with code and name; else 阳泉市's five counties")
    ] = None,
    home: CityOption = CITY_HOME,
) -> None:
    """Draw the map of the five colours, with every site's score and days behind."""
    from dagster_project.city.colour_map import Mark, draw, read_shapes
    from dagster_project.components.steps.city_view import all_sites
    from dagster_project.paths import SAMPLES

    place = opened(home, "receive")
    sites = all_sites(place)["sites"]
    shapes = read_shapes(boundaries or SAMPLES / "register" / "yangquan_boundaries.geojson")
    marks = [
        Mark(one["site_code"], one["site_name"], one["tier"] or "", _words(one)) for one in sites
    ]
    day = sites[0]["day"] if sites else ""
    file.write_text(draw(shapes, marks, f"归集考核五色图 {day}"), encoding="utf-8")
    console().print(f"{len(marks)} sites drawn: {file}", markup=False, soft_wrap=True)


def _words(site: Row) -> str:
    """What the map says of a site."""
    score = "样本不足" if site["score"] is None else f"{site['tier_title']} {site['score']}"
    if site["is_never_reported"]:
        return f"{score}，从未报送"
    return f"{score}，落后 {site['days_behind']} 天" if site["days_behind"] else score


def show_sites(found: Row) -> None:
    """Print every site in one row, and how many have each colour."""
    screen, sites = console(), found["sites"]
    if not sites:
        screen.print("没有登记的报送单位 no site is registered: `countylake city register CARD`")
        return
    table = _table(f"归集总览 {sites[0]['day']}")
    for head, justify in (
        ("名次", "right"),
        ("单位", "left"),
        ("得分", "left"),
        ("最近", "left"),
        ("落后", "right"),
        ("缺报", "left"),
        ("迟报", "right"),
        ("待/拒", "right"),
        ("挂接", "right"),
        ("滞后", "right"),
    ):
        wraps, least = head == "单位", 8 if head == "单位" else None
        table.add_column(head, justify=justify, no_wrap=not wraps, min_width=least)  # type: ignore[arg-type]
    for one in sites:
        table.add_row(
            _or_dash(one["rank"]),
            literally(f"{one['site_code']} {one['site_name']}"),
            f"{_tier(one)} {_or_dash(one['score'])}",
            "[red]从未报送[/red]" if one["is_never_reported"] else _short(one["newest_day"]),
            _behind(one["days_behind"]),
            _missing(one["missing_cnt"], one["report_missing_since_day"]),
            _or_dash(one["late_cnt"] or None),
            f"{one['waiting_cnt']}/{one['rejected_cnt']}",
            f"{one['mounted_cnt']}/{one['item_cnt']}",
            _or_dash(one["lagging_cnt"] or None),
        )
    screen.print(table)
    screen.print("五色  " + "  ".join(_tier(one, str(one["site_cnt"])) for one in found["tiers"]))
    note("`countylake city view --site CODE` tells which reports and feeds of a site lag")


def _show_site(found: Row) -> None:
    screen, site = console(), found["site"]
    screen.print(literally(f"{site['site_code']} {site['site_name']}  {site['day']}"))
    score = "样本不足" if site["score"] is None else f"{site['score']} 分，第 {site['rank']} 名"
    since = site["missing_since_day"]
    screen.print(
        f"{_tier(site)}  {score}，系数 {_or_dash(site['coefficient'])}；"
        + (f"自 {since} 起没有日报" if since else "日报已到当日")
    )
    screen.print(_indicators(found["indicators"]))
    if found["reports"]:
        screen.print(_reports(found["reports"]))
    if found["feeds"]:
        screen.print(_feeds(found["feeds"]))
    if not found["reports"] and not found["feeds"]:
        screen.print("没有缺报，没有滞后的数据项 nothing is missing, nothing lags")


def _indicators(rows: Iterable[Row]) -> Table:
    table = _table("考核指标")
    for head in ("指标", "分子", "分母", "值", "权重", "名次"):
        table.add_column(head, justify="left" if head == "指标" else "right", no_wrap=True)
    words = {"small_sample": "样本不足", "unreported": "[red]未报送[/red]"}
    for one in rows:
        shown = "" if one["value"] is None else f"{one['value']:,} {one['unit']}"
        if one["denominator_cnt"] is None:  # a number, not a share
            shown = "" if one["value"] is None else f"{int(one['value']):,} {one['unit']}"
        rank = f"{one['rank']}/{one['ranked_cnt']}" if one["rank"] else words.get(one["state"], "")
        table.add_row(
            one["title"],
            "" if one["denominator_cnt"] is None else f"{one['numerator_cnt']:,}",
            "" if one["denominator_cnt"] is None else f"{one['denominator_cnt']:,}",
            shown,
            str(one["weight"] or ""),
            rank,
        )
    return table


def _reports(rows: Sequence[Row]) -> Table:
    table = _table("缺报与未入库的报表")
    for head in ("报表", "状态", "期数", "报告期", "自何日起"):
        table.add_column(head, overflow="fold")
    for one in rows:
        first, last = one["first_period"], one["last_period"]
        table.add_row(
            literally(f"{one['title']} {one['report']}"),
            STATES[one["state"]],
            str(one["period_cnt"]),
            first if first == last else f"{first}–{last}",
            _or_dash(one["missing_since_day"]),
        )
    return table


def _feeds(rows: Sequence[Row]) -> Table:
    from dagster_project.cli.tables import local

    table = _table("滞后的数据项")
    for head in ("数据项", "部门", "原因", "最近更新", "时效天数"):
        table.add_column(head, overflow="fold")
    for one in rows:
        table.add_row(
            literally(f"{one['title']} {one['feed']}"),
            literally(one["department_name"] or "–"),
            literally("、".join(_reasons(one))),
            local(one["last_update_at"]),
            _or_dash(one["data_age_days"]),
        )
    return table


def _reasons(feed: Row) -> list[str]:
    """Why a feed is in the list of laggards."""
    if feed["state"] in FEED_STATES:
        return [FEED_STATES[feed["state"]]]
    held = f"搁置 {feed['held_row_cnt'] or 0:,} 行" if feed["is_held"] else ""
    failed = {"failed": "任务失败", "partial": "任务部分成功"}.get(feed["task_status"], "")
    found = ["僵尸目录" if feed["is_zombie"] else "", held, failed]
    return [one for one in found if one] or ["未按时更新"]


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _tier(one: Row, more: str = "") -> str:
    """The colour's word in its colour."""
    word = one.get("tier_title") or one.get("title")
    if not one["tier"] or not word:
        return "–"
    return f"[{COLOURS[one['tier']]}]{word}[/]" + (f" {more}" if more else "")


def _behind(days: int | None) -> str:
    if days is None:
        return "–"
    return f"[yellow]{days} 天[/yellow]" if days > 1 else f"{days} 天"


def _missing(count: int, since: date | None) -> str:
    return f"[red]{count}[/red] 自 {since:%m-%d}" if count and since else "–"


def _short(day: date | None) -> str:
    """A day of this year; the title tells which year."""
    return f"{day:%m-%d}" if day else "–"


def _or_dash(value: object) -> str:
    return "–" if value is None else str(value)
