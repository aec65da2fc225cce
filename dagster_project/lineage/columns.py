"""Column lineage of SQL models, read from the SQL itself.

A query is qualified once against the columns of what it reads; then every output column is walked
back through CTEs, subqueries, joins and unions to the columns of real tables. Nothing here opens a
lake, knows a contract, or believes a comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from dagster_project.errors import ModelError

DIALECT = "duckdb"
Kind = Literal["identity", "transformation", "aggregation", "filter", "join", "group", "window"]
DECIDING: frozenset[Kind] = frozenset({"filter", "join", "group", "window"})
"""No value flows along these: the source decides which rows count, or count together."""
Schema = Mapping[str, Mapping[str, str]]
"""``silver.house`` -> its columns and their types."""

# Along one path the strongest kind wins.
RANK: Mapping[str, int] = {"identity": 0, "transformation": 1, "aggregation": 2, "filter": 3}
ROWS = "*"


@dataclass(frozen=True, order=True)
class Edge:
    """One output column depends on one column of a table.

    ``kind`` is identity, transformation or aggregation when values flow; otherwise the source only
    decides which rows count: filter, join, group (a key of GROUP BY or DISTINCT) or window (the
    PARTITION BY and ORDER BY of a window). The source column ``*`` means the table's rows, as in
    ``COUNT(*)``. ``by`` names the repairs and rules of a contract that act along the edge.
    """

    column: str
    source_table: str
    source_column: str
    kind: Kind
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelLineage:
    """Where every column of one table comes from; ``constants`` come from the SQL text alone."""

    table: str
    columns: tuple[str, ...]
    edges: tuple[Edge, ...]
    constants: tuple[str, ...] = ()

    def sources(self, column: str, *, values_only: bool = True) -> tuple[Edge, ...]:
        """The edges of one column; by default only those along which values flow."""
        return tuple(
            edge
            for edge in self.edges
            if edge.column == column and not (values_only and edge.kind in DECIDING)
        )

    @property
    def uncovered(self) -> tuple[str, ...]:
        """Columns without a known origin; a sound model has none."""
        known = {edge.column for edge in self.edges} | set(self.constants)
        return tuple(name for name in self.columns if name not in known)


def lineage_of(table: str, query: str | exp.Query, schema: Schema) -> ModelLineage:
    """Read the lineage of one model.

    Args:
        table: The table that the query makes, with its layer.
        query: One SELECT in DuckDB's dialect; it is not changed.
        schema: The columns of every table that the query reads.

    Raises:
        ModelError: A table or column is unknown, or the query cannot be resolved.
    """
    scope = scope_of(table, query, schema)
    walker = _Walker(scope)
    names = tuple(outputs(scope))
    edges: set[Edge] = set()
    constants = []
    for name in names:
        found = walker.column(scope, name)
        if not found:
            constants.append(name)
        edges |= {Edge(name, *source, kind) for source, kind in found.items()}
        edges |= {Edge(name, *source, kind) for source, kind in walker.conditions(scope)}
    return ModelLineage(table, names, tuple(sorted(edges)), tuple(constants))


def scope_of(table: str, query: str | exp.Query, schema: Schema) -> Scope:
    """Qualify a query against the columns of what it reads and give its root scope.

    Raises:
        ModelError: A table or column is unknown, or the query cannot be resolved.
    """
    tree = sqlglot.parse_one(query, read=DIALECT) if isinstance(query, str) else query.copy()
    read = {f"{node.db}.{node.name}" for node in tree.find_all(exp.Table)}
    nested: dict[str, object] = {}
    for name, columns in schema.items():
        if name not in read:
            continue
        layer, _, stem = name.partition(".")
        tables = nested.setdefault(layer, {})
        if isinstance(tables, dict):
            tables[stem] = dict(columns)
    try:
        qualified = qualify(
            tree,
            schema=nested,
            dialect=DIALECT,
            quote_identifiers=False,
            identify=False,
        )
    except SqlglotError as error:
        what = str(error).splitlines()[0].rstrip(".")
        raise ModelError(
            f"the columns of {table} cannot be traced ({what})",
            where=f"sql/{table.replace('.', '/')}.sql",
            todo="Correct the column's name, or the contract of the table that it reads",
        ) from error
    scope = build_scope(qualified)
    if scope is None:
        raise ModelError(f"{table} is not a SELECT", todo="Write one SELECT")
    return scope


def select_of(scope: Scope) -> exp.Query:
    """The query of a scope, typed."""
    return cast("exp.Query", scope.expression)


def outputs(scope: Scope) -> list[str]:
    """The names of a scope's output columns, in order."""
    return list(select_of(scope).named_selects)


Source = tuple[str, str]
Found = dict[Source, Kind]


class _Walker:
    """Walks scopes back to tables, remembering what it has already seen."""

    def __init__(self, root: Scope) -> None:
        self._owners = {id(scope.expression): scope for scope in root.traverse()}
        self._columns: dict[tuple[int, str], Found] = {}
        self._conditions: dict[int, frozenset[tuple[Source, Kind]]] = {}

    def column(self, scope: Scope, name: str) -> Found:
        """The table columns whose values flow into the output ``name`` of ``scope``."""
        key = (id(scope), name)
        if key in self._columns:
            return self._columns[key]
        found: Found = {}
        if scope.set_operation_scopes:
            position = outputs(scope).index(name)
            for branch in scope.set_operation_scopes:
                part = outputs(branch)[position]
                _merge(found, self.column(branch, part))
        else:
            projection = next(p for p in select_of(scope).selects if p.alias_or_name == name)
            _merge(found, self._expression(scope, projection.unalias()))
        self._columns[key] = found
        return found

    def _expression(self, scope: Scope, root: exp.Expr) -> Found:
        found: Found = {}
        for column in root.find_all(exp.Column):
            kind = _kind(root, column)
            for source, below in self._resolve(column).items():
                _merge(found, {source: max(kind, below, key=RANK.__getitem__)})
        for star in root.find_all(exp.Star):
            if isinstance(star.parent, exp.Count):
                for source in self._counted(scope):
                    _merge(found, {source: "aggregation"})
        return found

    def _resolve(self, column: exp.Column) -> Found:
        source = self._source(column)
        if isinstance(source, exp.Table):
            return {(f"{source.db}.{source.name}", column.name): "identity"}
        return self.column(source, column.name)

    def _source(self, column: exp.Column) -> exp.Table | Scope:
        """What a column's alias stands for; a correlated subquery finds it further out."""
        scope: Scope | None = self._owners.get(id(column.find_ancestor(exp.Query)))
        while scope is not None:
            if column.table in scope.sources:
                return scope.sources[column.table]
            scope = scope.parent
        raise ModelError(
            f"the origin of column {column.sql(dialect=DIALECT)} cannot be found",
            todo="Write the SELECT without lateral references",
        )

    def _counted(self, scope: Scope) -> Iterator[Source]:
        """``COUNT(*)`` counts the rows of the first source, down to its tables."""
        start = scope.expression.args.get("from_")
        if start is None:
            return
        yield from self._rows(scope.sources.get(start.this.alias_or_name))

    def _rows(self, source: exp.Table | Scope | None) -> Iterator[Source]:
        if isinstance(source, exp.Table):
            yield (f"{source.db}.{source.name}", ROWS)
        elif isinstance(source, Scope):
            for branch in source.set_operation_scopes or [source]:
                yield from self._counted(branch)

    def conditions(self, scope: Scope) -> frozenset[tuple[Source, Kind]]:
        """The table columns that decide which rows reach ``scope``, here or further down."""
        if id(scope) in self._conditions:
            return self._conditions[id(scope)]
        found: set[tuple[Source, Kind]] = set()
        for branch in scope.set_operation_scopes or []:
            found |= self.conditions(branch)
        if not scope.set_operation_scopes:
            for node, kind in _condition_nodes(scope.expression):
                for column in node.find_all(exp.Column):
                    found |= {(source, kind) for source in self._resolve(column)}
            for _, origin in scope.selected_sources.values():
                if isinstance(origin, Scope):
                    found |= self.conditions(origin)
            for sub in scope.subquery_scopes:
                found |= self.conditions(sub)
        self._conditions[id(scope)] = frozenset(found)
        return self._conditions[id(scope)]


def _merge(into: Found, more: Found) -> None:
    for source, kind in more.items():
        if source not in into or RANK[kind] > RANK[into[source]]:
            into[source] = kind


def _kind(root: exp.Expr, column: exp.Column) -> Kind:
    """What happens to a column's value between its place in an expression and the output."""
    kind: Kind = "identity"
    node: exp.Expr = column
    while node is not root:
        parent = node.parent
        if parent is None:
            break
        if isinstance(parent, exp.Filter) and node is not parent.this:
            return "filter"
        if isinstance(parent, exp.AggFunc | exp.Window):
            kind = "aggregation"
        elif kind == "identity" and not isinstance(parent, exp.Alias | exp.Paren):
            kind = "transformation"
        node = parent
    return kind


def _condition_nodes(select: exp.Expr) -> Iterator[tuple[exp.Expr, Kind]]:
    for name in ("where", "having", "qualify"):
        if node := select.args.get(name):
            yield node, "filter"
    for join in select.args.get("joins") or []:
        if on := join.args.get("on"):
            yield on, "join"


def coverage(models: Sequence[ModelLineage]) -> tuple[int, int]:
    """Columns with a known origin, and all columns."""
    total = sum(len(model.columns) for model in models)
    return total - sum(len(model.uncovered) for model in models), total


def markdown(lineage: ModelLineage) -> str:
    """The lineage of a table as a markdown table, for screens without a lineage view."""
    lines = ["| column | from | how |", "| --- | --- | --- |"]
    for column in lineage.columns:
        edges = lineage.sources(column)
        if not edges:
            lines.append(f"| {column} | | constant |")
        for edge in edges:
            origin = f"{edge.source_table}.{edge.source_column}"
            lines.append(f"| {column} | `{origin}` | {edge.kind} |")
    deciding = sorted(
        {
            (f"`{edge.source_table}.{edge.source_column}`", edge.kind)
            for edge in lineage.edges
            if edge.kind in DECIDING
        }
    )
    if deciding:
        lines += ["", "Rows are decided by: " + ", ".join(f"{o} ({k})" for o, k in deciding) + "."]
    return "\n".join(lines)
