"""``countylake trace``: one figure of this site opened to the files and rows it was made of.

What is opened, and how, is the steps' matter; here it becomes one screen, or JSON.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
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
    from dagster_project.lineage.trace import Trace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)


def trace(  # noqa: PLR0917 - options of a command
    table: Annotated[str, typer.Argument(help="a report or a gold table, e.g. three_assets")],
    where: PlaceOption = None,
    column: Annotated[str, typer.Option("--column", help="the figure's column")] = "",
    package: Annotated[
        str, typer.Option(help="the figure as this package has it, not as it stands now")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="how many rows to list")] = 20,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Open one figure to the files and row numbers that it was made of.

    Exit code 1: the opened rows do not give the figure, or do not stand in the files.
    """
    from dagster_project.components.steps.tracing import figures
    from dagster_project.components.steps.workshop import Workshop

    picked = pairs(where)
    with working("opening the figure"):
        workshop = Workshop.at(opened(home).root)
        with figures(workshop, package, table) as session:
            found = session.trace(picked, column or session.columns[0], limit=limit)
    if as_json:
        emit(asdict(found))
    else:
        show(found)
    raise typer.Exit(0 if found.equal else 1)


def show(found: Trace) -> None:
    """Print a figure, the tables it goes through, and the files and rows at its end."""
    from rich.table import Table

    screen = console()
    show_figure(screen, found)
    files = Table(pad_edge=False)
    for head in ("文件 file", "批次 batch"):
        files.add_column(head, overflow="fold")
    files.add_column("行数 rows", justify="right", no_wrap=True)
    for file in found.files:
        files.add_row(literally(file.path), file.batch_id, f"{file.rows:,}")
    screen.print(files)
    rows = Table(pad_edge=False)
    for head in ("文件 file", "工作表"):
        rows.add_column(head, overflow="fold")
    rows.add_column("行 row", justify="right", no_wrap=True)
    for row in found.rows:
        rows.add_row(literally(row.path), literally(row.sheet), str(row.row))
    screen.print(rows)
    if found.row_count > len(found.rows):
        note(f"{found.row_count:,} rows in all; list more with --limit")
    if found.equal:
        screen.print("[green]recomputed from these rows: equal[/green]")
    else:
        complain(f"recomputed from these rows: {found.recomputed}, which is not equal")
