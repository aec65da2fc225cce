"""Packages as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dagster_project.cli.shared import literally
from dagster_project.cli.tables import WIDE, local

OUTCOMES = {
    "": "待回执 waiting",
    "accepted": "已接收 accepted",
    "rejected": "退回 rejected",
    "held": "待核 held",
    "contradicting": "矛盾 contradicting",
}
KINDS = {"report": "报送 report", "withdrawal": "撤回 withdrawal"}


def packages_table(packages: Sequence[Mapping[str, Any]], width: int) -> Table:
    """One line a package, on a wide screen with its reason; those that were replaced are dim."""
    table = Table(pad_edge=False, box=box.SIMPLE, title="报送包 packages", title_justify="left")
    table.add_column("序号", justify="right", no_wrap=True)
    table.add_column("报送包 package", no_wrap=True)
    table.add_column("行", justify="right", no_wrap=True)
    table.add_column("封包", no_wrap=True)
    table.add_column("回执", no_wrap=True)
    if width >= WIDE:
        table.add_column("原因 why", overflow="fold")
    for one in packages:
        rows = "–" if one["rows"] is None else f"{one['rows']:,}"
        cells = [
            f"{one['package_no']}",
            one["package_id"],
            "撤回" if one["kind"] == "withdrawal" else rows,
            local(one["sealed_at"]),
            OUTCOMES.get(one["outcome"], one["outcome"]),
            literally(one["reason"]),
        ]
        table.add_row(*cells[: len(table.columns)], style="" if one["is_newest"] else "dim")
    return table


def tell_package(screen: Console, told: Mapping[str, Any]) -> None:
    """Print one package."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in _lines(told):
        table.add_row(name, literally(value))
    screen.print(table)


def _lines(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    header = told["header"]
    yield "编号 id", told["package_id"]
    yield "种类 kind", KINDS.get(told["kind"], told["kind"])
    yield "报表、报告期 report, period", f"{told['report']} {told['period']}"
    standing = "" if told["is_newest"] else " (replaced by a later one)"
    yield "修订 revision", f"{told['revision']}{standing}"
    if header.get("replaces"):
        yield "替代 replaces", header["replaces"]
    if told["reason"]:
        yield "原因 why", told["reason"]
    if told["decided_by"]:
        yield "决定人 decided by", told["decided_by"]
    yield "截止 cut-off", local(told["cut_off_at"])
    yield "封包 sealed", local(told["sealed_at"])
    yield "序号 number", f"{told['package_no']}"
    yield "前一包 before", told["before"] or "–"
    yield "后一包 after", told["after"] or "–"
    if header:
        yield "行 rows", f"{header['rows']:,}"
        yield "契约 contract", f"{header['contract_version']} {header['contract_hash']}"
        yield "内容 content", header["content_hash"] or "–"
        yield "凭证 receipt", header["receipt_hash"] or "–"
    for one in told["status"].get("held", ()):
        until = one["data_until"] or "never"
        yield "搁置 held", f"{one['feed']} ({one['hold_id']}), its data are of {until}"
    for one in told["answers"]:
        said = "; ".join(text for text in (one["reasons"], one["remarks"]) if text)
        answer = f"{local(one['acknowledged_at'])} {OUTCOMES.get(one['outcome'], one['outcome'])}"
        yield "回执 answer", f"{answer}{f': {said}' if said else ''}"
    if not told["answers"]:
        yield "回执 answer", OUTCOMES[""]
    yield "文件夹 folder", told["folder"]
