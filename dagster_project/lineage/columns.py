"""Column lineage of SQL models, read from the SQL itself.

A query is qualified once against the columns of what it reads; then ``flow`` walks every output
back through CTEs, subqueries, joins and unions to the columns of real tables. Nothing here opens a
lake, knows a contract, or believes a comment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from dagster_project.errors import ModelError
from dagster_project.lineage.flow import FILTER, GROUP, IDENTITY, ROWS, Flow, LostError, outputs
from dagster_project.lineage.lines import line_of, line_of_name

__all__ = ["ROWS", "outputs"]

DIALECT = "duckdb"
Kind = Literal["identity", "transformation", "aggregation", "filter", "join", "group", "window"]
DECIDING: frozenset[Kind] = frozenset({"filter", "join", "group", "window"})
"""No value flows along these: the source decides which rows count, or count together."""
Schema = Mapping[str, Mapping[str, str]]
"""``silver.house`` -> its columns and their types."""

_KINDS = tuple(
    tuple(kind for place, kind in enumerate(get_args(Kind)) if bits >> place & 1)
    for bits in range(1 << len(get_args(Kind)))
)
"""Per set of bits of ``flow`` the kinds that they are."""


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
    names = tuple(outputs(scope))
    if len(set(names)) < len(names):
        place = next(place for place, name in enumerate(names) if name in names[:place])
        line = line_of(select_of(scope).selects[place])
        raise ModelError(
            f"two columns of {table} are called {names[place]}",
            where=_where(table, line),
            todo="Give each a name of its own",
        )
    try:
        return _lineage(table, names, Flow(scope))
    except LostError as error:
        text = error.node.sql(dialect=DIALECT, comments=False)[:80]
        raise ModelError(
            f"the columns of {table} cannot be traced (the origin of {text} cannot be found)",
            where=_where(table, line_of(error.node)),
            todo="Name plain columns of tables that stand in FROM or in a join",
        ) from error


def _where(table: str, line: int) -> str:
    return f"sql/{table.replace('.', '/')}.sql:{line}"


def _lineage(table: str, names: tuple[str, ...], flow: Flow) -> ModelLineage:
    deciding, rows = flow.conditions(), flow.rows()
    values = flow.values()
    edges: list[tuple[str, str, str, Kind]] = []
    constants = []
    for name, found in zip(names, values, strict=True):
        if not found:
            constants.append(name)
        for source, bits in deciding.items():
            # A key that a row shows decides nothing more about that row.
            shown = GROUP if found.get(source, 0) & IDENTITY else 0
            found[source] = found.get(source, 0) | (bits & ~shown)
        told = {table for table, _ in found}
        # A table of which nothing is asked has its rows all the same.
        found.update({source: FILTER for source in rows if source[0] not in told})
        edges += [(name, *source, kind) for source, bits in found.items() for kind in _KINDS[bits]]
    edges.sort()
    return ModelLineage(table, names, tuple(Edge(*one) for one in edges), tuple(constants))


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
        what, _, place = str(error).splitlines()[0].rstrip(".").partition(". Line: ")
        line = place.partition(",")[0]
        raise ModelError(
            f"the columns of {table} cannot be traced ({what})",
            where=_where(table, int(line) if line.isdecimal() else _line_in(query, what)),
            todo="Correct the column's name, or the contract of the table that it reads",
        ) from error
    scope = build_scope(qualified)
    if scope is None:
        raise ModelError(f"{table} is not a SELECT", todo="Write one SELECT")
    return scope


def _line_in(query: str | exp.Query, what: str) -> int:
    """The line of the name that a message ends with."""
    tree = sqlglot.parse_one(query, read=DIALECT) if isinstance(query, str) else query
    return line_of_name(tree, what.rpartition(" ")[2].strip("'"))


def select_of(scope: Scope) -> exp.Query:
    """The query of a scope, typed."""
    return cast("exp.Query", scope.expression)


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
