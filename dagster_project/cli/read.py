"""``countylake read``: what a file is, what was read of it, and why the rest was not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dagster_project.cli.shared import JsonOption, complain, console, emit, literally, note, working

REFUSED = 4
DROPPED = {
    "title": "标题行",
    "blank": "空行",
    "total": "合计行",
    "footnote": "脚注",
    "repeated_header": "重复表头",
    "example": "填写示例",
}
DEFECTS = {
    "ragged": "列数不符",
    "garbled": "字符已损毁",
    "formula": "公式无值",
    "mojibake": "疑似乱码",
}
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe", "，": "full-width comma"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(read)


def read(
    file: Annotated[Path, typer.Argument(help="a delivered file of any kind")],
    contract: Annotated[
        str, typer.Option(help="a feed's name, or a contract's YAML file; else by shape alone")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="keep the rows as text in this Parquet file")
    ] = None,
    sm3: Annotated[bool, typer.Option("--sm3", help="add the SM3 digest")] = False,
    as_json: JsonOption = False,
) -> None:
    """Examine a file outside of any lake: format, encoding, tables, what was set aside and why.

    Exit code 4: the file is refused; the sentence says why and what to do.
    """
    from dagster_project.components.steps.examination import examine

    with working(f"reading {file.name}"):
        told = examine(file, contract=contract, out=out, sm3=sm3)
    if as_json:
        emit(told)
    else:
        show(told)
    raise typer.Exit(REFUSED if told["refused"] else 0)


def show(told: dict[str, Any]) -> None:
    """Print a verdict for a person."""
    screen = console()
    kind = told["format"] + (f" in {told['container']}" if told["container"] else "")
    screen.print(literally(f"{told['file']}  {kind}  {told['bytes']:,} bytes"))
    screen.print(f"sha256 {told['sha256']}")
    if "sm3" in told:
        screen.print(f"sm3    {told['sm3']}")
    if told["encoding"]:
        why = f" ({told['evidence']})" if told["evidence"] else ""
        screen.print(literally(f"encoding {told['encoding']}{why}"))
    if dialect := told["dialect"]:
        quote = "quoted cells" if dialect["quote"] else "no quotes"
        delimiter = DELIMITERS.get(dialect["delimiter"], dialect["delimiter"])
        screen.print(f"dialect {delimiter}, {quote}, line ends {dialect['line_end'] or 'none'}")
    if told["sheets"]:
        screen.print(_sheets(told["sheets"]))
    for sheet in told["sheets"]:
        _show_sheet(sheet)
    if made := told.get("conform"):
        _show_conform(made)
    for warning in told["warnings"]:
        note(warning)
    if refused := told["refused"]:
        complain(f"refused ({refused['reason']}) {refused['where']}: {refused['what']}.")
        note(f"{refused['todo']}.")


def _sheets(sheets: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(pad_edge=False)
    table.add_column("工作表\nsheet", overflow="fold")
    for head in ("表头行\nheader", "列\ncolumns", "记录\nrecords", "数据\ndata"):
        table.add_column(head, justify="right", no_wrap=True)
    for head in ("剔除\ndropped", "搁置\nset aside"):
        table.add_column(head, justify="right", no_wrap=True)
    for sheet in sheets:
        name = sheet["name"] or "—"
        header = sheet["header_line"]
        last = f"–{header + sheet['header_rows'] - 1}" if sheet["header_rows"] > 1 else ""
        table.add_row(
            literally(name + ("（隐藏 hidden）" if sheet["hidden"] else "")),
            "—" if header is None else f"{header}{last}",
            str(len(sheet["columns"])),
            f"{sheet['records']:,}",
            f"{sheet['data_rows']:,}",
            f"{sum(sheet['dropped'].values()):,}",
            f"{sheet['set_aside']:,}",
        )
    return table


def _show_sheet(sheet: dict[str, Any]) -> None:
    screen = console()
    name = f"{sheet['name']}: " if sheet["name"] else ""
    words = [f"{DROPPED[kind]} {kind} {n:,}" for kind, n in sheet["dropped"].items()]
    words += [f"{DEFECTS[kind]} {kind} {n:,}" for kind, n in sheet["defects"].items()]
    if words:
        screen.print(literally(name + " · ".join(words)))
    for total in sheet["control_totals"]:
        sign = "=" if total["agrees"] else "≠"
        found = (
            "not compared: a cell is no plain number"
            if total["agrees"] is None
            else f"stated {total['stated']} {sign} computed {total['computed']}"
        )
        screen.print(literally(f"{name}合计核对 row {total['row']} {total['column']}: {found}"))


def _show_conform(made: dict[str, Any]) -> None:
    screen = console()
    screen.print(
        f"按契约 by the contract: accepted {made['accepted']:,} · rejected {made['rejected']:,}"
        f" (of the accepted {made['repeated']:,} repeat a key)"
    )
    for what, counts in (("问题 rule", made["rules"]), ("修复 repair", made["repairs"])):
        for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
            if count:
                screen.print(literally(f"  {what} {name} {count:,}"))
