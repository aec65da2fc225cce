"""What a model's SQL may not hold, each finding with its line, its reason and the fix.

Three families: what gives another result on another day or run (clocks, chance, floating sums,
missing order), what column lineage gets silently wrong, and what Spark computes differently. The
rules are about the text alone: no table is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

DIALECT = "duckdb"


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to change."""

    path: str
    line: int
    code: str
    reason: str
    fix: str

    def __str__(self) -> str:
        """``path:line: code: reason. fix.``."""
        return f"{self.path}:{self.line}: {self.code}: {self.reason}. {self.fix}."


@dataclass(frozen=True)
class _Rule:
    """Every node of these kinds for which ``applies`` holds is a finding."""

    kinds: tuple[type[exp.Expr], ...]
    code: str
    reason: str
    fix: str
    applies: Callable[[Any], bool] = lambda _: True


@dataclass(frozen=True)
class _Hit:
    node: exp.Expr
    code: str
    reason: str
    fix: str


def lint_file(
    path: Path,
    layer: str,
    name: str = "",
    *,
    key: Sequence[str] = (),
    entities: Collection[str] = (),
) -> list[Finding]:
    """The findings of one SQL file; ``key`` is what a report's ORDER BY must cover."""
    text = path.read_text(encoding="utf-8")
    return lint(text, layer, name or str(path), key=key, entities=entities)


def lint(
    text: str,
    layer: str,
    path: str,
    *,
    key: Sequence[str] = (),
    entities: Collection[str] = (),
) -> list[Finding]:
    """The findings of one model.

    Args:
        text: The model's SQL.
        layer: gold, report or city.
        path: What the findings call the file.
        key: The table's key, if known: the final ORDER BY must cover it.
        entities: Tables of silver that hold living rows only.
    """
    try:
        tree = sqlglot.parse_one(text, read=DIALECT)
    except SqlglotError as error:
        what = str(error).splitlines()[0].rstrip(".")
        return [Finding(path, 1, "unreadable", f"the SQL cannot be read ({what})", "Correct it")]
    if not isinstance(tree, exp.Query):
        line = line_of(tree)
        return [Finding(path, line, "not-a-select", "the file is not one SELECT", "Write a SELECT")]
    hits = [
        _Hit(node, rule.code, rule.reason, rule.fix)
        for rule in RULES
        for node in tree.find_all(*rule.kinds)
        if rule.applies(node)
    ]
    hits += [*_stars(tree), *_deleted(tree, entities), *_final_order(tree, layer, key)]
    found = {Finding(path, line_of(hit.node), hit.code, hit.reason, hit.fix) for hit in hits}
    return sorted(found)


def line_of(node: exp.Expr) -> int:
    """The first line that any part of ``node``, or else what surrounds it, was read from."""
    at: exp.Expr | None = node
    while at is not None:
        lines = [int(part.meta["line"]) for part in at.walk() if "line" in part.meta]
        if lines:
            return min(lines)
        at = at.parent
    return 1


def _stars(tree: exp.Expr) -> Iterator[_Hit]:
    ctes = list(tree.find_all(exp.CTE))
    first = ctes[0].this if ctes else None
    for select in tree.find_all(exp.Select):
        starred = any(
            isinstance(p, exp.Star) or (isinstance(p, exp.Column) and isinstance(p.this, exp.Star))
            for p in select.expressions
        )
        if starred and select is not first:
            reason = "a new column of the input would change this table unseen"
            yield _Hit(select, "select-star", reason, "List the columns; * only in the first CTE")
    if isinstance(tree, exp.Select):
        for projection in tree.expressions:
            if not projection.alias_or_name:
                reason = "an output column has no name of its own"
                yield _Hit(projection, "unnamed-column", reason, "Add AS with a name")


def _deleted(tree: exp.Expr, entities: Collection[str]) -> Iterator[_Hit]:
    for table in tree.find_all(exp.Table):
        if table.db != "silver" or table.name in entities:
            continue
        select = table.find_ancestor(exp.Select)
        where = select.args.get("where") if select else None
        join = table.find_ancestor(exp.Join)
        places = [place for place in (where, join and join.args.get("on")) if place is not None]
        if not any(_keeps_living(place, table.alias_or_name, select) for place in places):
            reason = f"silver.{table.name} also holds records that the department took back"
            alias = table.alias or ""
            prefix = f"{alias}." if alias else ""
            yield _Hit(table, "deleted-rows", reason, f"Add WHERE NOT {prefix}_is_deleted")


def _keeps_living(place: exp.Expr, alias: str, select: exp.Expr | None) -> bool:
    """Whether a condition holds ``NOT alias._is_deleted`` among its ANDs."""
    alone = select is not None and not select.args.get("joins")
    condition = place.this if isinstance(place, exp.Where) else place
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        if isinstance(part, exp.Not) and isinstance(part.this, exp.Column):
            column = part.this
            if column.name == "_is_deleted" and (column.table == alias or alone):
                return True
    return False


def _inside_cast(node: exp.Expr) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.Cast):
            return True
        parent = parent.parent
    return False


def _final_order(tree: exp.Query, layer: str, key: Sequence[str]) -> Iterator[_Hit]:
    order = tree.args.get("order")
    if order is None:
        if layer == "report":
            reason = "the rows of a report have no order, so its bytes differ from run to run"
            yield _Hit(tree, "no-order", reason, "Add ORDER BY over the whole key")
        return
    named = {part.name for ordered in order.expressions for part in ordered.find_all(exp.Column)}
    missing = [name for name in key if name not in named]
    if missing and layer == "report":
        reason = f"ORDER BY leaves rows with equal values in chance order ({', '.join(missing)})"
        yield _Hit(order, "partial-order", reason, "Order by the whole key")


CLOCKS = {"now", "today", "get_current_timestamp", "current_localtimestamp"}
CHANCE = {"nextval", "currval", "setseed", "txid_current"}


def _named(names: set[str]) -> Callable[[Any], bool]:
    return lambda call: call.name.lower() in names


def _method(name: str) -> Callable[[Any], bool]:
    return lambda join: str(join.args.get("method") or "").upper() == name


def _has(arg: str) -> Callable[[Any], bool]:
    return lambda node: bool(node.args.get(arg))


def _unordered_call(call: exp.Expr) -> bool:
    return call.find(exp.Order) is None and not isinstance(call.parent, exp.WithinGroup)


def _unordered_window(window: exp.Window) -> bool:
    positions = exp.RowNumber | exp.FirstValue | exp.LastValue | exp.Lag | exp.Lead
    return isinstance(window.this, positions) and not window.args.get("order")


def _distinct_on(select: exp.Select) -> bool:
    distinct = select.args.get("distinct")
    return distinct is not None and bool(distinct.args.get("on"))


def _group_by_all(select: exp.Select) -> bool:
    group = select.args.get("group")
    return group is not None and bool(group.args.get("all"))


def _counts_borders(diff: exp.Expr) -> bool:
    """DuckDB counts the borders passed, Spark whole units; of these two that is the same."""
    unit = str(diff.args.get("unit") or "DAY").upper().strip("'")
    return unit not in {"DAY", "MICROSECOND"}


def _not_global(replace: exp.RegexpReplace) -> bool:
    modifiers = replace.args.get("modifiers")
    return "g" not in (modifiers.name if modifiers else "")


CHANGES = "the result would be another on another day"
CHANCE_REASON = "the result would be another in every run"
BY_HASH = "Order by a hash of the key instead"
EXACT = "Keep DECIMAL or BIGINT, and divide whole numbers with // after scaling"
ARRIVAL = "its result depends on the order in which rows arrive"
TOTAL = "Add ORDER BY over a whole key"
WRONG = "column lineage resolves it wrongly without saying so"
SPARK = "Spark computes or types it differently"
AVERAGES = (exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance)
TODAY = (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime)
NESTED = (exp.Struct, exp.ToMap, exp.Map, exp.Slice, exp.Array, exp.Lambda)
RANKED = (exp.Median, exp.Quantile, exp.PercentileCont, exp.PercentileDisc)
APPROXIMATE = (exp.ApproxDistinct, exp.ApproxQuantile, exp.ApproxTopK)
PICKED = (exp.AnyValue, exp.First, exp.Last, exp.Mode)
WEEKS = (exp.DayOfWeek, exp.DayOfWeekIso, exp.WeekOfYear)

RULES: tuple[_Rule, ...] = (
    _Rule(TODAY, "clock", CHANGES, "Use :cut_off_at or :day"),
    _Rule((exp.Anonymous,), "clock", CHANGES, "Use :cut_off_at or :day", _named(CLOCKS)),
    _Rule((exp.Rand, exp.Randn, exp.Uuid, exp.TableSample), "chance", CHANCE_REASON, BY_HASH),
    _Rule((exp.Anonymous,), "chance", CHANCE_REASON, BY_HASH, _named(CHANCE)),
    _Rule(AVERAGES, "float", "it computes in floating numbers", EXACT),
    _Rule((exp.Div,), "float", "/ divides in floating numbers", EXACT),
    _Rule(
        (exp.Cast,),
        "float",
        "floating sums depend on the order of the rows",
        EXACT,
        lambda cast: bool(cast.to.is_type("double", "float")),
    ),
    _Rule(
        (exp.GroupConcat, exp.ArrayAgg),
        "unordered-aggregate",
        ARRIVAL,
        "Add ORDER BY inside the call",
        _unordered_call,
    ),
    _Rule(PICKED, "unordered-aggregate", ARRIVAL, "Use MIN, MAX or MIN_BY with a total order"),
    _Rule((exp.Window,), "unordered-window", ARRIVAL, TOTAL, _unordered_window),
    _Rule(
        (exp.Select,),
        "unordered-limit",
        ARRIVAL,
        TOTAL,
        lambda select: bool(select.args.get("limit")) and not select.args.get("order"),
    ),
    _Rule((exp.Select,), "distinct-on", ARRIVAL, "Use ROW_NUMBER with a total order", _distinct_on),
    _Rule(APPROXIMATE, "approximate", "it approximates", "Count exactly, with COUNT(DISTINCT …)"),
    _Rule(
        (exp.SetOperation,),
        "union-by-name",
        WRONG,
        "List the columns in the same order",
        _has("by_name"),
    ),
    _Rule((exp.Lateral,), "lateral", WRONG, "Join with a grouped CTE"),
    _Rule((exp.Columns,), "columns-expression", WRONG, "List the columns"),
    _Rule((exp.Pivot,), "pivot", WRONG, "Write one aggregate with FILTER per column"),
    _Rule((exp.Unnest, exp.Explode, exp.Posexplode), "unnest", WRONG, "Join with a table"),
    _Rule((exp.Join,), "natural-join", WRONG, "Write ON with both columns", _method("NATURAL")),
    _Rule((exp.With,), "recursive", WRONG, "Join with a rollup table", _has("recursive")),
    _Rule(
        (exp.Sum,),
        "uncast-sum",
        SPARK,
        "Write CAST(SUM(…) AS BIGINT) or AS DECIMAL",
        lambda call: not _inside_cast(call),
    ),
    _Rule(
        (exp.TimestampTrunc, exp.DateTrunc),
        "uncast-trunc",
        SPARK,
        "Write CAST(DATE_TRUNC(…) AS DATE)",
        lambda call: not _inside_cast(call),
    ),
    _Rule(
        (exp.DateDiff, exp.TimestampDiff),
        "date-diff",
        SPARK,
        "Compare with a date plus an INTERVAL, or count microseconds",
        _counts_borders,
    ),
    _Rule(WEEKS, "day-of-week", SPARK, "Join with a calendar table"),
    _Rule(
        (exp.Extract,),
        "extract",
        SPARK,
        "Extract YEAR, MONTH or DAY only",
        lambda call: str(call.this).upper() not in {"YEAR", "MONTH", "DAY"},
    ),
    _Rule(
        (exp.TryCast,),
        "try-cast",
        SPARK,
        "TRY_CAST to DECIMAL only",
        lambda cast: not cast.to.is_type("decimal", "varchar", "text"),
    ),
    _Rule(
        (exp.RegexpReplace,),
        "regexp-replace",
        SPARK,
        "Give 'g' as the fourth argument",
        _not_global,
    ),
    _Rule(RANKED, "percentile", SPARK, "Rank with ROW_NUMBER and pick the row"),
    _Rule(NESTED, "nested-value", SPARK, "Use plain columns"),
    _Rule((exp.Join,), "asof-join", SPARK, "Use ROW_NUMBER over an ordinary join", _method("ASOF")),
    _Rule((exp.Select,), "group-by-all", SPARK, "List the columns", _group_by_all),
)
