"""One figure opened into the rows of the files that it was made of, and computed again from them.

Row lists are never stored: the models' SQL is turned round (see ``opening``) level by level until
silver is reached. The figure is then computed once more from the opened rows alone; a trace says
whether both agree. What cannot be traced exactly is refused with a sentence, not approximated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import Contracts
from dagster_project.errors import ModelError, UsageError
from dagster_project.lake.batch_files import real_file
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.describe import SqlModel, base_schema
from dagster_project.lineage.opening import DIALECT, MARK, Opened, Opener

PLACE = ("_batch_id", "_sheet", "_source_row")


class SqlGraph(Protocol):
    """What this room needs to know of a graph of models."""

    @property
    def models(self) -> Mapping[str, SqlModel]:
        """Every model by its table, inputs first."""


@dataclass(frozen=True)
class SourceRow:
    """One row of one delivered file; ``row`` counts records from 1, titles and header included."""

    table: str
    batch_id: str
    path: str
    sha256: str
    sheet: str
    row: int


@dataclass(frozen=True)
class SourceFile:
    """One delivered file and how many of its rows take part."""

    table: str
    batch_id: str
    path: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Step:
    """One table that was opened on the way: how many of its rows take part, and by which SQL."""

    table: str
    rows: int
    sql: str


@dataclass(frozen=True)
class Trace:
    """A figure and where it comes from.

    ``figure`` is as published (None when it is not shown); ``recomputed`` is computed from the
    opened rows alone; ``missing`` counts opened silver rows whose bronze row or file is unknown.
    """

    table: str
    where: Mapping[str, str]
    column: str
    figure: object
    recomputed: object
    equal: bool
    suppressed: bool
    steps: tuple[Step, ...]
    files: tuple[SourceFile, ...]
    rows: tuple[SourceRow, ...]
    row_count: int
    missing: int


def trace(  # noqa: PLR0917 - what to read with, then what to read
    con: duckdb.DuckDBPyConnection,
    graph: SqlGraph,
    contracts: Contracts,
    lineages: Mapping[str, ModelLineage],
    literals: Mapping[str, exp.Expr],
    table: str,
    where: Mapping[str, str],
    column: str,
    *,
    limit: int = 1000,
) -> Trace:
    """Open one figure.

    Args:
        con: A reader with the lake in use; temp tables are made in it.
        graph: The models, as they were when the table was built.
        contracts: The contracts of feeds and tables.
        lineages: The models' lineage (see ``describe.lineages``): gives their columns.
        literals: The parameters of the build (``Parameters.literals()``).
        table: A gold or report table.
        where: Values of columns that pick out one row.
        column: The figure's column.
        limit: How many rows to list; all are counted.

    Raises:
        UsageError: No such table, column or row, or more rows than one.
        ModelError: The figure cannot be traced exactly.
    """
    return _Tracer(con, graph, contracts, lineages, literals).run(table, where, column, limit)


class _Tracer:
    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        graph: SqlGraph,
        contracts: Contracts,
        lineages: Mapping[str, ModelLineage],
        literals: Mapping[str, exp.Expr],
    ) -> None:
        self._con, self._models, self._literals = con, graph.models, literals
        self._schema = base_schema(contracts)
        for name, lineage in lineages.items():
            self._schema[name] = dict.fromkeys(lineage.columns, "UNKNOWN")
        self._trees: dict[str, exp.Expr] = {}
        self._steps: list[Step] = []
        self._opened: set[str] = set()

    def run(self, table: str, where: Mapping[str, str], column: str, limit: int) -> Trace:
        """Open, list, compute again, compare."""
        figure, suppressed = self._pick(table, where, column)
        self._open_all(table, column)
        rows, files, missing = self._sources(limit)
        count = sum(file.rows for file in files)
        recomputed = self._recompute(table, column)
        if recomputed is None and figure is not None and not count:
            recomputed = 0  # nothing was opened: a count or a sum of nothing
        equal = recomputed == figure or (suppressed and figure is None)
        return Trace(
            table,
            dict(where),
            column,
            figure,
            recomputed,
            equal and not missing,
            suppressed,
            tuple(self._steps),
            files,
            rows,
            count,
            missing,
        )

    def _pick(self, table: str, where: Mapping[str, str], column: str) -> tuple[object, bool]:
        """Find the one row and keep its key as the first witness."""
        figures = [name for name in self._models if not name.startswith("silver.")]
        if table not in figures:  # an entity's rows are persons and things, no figures
            known = ", ".join(sorted(figures))
            raise UsageError(f"there is no table {table}", todo=f"Name one of {known}")
        names = list(self._schema[table])
        for name in (column, *where):
            if name not in names:
                raise UsageError(
                    f"{table} has no column {name}", todo=f"Name one of {', '.join(names)}"
                )
        if column in self._models[table].contract.key:
            raise UsageError(f"{column} names the rows of {table}", todo="Name a figure's column")
        condition = " AND ".join(f'CAST("{name}" AS VARCHAR) = ?' for name in where) or "TRUE"
        flag = "suppressed" if "suppressed" in names else "FALSE"
        found = self._con.execute(
            f'SELECT "{column}", {flag} FROM {table} WHERE {condition}', list(where.values())
        ).fetchall()
        if len(found) != 1:
            key = ", ".join(self._models[table].contract.key)
            raise UsageError(
                f"{len(found)} rows of {table} fit, and one is needed",
                todo=f"Give a value for each of {key}",
            )
        self._con.execute(
            f"CREATE OR REPLACE TEMP TABLE {_witness(table)} AS "
            f"SELECT * FROM {table} WHERE {condition}",
            list(where.values()),
        )
        return found[0][0], bool(found[0][1])

    def _open_all(self, table: str, column: str) -> None:
        """Open the model and, readers first, every model below it that takes part."""
        wanted: dict[str, set[str]] = {table: {column}}
        for name in reversed(tuple(self._models)):
            if name in wanted:
                for part in self._open(name, wanted[name]):
                    wanted.setdefault(part.table, set()).update(part.columns)

    def _open(self, table: str, columns: set[str]) -> list[Opened]:
        model = self._models[table]
        query = _with_literals(model.query, self._literals)
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
            if part.table.startswith("ops."):
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

    def _sources(self, limit: int) -> tuple[tuple[SourceRow, ...], tuple[SourceFile, ...], int]:
        rows: list[SourceRow] = []
        files: list[SourceFile] = []
        missing = 0
        for table in sorted(self._opened):
            layer, _, feed = table.partition(".")
            if layer != "silver" or table in self._models:
                continue
            file = real_file("s._sheet")
            placed = (
                f"SELECT s._batch_id, {file.path} AS path, {file.sha256} AS sha256, "
                f"{file.sheet} AS sheet, s._source_row, "
                f"r._batch_id IS NULL OR b.path IS NULL AS is_missing "
                f"FROM {_witness(table)} AS s LEFT JOIN ops.batch AS b ON b.batch_id = s._batch_id "
                f"{file.join} LEFT JOIN bronze.{feed} AS r "
                f"ON r._batch_id IN (b.batch_id, COALESCE(b.source_batch_id, b.batch_id)) "
                f"AND r._sheet = s._sheet AND r._source_row = s._source_row"
            )
            listed = self._con.execute(
                f"SELECT DISTINCT * FROM ({placed}) ORDER BY ALL LIMIT {max(limit - len(rows), 0)}"
            ).fetchall()
            rows += [SourceRow(table, r[0], r[1] or "", r[2] or "", r[3], r[4]) for r in listed]
            counted = self._con.execute(
                f"SELECT _batch_id, path, sha256, COUNT(*), COUNT(*) FILTER (WHERE is_missing) "
                f"FROM (SELECT DISTINCT * FROM ({placed})) GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            files += [SourceFile(table, r[0], r[1] or "", r[2] or "", r[3]) for r in counted]
            missing += sum(r[4] for r in counted)
        return tuple(rows), tuple(files), missing


def _with_literals(query: exp.Query, literals: Mapping[str, exp.Expr]) -> exp.Query:
    tree = query.copy()
    for node in list(tree.find_all(exp.Placeholder)):
        node.replace(literals[node.name].copy())
    return tree


def _witness(table: str) -> str:
    return f"witness_{table.replace('.', '_')}"


def _again(table: str) -> str:
    return f"again_{table.replace('.', '_')}"
