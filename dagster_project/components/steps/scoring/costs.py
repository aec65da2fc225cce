"""Which rules cost a feed points on a day, how many each, in sentences.

The day that was built last is read from ``gold.quality_rule``; any other day of the past is asked
by the same SELECT, with that day's end as its cut-off. Points are ``quality.score``'s arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import duckdb
from sqlglot import exp

from dagster_project.clock import SHANGHAI
from dagster_project.components.steps.correcting.findings import rule_of
from dagster_project.components.steps.scoring.standing import is_built
from dagster_project.components.steps.sentences import reason_sentence
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.policy import DIMENSIONS
from dagster_project.contracts.rules import CONTROL_TOTALS, REPEATED
from dagster_project.errors import UsageError
from dagster_project.quality.answers import DIFFERS
from dagster_project.quality.score import Checked, points, score
from dagster_project.transform.models import Parameters
from dagster_project.transform.models.model import DIALECT, Model

RULES = "gold.quality_rule"
ON_TIME, READABLE, STATED = "delivery.on_time", "source.readable", "rows.stated"
BESIDE = {
    ON_TIME: "应在承诺的时间之前送达",
    READABLE: "交付的文件应能读取，来源应能访问",
    STATED: "清单写明的行数应全部送达",
    REPEATED: "同一批次中业务主键不应重复",
    CONTROL_TOTALS: "文件写明的合计应与各行之和一致",
}
"""The checks that no contract writes down, each as a sentence."""
_COSTS = """
SELECT r.rule_id, r.dimension, r.kind, r.checked_cnt, r.failed_cnt, r.check_weight
FROM {table} AS r JOIN lake.ops.quality_dimension AS d USING (dimension)
WHERE r.feed = ?
ORDER BY d.position, r.rule_id, r.kind
"""
_BUILT = """
SELECT cut_off_at FROM lake.ops.model_build WHERE table_name = ?
ORDER BY built_at DESC, snapshot DESC LIMIT 1
"""


@dataclass(frozen=True)
class Cost:
    """What one rule costs: it failed ``failed`` of ``checked`` times, which is ``points`` lost.

    ``weight`` is how many checks of its dimension one of them stands for.
    """

    rule_id: str
    dimension: str
    kind: str
    sentence: str
    checked: int
    failed: int
    weight: int
    points: Decimal


@dataclass(frozen=True)
class Explained:
    """A feed's score on a day, and every rule that it is made of, the dearest first."""

    feed: str
    day: date
    score: Decimal | None
    costs: tuple[Cost, ...]


def explain(workshop: Workshop, feed: str, day: date | None = None) -> Explained:
    """What the score of a feed on a day is made of; by default on the newest day that was built.

    The points of all costs add up to 100 minus the score, to the hundredth.

    Raises:
        UsageError: No such feed, or no score was built yet, or not for such a day.
    """
    workshop.feed(feed)
    with workshop.lake.reader() as con:
        on, table = _asked(workshop, con, feed, day)
        rows = con.execute(_COSTS.format(table=table), [feed]).fetchall()
        weights = dict(
            con.execute("SELECT dimension, weight FROM ops.quality_dimension").fetchall()
        )
    checks = [Checked(dimension, asked, lost, many) for _, dimension, _, asked, lost, many in rows]
    costs = [
        Cost(rule, dimension, kind, sentence(workshop, feed, rule), asked, lost, many, cost)
        for (rule, dimension, kind, asked, lost, many), cost in zip(
            rows, points(checks, weights), strict=True
        )
    ]
    costs.sort(key=lambda one: (-one.points, -one.failed))
    return Explained(feed, on, score(checks, weights), tuple(costs))


def only(found: Explained, dimension: str = "", *, every: bool = False) -> Explained:
    """The costs of one dimension or of all; with ``every`` also the rules that never failed."""
    return replace(
        found,
        costs=tuple(
            one for one in found.costs if dimension in {"", one.dimension} and (every or one.failed)
        ),
    )


def known_dimension(name: str) -> None:
    """Refuse what is no dimension.

    Raises:
        UsageError: It is none.
    """
    if name and name not in DIMENSIONS:
        raise UsageError(f"{name!r} is no dimension", todo=f"Name one of {', '.join(DIMENSIONS)}")


def sentence(workshop: Workshop, feed: str, rule_id: str) -> str:
    """What a rule asks for, for a person."""
    if rule_id in BESIDE:
        return BESIDE[rule_id]
    if rule_id.endswith(DIFFERS):
        item = rule_id.removesuffix(DIFFERS)
        return f"应与该数据项的数源部门一致（{item}）"
    found = rule_of(workshop.feed(feed), rule_id)
    return found.message if found else reason_sentence(workshop.plan(feed), rule_id)


def _asked(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, feed: str, day: date | None
) -> tuple[date, str]:
    """The day, and the table that holds its rules."""
    row = (
        con.execute(f"SELECT max(day) FROM lake.{RULES}").fetchone() if is_built(con, RULES) else ()
    )
    built = row[0] if row else None
    if built is None:
        raise UsageError(
            f"no score of {feed} was built yet", todo="Run `countylake run`, then ask again"
        )
    if day is None or day == built:
        return built, f"lake.{RULES}"
    if day > built:
        raise UsageError(f"the newest score is of {built}", todo="Name that day, or an earlier one")
    made = con.execute(_BUILT, [RULES]).fetchone()
    end = datetime.combine(day + timedelta(days=1), time(), SHANGHAI).astimezone(UTC)
    parameters = Parameters(min(end, made[0]) if made else end, day, site_code=workshop.site.code)
    return day, _evaluated(workshop, con, parameters)


def _evaluated(workshop: Workshop, con: duckdb.DuckDBPyConnection, parameters: Parameters) -> str:
    """The model's rows of another day, with the models below it, in temp tables."""
    graph = workshop.graph
    names = (*graph.upstream(RULES), RULES)
    for name in names:
        sql = _renamed(graph.model(name), names, parameters)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {_temporary(name)} AS {sql}")
    return f"temp.{_temporary(RULES)}"


def _renamed(model: Model, names: tuple[str, ...], parameters: Parameters) -> str:
    literals = parameters.literals()

    def place(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            return literals[node.name].copy()
        if isinstance(node, exp.Table) and f"{node.db}.{node.name}" in names:
            table = exp.to_table(f"temp.{_temporary(f'{node.db}.{node.name}')}")
            return exp.alias_(table, node.alias, table=True) if node.alias else table
        return node

    return model.query.copy().transform(place).sql(dialect=DIALECT)


def _temporary(name: str) -> str:
    return f"{name.replace('.', '_')}_then"
