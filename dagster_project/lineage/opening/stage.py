"""A query with each of its SELECTs in one stage: grouping, then ranking, then DISTINCT."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from sqlglot import exp

from dagster_project.errors import ModelError
from dagster_project.lineage.opening.openable import in_expression

SETS = ("grouping_sets", "rollup", "cube")


def aggregates(expression: exp.Expr) -> Iterator[exp.Expr]:
    """The aggregates that stand for a group's rows: not windows, not those of subqueries."""
    for node in expression.find_all(exp.AggFunc):
        if not (_is_window_function(node) or _is_inside_query(node, expression)):
            yield node


def windows(*expressions: exp.Expr) -> list[exp.Window]:
    """The windows of expressions, without those of their subqueries."""
    return [
        window
        for expression in expressions
        for window in expression.find_all(exp.Window)
        if not _is_inside_query(window, expression)
    ]


def _is_window_function(node: exp.Expr) -> bool:
    below, parent = node, node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        if below is not parent.this:
            return False
        below, parent = parent, parent.parent
    return isinstance(parent, exp.Window) and below is parent.this


def _is_inside_query(node: exp.Expr, root: exp.Expr) -> bool:
    parent = node.parent if node is not root else None
    while parent is not None:
        if isinstance(parent, exp.Select | exp.SetOperation):
            return True
        if parent is root:
            return False
        parent = parent.parent
    return False


def staged(tree: exp.Expr) -> exp.Expr:
    """The same query, each of its SELECTs in one stage: grouping, then ranking, then DISTINCT."""
    number = itertools.count()
    for select in reversed(list(tree.find_all(exp.Select))):
        if in_expression(select) and _reads_outer(select):
            continue
        new = _split_group(select, number)
        new = _split_distinct(new, number)
        if select is tree:
            tree = new
        elif new is not select:
            select.replace(new)
    for query in tree.find_all(exp.Select, exp.SetOperation):
        query.set("order", None)
    return tree


def _reads_outer(select: exp.Select) -> bool:
    own = {node.alias_or_name for node in select.find_all(exp.Table, exp.Subquery)}
    return any(column.table not in own for column in select.find_all(exp.Column))


def _split_group(select: exp.Select, number: Iterator[int]) -> exp.Select:
    """Put grouping below ranking and DISTINCT."""
    outputs = select.expressions
    qualify = select.args.get("qualify")
    plain = [one for output in outputs for one in aggregates(output)]
    group = select.args.get("group")
    tops = windows(*outputs, *([qualify] if qualify else []))
    if not (plain or group) or not (tops or qualify or select.args.get("distinct")):
        return select
    if group is not None and any(group.args.get(kind) for kind in SETS):
        raise ModelError(
            "a figure cannot be opened through GROUPING SETS with windows or DISTINCT",
            todo="Group in a CTE of its own",
        )
    name = f"grouped_{next(number)}"
    inner = exp.Select()
    outer = exp.Select()
    for part in ("from_", "joins", "where", "group", "having"):
        inner.set(part, select.args.get(part))
    for part in ("with_", "distinct"):
        outer.set(part, select.args.get(part))
    known: dict[exp.Expr, str] = {}
    for place, key in enumerate(group.expressions if group is not None else ()):
        known[key] = f"k_{place}"

    def lifted(node: exp.Expr) -> exp.Expr:
        if node.find_ancestor(exp.Select, exp.SetOperation):
            return node
        whole = node.this if isinstance(node, exp.Filter) else node
        is_plain = isinstance(whole, exp.AggFunc) and not _is_window_function(whole)
        if is_plain and node not in known:
            known[node.copy()] = f"a_{len(known)}"
        return exp.column(known[node], table=name) if node in known else node

    outer.set("expressions", [output.transform(lifted) for output in outputs])
    if qualify:
        outer.set("qualify", qualify.transform(lifted))
    inner.set("expressions", [exp.alias_(key.copy(), alias) for key, alias in known.items()])
    outer.set("from_", exp.From(this=exp.Subquery(this=inner, alias=exp.to_identifier(name))))
    return outer


def _split_distinct(select: exp.Select, number: Iterator[int]) -> exp.Select:
    """Put ranking below DISTINCT."""
    if not select.args.get("distinct") or not (
        windows(*select.expressions) or select.args.get("qualify")
    ):
        return select
    name = f"ranked_{next(number)}"
    outer = exp.Select()
    for part in ("with_", "distinct"):
        outer.set(part, select.args.get(part))
        select.set(part, None)
    columns = [one.alias_or_name for one in select.expressions]
    outer.set("expressions", [exp.alias_(exp.column(one, table=name), one) for one in columns])
    inner = select.copy()
    outer.set("from_", exp.From(this=exp.Subquery(this=inner, alias=exp.to_identifier(name))))
    return outer
