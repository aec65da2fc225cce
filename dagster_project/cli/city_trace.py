"""``countylake city trace``: one figure of the city opened to packages, batches and file hashes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    CITY_HOME,
    CityOption,
    JsonOption,
    PlaceOption,
    complain,
    console,
    emit,
    literally,
    note,
    opened,
    pairs,
    show_figure,
    working,
)

if TYPE_CHECKING:
    from dagster_project.components.steps.city_lineage import CityTrace, TracedPackage

_DIGITS = 12


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)


def trace(
    table: Annotated[str, typer.Argument(help="a city table, e.g. population_by_site")],
    column: Annotated[str, typer.Option("--column", help="the figure's column")],
    where: PlaceOption = None,
    home: CityOption = CITY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Open one figure to the packages it is made of, and to the deliveries behind them.

    Exit code 1: the traced rows do not give the figure, or a kept package does not prove them.
    """
    from dagster_project.components.steps.city_lineage import trace_received
    from dagster_project.components.steps.workshop import Workshop

    picked = pairs(where)
    with working("opening the figure"):
        workshop = Workshop.at(opened(home, "receive").root, "receive")
        found = trace_received(workshop, table, picked, column)
    if as_json:
        emit(asdict(found))
    else:
        show(found)
    raise typer.Exit(0 if found.proven else 1)


def show(found: CityTrace) -> None:
    """Print a figure, its packages, and what each package's receipt says of its origin."""
    screen = console()
    show_figure(screen, found)
    for table, rows in found.registers.items():
        screen.print(f"  of which the site's own, in no package: {table}, {rows:,} rows")
    for package in found.packages:
        _show_package(package)
    asked = [line for package in found.packages for line in package.ask]
    if asked:
        screen.print("向报送单位核查 ask at the sender:")
        for line in asked:
            screen.print(literally(f"  {line}"), soft_wrap=True)
    if found.equal:
        screen.print("[green]recomputed from these rows: equal[/green]")
    else:
        complain(f"recomputed from these rows: {found.recomputed}, which is not equal")


def _show_package(package: TracedPackage) -> None:
    from rich import box
    from rich.table import Table

    from dagster_project.cli.tables import local

    screen = console()
    told = [f"{count:,} rows of {table}" for table, count in package.rows.items()]
    told += [f"{count:,} of {table} only decide" for table, count in package.deciding.items()]
    rows = ", ".join(told)
    screen.print(
        literally(
            f"{package.site_code} {package.site_name} {package.package_id}"
            f" (no. {package.package_no}, {package.outcome}): {rows}"
        )
    )
    screen.print(f"  package {package.package_hash}")
    if package.key_id:
        good = "signature holds" if package.is_genuine else "signature not proven"
        screen.print(f"  {good}, key {package.key_id} ({package.key_state})")
    for fault in package.faults:
        complain(f"{package.package_id}: {fault}")
    if not package.receipt_hash:
        return
    screen.print(
        literally(
            f"  receipt {package.receipt_hash}: snapshot {package.snapshot},"
            f" cut-off {package.cut_off_at}, contract {package.contract_version}"
        )
    )
    if package.held:
        note(f"{package.package_id}: not in the figure, because held: {', '.join(package.held)}")
    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    for head in ("数据项 feed", "文件 SHA-256", "接收 received"):
        table.add_column(head, overflow="fold")
    for head in ("读取\nread", "问题\nrejected", "待更正\nopen", "得分\nscore"):
        table.add_column(head, justify="right", no_wrap=True)
    for feed in sorted(package.feeds, key=lambda one: (not one.gives_values, one.feed)):
        files = [str(batch["sha256"])[:_DIGITS] for batch in feed.batches]
        received = [str(batch["received_at"]) for batch in feed.batches]
        times = [local(datetime.fromisoformat(at)) if at else "—" for at in received]
        more = [f"+{feed.others}"] if feed.others else []
        table.add_row(
            feed.feed if feed.gives_values else f"({feed.feed})",
            "\n".join([*files, *more]),
            "\n".join(times),
            f"{feed.read:,}",
            f"{feed.rejected:,}",
            f"{feed.open_cases:,}",
            literally(feed.standing.get("score") or "—"),
        )
    screen.print(table)
    note("feeds in brackets decide which rows there are, and give no value to this column")
