"""Commands that only look: status, feeds, sql."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    complain,
    complain_of,
    complain_of_delivery,
    console,
    emit,
    literally,
    note,
    opened,
    working,
)

if TYPE_CHECKING:
    from dagster_project.components.steps.question import Answer
    from dagster_project.contracts.model import Server


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, feeds, sql):
        app.command()(command)


def status(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """How each feed went on its last day, and what was reported."""
    from dagster_project.components.steps import overview
    from dagster_project.components.steps.workshop import Workshop

    with working("reading the lake"):
        state = overview.status(Workshop.at(opened(home).root))
    if as_json:
        emit(state)
        return
    from dagster_project.cli.tables import feed_table, report_table

    site = state["site"]
    console().print(feed_table(f"{site['code']} {site['name']}", state["feeds"]))
    if state["reports"]:
        console().print(report_table(state["reports"]))
    complain_of_delivery(state["delivery"])
    for feed in state["feeds"]:
        complain_of(feed)
    for problem in state["problems"]:
        complain(problem)


def feeds(home: HomeOption = COUNTY_HOME, as_json: JsonOption = False) -> None:
    """The feeds, whose they are, and how and when they come."""
    from rich.table import Table
    from rich.text import Text

    from dagster_project.components.steps.workshop import Workshop

    contracts = Workshop.at(home).contracts
    if as_json:
        emit(
            {
                "feeds": [
                    {
                        "feed": feed.name,
                        "title": feed.title,
                        "department": feed.department_name,
                        "version": feed.version,
                        "delivery": feed.delivery,
                        "patterns": feed.patterns,
                        "channels": [_channel(server) for server in feed.servers],
                        "key": feed.key,
                        "columns": len(feed.columns),
                        "rules": len(feed.rules),
                        "table_rules": len(feed.table_rules),
                        "catalogue": dict(feed.catalogue),
                        "contract": feed.path,
                    }
                    for feed in contracts.feeds.values()
                ],
                "problems": [str(problem) for problem in contracts.problems],
            }
        )
        return
    table = Table(pad_edge=False)
    heads = ("归集任务\nfeed", "部门\ndepartment", "交付\ndelivery", "通道\nchannels")
    for head in heads:
        table.add_column(head, overflow="fold")
    for head in ("字段\ncols", "规则\nrules"):
        table.add_column(head, justify="right", no_wrap=True)
    for feed in contracts.feeds.values():
        table.add_row(
            Text.assemble(literally(feed.title), " ", (feed.name, "dim")),
            literally(feed.department_name),
            f"{feed.delivery} / {feed.sla.every}{feed.sla.unit}",
            literally("\n".join(_channel(server) for server in feed.servers)),
            str(len(feed.columns)),
            str(len(feed.rules) + len(feed.table_rules)),
        )
    console().print(table)
    for problem in contracts.problems:
        complain(str(problem))


def _channel(server: Server) -> str:
    """A channel in few words, without the parameters of an address."""
    if server.type == "local":
        return server.path
    where = server.path or server.location.partition("?")[0]
    if server.host:
        where = f"{server.host}/{server.database}"
    return " ".join(filter(None, (server.type, where, server.table)))


def sql(
    query: Annotated[str, typer.Argument(help="one SELECT over the published replica")],
    limit: Annotated[int, typer.Option(min=1, help="how many rows to show")] = 1000,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Ask the published replica, read-only; a running run is not disturbed."""
    from dagster_project.components.steps.question import ask

    answer = ask(opened(home), query, limit)
    show_answer(answer, as_json=as_json)


def show_answer(answer: Answer, *, as_json: bool) -> None:
    """Print the answer of a SELECT."""
    from dagster_project.cli.tables import answer_tables

    if as_json:
        emit({"columns": answer.columns, "rows": answer.rows, "complete": answer.complete})
        return
    screen = console()
    for table in answer_tables(screen, answer.columns, answer.rows):
        screen.print(table)
    if not answer.complete:
        note(f"only the first {len(answer.rows)} rows; ask for more with --limit")
