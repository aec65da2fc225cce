"""``countylake trace``: one figure of this site opened to the files and rows it was made of.

What is opened, and how, is the steps' matter; here it becomes one screen, or JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    PlaceOption,
    complain,
    console,
    counted,
    emit,
    literally,
    note,
    opened,
    pairs,
    working,
)
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import load_site

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from rich.table import Table

    from dagster_project.components.steps.tracing import Story

_DIGITS = 12
_KEYS = 4
_LINES = 18


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)


def trace(  # noqa: PLR0917 - options of a command
    table: Annotated[str, typer.Argument(help="a report or gold table, e.g. house_by_town")],
    where: PlaceOption = None,
    column: Annotated[str, typer.Option("--column", help="the figure's column")] = "",
    package: Annotated[
        str, typer.Option(help="the figure as this package has it, not as it stands now")
    ] = "",
    check_files: Annotated[
        bool, typer.Option("--check-files", help="read the landed files again and compare")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="do not ask what rejected rows would change")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="how many rows to list of each kind")] = 10,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Open one figure to the files and row numbers that it was made of.

    Exit code 1: the opened rows do not give the figure, or are not what the files say.
    """
    from dagster_project.components.steps.tracing import figures
    from dagster_project.components.steps.workshop import Workshop

    picked = pairs(where)
    table, column = _split(table, column)
    with working("opening the figure"), _without_pandas():
        workshop = Workshop.at(_collecting(home).root)
        with figures(workshop, package, table) as session:
            found = session.story(
                picked, column, limit=limit, check_files=check_files, what_if=not quick
            )
    if as_json:
        emit(found.told())
    else:
        show(found)
    raise typer.Exit(0 if found.equal else 1)


def _collecting(home: Path) -> Home:
    """The home of a site that collects; the figures of others are opened by another command."""
    try:
        return opened(home)
    except UsageError as error:
        if not (home / "site.yaml").exists() or "receive" not in load_site(Home(home)).duties:
            raise
        what = "a site that only receives opens its figures down to packages"
        raise UsageError(what, where=str(home), todo="Use `countylake city trace`") from error


def _split(table: str, column: str) -> tuple[str, str]:
    """A table and a column, where the first was given as ``table.column`` as lineage writes it."""
    name, _, last = table.rpartition(".")
    is_bare = name and table.count(".") == 1 and name not in ("gold", "report")
    return (name, last) if not column and (is_bare or table.count(".") > 1) else (table, column)


@contextmanager
def _without_pandas() -> Iterator[None]:
    """DuckDB loads pandas for the first value that it binds, for a third of a second: not here."""
    if "pandas" in sys.modules:
        yield
        return
    sys.modules["pandas"] = cast("ModuleType", None)
    try:
        yield
    finally:
        del sys.modules["pandas"]


def show(found: Story) -> None:
    """Print a figure, how it was made, and whether the opened rows give it."""
    _figure(found)
    _way(found)
    _files(found)
    _ledgers(found)
    _repairs(found)
    _rejected(found)
    for held in found.held:
        note(f"not in the figure, because held ({held.kind}): {held.path}, {held.hold_id}")
    for sentence in found.notes:
        note(sentence)
    for fault in found.faults:
        complain(fault)
    if found.equal:
        checked = "; the landed files say the same" if found.files_checked else ""
        console().print(f"[green]recomputed from these rows: equal{checked}[/green]")
    elif found.trace.equal:
        complain("recomputed from these rows: equal; but the rows are not what the files say")
    elif found.trace.missing:
        complain(
            f"recomputed from these rows: {found.trace.recomputed}; "
            f"{counted(found.trace.missing, 'row')} without a row of bronze or without a file"
        )
    else:
        complain(f"recomputed from these rows: {found.trace.recomputed}, which is not equal")


def _figure(found: Story) -> None:
    from rich.text import Text

    from dagster_project.cli.tables import local

    screen, trace = console(), found.trace
    value = "（已隐去 suppressed）" if trace.suppressed and trace.figure is None else trace.figure
    screen.print(Text.assemble(literally(found.title), " ", (trace.table, "dim")))
    said = "—" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    title = f"{found.column_title} " if found.column_title else ""
    line = Text.assemble(literally(title), (trace.column, "dim"), " = ", (said, "bold"))
    screen.print(line + literally(f" {found.unit}" if found.unit else ""))
    screen.print(literally("  " + "  ".join(f"{n}={v}" for n, v in trace.where.items())))
    stands = f"as {found.package_id} has it" if found.package_id else "as it stands"
    cut_off = local(datetime.fromisoformat(found.cut_off_at))
    screen.print(f"  {stands}: snapshot {found.snapshot}, cut-off {cut_off}", style="dim")


def _way(found: Story) -> None:
    """The SQL that yields the figure, and the tables that it goes through."""
    screen = console()
    if found.sql:
        _head("取数 SQL")
        lines = found.sql.splitlines()
        if len(lines) > 2 * _LINES:
            cut = f"  … {len(lines) - 2 * _LINES} lines more, all of them with --json"
            lines = [*lines[:_LINES], cut, *lines[-_LINES:]]
        screen.print(literally("\n".join(lines)), soft_wrap=True)
    _head("经过 goes through")
    for step in found.trace.steps:
        layer, _, name = step.table.partition(".")
        files = [file for file in found.trace.files if file.table == step.table]
        giving = sum(file.rows for file in files if not file.deciding)
        deciding = sum(file.rows for file in files if file.deciding)
        said = counted(giving, "row") if giving or not deciding else ""
        if deciding:
            more = f"{counted(deciding, 'row')} that decide{'s' if deciding == 1 else ''}"
            said = f"{said}, and {more}" if said else more
        if not files:
            said = counted(step.rows, "row")
        way = f"{step.table} ← bronze.{name}" if layer == "silver" and files else step.table
        screen.print(literally(f"  ← {way}: {said}"))
        for key in step.keys[:_KEYS]:
            pairs_ = zip(step.key, key, strict=True)
            screen.print(
                literally("      " + "  ".join(f"{n}={v}" for n, v in pairs_)), style="dim"
            )
        if len(step.keys) > _KEYS:
            screen.print(f"      … {step.rows - _KEYS:,} more", style="dim")


def _files(found: Story) -> None:
    screen, trace = console(), found.trace
    if not trace.files:
        return
    _head("文件 files")
    files = _table("文件 file", "SHA-256", right=("行数 rows",))
    for file in trace.files:
        path = literally(file.path if not file.deciding else f"({file.path})")
        files.add_row(path, file.sha256[:_DIGITS], f"{file.rows:,}")
    screen.print(files)
    if any(file.deciding for file in trace.files):
        note("files in brackets decide which rows count, and give no value")
    rows = _table("行的文件 row of", "工作表 sheet", "主键 key", right=("行 row",))
    for row, key in zip(trace.rows, found.keys, strict=True):
        rows.add_row(
            literally(row.path.rpartition("/")[2]),
            literally(row.sheet),
            literally(", ".join(key.values())),
            f"{row.row}",
        )
    screen.print(rows)
    total = sum(file.rows for file in trace.files)
    if total > len(trace.rows):
        note(f"{total:,} rows in all; list more with --limit")


def _ledgers(found: Story) -> None:
    for ledger in found.ledgers:
        _head(f"{ledger.title} {ledger.table}: {counted(ledger.rows, 'row')}")
        screen = console()
        if ledger.first:
            rows = _table(*ledger.first[0])
            for row in ledger.first:
                rows.add_row(*(literally(cell) for cell in row.values()))
            screen.print(rows)
        for path in ledger.files:
            screen.print(literally(f"  {path}"))


def _repairs(found: Story) -> None:
    if not found.repairs:
        return
    _head("修复 repairs of cells that take part")
    table = _table("字段 column", "修复 repair", "例 e.g.", right=("单元格 cells",))
    for one in found.repairs:
        examples = "\n".join(f"{raw} → {fixed}" for raw, fixed in one.examples)
        name = f"{one.table.partition('.')[2]}.{one.column}"
        table.add_row(name, one.repair, literally(examples), f"{one.cells:,}")
    console().print(table)


def _rejected(found: Story) -> None:
    would_be, screen = found.would_be, console()
    if would_be is None:
        return
    if would_be.row_count:
        _head("问题数据 rejected rows that would have counted")
        table = _table("文件 file", "工作表 sheet", "原因 reasons", right=("行 row",))
        for row in would_be.rows:
            table.add_row(
                literally(row.path), literally(row.sheet), "\n".join(row.reasons), f"{row.row}"
            )
        screen.print(table)
        if would_be.row_count > len(would_be.rows):
            note(f"{would_be.row_count:,} rejected rows in all; list more with --limit")
        if found.trace.figure is not None:
            screen.print(f"with them the figure would be [bold]{would_be.figure}[/bold]")
    for feed, rows in would_be.untold.items():
        cells = ", ".join(name for name in would_be.deciding.get(feed, ()) if name[0] not in "_*")
        note(
            f"{counted(rows, 'rejected row')} of {feed} may belong here or not: they cannot be"
            f" read, or a cell that decides is wrong itself ({cells})"
        )


def _head(text: str) -> None:
    console().print(literally(f"\n{text}"), style="bold")


def _table(*heads: str, right: tuple[str, ...] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(pad_edge=False, box=box.SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, overflow="fold")
    for head in right:
        table.add_column(head, justify="right", no_wrap=True)
    return table
