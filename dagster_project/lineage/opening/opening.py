"""Demands carried through the SQL of models, down to the rows of tables that no model makes.

Every relation of a model (see ``opening_tree``) collects the demands on it; readers come before
what they read, so each is asked once a kind of demand, and asks what it reads (``opening_plan``).
What it takes to say so - the joined rows of a level - is read from the lake as it is; which rows
are opened is decided by demands alone. Relations that many figures ask for are kept as long as the
session lives; ``silver``, which is large, is read in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import duckdb
from sqlglot import exp

from dagster_project.lake.engine import quoted
from dagster_project.lineage.columns import ROWS, Schema
from dagster_project.lineage.describe import SqlModel
from dagster_project.lineage.opening.plan import parts
from dagster_project.lineage.opening.shape import (
    MADE,
    VALUES,
    WANTED,
    Demands,
    Part,
    Shape,
    bound,
    joined,
    reads,
    relation,
    text,
)
from dagster_project.lineage.opening.tree import (
    Leaf,
    Node,
    Select,
    SetOperation,
    columns_read,
    literals_in,
    tree_of,
)

GIVES = "__gives"
SESSION_NAMES = 1_000_000
"""Several sessions may share a connection: each has names of its own."""
FEW = 50
"""So many values are looked at whether they were asked for before."""
MOST_KEPT = 5000
PLACE = ("_batch_id", "_sheet", "_source_row")


@dataclass(frozen=True)
class Opened:
    """Rows of a table that no model makes: ``temp`` holds them, with whether they give a value.

    ``state`` is another one when ``temp`` holds other rows than before.
    """

    table: str
    temp: str
    columns: tuple[str, ...]
    rows: int
    giving: int
    sql: str
    state: int


@dataclass(frozen=True)
class Through:
    """A model's table on the way: a SELECT of its rows that take part."""

    table: str
    sql: str


class Relations:
    """The relations of all models, their plans, and what is kept of their rows.

    Args:
        con: Where the tables live; temp tables are made in it.
        models: Every model by its table, inputs first.
        schema: The columns of every table.
        literals: The parameters of the build.
        many: Many figures will be asked for: what they read of ``silver`` is copied, too.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        models: Mapping[str, SqlModel],
        schema: Schema,
        literals: Mapping[str, exp.Expr],
        many: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        self._con, self._models, self._schema, self._literals = con, models, schema, literals
        self._many = many
        self._read: dict[str, set[str]] = {}
        self._roots: dict[str, Node] = {}
        self._nodes: dict[str, list[Node]] = {}
        self._plans: dict[tuple[Node, Shape], list[Part]] = {}
        self._tests: dict[Shape, str] = {}
        self._there: set[int] = set()
        self._tables: dict[tuple[str, tuple[str, ...]], str] = {}
        self._kept: dict[tuple[str, tuple[object, ...]], tuple[str, int]] = {}
        self._alike: dict[object, tuple[str, int]] = {}
        self._opened: dict[str, tuple[tuple[str, ...], tuple[int, int, int]]] = {}
        self._numbers = numbers_of(con)
        self.number = next(self._numbers)

    def root(self, table: str) -> Node:
        """The relation that makes a model's table."""
        if table not in self._roots:
            query = literals_in(self._models[table].query, self._literals)
            for node in query.find_all(exp.Table):
                below = f"{node.db}.{node.name}"
                if below in self._models:
                    self.root(below)
            made = tree_of(table, query, self._schema, self._roots, self._numbers)
            self._roots[table], self._nodes[table] = made
            for one in made[1]:
                for name, columns in columns_read(one):
                    self._read.setdefault(name, set()).update(columns)
        return self._roots[table]

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table that are opened: what models read of it, and what names a row."""
        every = tuple(self._schema[table])
        if not {*PLACE} <= {*every} and not (table in self._models and table in self._read):
            return every  # nothing less than all of it names a row
        wanted = self._read.get(table, set()).union(PLACE)
        return tuple(name for name in every if name in wanted)

    def held(self, table: str) -> str:
        """A name under which a table can be read fast: ledgers and results are copied, once."""
        layer, _, name = table.partition(".")
        large = layer == "silver"
        columns = self.columns(table) if large and self._many else ()
        if (table, columns) not in self._tables:
            place = f"{quoted(layer)}.{quoted(name)}"
            if layer == "ops" or columns or (table in self._models and not large):
                copy = f"held_{next(self._numbers)}"
                chosen = ", ".join(map(quoted, columns)) or "*"
                self._con.execute(f"CREATE TEMP TABLE {copy} AS SELECT {chosen} FROM {place}")
                place = copy
            self._tables[table, columns] = place
        return self._tables[table, columns]

    def clear(self) -> None:
        """Forget what was kept of figures before, once it is much."""
        if len(self._kept) < MOST_KEPT:
            return
        for name, _ in {*self._alike.values()}:
            self._con.execute(f"DROP TABLE temp.main.{name}")
        self._kept, self._alike, self._opened = {}, {}, {}

    def values(self, sql: str, parameters: Iterable[object] = ()) -> tuple[str, int]:
        """Keep the values of a demand; gives the temp table and how many there are.

        Tables do not change, so the same SQL is asked once; and few values that were asked for
        before have the name that they had, so that what they lead to is known, too.
        """
        given = tuple(parameters)
        key = (sql, given)
        if key not in self._kept:
            name = f"wanted_{next(self._numbers)}"
            made = self._con.execute(f"CREATE TEMP TABLE {name} AS {sql}", [*given]).fetchone()
            count = int(made[0]) if made else 0
            alike: object = name
            if count <= FEW:
                found = self._con.execute(f"FROM {name}")
                columns = tuple(str(one[:2]) for one in found.description or ())
                alike = (columns, tuple(sorted(map(repr, found.fetchall()))))
            if alike in self._alike:
                self._con.execute(f"DROP TABLE temp.main.{name}")
            else:
                self._alike[alike] = (name, count)
            self._kept[key] = self._alike[alike]
        return self._kept[key]

    def open(self, table: str, demands: Demands) -> tuple[dict[str, Demands], dict[str, Demands]]:
        """Carry demands on a model's table to the tables that no model makes.

        Returns:
            The demands on each of those tables, and on each model's table on the way.
        """
        waiting: dict[str, Demands] = {table: demands}
        for name in reversed(tuple(self._models)):
            if name in waiting:
                self._through(name, waiting)
        models = {name: waiting[name] for name in self._models if name in waiting}
        ends = {name: one for name, one in waiting.items() if name not in models}
        return ends, models

    def _through(self, table: str, waiting: dict[str, Demands]) -> None:
        root = self.root(table)
        local: dict[Node, Demands] = {root: waiting[table]}
        for node in self._nodes[table]:
            if isinstance(node, Leaf):
                continue
            for shape, names in joined(local.pop(node, {})).items():
                values = self.merged(shape, names)
                for part in self._plan(node, shape):
                    below = self._ask(part, values)
                    if below is None:
                        continue
                    if isinstance(part.node, Leaf):
                        target = waiting.setdefault(part.node.table, {})
                    else:
                        target = local.setdefault(part.node, {})
                    target.setdefault(part.shape, []).append(below)

    def merged(self, shape: Shape, names: list[str]) -> str:
        """One table of the values of several demands of one shape."""
        distinct = list(dict.fromkeys(names))
        if len(distinct) == 1:
            return distinct[0]
        columns = ", ".join(quoted(name) for name in shape.wanted) or "1 AS c_0"
        name, _ = self.values(" UNION ".join(f"SELECT {columns} FROM {one}" for one in distinct))
        names[:] = [name]
        return name

    def _plan(self, node: Node, shape: Shape) -> list[Part]:
        key = (node, shape)
        if key not in self._plans:
            self._plans[key] = parts(node, shape)
        return self._plans[key]

    def _ask(self, part: Part, values: str) -> str | None:
        """Make the values of a demand below; None if there are none."""
        if part.sql is None:
            return values
        for node in part.needs:
            self.there(node)
        name, count = self.values(part.sql.replace(f'"{VALUES}"', values))
        return name if count else None

    def there(self, node: Node) -> None:
        """See to it that a relation can be read by its name."""
        if node.number in self._there:
            return
        self._there.add(node.number)
        name = relation(node)
        if isinstance(node, Leaf):
            self._con.execute(f"CREATE TEMP VIEW {name} AS FROM {self.held(node.table)}")
            return
        query = self._query(node)
        kind = "VIEW" if isinstance(node, Select) and node.simple else "TABLE"
        self._con.execute(f"CREATE TEMP {kind} {name} AS {text(query)}")

    def _query(self, node: Node) -> exp.Expr:
        """A relation's own SQL over the relations that it reads."""
        if isinstance(node, SetOperation):
            for branch in node.branches:
                self.there(branch)
            copy = node.query.copy()
            copy.set("with_", None)
            for side, branch in zip(("this", "expression"), node.branches, strict=True):
                copy.set(side, exp.select("*").from_(relation(branch)))
            return copy
        if not isinstance(node, Select):
            return exp.select("*").from_(relation(node))
        query = node.query
        for one in reads([query]):
            self.there(one)
        copy = bound(query)
        copy.set("with_", None)
        for source in node.sources:
            self.there(source.node)
        start = copy.args.get("from_")
        places = [start, *(copy.args.get("joins") or [])] if start is not None else []
        for place, source in zip(places, node.sources, strict=True):
            place.set("this", exp.to_table(relation(source.node)).as_(source.alias))
        return copy

    # -- Rows of tables ------------------------------------------------------------------------

    def rows(self, table: str, demands: Demands, *, giving: bool | None = None) -> str:
        """A SELECT of a table's demanded rows.

        Args:
            table: The table.
            demands: What is asked of it.
            giving: Only the demands that give, or only the others; by default all.
        """
        tests = [
            self._test(shape, self.merged(shape, names))
            for shape, names in demands.items()
            if giving is None or shape.giving == giving
        ]
        where = " OR ".join(tests) or "FALSE"
        return f'SELECT * FROM {self.held(table)} AS "{MADE}" WHERE {where}'

    def _test(self, shape: Shape, values: str) -> str:
        """Whether a row meets a demand."""
        if shape not in self._tests:
            bare = [one for one in shape.conditions if not _wants(one)]
            bonds = [one for one in shape.conditions if _wants(one)]
            told = [f"({text(one)})" for one in bare]
            if bonds:
                joined = " AND ".join(f"({text(one)})" for one in bonds)
                told.append(f'EXISTS (SELECT 1 FROM "{VALUES}" AS "{WANTED}" WHERE {joined})')
            self._tests[shape] = f"({' AND '.join(told) or 'TRUE'})"
        return self._tests[shape].replace(f'"{VALUES}"', values)

    def opened(self, table: str, demands: Demands) -> Opened:
        """Open a table that no model makes."""
        columns = self.columns(table)
        temp = f"opened_{self.number}_{table.replace('.', '_')}_{len(columns)}"
        whole = {shape: names for shape, names in demands.items() if shape.once is None}
        gives = " OR ".join(
            self._test(shape, self.merged(shape, names))
            for shape, names in whole.items()
            if shape.giving
        )
        sound = " OR ".join(
            self._test(shape, self.merged(shape, names))
            for shape, names in whole.items()
            if not shape.giving
        )
        held, names = self.held(table), ", ".join(map(quoted, columns))
        select = (
            f"SELECT {names}, coalesce({gives or 'FALSE'}, FALSE) AS {GIVES} FROM {held}"
            f' AS "{MADE}" WHERE ({sound or "FALSE"})'
        )
        picked = [
            self._picked(table, shape, self.merged(shape, names))
            for shape, names in demands.items()
            if shape.once is not None
        ]
        told = [f"CREATE OR REPLACE TEMP TABLE {temp} AS {select}"]
        if picked:
            union = " UNION ".join(f"SELECT {names} FROM ({one})" for one in picked)
            told.append(  # materialized: else all rows are tested, not the few
                f"INSERT INTO {temp} WITH picked AS MATERIALIZED ({union})"
                f" SELECT *, coalesce({gives or 'FALSE'}, FALSE)"
                f' FROM picked AS "{MADE}" WHERE ({sound or "FALSE"}) IS NOT TRUE'
            )
        if table not in self._opened or self._opened[table][0] != tuple(told):
            for sql in told:
                self._con.execute(sql)
            row = self._con.execute(
                f"SELECT COUNT(*), COUNT(*) FILTER (WHERE {GIVES}) FROM {temp}"
            ).fetchone()
            rows, giving = (int(row[0]), int(row[1])) if row else (0, 0)
            self._opened[table] = tuple(told), (rows, giving, next(self._numbers))
        rows, giving, state = self._opened[table][1]
        needed = {name for shape in demands if shape.giving for name in shape.needed} - {ROWS}
        return Opened(table, temp, tuple(sorted(needed)), rows, giving, select, state)

    def _picked(self, table: str, shape: Shape, values: str) -> str:
        """One row of those that agree in what the demand says is enough once."""
        names = self.columns(table)
        held, test = self.held(table), self._test(shape, values)
        once = ", ".join(text(one) for one in shape.once or ())
        if {*PLACE} <= {*names}:
            place = ", ".join(PLACE)
            same = " AND ".join(f"m.{name} IS NOT DISTINCT FROM p.{name}" for name in PLACE)
            first = (
                f"SELECT unnest(min(struct_pack({', '.join(f'{n} := {n}' for n in PLACE)})))"
                f' FROM {held} AS "{MADE}" WHERE {test}{f" GROUP BY {once}" if once else ""}'
            )
            return f"SELECT * FROM {held} AS m SEMI JOIN ({first}) AS p({place}) ON {same}"
        rank = (
            f"row_number() OVER ({f'PARTITION BY {once} ' if once else ''}"
            f"ORDER BY {', '.join(quoted(name) for name in names)})"
        )
        return f'SELECT * FROM {held} AS "{MADE}" WHERE {test} QUALIFY {rank} = 1'


def numbers_of(con: duckdb.DuckDBPyConnection) -> Iterator[int]:
    """The numbers of a session's names: the same for the same work, whatever the process did."""
    con.execute("CREATE TEMP SEQUENCE IF NOT EXISTS openings MINVALUE 0 START 0")
    session = con.execute("SELECT nextval('temp.main.openings')").fetchone()
    return itertools.count(SESSION_NAMES * (session[0] if session else 0) + 1)


def _wants(condition: exp.Expr) -> bool:
    return any(column.table == WANTED for column in condition.find_all(exp.Column))


def tables_of(tree: exp.Expr) -> Iterator[exp.Table]:
    """The tables of the lake that a query reads: not its CTEs."""
    return (node for node in tree.find_all(exp.Table) if node.db)
