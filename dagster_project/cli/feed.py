"""``countylake feed``: contracts of feeds, made from real files and shown to people.

What a contract says is the contract room's matter; nothing here opens a lake.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import JsonOption, console, emit, literally, note, working
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.describing.inferring import Inference
    from dagster_project.components.steps.describing.origins import Asked

app = typer.Typer(help="Contracts of feeds: infer one from a file, describe them.")


@app.callback(invoke_without_command=True)
def feed(context: typer.Context) -> None:
    """Contracts of feeds: infer one from a file, describe them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def new(  # noqa: PLR0917 - options of a command
    name: Annotated[str, typer.Argument(help="the feed's name in lower_snake")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="a delivered file (also SQLite), or postgresql://HOST/DB, mysql://HOST/DB,"
            " https://…, sftp://…, s3://BUCKET/…",
        ),
    ],
    table: Annotated[str, typer.Option(help="a database's table or view")] = "",
    credentials: Annotated[
        str, typer.Option(help="where the source's credentials lie: env:NAME or file:name")
    ] = "",
    department: Annotated[str, typer.Option(help="whose feed it is: CODE:名称")] = "",
    title: Annotated[str, typer.Option(help="the table's Chinese title")] = "",
    key: Annotated[str, typer.Option(help="the key's columns, separated by commas")] = "",
    delivery: Annotated[str, typer.Option(help="full or incremental")] = "",
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="a channel's word: hostKey=…, region=…, endpointUrl=…; of an interface records,"
            " total, page, offset, size, rows, cursor, parameter, next",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="where to write; else schemas/feeds/NAME.yaml")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="a county whose published copy tells references")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print, write nothing")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace a contract")] = False,
    as_json: JsonOption = False,
) -> None:
    """Infer a feed's contract from real data: types, key, formats, code lists, levels.

    The very file is read and conformed by the contract before it is written; the table says for
    each column why, and which share of the rows it would reject.
    """
    from dagster_project.components.steps.describing.origins import Asked
    from dagster_project.paths import Home, schemas_dir

    asked = Asked(
        name=name,
        source=source,
        table=table,
        credentials=credentials,
        department=_department(department),
        title=title,
        key=tuple(one.strip() for one in key.split(",") if one.strip()),
        delivery=_delivery(delivery),
        options=dict(_word(one) for one in words or ()),
    )
    place = None if dry_run else out or schemas_dir() / "feeds" / f"{name}.yaml"
    replica = Home(home).published / "current" / "county.duckdb" if home else None
    _new(asked, place, replica, force=force, as_json=as_json)


@app.command()
def docs(
    names: Annotated[
        list[str] | None, typer.Argument(help="feeds; all of them if left out")
    ] = None,
    out: Annotated[Path, typer.Option(help="the folder to write to")] = Path("var/dictionary"),
    form: Annotated[str, typer.Option("--format", help="html or md")] = "html",
    as_json: JsonOption = False,
) -> None:
    """Write the data dictionary: a page per feed and an index, in Chinese and English."""
    from dagster_project.components.steps.describing.handbook import Handbook, keep
    from dagster_project.quality.dictionary_pages import written

    if form not in {"html", "md"}:
        raise UsageError("pages are html or md", where="--format")
    pages = written(Handbook.open().pages(names or ()), form)
    keep(pages, out)
    if as_json:
        emit({"folder": out, "pages": sorted(pages)})
        return
    console().print(literally(f"{len(pages)} pages: {out / f'index.{form}'}"))


def _new(
    asked: Asked, place: Path | None, replica: Path | None, *, force: bool, as_json: bool
) -> None:
    from dagster_project.components.steps.describing.inferring import infer, told, written

    with working(f"looking at {asked.source}"):
        made = infer(asked, replica=replica)
        problems = written(made, place, force=force) if place else []
    if as_json:
        emit(told(made) | {"contract": made.text, "written": place, "problems": problems})
        return
    if place is None:
        typer.echo(made.text, nl=False)
    _show(made)
    for sentence in (*made.said, *problems):
        note(sentence)
    _next(made, place)


def _department(said: str) -> tuple[str, str]:
    code, colon, name = said.partition(":")
    if said and not (colon and code and name):
        raise UsageError(
            "a department is CODE:名称", where="--department", todo="Write minzheng:民政局"
        )
    return code, name


def _delivery(said: str) -> str:
    if said not in {"", "full", "incremental"}:
        raise UsageError("a delivery is full or incremental", where="--delivery")
    return said


def _word(said: str) -> tuple[str, str]:
    word, sign, value = said.partition("=")
    if not (sign and word and value):
        raise UsageError("a word is WORD=VALUE", where="--set", todo="Write hostKey=SHA256:…")
    return word, value


def _show(made: Inference) -> None:
    from rich.table import Table

    table = Table(pad_edge=False)
    for head in ("列\ncolumn", "标题\ntitle", "类型\ntype", "依据\nwhy", "级别\nlevel"):
        table.add_column(head, overflow="fold")
    table.add_column("拒收\nrejects", justify="right", no_wrap=True)
    for guess in made.draft.columns:
        column = guess.column
        words = [column.type, *filter(None, (column.format, column.codes and f"→{column.codes}"))]
        marks = ["key"] * column.is_key + ["required"] * (column.required and not column.is_key)
        share = made.share(column.name)
        table.add_row(
            literally(column.name),
            literally(column.title),
            literally(" ".join([*words, *marks])),
            literally("; ".join(dict.fromkeys((*guess.why, *filter(None, [guess.ask]))))),
            column.level + (f" {column.mask}" if column.mask != "none" else ""),
            f"{share:.1%}" if share else "",
        )
    screen = console(stderr=True)
    screen.print(table)
    screen.print(
        f"{made.rows:,} rows: {made.rows - made.rejected:,} would be accepted"
        f" ({made.repeated:,} repeat a key), {made.rejected:,} rejected"
    )


def _next(made: Inference, place: Path | None) -> None:
    name = made.heading.name
    if place is None:
        note("Nothing was written; leave out --dry-run to write the contract.")
        return
    console(stderr=True).print(literally(f"written: {place}"))
    server = made.heading.servers[0]
    said = {one["property"]: one["value"] for one in server.get("customProperties", ())}
    path = server.get("path") or said.get("file")
    way = f"put the file into the inbox as {path} and run" if path else "then run"
    note(
        "Next: look at the lines with a comment, confirm each column's level,"
        f" `countylake feed check {name}`, {way}."
    )
