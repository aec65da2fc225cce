"""Walks, losses and departments on the screen: trees and tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich import box
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from dagster_project.cli.shared import console, counted, literally, note
from dagster_project.components.steps.lineage_department import Fed
from dagster_project.components.steps.lineage_without import Loss
from dagster_project.lineage.atlas.atlas import KINDS, Atlas
from dagster_project.lineage.columns import ROWS
from dagster_project.lineage.walk import Link, Spot, Walk

Node = TypeVar("Node")
Way = TypeVar("Way")
MOST = 12
"""So many names stand in one cell."""
ARROWS = {"up": "←", "down": "→"}
WAYS = {"values": "数值 values", "rows": "只影响行 rows", "not built": "无法生成 not built"}


def show_walk(atlas: Atlas, walked: Walk, table: str, column: str) -> None:
    """Print a walk: column by column from a column, table by table from a table."""
    screen = console()
    if column:
        screen.print(_column_tree(atlas, walked, (table, column)))
        _show_deciding(atlas, walked)
    else:
        screen.print(_table_tree(atlas, walked, table))
    if not walked.links:
        said = "is made from nothing else" if walked.direction == "up" else "is read by nothing"
        note(f"{table}{'.' if column else ''}{column} {said}")


def _column_tree(atlas: Atlas, walked: Walk, start: Spot) -> Tree:
    """The ways along which values flow, from the start outwards; a spot is opened once."""
    outwards: dict[Spot, list[Link]] = {}
    for link in walked.links:
        if link.how == "value":
            inner, _ = _ends(walked, link)
            outwards.setdefault(inner, []).append(link)

    def label(spot: Spot, link: Link | None) -> Text:
        text = Text()
        if link:
            text.append(f"{ARROWS[walked.direction]} ", style="dim")
        text.append_text(_spot(atlas, spot))
        if link:
            text.append(f"  {KINDS.get(link.kind, link.kind)} {link.kind}", style="cyan")
            if link.by:
                text.append(f"  {_few(link.by)}", style="dim")
        return text

    def following(spot: Spot) -> Iterable[tuple[Spot, Link]]:
        for link in outwards.get(spot, ()):
            yield _ends(walked, link)[1], link

    return _tree(start, label, following)


def _table_tree(atlas: Atlas, walked: Walk, start: str) -> Tree:
    """The tables that are reached, from the start outwards."""
    outwards: dict[str, dict[str, list[Link]]] = {}
    for link in walked.links:
        inner, outer = _ends(walked, link)
        outwards.setdefault(inner[0], {}).setdefault(outer[0], []).append(link)

    def label(table: str, links: list[Link] | None) -> Text:
        text = Text()
        if links:
            text.append(f"{ARROWS[walked.direction]} ", style="dim")
        text.append(atlas.table_title(table) + " ", style="bold")
        text.append(table)
        if links:
            flowing = {_ends(walked, link)[1] for link in links if link.how == "value"}
            said = counted(len(flowing), "column") if flowing else "only decides about rows"
            text.append(f"  {said}", style="cyan" if flowing else "dim")
        return text

    return _tree(start, label, lambda table: outwards.get(table, {}).items())


def _tree(
    start: Node,
    label: Callable[[Node, Way | None], Text],
    following: Callable[[Node], Iterable[tuple[Node, Way]]],
) -> Tree:
    root = Tree(label(start, None), guide_style="dim")
    seen = {start}
    open_ends = [(root, start)]
    for branch, node in open_ends:
        for other, way in following(node):
            text = label(other, way)
            if other in seen:
                text.append("  见他处 shown elsewhere", style="dim italic")
                branch.add(text)
                continue
            seen.add(other)
            open_ends.append((branch.add(text), other))
    return root


def _ends(walked: Walk, link: Link) -> tuple[Spot, Spot]:
    """The end of a link that is nearer to the walk's start, and the other."""
    pair = (link.target, link.source)
    return pair if walked.direction == "up" else pair[::-1]


def _show_deciding(atlas: Atlas, walked: Walk) -> None:
    """Which columns decide about the rows that count; or whose rows the start decides about."""
    is_up = walked.direction == "up"
    flowing = {spot for link in walked.links if link.how == "value" for spot in _both(link)}
    flowing |= set(walked.starts)
    found: dict[str, dict[str, set[str]]] = {}
    for link in walked.links:
        inner, outer = _ends(walked, link)
        if link.how == "rows" and (inner in flowing if is_up else outer not in flowing):
            names = found.setdefault(outer[0], {})
            names.setdefault(outer[1], set()).add(KINDS.get(link.kind, link.kind))
    if not found:
        return
    title = (
        "哪些行计入，还取决于 which rows count is decided by"
        if is_up
        else "还决定以下各列计入哪些行 decides which rows count in"
    )
    table = _table(title, ("表 table", "列 columns", "方式 how"))
    for name, columns in found.items():
        kinds = sorted({kind for some in columns.values() for kind in some})
        table.add_row(
            literally(f"{atlas.table_title(name)}\n{name}"),
            literally(_few([atlas.title((name, one)) or one for one in columns])),
            "、".join(kinds),
        )
    console().print(table)


def _both(link: Link) -> tuple[Spot, Spot]:
    return link.source, link.target


def _spot(atlas: Atlas, spot: Spot) -> Text:
    text = Text()
    if title := atlas.title(spot):
        text.append(f"{title} ", style="bold")
    name = f"{spot[0]} 的行 rows" if spot[1] == ROWS else f"{spot[0]}.{spot[1]}"
    text.append(name)
    return text


def show_loss(found: Loss) -> None:
    """Print what breaks if a column goes away."""
    screen = console()
    screen.print(
        literally(f"{found.department}　{found.feed}.{found.column} {found.title}：如果没有它")
    )
    if found.why_all:
        screen.print(literally(f"整个数据项失效 the whole feed fails: {found.why_all}."))
    tables = [table for table in _loss_tables(found) if table.row_count]
    for table in tables:
        screen.print(table)
    if found.rules:
        note("rows that these rules reject today would count")
    if found.reports:
        note("what is sealed stays as it is, and `countylake verify` still makes it again")
    if not tables:
        screen.print("没有任何表或规则用到它 nothing reads it")


def _loss_tables(found: Loss) -> Iterator[Table]:
    table = _table("无法再生成 no longer built", ("表 table", "原因 why"))
    for one in found.broken:
        table.add_row(_titled(one.title, one.table), literally(one.why))
    yield table
    table = _table(
        "仍可生成，但会变 still built, but different",
        ("表 table", "失去或改变数值 values", "计入的行不同 other rows"),
    )
    for other in found.touched:
        table.add_row(
            _titled(other.title, other.table),
            literally(_few(other.values)),
            literally(_rows(other.rows, other.columns)),
        )
    yield table
    table = _table("无法再核查的规则 rules that could not be asked", ("规则 rule", "要求"))
    for rule in found.rules:
        table.add_row(literally(f"{rule.feed} {rule.id}"), literally(rule.message or "–"))
    yield table
    table = _table(
        "受影响的上报 reports",
        ("上报表 report", "影响 how", "最近的报送包 newest package", "已封 sealed"),
    )
    for report in found.reports:
        newest = f"{report.package_id} {report.period}".strip() or "–"
        table.add_row(
            _titled(report.title, report.report),
            WAYS[report.how],
            literally(newest),
            str(report.packages),
        )
    yield table


def _titled(title: str, table: str) -> Text:
    return literally(f"{title}\n{table}")


def show_department(found: Fed) -> None:
    """Print which reports a department feeds."""
    screen = console()
    screen.print(literally(f"{found.code} {found.name}：{len(found.feeds)} 个数据项 feeds"))
    if found.reports:
        table = _table(
            "上报与市级表 reports and city tables",
            ("表 table", "由其数值得出 values", "只决定计入哪些行 only rows", "数据项 feeds"),
        )
        for one in found.reports:
            table.add_row(
                literally(f"{one.title}\n{one.table}"),
                literally(_few(one.values) or "–"),
                literally(_rows(one.rows, one.columns)),
                literally(_few(one.feeds)),
            )
        screen.print(table)
    if found.unused:
        note(f"no report and no city table reads {', '.join(found.unused)}")


def _table(title: str, heads: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, head in enumerate(heads):
        table.add_column(head, overflow="fold", no_wrap=not place)
    return table


def _rows(names: tuple[str, ...], columns: int) -> str:
    """Columns that count other rows; where that is every column that is left, just how many."""
    if len(names) > MOST // 3 and len(names) >= columns // 2:
        return f"{len(names)} / {columns} 列 columns"
    return _few(names) or "–"


def _few(names: Iterable[str]) -> str:
    """Names in one line; so many at most, and how many more there are."""
    every = list(names)
    more = f" …(+{len(every) - MOST})" if len(every) > MOST else ""
    return "、".join(every[:MOST]) + more
