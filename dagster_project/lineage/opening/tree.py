"""A model's SQL as a tree of relations: tables, set operations, and SELECTs of one stage each.

Each SELECT here either joins, or groups, or ranks rows, so that what its rows need of the rows
below can be said by one rule (see ``opening_plan``). Nothing is opened or evaluated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from dagster_project.errors import ModelError
from dagster_project.lineage.columns import Schema, scope_of
from dagster_project.lineage.opening.openable import refusals
from dagster_project.lineage.opening.stage import SETS, aggregates, staged

OWNER = "owner"
"""On a column: the number of the SELECT whose rows it is read from."""
RELATION = "relation"
"""On a table within an expression's subquery: the relation that it reads."""
SUB = "sub"
"""On a subquery among values or conditions: its place among the SELECT's ``subs``."""


@dataclass(eq=False)
class Node:
    """A relation; ``number`` tells them apart, ``names`` are its columns."""

    number: int
    names: tuple[str, ...]

    def __deepcopy__(self, memo: object) -> Node:
        """Itself: expressions are copied often, and only refer to relations."""
        return self


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
        holder = query.parent
        if isinstance(holder, exp.Subquery):
            holder = holder.parent
        if not isinstance(query, exp.Select) or not reads_outer:
            node = self.node(scope)
            is_member = isinstance(holder, exp.In) and not isinstance(holder.this, exp.Tuple)
            if is_member and not reads_outer:
                member = (cast("exp.In", holder).this, cast("exp.Query", query).named_selects[0])
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


def columns_read(node: Node) -> Iterator[tuple[str, set[str]]]:
    """The columns that a relation reads of tables of the lake."""
    if isinstance(node, Select):
        every = own_columns(node.number, node.query)
        for source in node.sources:
            if isinstance(source.node, Leaf):
                read = {column.name for column in every if column.table == source.alias}
                yield source.node.table, read
