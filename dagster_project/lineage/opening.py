"""One query turned round: from some of its output rows to the source rows that made them.

The query's FROM and WHERE stay as they are; its outputs that are not aggregates become conditions,
the FILTER of the wanted aggregates becomes a condition too, and what is selected are the columns of
the sources. This works level by level through CTEs, subqueries and unions, because each level's
answer is a table of source rows, which is the question to the level below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import duckdb
from sqlglot import exp
from sqlglot.optimizer.scope import Scope

from dagster_project.errors import ModelError
from dagster_project.lineage.columns import ROWS, Schema, scope_of
from dagster_project.lineage.columns import outputs as outputs_of

DIALECT = "duckdb"
MARK = "opened"


@dataclass
class Opened:
    """Rows of one real table that take part: a temp table of them, and the columns that matter."""

    table: str
    temp: str
    columns: set[str] = field(default_factory=set)


class Opener:
    """Opens one model's query. ``tree`` afterwards marks the tables that were opened.

    Args:
        con: Where the tables live; temp tables are made in it.
        table: The model's table.
        query: The model's SELECT without placeholders.
        schema: The columns of every table that it reads.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, table: str, query: exp.Query, schema: Schema
    ) -> None:
        self._con, self._table, self._schema = con, table, schema
        self._scope = scope_of(table, query, schema)
        self.tree = self._scope.expression
        self.statements: list[str] = []
        self._found: dict[str, Opened] = {}

    def open(self, witness: str, keys: Sequence[str], columns: Iterable[str]) -> list[Opened]:
        """The source rows behind some output rows.

        Args:
            witness: A table with the output rows, at least their ``keys``.
            keys: The outputs that identify a row.
            columns: The outputs whose values are asked for.

        Raises:
            ModelError: The query has a form that cannot be opened exactly.
        """
        self._level(self._scope, witness, {name: name for name in keys}, set(columns))
        return list(self._found.values())

    def _refuse(self, what: str) -> ModelError:
        return ModelError(
            f"a figure of {self._table} cannot be traced exactly: {what}",
            where=f"sql/{self._table.replace('.', '/')}.sql",
            todo="Trace a column of a table that it reads",
        )

    def _level(
        self, scope: Scope, witness: str, keys: Mapping[str, str], columns: set[str]
    ) -> None:
        """Open one SELECT or union; ``keys`` maps its outputs to the witness's columns."""
        if scope.set_operation_scopes:
            if not isinstance(scope.expression, exp.Union):
                raise self._refuse("EXCEPT and INTERSECT hide rows that were taken away")
            names = outputs_of(scope)
            for branch in scope.set_operation_scopes:
                rename = dict(zip(names, outputs_of(branch), strict=True))
                self._level(
                    branch,
                    witness,
                    {rename[out]: column for out, column in keys.items()},
                    {rename.get(name, name) for name in columns},
                )
            return
        select = scope.expression
        if not isinstance(select, exp.Select) or select.args.get("limit"):
            raise self._refuse("LIMIT keeps rows by position")
        if select.args.get("with_") and scope is not self._scope:
            raise self._refuse("a WITH inside a subquery")
        outputs = {p.alias_or_name: p.unalias() for p in select.selects}
        wanted = [outputs[name] for name in sorted(columns) if name in outputs]
        condition = _counting_rows(wanted, counts_all=ROWS in columns)
        conditions = [
            (outputs[out], column)
            for out, column in keys.items()
            if _bounds_windows(outputs[out], wanted)
        ]
        for alias, needed in self._needed(scope, wanted, rows=ROWS in columns).items():
            base = self._rows_of(scope, alias, condition)
            temp = self._select(base, self._columns_of(scope.sources[alias]), witness, conditions)
            self._descend(scope, alias, temp, needed)

    def _needed(
        self, scope: Scope, wanted: Sequence[exp.Expr], *, rows: bool
    ) -> dict[str, set[str]]:
        """Per source: the columns whose values flow into the wanted outputs."""
        needed: dict[str, set[str]] = {}
        for output in wanted:
            for column in output.find_all(exp.Column):
                if column.table not in scope.sources:
                    raise self._refuse("a subquery among the outputs")
                if not _only_decides(output, column):
                    needed.setdefault(column.table, set()).add(column.name)
        counts = any(isinstance(s.parent, exp.Count) for o in wanted for s in o.find_all(exp.Star))
        if counts or rows:
            first = scope.expression.args["from_"]
            needed.setdefault(first.this.alias_or_name, set()).add(ROWS)
        return needed

    def _rows_of(self, scope: Scope, alias: str, condition: exp.Expr | None) -> exp.Select:
        """The query's own FROM and WHERE, giving the columns of one source as ``s_…``."""
        base = exp.Select()
        for part in ("from_", "joins", "where", "qualify"):
            value = scope.expression.args.get(part)
            if isinstance(value, list):
                base.set(part, [item.copy() for item in value])
            elif value is not None:
                base.set(part, value.copy())
        if condition is not None:
            base = base.where(condition.copy())
        for name in self._columns_of(scope.sources[alias]):
            base = base.select(exp.alias_(exp.column(name, table=alias), f"s_{name}", quoted=True))
        if with_ := self._scope.expression.args.get("with_"):
            base.set("with_", with_.copy())
        return base

    def _select(
        self,
        base: exp.Select,
        names: Sequence[str],
        witness: str,
        conditions: Sequence[tuple[exp.Expr, str]],
    ) -> str:
        """Make a temp table of those rows that meet one of the witness's rows."""
        matches: list[str] = []
        for expression, column in conditions:
            if expression.find(exp.AggFunc) and not expression.find(exp.Window):
                continue
            key = f"k_{len(matches)}"
            base = base.select(exp.alias_(expression.copy(), key, quoted=True))
            matches.append(f't."{key}" IS NOT DISTINCT FROM w."{column}"')
        temp = f"opened_{len(self.statements)}_{self._table.replace('.', '_')}"
        columns = ", ".join(f't."s_{name}" AS "{name}"' for name in names)
        # An outer join may have found nothing on this side; every silver row has a batch.
        certain = [name for name in names if name == "_batch_id"] or names
        present = " OR ".join(f't."s_{name}" IS NOT NULL' for name in certain)
        sql = (
            f"SELECT DISTINCT {columns} FROM ({base.sql(dialect=DIALECT)}) AS t "
            f"WHERE ({present}) AND EXISTS (SELECT 1 FROM {witness} AS w "
            f"WHERE {' AND '.join(matches) or 'TRUE'})"
        )
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE {temp} AS {sql}")
        self.statements.append(sql)
        return temp

    def _columns_of(self, source: exp.Table | Scope) -> list[str]:
        if isinstance(source, Scope):
            return outputs_of(source)
        return list(self._schema[f"{source.db}.{source.name}"])

    def _descend(self, scope: Scope, alias: str, temp: str, needed: set[str]) -> None:
        source = scope.sources[alias]
        if isinstance(source, Scope):
            names = {name: name for name in outputs_of(source)}
            self._level(source, temp, names, needed)
            return
        name = f"{source.db}.{source.name}"
        for node in self.tree.find_all(exp.Table):
            same = node.db == source.db and node.name == source.name
            if (
                same
                and node.alias_or_name == alias
                and node.find_ancestor(exp.Query) is (scope.expression)
            ):
                node.meta[MARK] = name
        held = self._found.setdefault(name, Opened(name, f"opened_{name.replace('.', '_')}"))
        if held.columns:
            more = f"SELECT * FROM {temp} EXCEPT SELECT * FROM {held.temp}"
            self._con.execute(f"INSERT INTO {held.temp} {more}")
        else:
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE {held.temp} AS FROM {temp}")
        held.columns |= needed


def _counting_rows(wanted: Sequence[exp.Expr], *, counts_all: bool) -> exp.Expr | None:
    """The condition under which a row takes part in any of the wanted outputs; None for always."""
    conditions: list[exp.Expr] = []
    for output in wanted:
        aggregates = [a for a in output.find_all(exp.AggFunc) if not a.find_ancestor(exp.Window)]
        if not aggregates:
            return None
        for aggregate in aggregates:
            holder = aggregate.parent
            if isinstance(holder, exp.Filter):
                conditions.append(holder.expression.this)
            else:
                return None
    if counts_all or not conditions:
        return None
    return cast("exp.Expr", exp.or_(*(c.copy() for c in conditions)))


def _bounds_windows(output: exp.Expr, wanted: Sequence[exp.Expr]) -> bool:
    """Whether an output may narrow the rows down: a rank is made of its whole partition."""
    windows = [window for one in wanted for window in one.find_all(exp.Window)]
    return all(output in window.args.get("partition_by", []) for window in windows)


def _only_decides(output: exp.Expr, column: exp.Column) -> bool:
    """Whether the column stands in a FILTER and gives no value."""
    node: exp.Expr = column
    while node is not output and node.parent is not None:
        if isinstance(node.parent, exp.Filter) and node is not node.parent.this:
            return True
        node = node.parent
    return False
