"""What can be said of a relation or an expression from its SQL alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dagster_project.lineage.opening.shape import has_sub
from dagster_project.lineage.opening.stage import aggregates, windows
from dagster_project.lineage.opening.tree import (
    Leaf,
    Node,
    Select,
    SetOperation,
    own_columns,
)

NULL_IGNORING = (exp.Count, exp.Sum, exp.Min, exp.Max)


def adds_only(  # noqa: PLR0911 - one answer a kind of relation
    node: Node, needed: frozenset[str]
) -> bool:
    """Whether more rows below can only mean more rows here, as far as these columns say.

    Then no row can appear here because rows below were not opened.
    """
    if isinstance(node, Leaf):
        return node.root is None or adds_only(node.root, needed)
    if isinstance(node, SetOperation):
        if not node.adds:
            return False
        places = [node.names.index(name) for name in needed if name in node.names]
        if node.distinct:
            places = list(range(len(node.names)))
        return all(
            adds_only(branch, frozenset(branch.names[place] for place in places))
            for branch in node.branches
        )
    if not isinstance(node, Select):
        return False
    exprs = [node.outputs[name] for name in needed if name in node.outputs]
    if node.distinct:
        exprs = list(node.outputs.values())
    if node.subs or node.qualify or node.having or windows(*exprs):
        return False
    if node.grouped and not (node.group and all(is_key(node, one) for one in exprs)):
        return False
    if any(source.kind != "core" for source in node.sources):
        return False
    used = [*exprs, *node.where, *node.group, *(on for one in node.sources for on in one.on)]
    return all(
        adds_only(
            source.node,
            frozenset(c.name for c in own_columns(node.number, *used) if c.table == source.alias),
        )
        for source in node.sources
    )


def is_key(select: Select, expression: exp.Expr) -> bool:
    """Whether an expression is the same for all rows of a group."""
    if any(aggregates(expression)) or has_sub(expression):
        return False

    def hidden(node: exp.Expr) -> exp.Expr:
        return exp.null() if node in select.group else node

    return not own_columns(select.number, expression.transform(hidden))


def only_of(select: Select, expression: exp.Expr, keys: Sequence[exp.Expr]) -> bool:
    """Whether an expression is the same for all rows of a partition."""

    def hidden(node: exp.Expr) -> exp.Expr:
        return exp.null() if node in keys else node

    return not own_columns(select.number, expression.transform(hidden))


def weighing(exprs: Sequence[exp.Expr]) -> exp.Expr | None:
    """The condition under which a row counts in any of the aggregates; None for always."""
    conditions: list[exp.Expr] = []
    for expression in exprs:
        for aggregate in aggregates(expression):
            own: list[exp.Expr] = []
            if isinstance(aggregate.parent, exp.Filter):
                own.append(aggregate.parent.expression.this)
            argument = aggregate.this
            if isinstance(argument, exp.Distinct):
                argument = argument.expressions[0] if len(argument.expressions) == 1 else None
            if (
                isinstance(aggregate, NULL_IGNORING)
                and argument is not None
                and not isinstance(argument, exp.Star)
                and not aggregate.expressions
            ):
                own.append(exp.Not(this=exp.Is(this=exp.paren(argument), expression=exp.null())))
            if not own or any(has_sub(one) for one in own):
                return None
            conditions.append(exp.paren(exp.and_(*(one.copy() for one in own))))
    return exp.paren(exp.or_(*conditions)) if conditions else None


def only_decides(output: exp.Expr, column: exp.Column) -> bool:
    """Whether the column stands in a FILTER and gives no value."""
    node: exp.Expr = column
    while node is not output and node.parent is not None:
        if isinstance(node.parent, exp.Filter) and node is not node.parent.this:
            return True
        node = node.parent
    return False


def is_unique(  # noqa: PLR0911 - one answer a kind of relation
    node: Node, equal: frozenset[str], first: frozenset[str] = frozenset()
) -> bool:
    """Whether a relation has one row at most for values of some columns.

    Args:
        node: The relation.
        equal: Columns that are fixed.
        first: Columns that are fixed to 1.
    """
    if isinstance(node, Leaf) and node.root is not None:
        return is_unique(node.root, equal, first)
    if not isinstance(node, Select):
        return False
    if node.distinct:
        return {*node.names} <= equal
    fixed = {node.outputs[name] for name in equal if name in node.outputs}
    if node.grouped:
        return not node.sets and {*node.group} <= fixed
    for name in first:
        one = node.outputs.get(name)
        ranks = isinstance(one, exp.Window) and isinstance(one.this, exp.RowNumber)
        if one is not None and ranks and {*(one.args.get("partition_by") or ())} <= fixed:
            return True
    if len(node.sources) == 1 and not node.subs:
        below = {one.name for one in fixed if isinstance(one, exp.Column)}
        ones = {
            node.outputs[name].name
            for name in first
            if isinstance(node.outputs.get(name), exp.Column)
        }
        return is_unique(node.sources[0].node, frozenset(below), frozenset(ones))
    return False
