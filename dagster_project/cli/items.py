"""``countylake items``: who is the source of which data item, and who else supplies it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    console,
    emit,
    literally,
    note,
    opened,
    working,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(items)


def items(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Who is the source of which data item, who else supplies it, and where they disagree."""
    from dagster_project.components.steps.correcting.disagreements import overview
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.contracts.items import problems
    from dagster_project.contracts.repeated import REMEDY

    workshop = Workshop.at(opened(home).root)
    with working("reading the lake"):
        lines = overview(workshop)
    contracts = workshop.contracts
    wrong = [one for one in contracts.problems if one.path == contracts.items.path]
    wrong += problems(contracts)
    if as_json:
        told = [asdict(line) for line in lines]
        emit({"items": told, "problems": [str(problem) for problem in wrong]})
        return
    from rich.table import Table

    table = Table(pad_edge=False, title="数据项与数源 data items", title_justify="left")
    for head in ("数据项 item", "级别", "部门 department", "字段 column"):
        table.add_column(head, overflow="fold")
    table.add_column("待更正\nopen", justify="right", no_wrap=True)
    for line in lines:
        name = literally(f"{line.entity_title}·{line.title} {line.entity}.{line.item}")
        for one in line.suppliers:
            table.add_row(
                name if one.is_source else "",
                line.level if one.is_source else "",
                literally(f"数源 {one.department}" if one.is_source else one.department),
                literally(f"{one.column_title} {one.feed}.{one.column}"),
                "" if one.is_source and not one.open_cases else f"{one.open_cases:,}",
            )
    if lines:
        console().print(table)
    else:
        console().print("没有共用的数据项 no data item has several suppliers")
    for problem in wrong:
        complain(str(problem).rstrip(".").removesuffix(f"; {REMEDY}"))
    if any(problem.sentence.rstrip(".").endswith(REMEDY) for problem in wrong):
        note(f"{REMEDY[0].upper()}{REMEDY[1:]}.")
