"""The rules of ``lint``: which forms a model may not hold, and what to write instead.

Each names kinds of nodes, a reason and a fix. What stands in relation to the rest of a query (order
over the key, living rows) is looked for in ``lint`` itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp


@dataclass(frozen=True)
class Rule:
    """Every node of these kinds for which ``applies`` holds is a finding."""

    kinds: tuple[type[exp.Expr], ...]
    code: str
    reason: str
    fix: str
    applies: Callable[[Any], bool] = lambda _: True


CLOCKS = frozenset(
    {"now", "today", "get_current_timestamp", "get_current_time", "transaction_timestamp"}
)
KNOWN = frozenset({"prefix", "suffix", "list_contains", "regexp_full_match", "strip_accents"})
"""Functions that sqlglot has no word for, and that give one answer for one question."""


def _inside_cast(node: exp.Expr) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.Cast):
            return True
        parent = parent.parent
    return False


def _method(name: str) -> Callable[[Any], bool]:
    return lambda join: str(join.args.get("method") or "").upper() == name


def _has(arg: str) -> Callable[[Any], bool]:
    return lambda node: bool(node.args.get(arg))


def _unordered_call(call: exp.Expr) -> bool:
    return call.find(exp.Order) is None and not isinstance(call.parent, exp.WithinGroup)


def _unordered_window(window: exp.Window) -> bool:
    positions = (
        exp.RowNumber
        | exp.FirstValue
        | exp.LastValue
        | exp.NthValue
        | exp.Lag
        | exp.Lead
        | exp.Ntile
    )
    by_place = isinstance(window.this, positions) or bool(window.args.get("spec"))
    return by_place and not _has_order(window)


def _has_order(window: exp.Expr) -> bool:
    """Whether a window, or the one that it names, is ordered."""
    if order := window.args.get("order"):
        return order.find(exp.Column) is not None
    name, select = window.args.get("alias"), window.find_ancestor(exp.Select)
    if name is None or select is None:
        return False
    named = (one for one in select.args.get("windows") or () if one is not window)
    return any(_has_order(one) for one in named if one.name == name.name)


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


def _renamed(table: exp.Expr) -> bool:
    alias = table.args.get("alias")
    return alias is not None and bool(alias.args.get("columns"))


CHANGES = "the result would be another on another day"
CHANCE_REASON = "the result would be another in every run"
BY_HASH = "Order by a hash of the key instead"
EXACT = "Keep DECIMAL or BIGINT, and divide whole numbers with // after scaling"
ARRIVAL = "its result depends on the order in which rows arrive"
TOTAL = "Add ORDER BY over a whole key"
WRONG = "column lineage resolves it wrongly without saying so"
SPARK = "Spark computes or types it differently"
AVERAGES = (exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance)
TODAY = (
    exp.CurrentDate,
    exp.CurrentTimestamp,
    exp.CurrentTime,
    exp.CurrentDatetime,
    exp.Localtime,
    exp.Localtimestamp,
)
SESSION = (
    exp.CurrentUser,
    exp.CurrentRole,
    exp.CurrentSchema,
    exp.CurrentCatalog,
    exp.CurrentDatabase,
    exp.CurrentSchemas,
    exp.CurrentVersion,
    exp.SessionUser,
)
CURVES = (
    exp.Sqrt,
    exp.Cbrt,
    exp.Ln,
    exp.Log,
    exp.Exp,
    exp.Pow,
    exp.Pi,
    exp.Sin,
    exp.Cos,
    exp.Tan,
    exp.Asin,
    exp.Acos,
    exp.Atan,
    exp.Atan2,
    exp.Sinh,
    exp.Cosh,
    exp.Tanh,
    exp.Degrees,
    exp.Radians,
    exp.Corr,
    exp.CovarPop,
    exp.CovarSamp,
    exp.Skewness,
    exp.Kurtosis,
    exp.RegrSlope,
    exp.RegrIntercept,
    exp.RegrR2,
    exp.CumeDist,
    exp.PercentRank,
    exp.JarowinklerSimilarity,
)
NESTED = (exp.Struct, exp.ToMap, exp.Map, exp.Slice, exp.Array)
RANKED = (exp.Median, exp.Quantile, exp.PercentileCont, exp.PercentileDisc)
APPROXIMATE = (exp.ApproxDistinct, exp.ApproxQuantile, exp.ApproxTopK)
PICKED = (exp.AnyValue, exp.First, exp.Last, exp.Mode)
WEEKS = (exp.DayOfWeek, exp.DayOfWeekIso, exp.WeekOfYear)

RULES: tuple[Rule, ...] = (
    Rule(TODAY, "clock", CHANGES, "Use :cut_off_at or :day"),
    Rule(
        (exp.Anonymous,),
        "clock",
        CHANGES,
        "Use :cut_off_at or :day",
        lambda call: call.name.lower() in CLOCKS,
    ),
    Rule(SESSION, "session", "the result would be another on another machine", "Use :site_code"),
    Rule((exp.Rand, exp.Randn, exp.Uuid, exp.TableSample), "chance", CHANCE_REASON, BY_HASH),
    Rule(
        (exp.Anonymous,),
        "unknown-function",
        "nobody knows whether it gives the same result on another day, machine or order of rows",
        "Write it with operators, CASE and the usual functions",
        lambda call: call.name.lower() not in KNOWN | CLOCKS,
    ),
    Rule(AVERAGES, "float", "it computes in floating numbers", EXACT),
    Rule(CURVES, "float", "it computes in floating numbers", EXACT),
    Rule(
        (exp.TimeToUnix,),
        "float",
        "seconds since 1970 are a floating number",
        "Use EPOCH_MS or DATE_DIFF",
    ),
    Rule(
        (exp.Collate,),
        "collation",
        "of texts that are equal to it, any may stand for a group",
        "Write LOWER(…) or UPPER(…)",
    ),
    Rule(
        (exp.ArrayDistinct,),
        "unordered-aggregate",
        "it gives its values in no order",
        "Write DISTINCT and ORDER BY inside the aggregate",
    ),
    Rule(
        (exp.Literal,),
        "float",
        "a number with an exponent is a floating number",
        "Write it out",
        lambda literal: not literal.is_string and "e" in literal.name.lower(),
    ),
    Rule((exp.Div,), "float", "/ divides in floating numbers", EXACT),
    Rule(
        (exp.Cast,),
        "float",
        "floating sums depend on the order of the rows",
        EXACT,
        lambda cast: bool(cast.to.is_type("double", "float")),
    ),
    Rule(
        (exp.GroupConcat, exp.ArrayAgg),
        "unordered-aggregate",
        ARRIVAL,
        "Add ORDER BY inside the call",
        _unordered_call,
    ),
    Rule(PICKED, "unordered-aggregate", ARRIVAL, "Use MIN, MAX or MIN_BY with a total order"),
    Rule((exp.Window,), "unordered-window", ARRIVAL, TOTAL, _unordered_window),
    Rule(
        (exp.Select,),
        "unordered-limit",
        ARRIVAL,
        TOTAL,
        lambda select: bool(select.args.get("limit")) and not select.args.get("order"),
    ),
    Rule((exp.Select,), "distinct-on", ARRIVAL, "Use ROW_NUMBER with a total order", _distinct_on),
    Rule(APPROXIMATE, "approximate", "it approximates", "Count exactly, with COUNT(DISTINCT …)"),
    Rule(
        (exp.SetOperation,),
        "union-by-name",
        WRONG,
        "List the columns in the same order",
        _has("by_name"),
    ),
    Rule((exp.Lateral,), "lateral", WRONG, "Join with a grouped CTE"),
    Rule((exp.Columns,), "columns-expression", WRONG, "List the columns"),
    Rule((exp.Pivot,), "pivot", WRONG, "Write one aggregate with FILTER per column"),
    Rule((exp.Unnest, exp.Explode, exp.Posexplode), "unnest", WRONG, "Join with a table"),
    Rule((exp.Join,), "natural-join", WRONG, "Write ON with both columns", _method("NATURAL")),
    Rule((exp.Join,), "positional-join", ARRIVAL, "Join by a key", _method("POSITIONAL")),
    Rule((exp.PositionalColumn,), "positional-column", WRONG, "Write the column's name"),
    Rule((exp.Lambda, exp.Comprehension), "lambda", WRONG, "Join with a table"),
    Rule(
        (exp.Subquery,),
        "nested-join",
        WRONG,
        "Write the joins one after another, or a CTE",
        lambda subquery: isinstance(subquery.this, exp.Table),
    ),
    Rule((exp.Table,), "table-columns", WRONG, "Name the columns in the SELECT", _renamed),
    Rule(
        (exp.Table,),
        "table-function",
        "it reads what no receipt names",
        "Read a table, or write VALUES",
        lambda table: not isinstance(table.this, exp.Identifier),
    ),
    Rule(
        (exp.Table,),
        "time-travel",
        "the snapshot that is read is the run's, and the receipt names one only",
        "Remove AT",
        lambda table: bool(table.args.get("when") or table.args.get("version")),
    ),
    Rule(
        (exp.Ordered,),
        "order-by-all",
        "a new column would change the order unseen",
        "List the columns",
        lambda ordered: isinstance(ordered.this, exp.Var) and ordered.this.name.upper() == "ALL",
    ),
    Rule((exp.With,), "recursive", WRONG, "Join with a rollup table", _has("recursive")),
    Rule(
        (exp.Sum,),
        "uncast-sum",
        SPARK,
        "Write CAST(SUM(…) AS BIGINT) or AS DECIMAL",
        lambda call: not _inside_cast(call),
    ),
    Rule(
        (exp.TimestampTrunc, exp.DateTrunc),
        "uncast-trunc",
        SPARK,
        "Write CAST(DATE_TRUNC(…) AS DATE)",
        lambda call: not _inside_cast(call),
    ),
    Rule(
        (exp.DateDiff, exp.TimestampDiff),
        "date-diff",
        SPARK,
        "Compare with a date plus an INTERVAL, or count microseconds",
        _counts_borders,
    ),
    Rule(WEEKS, "day-of-week", SPARK, "Join with a calendar table"),
    Rule(
        (exp.Extract,),
        "extract",
        SPARK,
        "Extract YEAR, MONTH or DAY only",
        lambda call: str(call.this).upper() not in {"YEAR", "MONTH", "DAY"},
    ),
    Rule(
        (exp.TryCast,),
        "try-cast",
        SPARK,
        "TRY_CAST to DECIMAL only",
        lambda cast: not cast.to.is_type("decimal", "varchar", "text"),
    ),
    Rule(
        (exp.RegexpReplace,),
        "regexp-replace",
        SPARK,
        "Give 'g' as the fourth argument",
        _not_global,
    ),
    Rule(RANKED, "percentile", SPARK, "Rank with ROW_NUMBER and pick the row"),
    Rule(NESTED, "nested-value", SPARK, "Use plain columns"),
    Rule((exp.Join,), "asof-join", SPARK, "Use ROW_NUMBER over an ordinary join", _method("ASOF")),
    Rule((exp.Select,), "group-by-all", SPARK, "List the columns", _group_by_all),
)


ADVICE: frozenset[str] = frozenset(
    {rule.code for rule in RULES if rule.reason == SPARK} | {"select-star", "deleted-rows"}
)
"""Findings that leave a table as it should be: it is right, but should be written otherwise."""
