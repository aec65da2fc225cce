"""A model's SQL as a tree of relations: tables, set operations, and SELECTs of one stage each.

Each SELECT here either joins, or groups, or ranks rows, so that what its rows need of the rows
below can be said by one rule (see ``opening_plan``). Nothing is opened or evaluated here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from dagster_project.errors import ModelError
from dagster_project.lineage.columns import Schema, scope_of
from dagster_project.lineage.openable import in_expression, refusals

OWNER = "owner"
"""On a column: the number of the SELECT whose rows it is read from."""
RELATION = "relation"
"""On a table within an expression's subquery: the relation that it reads."""
SUB = "sub"
"""On a subquery among values or conditions: its place among the SELECT's ``subs``."""
SETS = ("grouping_sets", "rollup", "cube")


@dataclass(eq=False)
class Node:
    """A relation; ``number`` tells them apart, ``names`` are its columns."""

    number: int
    names: tuple[str, ...]


@dataclass(eq=False)
class Leaf(Node):
    """A table of the lake; ``root`` is the relation that makes it, or None if no model does."""

    table: str
    root: Node | None = None


@dataclass(eq=False)
class SetOperation(Node):
    """UNION, EXCEPT or INTERSECT; ``adds`` says that each row is a row of some branch."""

    adds: bool
    distinct: bool
    branches: tuple[Node, ...]
    query: exp.Expr


@dataclass
class Source:
    """One relation in a FROM; ``kind``: core, left, semi, anti or outer (RIGHT and FULL)."""

    alias: str
    node: Node
    kind: str
    on: tuple[exp.Expr, ...] = ()
    join: exp.Join | None = None


@dataclass
class Sub:
    """A subquery among values or conditions.

    ``node`` gives the rows that it reads, before any aggregation; ``bonds`` are the conditions of
    its WHERE that read the outer row; ``member`` is set for ``x IN (SELECT y …)``: x and y.
    """

    node: Node
    bonds: tuple[exp.Expr, ...]
    member: tuple[exp.Expr, str] | None


@dataclass(eq=False)
class Select(Node):
    """One SELECT of one stage. Columns of its own sources carry its number as their owner."""

    outputs: dict[str, exp.Expr]
    sources: list[Source]
    where: tuple[exp.Expr, ...]
    grouped: bool
    group: tuple[exp.Expr, ...]
    sets: bool
    having: exp.Expr | None
    qualify: exp.Expr | None
    distinct: bool
    query: exp.Expr
    subs: list[Sub] = field(default_factory=list)

    @property
    def simple(self) -> bool:
        """Whether rows of one relation are only chosen and computed with."""
        return (
            len(self.sources) == 1
            and not (self.grouped or self.distinct or self.subs or self.qualify)
            and not any(one.find(exp.Window) for one in self.outputs.values())
        )


def conjuncts(condition: exp.Expr | None) -> tuple[exp.Expr, ...]:
    """The parts of a condition that must all hold."""
    if condition is None:
        return ()
    bare = condition.unnest()
    if isinstance(bare, exp.And):
        return (*conjuncts(bare.left), *conjuncts(bare.right))
    return (bare,)


def own_columns(number: int, *expressions: exp.Expr) -> list[exp.Column]:
    """The columns of one SELECT's sources in expressions, those in their subqueries included."""
    return [
        column
        for expression in expressions
        for column in expression.find_all(exp.Column)
        if column.meta.get(OWNER) == number
    ]


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


def tree_of(
    table: str,
    query: exp.Query,
    schema: Schema,
    roots: Mapping[str, Node],
    numbers: Iterator[int],
) -> tuple[Node, list[Node]]:
    """The relations of one model.

    Args:
        table: The model's table.
        query: Its SELECT without placeholders.
        schema: The columns of every table that it reads.
        roots: The relations of the models that it reads.
        numbers: Gives each relation its number.

    Returns:
        The model's own relation, and all its relations, readers before what they read.

    Raises:
        ModelError: The query cannot be resolved, or holds what cannot be opened exactly.
    """
    qualified = scope_of(table, query, schema).expression
    for refused in refusals(qualified):
        raise ModelError(
            f"a figure of {table} cannot be opened exactly: {refused.reason} ({refused.code})",
            where=f"sql/{table.replace('.', '/')}.sql",
            todo=refused.fix,
        )
    scope = build_scope(staged(qualified))
    if scope is None:
        raise ModelError(f"{table} is not a SELECT", todo="Write one SELECT")
    builder = _Builder(schema, roots, numbers)
    root = builder.node(scope)
    return root, list(reversed(builder.made))


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


class _Builder:
    """Builds each scope once; a relation is made after what it reads."""

    def __init__(self, schema: Schema, roots: Mapping[str, Node], numbers: Iterator[int]) -> None:
        self._schema, self._roots, self._numbers = schema, roots, numbers
        self._known: dict[int, Node] = {}
        self._leaves: dict[str, Leaf] = {}
        self.made: list[Node] = []

    def node(self, scope: Scope) -> Node:
        """The relation of a scope."""
        key = id(scope.expression)
        if key not in self._known:
            made = self._setop(scope) if scope.set_operation_scopes else self._select(scope)
            self._known[key] = made
            self.made.append(made)
        return self._known[key]

    def _source(self, source: exp.Table | Scope) -> Node:
        if isinstance(source, Scope):
            return self.node(source)
        table = f"{source.db}.{source.name}"
        if table not in self._leaves:
            names = tuple(self._schema[table])
            self._leaves[table] = Leaf(next(self._numbers), names, table, self._roots.get(table))
        return self._leaves[table]

    def _setop(self, scope: Scope) -> SetOperation:
        query = cast("exp.SetOperation", scope.expression)
        branches = tuple(self.node(branch) for branch in scope.set_operation_scopes)
        return SetOperation(
            next(self._numbers),
            tuple(query.named_selects),
            isinstance(query, exp.Union),
            bool(query.args.get("distinct")),
            branches,
            query,
        )

    def _select(self, scope: Scope) -> Select:
        query = cast("exp.Select", scope.expression)
        number = next(self._numbers)
        sources = list(self._sources(scope, query))
        outputs = {one.alias_or_name: one.unalias() for one in query.selects}
        group = query.args.get("group")
        having = query.args.get("having")
        sets = group is not None and any(group.args.get(kind) for kind in SETS)
        where, qualify = query.args.get("where"), query.args.get("qualify")
        select = Select(
            number=number,
            names=tuple(query.named_selects),
            outputs=outputs,
            sources=sources,
            where=conjuncts(where.this if where else None),
            grouped=bool(group) or any(any(aggregates(one)) for one in outputs.values()),
            group=tuple(group.expressions) if group and not sets else (),
            sets=sets,
            having=having.this if having else None,
            qualify=qualify.this if qualify else None,
            distinct=bool(query.args.get("distinct")),
            query=query,
        )
        self._own(scope, {one.alias for one in sources}, number)
        for sub in scope.subquery_scopes:
            sub.expression.meta[SUB] = len(select.subs)
            self._relate(sub)
            select.subs.append(self._sub(sub, number))
        return select

    def _sources(self, scope: Scope, query: exp.Select) -> Iterator[Source]:
        start = query.args.get("from_")
        if start is None:
            return
        joins: Sequence[exp.Join] = query.args.get("joins") or []
        first = start.this
        yield Source(first.alias_or_name, self._source(scope.sources[first.alias_or_name]), "core")
        for join in joins:
            side, kind = str(join.side or "").lower(), str(join.kind or "").lower()
            place = "core"
            if kind in {"semi", "anti"} or side == "left":
                place = kind if kind in {"semi", "anti"} else "left"
            elif side in {"right", "full"}:
                place = "outer"
            alias = join.this.alias_or_name
            node = self._source(scope.sources[alias])
            yield Source(alias, node, place, conjuncts(join.args.get("on")), join)

    @staticmethod
    def _own(scope: Scope, aliases: set[str], number: int) -> None:
        """Mark the columns that are read from this SELECT's sources, wherever they stand."""
        for column in scope.expression.find_all(exp.Column):
            query = column.find_ancestor(exp.Select)
            while query is not None and query is not scope.expression:
                if column.table in _aliases(query):
                    break
                query = query.find_ancestor(exp.Select)
            if query is scope.expression and column.table in aliases:
                column.meta[OWNER] = number

    def _relate(self, scope: Scope) -> None:
        """Mark the tables of an expression's subquery with the relations that they read."""
        for inner in scope.traverse():
            for node in inner.tables:
                source = inner.sources.get(node.alias_or_name)
                if source is not None:
                    node.meta[RELATION] = self._source(source)

    def _sub(self, scope: Scope, outer: int) -> Sub:
        query = scope.expression
        reads_outer = own_columns(outer, query)
        member = None
        holder = query.parent if not isinstance(query.parent, exp.Subquery) else query.parent.parent
        if not isinstance(query, exp.Select) or not reads_outer:
            node = self.node(scope)
            is_member = isinstance(holder, exp.In) and not isinstance(holder.this, exp.Tuple)
            if is_member and not reads_outer:
                member = (holder.this, query.named_selects[0])
            if reads_outer:
                raise ModelError(
                    "a figure cannot be opened through a set operation that reads an outer row",
                    todo="Join with a grouped CTE",
                )
            return Sub(node, (), member)
        inner = self._select(scope)
        bonds = tuple(one for one in inner.where if own_columns(outer, one))
        used = {(column.table, column.name): column for column in own_columns(inner.number, query)}
        inner.outputs = {f"{table}.{name}": column for (table, name), column in used.items()}
        inner.names = tuple(inner.outputs)
        inner.where = tuple(one for one in inner.where if one not in bonds)
        inner.grouped, inner.group, inner.having, inner.sets = False, (), None, False
        inner.qualify, inner.distinct = None, False
        self.made.append(inner)
        return Sub(inner, bonds, None)


def _aliases(query: exp.Select) -> set[str]:
    start = query.args.get("from_")
    parts = [start, *(query.args.get("joins") or [])] if start is not None else []
    return {part.this.alias_or_name for part in parts}


def literals_in(query: exp.Query, literals: Mapping[str, exp.Expr]) -> exp.Query:
    """The query with every placeholder replaced."""
    tree = query.copy()
    for node in list(tree.find_all(exp.Placeholder)):
        node.replace(literals[node.name].copy())
    return tree
