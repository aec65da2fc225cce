"""``countylake case …``: everything somebody must act on, by when, and the decisions on it.

Rows that departments must deliver anew are shown with their cells by ``countylake quarantine``.
"""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    ByOption,
    HomeOption,
    JsonOption,
    WhyOption,
    console,
    deciding,
    emit,
    literally,
    note,
    working,
)
from dagster_project.errors import UsageError

if TYPE_CHECKING:
    from dagster_project.components.steps.correcting.ledger import CaseLine, CaseStory

app = typer.Typer(
    help=(
        "Cases 校核事项: list, show, assign, extend, confirm, raise, answer.\n\n"
        "A case is what somebody must act on: a rejected row, a record that breaks a rule, two "
        "departments that disagree, a held or missing delivery, a correction that was asked for."
    ),
    no_args_is_help=True,
)
KINDS = {
    "fail": "应更正 fail",
    "warn": "应核实 warn",
    "disagreement": "部门不一致 disagreement",
    "held": "搁置 held",
    "late": "未按时送达 late",
    "correction": "更正请求 correction",
}
STATES = {
    "open": "待办 open",
    "closed": "已办结 closed",
    "confirmed": "核实无误 confirmed",
    "withdrawn": "已撤回 withdrawn",
}
Number = Annotated[str, typer.Argument(help="as `countylake case list` names it")]


@app.command("list")
def list_cases(  # noqa: PLR0917 - options of a command
    feed: Annotated[str, typer.Argument(help="one feed; all of them if left out")] = "",
    kind: Annotated[str, typer.Option(help=f"one of {', '.join(KINDS)}")] = "",
    state: Annotated[str, typer.Option(help=f"one of {', '.join(STATES)}, or all")] = "open",
    overdue: Annotated[bool, typer.Option("--overdue", help="only what is past its day")] = False,
    limit: Annotated[int, typer.Option(min=1, help="how many to show")] = 50,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Who must do what by when; what is due first at the top."""
    from dagster_project.components.steps.correcting.ledger import cases

    _one_of(kind, KINDS, "kind")
    _one_of("" if state == "all" else state, STATES, "state")
    workshop = deciding(home)
    with working("reading the lake"):
        found = cases(
            workshop,
            feed=feed,
            kind=kind,
            state="" if state == "all" else state,
            overdue=overdue,
            limit=limit,
        )
    if as_json:
        emit({"cases": [asdict(one) for one in found]})
    elif not found:
        console().print("没有此类校核事项 no such case")
    else:
        _print_cases(found, limit)


@app.command()
def show(number: Number, home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """One case: what it is about, whose it is, and everything that happened to it."""
    from dagster_project.components.steps.correcting.ledger import story

    found = story(deciding(home), number)
    if as_json:
        emit(asdict(found))
    else:
        _print_story(found)


@app.command()
def assign(  # noqa: PLR0917 - options of a command
    number: Number,
    to: Annotated[str, typer.Option("--to", help="who owns it from now on")],
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Make somebody the owner of an open case."""
    from dagster_project.components.steps.correcting.decisions import assign as decide

    _told(decide(deciding(home), number, to, by=by or getpass.getuser(), why=why), as_json=as_json)


@app.command()
def extend(  # noqa: PLR0917 - options of a command
    number: Number,
    workdays: Annotated[int, typer.Option(help="how many working days more")],
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Give an open case more working days."""
    from dagster_project.components.steps.correcting.decisions import extend as decide

    done = decide(deciding(home), number, workdays, by=by or getpass.getuser(), why=why)
    _told(done, as_json=as_json)


@app.command()
def confirm(
    number: Number,
    why: WhyOption,
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Close a finding because the record is right; it stays closed while the record is the same."""
    from dagster_project.components.steps.correcting.decisions import confirm as decide

    _told(decide(deciding(home), number, by=by or getpass.getuser(), why=why), as_json=as_json)


@app.command("raise")
def ask(  # noqa: PLR0917 - options of a command
    feed: Annotated[str, typer.Argument(help="the feed whose record is doubtful")],
    key: Annotated[list[str], typer.Option("--key", help="column=value; once per key column")],
    why: WhyOption,
    column: Annotated[str, typer.Option(help="the doubtful column; else the record")] = "",
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Ask a department for the correction of one of its records."""
    from dagster_project.components.steps.correcting.decisions import ask as decide

    place = dict(one.partition("=")[::2] for one in key)
    done = decide(deciding(home), feed, place, column, by=by or getpass.getuser(), why=why)
    _told(done, as_json=as_json)


@app.command()
def answer(  # noqa: PLR0917 - options of a command
    number: Number,
    why: WhyOption,
    corrected: Annotated[
        bool, typer.Option("--corrected/--unfounded", help="was something wrong?")
    ],
    by: ByOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Answer a correction that was asked for: it was made, or the record is right."""
    from dagster_project.components.steps.correcting.decisions import answer as decide

    who = by or getpass.getuser()
    _told(decide(deciding(home), number, corrected=corrected, by=who, why=why), as_json=as_json)


def _one_of(word: str, known: dict[str, str], what: str) -> None:
    if word and word not in known:
        raise UsageError(f"there is no {what} {word}", todo=f"Use one of: {', '.join(known)}")


def _told(case: CaseLine, *, as_json: bool) -> None:
    if as_json:
        emit(asdict(case))
        return
    due = f", due {case.due_day}" if case.state == "open" and case.due_day else ""
    console().print(f"{case.case_id} is {case.state}{due}, owner {case.owner}", markup=False)


def _print_cases(found: list[CaseLine], limit: int) -> None:
    from rich.table import Table

    from dagster_project.cli.tables import WIDE, local

    # A narrow screen keeps what is acted on: which, whose and by when.
    is_wide = console().width >= WIDE
    table = Table(pad_edge=False, title="校核事项 cases", title_justify="left")
    table.add_column("编号 id", no_wrap=True)
    for head in ("任务 feed", "规则 rules", "责任 owner"):
        table.add_column(head, overflow="fold")
    table.add_column("应办结 due", no_wrap=True)
    for head in ("类别 kind", "立项 opened", "状态 state") if is_wide else ():
        table.add_column(head)
    for one in found:
        late = "[red]" if one.is_overdue and one.state == "open" else ""
        more = (KINDS[one.kind], local(one.opened_at), STATES[one.state])
        table.add_row(
            one.case_id,
            one.feed,
            ", ".join(one.rules),
            literally(one.owner),
            f"{late}{one.due_day or ''}",
            *(more if is_wide else ()),
        )
    console().print(table)
    if len(found) == limit:
        note(f"the first {limit}; `--limit` shows more")
    note("`countylake case show ID` tells the history")


_ABOUT = {
    "rules": "规则 rules", "sentences": "要求 asked", "file": "文件 file", "sheet": "工作表 sheet",
    "row": "行 row", "place": "所指行 row", "held_for": "原因 why", "message": "说明 message",
    "table": "表 table",
    "column": "列 column", "package": "报送包 package", "why": "理由 why", "answer": "答复 answer",
    "asked_by": "提出 asked by", "origin": "来源 origin",
}  # fmt: skip


def _print_story(found: CaseStory) -> None:
    from rich.table import Table

    from dagster_project.cli.tables import local

    case = found.case
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    lines: dict[str, object] = {
        "编号 id": case.case_id,
        "类别 kind": KINDS[case.kind],
        "任务 feed": f"{case.feed} {case.department_name}",
        "责任 owner": case.owner,
        "应办结 due": case.due_day or "",
        "状态 state": STATES[case.state] + (" 超期 overdue" if case.is_overdue else ""),
        **{_ABOUT.get(name, name): value for name, value in found.about.items() if value},
    }
    for name, value in lines.items():
        shown = "；".join(value) if isinstance(value, list) else value
        table.add_row(name, literally(shown))
    for event in found.history:
        words = (event.event, event.detail, event.by, event.why)
        table.add_row(local(event.at), literally(" · ".join(word for word in words if word)))
    console().print(table)
