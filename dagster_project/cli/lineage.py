"""``countylake lineage …``: where columns come from, what hangs on them, and a page to walk it.

Nothing is computed here, and no cell is shown: only names of tables and columns.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    console,
    counted,
    emit,
    literally,
    note,
    standing,
    working,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.lineage.atlas.atlas import Atlas
    from dagster_project.lineage.walk import Direction, Walk
    from dagster_project.paths import Home


class Form(StrEnum):
    """How a walk is written."""

    text = "text"
    json = "json"
    mermaid = "mermaid"


DepthOption = Annotated[
    int, typer.Option("--depth", min=0, help="over so many tables at most; 0: to the end")
]
FormOption = Annotated[Form, typer.Option("--format", help="text, json or mermaid")]
NameArgument = Annotated[
    str, typer.Argument(help="TABLE or TABLE.COLUMN, by name or title; a layer may be left out")
]
Stub = Annotated[str, typer.Argument(help="FEED.COLUMN, by name or title")]

app = typer.Typer(
    help=(
        "Lineage 血缘: where a column comes from, what hangs on it, what breaks without it,"
        " which reports a department feeds, and a page to walk through it all."
    ),
    no_args_is_help=True,
)


@app.command()
def up(
    name: NameArgument,
    depth: DepthOption = 0,
    form: FormOption = Form.text,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """What a table or a column is made from, back to the titles in the departments' files."""
    _walk("up", name, depth, Form.json if as_json else form, home)


@app.command()
def down(
    name: NameArgument,
    depth: DepthOption = 0,
    form: FormOption = Form.text,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """What is made from a table or a column, on to the reports and the city's tables."""
    _walk("down", name, depth, Form.json if as_json else form, home)


@app.command()
def without(
    name: Stub,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """What breaks if a feed's column goes away. Nothing is changed by asking."""
    from dagster_project.cli.lineage_tables import show_loss
    from dagster_project.components.steps.lineage_without import without as lost
    from dagster_project.components.steps.workshop import Workshop

    _, place = standing(home)
    with working("reading every model without the column"):
        found = lost(_atlas(place), Workshop.at(place.root), name)
    if as_json:
        emit(asdict(found))
    else:
        show_loss(found)


@app.command()
def department(
    name: Annotated[str, typer.Argument(help="a department's code or name, or a part of it")],
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Which reports and city tables a department feeds, and with what."""
    from dagster_project.cli.lineage_tables import show_department
    from dagster_project.components.steps.lineage_department import fed_by

    _, place = standing(home)
    with working("following the department's feeds"):
        found = fed_by(_atlas(place), name)
    if as_json:
        emit(asdict(found))
    else:
        show_department(found)


@app.command()
def check(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """Whether every column has an origin, and the engine agrees with what was read from the SQL.

    Exit code 8: a column has none, or a model is refused.
    """
    from dagster_project.components.steps.lineage_check import check as looked
    from dagster_project.components.steps.workshop import Workshop

    site, place = standing(home)
    with working("asking the engine about every model"):
        found = {duty: looked(Workshop.at(place.root, duty)) for duty in site.duties}
    problems = [problem for one in found.values() for problem in one.problems]
    if as_json:
        counts = ("tables", "columns", "covered", "edges")
        emit(
            {
                **{name: sum(getattr(one, name) for one in found.values()) for name in counts},
                "problems": [asdict(problem) for problem in problems],
            }
        )
    else:
        for duty, one in found.items():
            console().print(
                f"{duty}: {counted(one.tables, 'table')}, {one.covered:,} of"
                f" {counted(one.columns, 'column')} have an origin ({one.share} %),"
                f" {counted(one.edges, 'edge')}"
            )
        for problem in problems:
            complain(str(problem))
        if not problems:
            console().print("[green]the engine's names, order and types: equal[/green]")
    raise typer.Exit(8 if problems else 0)


@app.command()
def page(
    out: Annotated[
        Path | None, typer.Option("--out", help="the file; else lineage/index.html of the home")
    ] = None,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write the lineage as one page that opens from disk, without a network or a login."""
    from dagster_project.components.steps.lineage_page import write

    site, place = standing(home)
    with working("drawing every table"):
        made = write(site, place, out.expanduser() if out else place.lineage / "index.html")
    if as_json:
        emit(asdict(made))
        return
    for sentence in made.refused:
        complain(f"not on the page: {sentence}")
    console().print(literally(f"{made.path}"), soft_wrap=True)
    note(
        f"{counted(made.tables, 'table')}, {counted(made.columns, 'column')},"
        f" {made.bytes / 1000:,.0f} kB; open it in a browser"
    )


def _atlas(place: Home) -> Atlas:
    from dagster_project.components.steps.lineage_atlas import atlas

    return atlas(place)


def _walk(direction: Direction, name: str, depth: int, form: Form, home: Path) -> None:
    _, place = standing(home)
    with working("following the lineage"):
        atlas = _atlas(place)
        table, column = atlas.find(name)
        if (table, column) == ("", ""):
            raise UsageError("no table is named", todo="Name TABLE or TABLE.COLUMN")
        walked = atlas.network.walk(direction, atlas.starts(table, column), depth)
    if form is Form.json:
        emit(_told(atlas, walked, table, column))
    elif form is Form.mermaid:
        from dagster_project.lineage.atlas.mermaid import flowchart

        typer.echo(flowchart(atlas, walked), nl=False)
    else:
        from dagster_project.cli.lineage_tables import show_walk

        show_walk(atlas, walked, table, column)


def _told(atlas: Atlas, walked: Walk, table: str, column: str) -> dict[str, object]:
    """A walk as data: the spots that were reached, nearest first, and every edge between them."""
    return {
        "table": table,
        "column": column,
        "title": atlas.title((table, column)) if column else atlas.table_title(table),
        "direction": walked.direction,
        "reached": [
            {
                "table": spot[0],
                "column": spot[1],
                "title": atlas.title(spot),
                "how": step.how,
                "distance": step.distance,
            }
            for spot, step in walked.reached.items()
        ],
        "edges": [
            {
                "from": {"table": link.source_table, "column": link.source_column},
                "to": {"table": link.table, "column": link.column},
                "kind": link.kind,
                "how": link.how,
                "by": link.by,
            }
            for link in walked.links
        ],
    }
