"""What a model's SQL may not hold, each finding with its line, its reason and the fix.

Three families: what gives another result on another day or run (clocks, chance, floating sums,
missing order), what column lineage gets silently wrong, and what Spark computes differently. The
rules are about the text alone: no table is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
class _Hit:
    node: exp.Expression
    code: str
    reason: str
    fix: str


CLOCKS = {"now", "today", "get_current_timestamp", "current_localtimestamp", "transaction_timestamp"}
CHANCE = {"nextval", "currval", "setseed", "gen_random_uuid", "txid_current"}
NUMERIC_PARTS = {"YEAR", "MONTH", "DAY"}
PORTABLE_DIFF = {"DAY"}


def lint_file(path: Path, layer: str, name: str = "", *, key: Sequence[str] = ()) -> list[Finding]:
    """The findings of one SQL file; ``key`` is what a report's ORDER BY must cover."""
    return lint(path.read_text(encoding="utf-8"), layer, name or str(path), key=key)


def lint(text: str, layer: str, path: str, *, key: Sequence[str] = ()) -> list[Finding]:
    """The findings of one model.

    Args:
        text: The model's SQL.
        layer: gold, report or city.
        path: What the findings call the file.
        key: The table's key, if known: the final ORDER BY must cover it.
    """
    try:
        tree = sqlglot.parse_one(text, read=DIALECT)
    except SqlglotError as error:
        what = str(error).splitlines()[0].rstrip(".")
        return [Finding(path, 1, "unreadable", f"the SQL cannot be read ({what})", "Correct it")]
    if not isinstance(tree, exp.Query):
        line = line_of(tree)
        return [Finding(path, line, "not-a-select", "the file is not one SELECT", "Write a SELECT")]
    hits = [hit for rule in RULES for hit in rule(tree)]
    hits += list(_final_order(tree, layer, key))
    found = {Finding(path, line_of(hit.node), hit.code, hit.reason, hit.fix) for hit in hits}
    return sorted(found)


def line_of(node: exp.Expression) -> int:
    """The first line that any part of ``node``, or else what surrounds it, was read from."""
    at: exp.Expression | None = node
    while at is not None:
        lines = [int(part.meta["line"]) for part in at.walk() if "line" in part.meta]
        if lines:
            return min(lines)
        at = at.parent
    return 1


def _clocks(tree: exp.Expression) -> Iterator[_Hit]:
    reason = "the result would depend on when it is computed"
    fix = "Use :cut_off_at or :day"
    kinds = (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime)
    for node in tree.find_all(*kinds):
        yield _Hit(node, "clock", reason, fix)
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() in CLOCKS:
            yield _Hit(call, "clock", reason, fix)


def _chance(tree: exp.Expression) -> Iterator[_Hit]:
    reason = "the result would be another in every run"
    for node in tree.find_all(exp.Rand, exp.Randn, exp.Uuid, exp.TableSample):
        yield _Hit(node, "chance", reason, "Order by a hash of the key instead")
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() in CHANCE:
            yield _Hit(call, "chance", reason, "Order by a hash of the key instead")


def _floats(tree: exp.Expression) -> Iterator[_Hit]:
    fix = "Keep DECIMAL or BIGINT, and divide whole numbers with // after scaling"
    for node in tree.find_all(exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance):
        yield _Hit(node, "float", "it computes in floating numbers", fix)
    for node in tree.find_all(exp.Div):
        yield _Hit(node, "float", "/ divides in floating numbers", fix)
    for cast in tree.find_all(exp.Cast):
        if cast.to.is_type("double", "float"):
            yield _Hit(cast, "float", "floating sums depend on the order of the rows", fix)


def _unordered(tree: exp.Expression) -> Iterator[_Hit]:
    reason = "its result depends on the order in which rows arrive"
    for node in tree.find_all(exp.GroupConcat, exp.ArrayAgg):
        inside = node.find(exp.Order)
        if inside is None and not isinstance(node.parent, exp.WithinGroup):
            yield _Hit(node, "unordered-aggregate", reason, "Add ORDER BY inside the call")
    for node in tree.find_all(exp.AnyValue, exp.First, exp.Last, exp.Mode):
        yield _Hit(node, "unordered-aggregate", reason, "Use MIN, MAX or MIN_BY with a total order")
    for window in tree.find_all(exp.Window):
        ranks = isinstance(
            window.this, exp.RowNumber | exp.FirstValue | exp.LastValue | exp.Lag | exp.Lead
        )
        if ranks and not window.args.get("order"):
            yield _Hit(window, "unordered-window", reason, "Add ORDER BY over a whole key")
    for select in tree.find_all(exp.Select):
        if select.args.get("limit") and not select.args.get("order"):
            yield _Hit(select, "unordered-limit", reason, "Add ORDER BY over a whole key")
        distinct = select.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            yield _Hit(select, "distinct-on", reason, "Use ROW_NUMBER with a total order")


def _approximate(tree: exp.Expression) -> Iterator[_Hit]:
    reason = "it approximates"
    for node in tree.find_all(exp.ApproxDistinct, exp.ApproxQuantile, exp.ApproxTopK):
        yield _Hit(node, "approximate", reason, "Count exactly, with COUNT(DISTINCT …)")


def _wrong_lineage(tree: exp.Expression) -> Iterator[_Hit]:
    reason = "column lineage resolves it wrongly without saying so"
    for union in tree.find_all(exp.SetOperation):
        if union.args.get("by_name"):
            yield _Hit(union, "union-by-name", reason, "List the columns in the same order")
    for node in tree.find_all(exp.Lateral):
        yield _Hit(node, "lateral", reason, "Join with a grouped CTE")
    for node in tree.find_all(exp.Columns):
        yield _Hit(node, "columns-expression", reason, "List the columns")
    for node in tree.find_all(exp.Pivot):
        yield _Hit(node, "pivot", reason, "Write one aggregate with FILTER per column")
    for node in tree.find_all(exp.Unnest):
        yield _Hit(node, "unnest", reason, "Join with a table")
    for join in tree.find_all(exp.Join):
        if str(join.args.get("method") or "").upper() == "NATURAL":
            yield _Hit(join, "natural-join", reason, "Write ON with both columns")
    for with_ in tree.find_all(exp.With):
        if with_.args.get("recursive"):
            yield _Hit(with_, "recursive", reason, "Join with a rollup table")


def _stars(tree: exp.Expression) -> Iterator[_Hit]:
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


def _deleted(tree: exp.Expression) -> Iterator[_Hit]:
    for table in tree.find_all(exp.Table):
        if table.db != "silver":
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


def _keeps_living(place: exp.Expression, alias: str, select: exp.Expression | None) -> bool:
    """Whether a condition holds ``NOT alias._is_deleted`` among its ANDs."""
    alone = select is not None and not select.args.get("joins")
    condition = place.this if isinstance(place, exp.Where) else place
    for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
        if isinstance(part, exp.Not) and isinstance(part.this, exp.Column):
            column = part.this
            if column.name == "_is_deleted" and (column.table == alias or alone):
                return True
    return False


def _spark(tree: exp.Expression) -> Iterator[_Hit]:
    reason = "Spark computes or types it differently"
    for node in tree.find_all(exp.Sum):
        if not _inside_cast(node):
            yield _Hit(node, "uncast-sum", reason, "Write CAST(SUM(…) AS BIGINT) or AS DECIMAL")
    for node in tree.find_all(exp.TimestampTrunc, exp.DateTrunc):
        if not _inside_cast(node):
            yield _Hit(node, "uncast-trunc", reason, "Write CAST(DATE_TRUNC(…) AS DATE)")
    for node in tree.find_all(exp.DateDiff, exp.TimestampDiff):
        if str(node.args.get("unit") or "DAY").upper().strip("'") not in PORTABLE_DIFF:
            yield _Hit(node, "date-diff", reason, "Compare with a date plus an INTERVAL")
    for node in tree.find_all(exp.DayOfWeek, exp.DayOfWeekIso, exp.WeekOfYear):
        yield _Hit(node, "day-of-week", reason, "Join with a calendar table")
    for extract in tree.find_all(exp.Extract):
        if str(extract.this).upper() not in NUMERIC_PARTS:
            yield _Hit(extract, "extract", reason, "Extract YEAR, MONTH or DAY only")
    for cast in tree.find_all(exp.TryCast):
        if not cast.to.is_type("decimal", "varchar", "text"):
            yield _Hit(cast, "try-cast", reason, "TRY_CAST to DECIMAL only")
    for node in tree.find_all(exp.RegexpReplace):
        modifiers = node.args.get("modifiers")
        if "g" not in (modifiers.name if modifiers else ""):
            yield _Hit(node, "regexp-replace", reason, "Give 'g' as the fourth argument")
    kinds = (exp.Median, exp.Quantile, exp.PercentileCont, exp.PercentileDisc)
    for node in tree.find_all(*kinds):
        yield _Hit(node, "percentile", reason, "Rank with ROW_NUMBER and pick the row")
    for node in tree.find_all(exp.Struct, exp.ToMap, exp.Map, exp.Slice, exp.Array, exp.Lambda):
        yield _Hit(node, "nested-value", reason, "Use plain columns")
    for join in tree.find_all(exp.Join):
        if str(join.args.get("method") or "").upper() == "ASOF":
            yield _Hit(join, "asof-join", reason, "Use ROW_NUMBER over an ordinary join")
    for select in tree.find_all(exp.Select):
        group = select.args.get("group")
        if group is not None and group.args.get("all"):
            yield _Hit(select, "group-by-all", reason, "List the columns")


def _inside_cast(node: exp.Expression) -> bool:
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


RULES: tuple[Callable[[exp.Expression], Iterator[_Hit]], ...] = (
    _clocks,
    _chance,
    _floats,
    _unordered,
    _approximate,
    _wrong_lineage,
    _stars,
    _deleted,
    _spark,
)
