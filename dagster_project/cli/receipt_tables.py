"""Receipts as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from dagster_project.cli.shared import literally
from dagster_project.cli.tables import WIDE, local
from dagster_project.protocol.receipt import Batch, FeedBehind, Receipt

RULES = {"half_up": "四舍五入 half up", "truncate": "截尾 truncate"}
_SHOWN = 16
"""So much of a hash is shown: `--json` has all of it."""
_MOST_BATCHES = 5


def receipts_table(found: Sequence[Mapping[str, Any]], width: int) -> Table:
    """One line a receipt; a wide screen also says as of when, and the hash of the one before."""
    table = Table(pad_edge=False, box=box.SIMPLE, title="凭证 receipts", title_justify="left")
    table.add_column("编号", justify="right", no_wrap=True)
    table.add_column("报送包 package", overflow="fold")
    table.add_column("快照", justify="right", no_wrap=True)
    table.add_column("凭证散列 hash", no_wrap=True)
    if width >= WIDE:
        table.add_column("截止", no_wrap=True)
        table.add_column("前一凭证 before", no_wrap=True, style="dim")
    for one in found:
        cells = [
            str(one["receipt_no"]),
            one["package_id"],
            str(one["snapshot"]),
            one["receipt_hash"][:_SHOWN],
            local(one["cut_off_at"]),
            one["previous_hash"][:_SHOWN] or "–",
        ]
        table.add_row(*cells[: len(table.columns)])
    return table


def tell_receipt(screen: Console, receipt: Receipt, title: str) -> None:
    """Print one receipt."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in _lines(receipt, title):
        table.add_row(name, literally(value))
    screen.print(table)


def _lines(receipt: Receipt, title: str) -> Iterator[tuple[str, str]]:
    made = receipt.programme
    yield "报送包 package", f"{receipt.package_id}  {title}"
    yield "凭证 receipt", f"{receipt.receipt_no}  {receipt.receipt_hash}"
    yield "前一凭证 before", receipt.previous_hash or "–"
    when = datetime.fromisoformat(receipt.cut_off_at)
    yield "截止 cut-off", f"{local(when)} ({receipt.cut_off_at})"
    yield "快照 snapshot", str(receipt.snapshot)
    yield "行 rows", f"{receipt.rows:,}  {receipt.content_hash[:_SHOWN]}"
    yield "契约 contract", f"{receipt.contract_version}  {receipt.contract_hash[:_SHOWN]}"
    for model in receipt.models:
        yield f"SQL {model.table}", model.sql_hash[:_SHOWN]
    for given in receipt.inputs:
        yield f"输入 {given.table}", f"{given.rows:,} rows  {given.content_hash[:_SHOWN]}"
    for feed in receipt.feeds:
        yield f"数据项 {feed.feed}", "\n".join(_feed(feed))
    for rule in receipt.rules:
        yield f"规则 {rule.rule}", f"{rule.failed:,} of {rule.checked:,} fail ({rule.severity})"
    for one in receipt.rounding:
        how = f"{RULES[one.rule]}, {one.scale} digits"
        yield f"取舍 {one.column}", f"{one.numerator} ÷ {one.denominator} × {one.times}; {how}"
    for held in receipt.held:
        yield f"搁置 {held.feed}", held.since
    engines = f"DuckDB {made.duckdb}, DuckLake {made.ducklake}, pyarrow {made.pyarrow}"
    yield "程序 programme", f"CountyLake {made.countylake}; {engines}, Python {made.python}"


def _feed(feed: FeedBehind) -> Iterator[str]:
    for batch in feed.batches[:_MOST_BATCHES]:
        yield _batch(batch)
    rest = len(feed.batches[_MOST_BATCHES:]) + feed.others.count
    if rest:
        yield f"and {rest} more batches"
    if feed.open_cases:
        yield f"{feed.open_cases:,} rejected rows wait for a correction"


def _batch(batch: Batch) -> str:
    counts = batch.counts
    told = f"{counts.read:,} read, {counts.accepted:,} accepted, {counts.rejected:,} rejected"
    return f"{batch.received_at[:10] or '–'}  {batch.sha256[:_SHOWN]}  {told}, {batch.live:,} live"
