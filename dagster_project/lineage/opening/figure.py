"""One figure opened: the rows of other tables that it was made of, and the figure computed again.

The models' SQL is turned round (see ``opening``) until tables are reached that no model makes. The
figure is then computed once more by the models' own SQL, with nothing but the opened rows in those
tables. What the rows are - rows of delivered files, of packages, of ledgers - is told by ``trace``
and ``packages``. What cannot be opened exactly is refused when a model is loaded (``openable``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import Table
from dagster_project.errors import UsageError
from dagster_project.lake.engine import quoted
from dagster_project.lineage.columns import Schema
from dagster_project.lineage.describe import SqlModel
from dagster_project.lineage.opening.opening import GIVES, Opened, Relations, tables_of
from dagster_project.lineage.opening.shape import DIALECT, WANTED, Demands, Shape, of, same
from dagster_project.lineage.opening.sql import one_select
from dagster_project.lineage.opening.tree import literals_in

FLAG = "suppressed"
_STATES = itertools.count(1)
MOST_KEYS = 50
"""So many rows of a table on the way are named."""


class SqlGraph(Protocol):
    """What this room needs to know of a graph of models."""

    @property
    def models(self) -> Mapping[str, SqlModel]:
        """Every model by its table, inputs first."""


@dataclass(frozen=True)
class Asked:
    """Which figure: a table, values of columns that pick out one of its rows, and a column."""

    table: str
    where: Mapping[str, str]
    column: str


Suppress = Callable[[duckdb.DuckDBPyConnection, str, Table], object]


@dataclass(frozen=True)
class Grounds:
    """What to open with.

    ``schema`` holds the columns of every table; ``literals`` the parameters of the build;
    ``given`` the keys of the tables that no model makes and whose figures may be asked for, too;
    ``suppress`` blanks small cells as the build did: whether a row has any is a figure as well.
    """

    models: Mapping[str, SqlModel]
    schema: Schema
    literals: Mapping[str, exp.Expr]
    given: Mapping[str, Sequence[str]]
    suppress: Suppress | None = None


@dataclass(frozen=True)
class Step:
    """One table that was opened on the way: how many of its rows take part, and by which SQL.

    ``key`` names the rows; ``keys`` are those of the first of them, as text. A table of ``silver``
    has none here: its keys name persons and things.
    """

    table: str
    rows: int
    sql: str
    key: tuple[str, ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class End:
    """Opened rows of a table that no model makes, in a temp table.

    The values of ``columns`` flow into the figure; rows that are only ``deciding`` give none: they
    are what others were joined to, compared with, or shown to be there by.
    """

    table: str
    temp: str
    columns: tuple[str, ...]
    deciding: bool = False
    rows: int = 0


@dataclass(frozen=True)
class Figure:
    """A figure, as it stands and as computed from the opened rows alone.

    ``ends`` are the opened tables that no model makes, each up to twice: its rows that give values,
    then those that only decide. They can be read until the next figure is opened. ``sql`` is one
    SELECT over the lake that yields exactly this figure.
    """

    shown: object
    recomputed: object
    suppressed: bool
    steps: tuple[Step, ...]
    ends: tuple[End, ...]
    sql: str = ""

    @property
    def equal(self) -> bool:
        """Whether both agree; a figure that is not shown has nothing to agree with."""
        return self.recomputed == self.shown or (self.suppressed and self.shown is None)


def open_figure(con: duckdb.DuckDBPyConnection, grounds: Grounds, asked: Asked) -> Figure:
    """Open one figure down to tables that no model makes.

    Args:
        con: A reader with the lake in use; temp tables are made in it.
        grounds: What to open with.
        asked: Which figure.

    Raises:
        UsageError: No such table, column or row, or more rows than one.
        ModelError: The figure cannot be opened exactly.
    """
    return Openings(con, grounds, many=False).open(asked)


class Openings:
    """Opens many figures of one state of the tables: what they share is read once.

    Args:
        con: A reader with the tables; they must not change while this lives.
        grounds: What to open with.
        many: Copy what the figures read of ``silver``, for many will be opened.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, grounds: Grounds, *, many: bool = True
    ) -> None:
        self._con, self._grounds = con, grounds
        self._models, self._schema = grounds.models, grounds.schema
        self._relations = Relations(con, grounds.models, grounds.schema, grounds.literals, many)
        self._empty: dict[str, str] = {}
        self._texts: dict[tuple[str, ...], str] = {}
        self._again: dict[str, tuple[exp.Expr, list[exp.Table]]] = {}
        self._made: dict[str, tuple[tuple[object, ...], int]] = {}
        self._views: dict[str, str] = {}
        self._found: dict[str, list[tuple[object, ...]]] = {}

    def open(self, asked: Asked) -> Figure:
        """Open, compute again; see ``open_figure``."""
        try:
            self._con.execute("BEGIN")  # else each statement asks the lake's catalogue anew
        except duckdb.TransactionException:
            return self._open(asked)
        try:
            return self._open(asked)
        finally:
            self._con.execute("COMMIT")

    def _open(self, asked: Asked) -> Figure:
        self._relations.clear()
        key = self._key(asked)
        shown, suppressed, values = self._pick(asked, key)
        if asked.table not in self._models:
            return self._given(asked, shown, suppressed)
        demands = self._asked(asked, key, values)
        found, through = self._relations.open(asked.table, demands)
        opened = {table: self._relations.opened(table, demands) for table, demands in found.items()}
        again = self._recompute(through, opened)
        if self._is_flag(asked):
            self._suppress(asked, again)
        recomputed = self._cell(again, asked, key, values)
        steps = (
            *(self._step(name, through[name]) for name in reversed(through) if name != asked.table),
            *(Step(one.table, one.rows, one.sql) for one in opened.values()),
        )
        ends = tuple(end for name in sorted(opened) for end in self._ends(opened[name]))
        return Figure(shown, recomputed, suppressed, steps, ends, self._sql(asked, key, values))

    def _key(self, asked: Asked) -> Sequence[str]:
        """The key of the asked table, after a look at the question."""
        table = asked.table
        models = (name for name in self._models if not name.startswith("silver."))
        figures = [*models, *self._grounds.given]
        if table not in figures:  # an entity's rows are persons and things, no figures
            known = ", ".join(sorted(figures))
            raise UsageError(f"there is no table {table}", todo=f"Name one of {known}")
        names = list(self._schema[table])
        for name in (asked.column, *asked.where):
            if name not in names:
                raise UsageError(
                    f"{table} has no column {name}", todo=f"Name one of {', '.join(names)}"
                )
        key = self._grounds.given.get(table) or self._models[table].contract.key
        if asked.column in key:
            raise UsageError(
                f"{asked.column} names the rows of {table}", todo="Name a figure's column"
            )
        return key

    def _pick(self, asked: Asked, key: Sequence[str]) -> tuple[object, bool, str]:
        """Find the one row; its key is the first demand's value."""
        held = self._relations.held(asked.table)
        condition = " AND ".join(f"CAST({quoted(name)} AS VARCHAR) = ?" for name in asked.where)
        flag = FLAG if FLAG in self._schema[asked.table] else "FALSE"
        columns = ", ".join(f"{quoted(name)} AS {quoted(f'k_{n}')}" for n, name in enumerate(key))
        matching = f"FROM {held} WHERE {condition or 'TRUE'}"
        values, count = self._relations.values(
            f"SELECT {columns or '1 AS k_0'} {matching}", asked.where.values()
        )
        found = self._con.execute(
            f"SELECT {quoted(asked.column)}, {flag} {matching}", [*asked.where.values()]
        ).fetchmany(2)
        if len(found) != 1:
            raise UsageError(
                f"{count} rows of {asked.table} fit, and one is needed",
                todo=f"Give a value for each of {', '.join(key)}",
            )
        return found[0][0], bool(found[0][1]), values

    def _given(self, asked: Asked, shown: object, suppressed: bool) -> Figure:  # noqa: FBT001
        """A figure of a table that no model makes: its row is all there is to open."""
        temp = f"opened_{asked.table.replace('.', '_')}"
        condition = " AND ".join(f"CAST({quoted(name)} AS VARCHAR) = ?" for name in asked.where)
        self._con.execute(
            f"CREATE OR REPLACE TEMP TABLE {temp} AS SELECT * FROM {asked.table}"
            f" WHERE {condition or 'TRUE'}",
            list(asked.where.values()),
        )
        end = End(asked.table, temp, (asked.column,), rows=1)
        return Figure(shown, shown, suppressed, (Step(asked.table, 1, ""),), (end,))

    def _is_flag(self, asked: Asked) -> bool:
        """Whether the figure says that small cells of its row were blanked."""
        contract = self._models[asked.table].contract
        return asked.column == FLAG and contract.small_cells is not None

    def _asked(self, asked: Asked, key: Sequence[str], values: str) -> Demands:
        """The first demands: what the figure needs, and what gives it its value."""
        if self._is_flag(asked):  # all rows and counts decide which cells must be blank
            every = frozenset(self._schema[asked.table])
            return {Shape((), every): [values], Shape((), every, giving=True): [values]}
        conditions = tuple(same(of(name), of(f"k_{n}", table=WANTED)) for n, name in enumerate(key))
        needed = frozenset({asked.column})
        return {
            Shape(conditions, needed): [values],
            Shape(conditions, needed, giving=True): [values],
        }

    def _recompute(
        self, through: Mapping[str, Demands], opened: Mapping[str, Opened]
    ) -> dict[str, str]:
        """Evaluate the models on the way again, from opened rows only."""
        made: dict[str, str] = {}
        for name in through:
            if name not in self._again:
                query = literals_in(self._models[name].query, self._grounds.literals)
                self._again[name] = (query, list(tables_of(query)))
            tree, nodes = self._again[name]
            state: list[object] = []
            for node in nodes:
                table = node.meta.setdefault("table", f"{node.db}.{node.name}")
                if table in made:
                    place = made[table]
                    state.append(self._made[table][1])
                elif table in opened:
                    place = self._bare(opened[table])
                    state.append(opened[table].state)
                else:
                    place = self._none(table)
                    state.append(None)
                alias = node.alias_or_name if not node.alias else node.alias
                node.set("db", None)
                node.set("this", exp.to_identifier(place))
                node.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
            made[name] = self._place("again", name)
            read = (name, *(node.name for node in nodes))
            if name in self._made and self._made[name][0] == (read, *state):
                continue  # of the same rows it would be the same
            if read not in self._texts:
                self._texts[read] = tree.sql(dialect=DIALECT)
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE {made[name]} AS {self._texts[read]}")
            self._made[name] = ((read, *state), next(_STATES))
        return made

    def _place(self, kind: str, table: str) -> str:
        return f"{kind}_{self._relations.number}_{table.replace('.', '_')}"

    def _bare(self, opened: Opened) -> str:
        place = self._place("again", opened.table)
        self._view(place, f"SELECT * EXCLUDE {GIVES} FROM {opened.temp}")
        return place

    def _view(self, name: str, sql: str) -> None:
        """A view, made once: the table below may be replaced by one of the same columns."""
        if self._views.get(name) != sql:
            self._con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")
            self._views[name] = sql

    def _none(self, table: str) -> str:
        """The table without a row, in place of one of which nothing was opened."""
        if table not in self._empty:
            self._empty[table] = self._place("none", table)
            self._con.execute(
                f"CREATE OR REPLACE TEMP TABLE {self._empty[table]} AS"
                f" SELECT * FROM {self._relations.held(table)} LIMIT 0"
            )
        return self._empty[table]

    def _suppress(self, asked: Asked, again: Mapping[str, str]) -> None:
        if self._grounds.suppress is not None:
            contract = self._models[asked.table].contract
            self._grounds.suppress(self._con, again[asked.table], contract)
            self._made.pop(asked.table)

    def _cell(
        self, again: Mapping[str, str], asked: Asked, key: Sequence[str], values: str
    ) -> object:
        matches = " AND ".join(
            f"a.{quoted(name)} IS NOT DISTINCT FROM w.k_{n}" for n, name in enumerate(key)
        )
        row = self._con.execute(
            f"SELECT a.{quoted(asked.column)} FROM {again[asked.table]} AS a"
            f" JOIN {values} AS w ON {matches or 'TRUE'}"
        ).fetchone()
        return row[0] if row else None

    def _step(self, table: str, demands: Demands) -> Step:
        """A model's table on the way: its rows that take part."""
        gives = any(shape.giving for shape in demands)
        sql = self._relations.rows(table, demands, giving=gives)
        key = () if table.startswith("silver.") else tuple(self._models[table].contract.key)
        columns = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in key)
        if sql not in self._found:
            self._found[sql] = self._con.execute(
                f"SELECT COUNT(*) OVER (){', ' if key else ''}{columns} FROM ({sql})"
                f" ORDER BY ALL LIMIT {MOST_KEYS if key else 1}"
            ).fetchall()
        found = self._found[sql]
        keys = cast("tuple[tuple[str, ...], ...]", tuple(row[1:] for row in found)) if key else ()
        return Step(table, int(str(found[0][0])) if found else 0, sql, key, keys)

    def _ends(self, opened: Opened) -> Iterator[End]:
        """The opened rows of one table: those that give, then those that only decide."""
        base = f"{opened.temp}_{{}}"
        for deciding, count in ((False, opened.giving), (True, opened.rows - opened.giving)):
            if count or (not deciding and not opened.rows):
                temp = base.format("decides" if deciding else "gives")
                self._view(
                    temp,
                    f"SELECT * EXCLUDE {GIVES} FROM {opened.temp}"
                    f" WHERE {'NOT ' if deciding else ''}{GIVES}",
                )
                columns = () if deciding else opened.columns
                yield End(opened.table, temp, columns, deciding, count)

    def _sql(self, asked: Asked, key: Sequence[str], values: str) -> str:
        """One SELECT over the lake that yields exactly this figure."""
        names = ", ".join(f"k_{n}" for n in range(len(key)))
        row = self._con.execute(f"SELECT {names or 1} FROM {values}").fetchone()
        told = dict(zip(key, row or (), strict=False))
        query = literals_in(self._models[asked.table].query, self._grounds.literals)
        return one_select(query, asked.column, told)
