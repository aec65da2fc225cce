"""``countylake quality …``: how good the data are, what costs points, and where it stands.

Scores are made by the SQL models; nothing is computed here, and no cell is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    emit,
    literally,
    note,
    opened,
    working,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.table import Table

    from dagster_project.components.steps.scoring.costs import Explained
    from dagster_project.components.steps.scoring.places import Places
    from dagster_project.components.steps.scoring.standing import FeedScore
    from dagster_project.components.steps.workshop import Workshop

COLOURS = {"1": "green", "2": "blue", "3": "yellow", "4": "dark_orange", "5": "red"}
DayOption = Annotated[
    str, typer.Option("--day", help="a day of the last year, 2026-05-31; else the newest")
]

app = typer.Typer(
    help=(
        "How good the data are: the six dimensions of GB/T 36344 with their trend, the rules that"
        " cost points, and the rows behind them."
    ),
    no_args_is_help=True,
)


@app.command()
def show(
    feed: Annotated[str, typer.Argument(help="one feed; all of them if left out")] = "",
    day: DayOption = "",
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Score, grade, trend and dimensions: the county's, and each feed's."""
    from dagster_project.components.steps.scoring.standing import known_day, standing

    with working("reading the scores"):
        found = standing(_workshop(home), feed, known_day(day))
    if as_json:
        emit({"feeds": [asdict(one) for one in found]})
    elif not found:
        console().print("尚无得分 no score yet: `countylake run` makes them")
    elif feed:
        for one in found:
            console().print(_dimension_table(one))
    else:
        console().print(_score_table(found))
        note("`countylake quality show FEED` tells of its dimensions, `explain FEED` why")


@app.command()
def explain(
    feed: Annotated[str, typer.Argument(help="whose score")],
    *,
    dimension: Annotated[str, typer.Option(help="only this dimension, e.g. accuracy")] = "",
    day: DayOption = "",
    every: Annotated[bool, typer.Option("--all", help="also the rules that cost nothing")] = False,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """The rules that cost points: the points of all of them are 100 minus the score."""
    from dagster_project.components.steps.scoring import costs
    from dagster_project.components.steps.scoring.standing import known_day

    workshop = _workshop(home)
    costs.known_dimension(dimension)
    with working("asking what the score is made of"):
        found = costs.explain(workshop, feed, known_day(day))
    found = costs.only(found, dimension, every=every)
    if as_json:
        emit(asdict(found))
        return
    console().print(_cost_table(found))
    lost = sum(one.points for one in found.costs)
    note(f"{lost} points in all; `countylake quality rows {feed} RULE` shows where they stand")


@app.command()
def rows(
    feed: Annotated[str, typer.Argument(help="whose score")],
    rule: Annotated[str, typer.Argument(help="the rule, as `explain` names it")],
    limit: Annotated[int, typer.Option(min=1, help="how many places to list")] = 50,
    home: HomeOption = COUNTY_HOME,
    as_json: JsonOption = False,
) -> None:
    """Where the failures of a rule stand: file, sheet, row and case; never a cell."""
    from dagster_project.components.steps.scoring.places import places

    with working("looking up the rows"):
        found = places(_workshop(home), feed, rule, limit)
    if as_json:
        emit(asdict(found))
        return
    console().print(_place_table(found))
    if len(found.places) < found.found:
        note(f"{found.found:,} places in all; list more with --limit")


def _workshop(home: HomeOption) -> Workshop:
    from dagster_project.components.steps.workshop import Workshop

    return Workshop.at(opened(home).root)


def _table(title: str, texts: Iterable[str], numbers: Iterable[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in texts:
        table.add_column(head, overflow="fold")
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _moved(points: Decimal | None) -> str:
    """How a score moved, with its sign; nothing where there is no earlier score."""
    if points is None:
        return "–"
    colour = "green" if points > 0 else "red" if points < 0 else "dim"
    return f"[{colour}]{points:+}[/{colour}]"


def _grade(one: FeedScore) -> str:
    return f"[{COLOURS.get(one.grade, 'dim')}]{one.grade_title}[/]"


def _score_table(scores: list[FeedScore]) -> Table:
    """A line per feed, the whole county first; a column per dimension where there is room."""
    from dagster_project.cli.tables import WIDE

    heads = dict.fromkeys(share.title for one in scores for share in one.dimensions)
    if console().width < WIDE:
        heads = {}
    table = _table(
        f"数据质量 quality, {scores[0].day}",
        ("归集任务 feed", "等级"),
        ("得分\nscore", "比前日\n1 d", "比七日前\n7 d", "比三十日前\n30 d", *heads),
    )
    for one in scores:
        shares = {share.title: f"{share.pct}" for share in one.dimensions}
        table.add_row(
            f"{one.title} [dim]{one.feed}[/dim]",
            _grade(one),
            f"{one.score}",
            *(_moved(points) for points in (one.since_day, one.since_week, one.since_month)),
            *(shares.get(title, "–") for title in heads),
        )
    return table


def _dimension_table(one: FeedScore) -> Table:
    """One feed: each dimension with numerator, denominator and weight."""
    table = _table(
        f"{one.title} {one.feed}, {one.day}: {one.score} {_grade(one)}",
        ("维度 dimension",),
        ("权重\nweight", "通过\npassed", "检查\nchecked", "通过率 %"),
    )
    for share in one.dimensions:
        table.add_row(
            f"{share.title} [dim]{share.dimension}[/dim]",
            f"{share.weight}",
            f"{share.passed:,}",
            f"{share.checked:,}",
            f"{share.pct}",
        )
    table.caption = (
        f"比前日 {_moved(one.since_day)} · 比七日前 {_moved(one.since_week)}"
        f" · 比三十日前 {_moved(one.since_month)}"
    )
    return table


def _cost_table(found: Explained) -> Table:
    table = _table(
        f"{found.feed}, {found.day}: {'–' if found.score is None else found.score}",
        ("规则 rule", "要求 what it asks"),
        ("扣分\npoints", "不合格\nfailed", "检查\nchecked"),
    )
    for one in found.costs:
        table.add_row(
            f"{one.rule_id} [dim]{one.dimension}[/dim]",
            literally(one.sentence),
            f"{one.points}",
            f"{one.failed:,}",
            f"{one.checked:,}",
        )
    return table


def _place_table(found: Places) -> Table:
    table = _table(
        f"{found.feed} {found.rule_id}: {found.failed:,} / {found.checked:,}",
        ("文件 file", "工作表", "事项 case", "说明"),
        ("行 row",),
    )
    table.caption = found.sentence
    for one in found.places:
        table.add_row(
            literally(one.file),
            literally(one.sheet),
            one.case_id,
            literally(one.note),
            "–" if one.row is None else f"{one.row}",
        )
    return table
