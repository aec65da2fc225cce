"""What a model's SQL may not hold if its figures are to be opened exactly.

The engine (see ``opening``) turns a query round by what decides its rows. Whatever keeps rows by
their position, makes rows that stand in no table, or reads a subquery's outer row where the
subquery's own WHERE cannot say so, is refused here, on the text alone, when a model is loaded.
What makes a result differ from run to run (clocks, chance, missing order) is the lint's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from sqlglot import exp


class Refusal(NamedTuple):
    """One construct that cannot be opened exactly."""

    node: exp.Expr
    code: str
    reason: str
    fix: str


POSITION = "it keeps rows by their position, so a figure has no rows of its own"
UNKNOWN_ROWS = "its rows stand in no table that could be opened"
OUTER = "a figure cannot be opened through it"

_KINDS: tuple[tuple[type[exp.Expr], str, str, str, Callable[[Any], bool]], ...] = (
    (exp.Limit, "row-limit", POSITION, "Rank with ROW_NUMBER and keep the ranks", lambda _: True),
    (exp.Fetch, "row-limit", POSITION, "Rank with ROW_NUMBER and keep the ranks", lambda _: True),
    (exp.Offset, "row-limit", POSITION, "Rank with ROW_NUMBER and keep the ranks", lambda _: True),
    (
        exp.Distinct,
        "distinct-on",
        POSITION,
        "Use ROW_NUMBER with a total order",
        lambda node: bool(node.args.get("on")),
    ),
    (exp.TableSample, "sample", POSITION, "Read all rows", lambda _: True),
    (exp.Lateral, "lateral", UNKNOWN_ROWS, "Join with a grouped CTE", lambda _: True),
    (exp.Unnest, "unnest", UNKNOWN_ROWS, "Join with a table", lambda _: True),
    (exp.Values, "values", UNKNOWN_ROWS, "Write SELECT … UNION ALL SELECT …", lambda _: True),
    (
        exp.Table,
        "table-function",
        UNKNOWN_ROWS,
        "Join with a table",
        lambda node: not isinstance(node.this, exp.Identifier),
    ),
    (
        exp.With,
        "recursive",
        OUTER,
        "Join with a rollup table",
        lambda node: bool(node.args.get("recursive")),
    ),
    (exp.Pivot, "pivot", OUTER, "Write one aggregate with FILTER per column", lambda _: True),
    (
        exp.Join,
        "join-kind",
        OUTER,
        "Write an ordinary join with ON",
        lambda node: (
            str(node.args.get("method") or "").upper() in {"NATURAL", "ASOF", "POSITIONAL"}
        ),
    ),
    (
        exp.Column,
        "row-position",
        POSITION,
        "Use a column of the contract",
        lambda node: node.name.lower() in {"rowid", "filename", "file_row_number"},
    ),
)


def refusals(tree: exp.Expr) -> Iterator[Refusal]:
    """Every construct of a parsed model through which no figure can be opened exactly.

    Args:
        tree: One SELECT as it was parsed, with its line numbers.
    """
    queries = []
    for node in tree.walk():
        for _, code, reason, fix, applies in _kinds_of(type(node)):
            if applies(node):
                yield Refusal(node, code, reason, fix)
        if isinstance(node, exp.Query):
            queries.append(node)
    yield from _outer(queries)


_BY_TYPE: dict[type[exp.Expr], tuple[Any, ...]] = {}


def _kinds_of(kind: type[exp.Expr]) -> tuple[Any, ...]:
    if kind not in _BY_TYPE:
        _BY_TYPE[kind] = tuple(one for one in _KINDS if issubclass(kind, one[0]))
    return _BY_TYPE[kind]


def _outer(queries: Iterable[exp.Query]) -> Iterator[Refusal]:
    """Subqueries that read their outer row elsewhere than in their own WHERE."""
    for query in queries:
        if not in_expression(query):
            continue
        own = {_alias(node) for node in query.find_all(exp.Table, exp.Subquery)}
        for column in query.find_all(exp.Column):
            if column.table and column.table not in own and not _decides(query, column):
                reason = "a subquery reads its outer row elsewhere than in its own WHERE"
                yield Refusal(column, "outer-row", reason, "Join with a grouped CTE")


def in_expression(query: exp.Expr) -> bool:
    """Whether a query stands among values or conditions, not in FROM, WITH or a set operation."""
    if not isinstance(query, exp.Select | exp.SetOperation):
        return False
    parent = query.parent
    if isinstance(parent, exp.Subquery):
        parent = parent.parent
    return parent is not None and not isinstance(
        parent, exp.From | exp.Join | exp.CTE | exp.SetOperation | exp.Subquery
    )


def _alias(node: exp.Expr) -> str:
    return node.alias_or_name


def _decides(query: exp.Expr, column: exp.Column) -> bool:
    """Whether a column stands in the WHERE of just this SELECT, and in no subquery of it."""
    where = query.args.get("where") if isinstance(query, exp.Select) else None
    if where is None or column.find_ancestor(exp.Query) is not query:
        return False
    node: exp.Expr | None = column
    while node is not None and node is not query:
        if node is where:
            return True
        node = node.parent
    return False
