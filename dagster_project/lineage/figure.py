"""One figure opened: the rows of other tables that it was made of, and the figure computed again.

The models' SQL is turned round (see ``opening``) level by level until tables are reached that no
model makes. The figure is then computed once more from their opened rows alone. What those rows
are - rows of delivered files, or of packages - is told by ``trace`` and ``packages``. What cannot
be opened exactly is refused with a sentence, not approximated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb
from sqlglot import exp

from dagster_project.errors import ModelError, UsageError
from dagster_project.lineage.columns import ROWS, Schema
from dagster_project.lineage.describe import SqlModel
from dagster_project.lineage.opening import DIALECT, MARK, Opened, Opener


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


@dataclass(frozen=True)
class Grounds:
    """What to open with.

    ``schema`` holds the columns of every table; ``literals`` the parameters of the build;
    ``given`` the keys of the tables that no model makes and whose figures may be asked for, too;
    ``ledgers`` says whether rows of ``ops`` are an answer: at a site that receives, they are.
    """

    models: Mapping[str, SqlModel]
    schema: Schema
    literals: Mapping[str, exp.Expr]
    given: Mapping[str, Sequence[str]]
    ledgers: bool = False


@dataclass(frozen=True)
class Step:
    """One table that was opened on the way: how many of its rows take part, and by which SQL."""

    table: str
    rows: int
    sql: str


@dataclass(frozen=True)
class End:
    """Opened rows of a table that no model makes, in a temp table, and the columns that matter."""

    table: str
    temp: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """A figure, as it stands and as computed from the opened rows alone.

    ``ends`` are the opened tables that no model makes.
    """

    shown: object
    recomputed: object
    suppressed: bool
    steps: tuple[Step, ...]
    ends: tuple[End, ...]

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
    return _Opening(con, grounds).run(asked)


class _Opening:
    def __init__(self, con: duckdb.DuckDBPyConnection, grounds: Grounds) -> None:
        self._con, self._grounds = con, grounds
        self._models, self._schema = grounds.models, grounds.schema
        self._trees: dict[str, exp.Expr] = {}
        self._steps: list[Step] = []
        self._opened: set[str] = set()
        self._wanted: dict[str, set[str]] = {}

    def run(self, asked: Asked) -> Figure:
        """Open, compute again."""
        shown, suppressed = self._pick(asked)
        self._wanted[asked.table] = {asked.column}
        if asked.table in self._models:
            self._open_all()
            recomputed = self._recompute(asked.table, asked.column)
        else:
            self._opened.add(asked.table)
            self._steps.append(Step(asked.table, 1, ""))
            recomputed = shown
        ends = tuple(
            End(name, _witness(name), tuple(sorted(self._wanted[name] - {ROWS})))
            for name in sorted(self._opened - self._models.keys())
        )
        if recomputed is None and shown is not None and not self._any_row(ends):
            recomputed = 0  # nothing was opened: a count or a sum of nothing
        return Figure(shown, recomputed, suppressed, tuple(self._steps), ends)

    def _any_row(self, ends: Iterable[End]) -> bool:
        return any(
            self._con.execute(f"SELECT 1 FROM {one.temp} LIMIT 1").fetchone() for one in ends
        )

    def _pick(self, asked: Asked) -> tuple[object, bool]:
        """Find the one row and keep its key as the first witness."""
        table, where, column = asked.table, asked.where, asked.column
        models = (name for name in self._models if not name.startswith("silver."))
        figures = [*models, *self._grounds.given]
        if table not in figures:  # an entity's rows are persons and things, no figures
            known = ", ".join(sorted(figures))
            raise UsageError(f"there is no table {table}", todo=f"Name one of {known}")
        names = list(self._schema[table])
        for name in (column, *where):
            if name not in names:
                raise UsageError(
                    f"{table} has no column {name}", todo=f"Name one of {', '.join(names)}"
                )
        keys = self._grounds.given.get(table) or self._models[table].contract.key
        if column in keys:
            raise UsageError(f"{column} names the rows of {table}", todo="Name a figure's column")
        condition = " AND ".join(f'CAST("{name}" AS VARCHAR) = ?' for name in where) or "TRUE"
        flag = "suppressed" if "suppressed" in names else "FALSE"
        found = self._con.execute(
            f'SELECT "{column}", {flag} FROM {table} WHERE {condition}', list(where.values())
        ).fetchall()
        if len(found) != 1:
            raise UsageError(
                f"{len(found)} rows of {table} fit, and one is needed",
                todo=f"Give a value for each of {', '.join(keys)}",
            )
        self._con.execute(
            f"CREATE OR REPLACE TEMP TABLE {_witness(table)} AS "
            f"SELECT * FROM {table} WHERE {condition}",
            list(where.values()),
        )
        return found[0][0], bool(found[0][1])

    def _open_all(self) -> None:
        """Open the model and, readers first, every model below it that takes part."""
        for name in reversed(tuple(self._models)):
            if name in self._wanted:
                for part in self._open(name, self._wanted[name]):
                    self._wanted.setdefault(part.table, set()).update(part.columns)

    def _open(self, table: str, columns: set[str]) -> list[Opened]:
        model = self._models[table]
        query = _with_literals(model.query, self._grounds.literals)
        opener = Opener(self._con, table, query, self._schema)
        opened = opener.open(_witness(table), model.contract.key, columns)
        self._trees[table] = opener.tree
        names = ", ".join(sorted(columns))
        if not opened:
            raise ModelError(
                f"no table's values flow into {names} of {table}",
                todo="Trace a column that counts or sums something",
            )
        for part in opened:
            if part.table.startswith("ops.") and not self._grounds.ledgers:
                raise ModelError(
                    f"{names} of {table} comes from {part.table}, which records what the "
                    "programme did and not rows of files",
                    todo=f"Look into {part.table} with `countylake sql`",
                )
            self._keep(part, opener.statements[-1])
        return opened

    def _keep(self, part: Opened, sql: str) -> None:
        """Merge opened rows with those that another path has opened."""
        target = _witness(part.table)
        if part.table in self._opened:
            more = f"SELECT * FROM {part.temp} EXCEPT SELECT * FROM {target}"
            self._con.execute(f"INSERT INTO {target} {more}")
        else:
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE {target} AS FROM {part.temp}")
        self._opened.add(part.table)
        row = self._con.execute(f"SELECT COUNT(*) FROM {target}").fetchone()
        self._steps.append(Step(part.table, int(row[0]) if row else 0, sql))

    def _recompute(self, table: str, column: str) -> object:
        """Evaluate the opened models again, from the opened silver rows only."""
        for name in self._models:
            if name not in self._trees:
                continue
            tree = self._trees[name].copy()
            for node in list(tree.find_all(exp.Table)):
                if opened := node.meta.get(MARK):
                    source = _again(opened) if opened in self._trees else _witness(opened)
                    node.replace(exp.alias_(exp.to_table(source), node.alias_or_name, table=True))
            self._con.execute(
                f"CREATE OR REPLACE TEMP TABLE {_again(name)} AS {tree.sql(dialect=DIALECT)}"
            )
        matches = " AND ".join(
            f'a."{key}" IS NOT DISTINCT FROM w."{key}"' for key in self._models[table].contract.key
        )
        row = self._con.execute(
            f'SELECT a."{column}" FROM {_again(table)} AS a '
            f"JOIN {_witness(table)} AS w ON {matches}"
        ).fetchone()
        return row[0] if row else None


def _with_literals(query: exp.Query, literals: Mapping[str, exp.Expr]) -> exp.Query:
    tree = query.copy()
    for node in list(tree.find_all(exp.Placeholder)):
        node.replace(literals[node.name].copy())
    return tree


def _witness(table: str) -> str:
    return f"witness_{table.replace('.', '_')}"


def _again(table: str) -> str:
    return f"again_{table.replace('.', '_')}"
