"""How a held delivery looks to people: the facts, the rules it broke, its rows, its course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from dagster_project.cli.shared import literally
from dagster_project.cli.tables import local

if TYPE_CHECKING:
    from dagster_project.components.steps.arriving.history import Course
    from dagster_project.components.steps.arriving.holds import Hold
    from dagster_project.components.steps.correcting.held import HeldRow

PLACES = 5
EVENTS = {
    "held": "搁置 held",
    "noted": "记录 noted",
    "returned": "退回副本 returned",
    "released": "放行 released",
    "refused": "退回 refused",
    "superseded": "被取代 superseded",
    "merged": "归并 merged",
    "assign": "指派 assign",
    "extend": "延期 extend",
}


def tell_course(
    screen: Console, course: Course, *, kind: Mapping[str, str], state: Mapping[str, str]
) -> None:
    """The facts, the broken rules where it is held for its quality, and what happened."""
    hold = course.hold
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    lines: dict[str, Any] = {
        "编号 id": hold.hold_id,
        "归集任务 feed": f"{hold.feed} {hold.contract_version}",
        "文件 file": hold.path,
        "原因 why": kind[hold.kind],
        "说明 message": hold.message,
        "自 since": local(hold.opened_at),
        "状态 state": state[hold.state],
        "行数 rows": _counts(hold),
        "SHA-256": hold.sha256,
    }
    for name, value in lines.items():
        if value:
            facts.add_row(name, literally(value))
    if hold.kind != "quality":
        for number, finding in enumerate(hold.findings, start=1):
            told = " · ".join(f"{name} {value}" for name, value in finding.items())
            facts.add_row(f"事实 fact {number}", literally(told))
    screen.print(facts)
    if hold.kind == "quality":
        screen.print(_rules(hold))
    screen.print(_events(course))


def _counts(hold: Hold) -> str:
    """What is known of the rows, none of which is in a table."""
    names = ("read", "rejected", "dropped")
    known = ((name, getattr(hold, name)) for name in names)
    return ", ".join(f"{name} {count:,}" for name, count in known if count is not None)


def _rules(hold: Hold) -> Table:
    """Rule by rule: how many of how many, and where the first ones stand in the file."""
    table = _table("超限原因 reasons", "规则 rule", "说明 message")
    for head in ("检查\nchecked", "不合格\nfailed", "占比\nshare"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("位置 rows", overflow="fold")
    budget, *broken = hold.findings
    if budget["exceeded"]:
        most = [f"{budget['most_share']:.1%}"]
        most += [f"{budget['most_rows']:,}"] if budget["most_rows"] is not None else []
        limit = literally(f"问题行超出限额 {' / '.join(most)}")
        counts = (f"{budget['rows']:,}", f"{budget['rejected']:,}", f"{budget['share']:.1%}")
        table.add_row("", limit, *counts, "")
    for one in broken:
        name = f"{one['rule']}{' （硬性 hard）' if one['is_hard'] else ''}"
        counts = (f"{one['checked']:,}", f"{one['failed']:,}", f"{one['share']:.1%}")
        table.add_row(literally(name), literally(one["message"]), *counts, _places(one))
    return table


def _places(broken: Mapping[str, Any]) -> Any:
    shown = [f"{sheet} {row}".strip() for sheet, row in broken["places"][:PLACES]]
    return literally("、".join(shown) + (" …" if broken["failed"] > len(shown) else ""))


def _events(course: Course) -> Table:
    table = _table("经过 history", "时间 at", "事项 event", "办理人 by", "说明 told")
    for one in course.events:
        told = "" if one.event in {"held", "noted"} else one.told
        event = EVENTS.get(one.event, one.event)
        table.add_row(local(one.at), event, literally(one.by), literally(told))
    return table


def tell_rows(screen: Console, rows: Sequence[HeldRow]) -> None:
    """The rows that speak against a delivery: file, sheet, row, and what is wrong."""
    if not rows:
        screen.print("没有问题行 no row of it is broken")
        return
    with_sheet = any(row.sheet for row in rows)
    heads = ["文件 file", *(["工作表"] if with_sheet else []), "行 row", "原因 reasons"]
    table = _table("问题行 broken rows", *heads)
    for row in rows:
        sheet = [literally(row.sheet)] if with_sheet else []
        reasons = literally("\n".join(row.sentences))
        table.add_row(literally(row.file), *sheet, str(row.row), reasons)
    screen.print(table)


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table
