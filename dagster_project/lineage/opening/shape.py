"""The words in which demands are said: their form, and the SQL that they are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from dagster_project.lineage.opening.tree import RELATION, Node

DIALECT = "duckdb"
MADE = "__made"
"""In a demand's conditions: the relation's rows."""
WANTED = "__wanted"
"""In a demand's conditions: the demand's values."""
VALUES = "__values__"
"""In a plan's SQL: the place for the table of the demand's values."""
HERE = "__here"
WANTED_FROM = "__from__"
"""In a FROM: the place for the demand's values."""


@dataclass(frozen=True)
class Shape:
    """A demand without its values.

    ``conditions`` hold for a demanded row and one of the values; ``needed`` are the columns that
    must be right. With ``once`` it is enough if of the rows that agree in these expressions one is
    opened. ``giving`` asks only for the rows whose values flow into ``needed``.
    """

    conditions: tuple[exp.Expr, ...]
    needed: frozenset[str]
    giving: bool = False
    once: tuple[exp.Expr, ...] | None = None

    @property
    def columns(self) -> frozenset[str]:
        """All columns that the demand speaks of."""
        more = (*self.conditions, *(self.once or ()))
        return self.needed | {
            one.name for part in more for one in part.find_all(exp.Column) if one.table == MADE
        }

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns of the values that the conditions speak of."""
        every = (one for part in self.conditions for one in part.find_all(exp.Column))
        return tuple(sorted({one.name for one in every if one.table == WANTED}))


Demands = dict[Shape, list[str]]
"""Demands of each shape: the temp tables of their values."""


@dataclass(frozen=True)
class Part:
    """A demand on a relation below: ``sql`` yields its values, or None if they stay the same."""

    node: Node
    shape: Shape
    sql: str | None
    needs: tuple[Node, ...]


def text(expression: exp.Expr) -> str:
    """SQL in which every name is quoted."""
    return expression.sql(dialect=DIALECT, identify=True)


def relation(node: Node) -> str:
    """The name under which a relation's rows can be read."""
    return f"relation_{node.number}"


def bound(expression: exp.Expr) -> exp.Expr:
    """A copy whose subqueries read relations by their names."""
    copy = expression.copy()
    for table in list(copy.find_all(exp.Table)):
        node = table.meta.get(RELATION)
        if node is not None:
            table.replace(exp.to_table(relation(node)).as_(table.alias_or_name))
    return copy


def reads(expressions: Iterable[exp.Expr]) -> Iterator[Node]:
    """The relations that subqueries in expressions read."""
    for expression in expressions:
        for table in expression.find_all(exp.Table):
            if RELATION in table.meta:
                yield table.meta[RELATION]


def of(name: str, *, table: str = MADE) -> exp.Column:
    """A column of the demanded rows."""
    return exp.column(name, table=table, quoted=True)


def same(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Equality in which NULL is a value."""
    return exp.NullSafeEQ(this=exp.paren(left.copy()), expression=exp.paren(right.copy()))


def put(expression: exp.Expr, outputs: dict[str, exp.Expr]) -> exp.Expr:
    """Say the relation's columns by what they are made of."""

    def replaced(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.table == MADE:
            return exp.paren(outputs[node.name].copy())
        return node

    return expression.transform(replaced)


def has_sub(expression: exp.Expr) -> bool:
    """Whether an expression holds a subquery."""
    return expression.find(exp.Select, exp.SetOperation) is not None


def from_(query: exp.Select, parts_: Sequence[exp.Expr], values: str) -> None:
    """Set FROM: the demand's values first, then tables and joins."""
    tables: list[exp.Expr] = []
    for part in parts_:
        if isinstance(part, exp.Table) and part.name == WANTED_FROM:
            raw = f'"{VALUES}"' if values == VALUES else values
            tables.append(exp.Var(this=f'{raw} AS "{WANTED}"'))
        else:
            tables.append(part)
    query.set("from_", exp.From(this=tables[0]))
    query.set(
        "joins",
        [
            one if isinstance(one, exp.Join) else exp.Join(this=one, kind="CROSS")
            for one in tables[1:]
        ],
    )


def ordered(conditions: Iterable[exp.Expr]) -> tuple[exp.Expr, ...]:
    """Conditions in an order of their own, so that equal demands are equal."""
    return tuple(sorted(conditions, key=lambda one: one.sql()))


def joined(demands: Demands) -> Demands:
    """Fewer demands: those alike but for the columns that must be right, as one."""
    found: dict[tuple[object, ...], tuple[set[str], list[str]]] = {}
    for shape, names in demands.items():
        # Rows that give must not be mixed: only of the same values they are the same rows.
        apart = tuple(sorted({*names})) if shape.giving else ()
        key = (shape.conditions, shape.giving, shape.once, apart)
        needed, values = found.setdefault(key, (set(), []))
        needed |= shape.needed
        values += names
    made: Demands = {}
    for (conditions, giving, once, _), (needed, values) in found.items():
        shape = Shape(
            cast("tuple[exp.Expr, ...]", conditions),
            frozenset(needed),
            bool(giving),
            cast("tuple[exp.Expr, ...] | None", once),
        )
        made.setdefault(shape, []).extend(values)
    return made
