"""One figure opened into the rows of the files that it was made of, and computed again from them.

Row lists are never stored: the models' SQL is turned round (see ``opening``) level by level until
silver is reached. The figure is then computed once more from the opened rows alone; a trace says
whether both agree. What cannot be traced exactly is refused with a sentence, not approximated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import Contracts
from dagster_project.lake.batch_files import real_file
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.describe import base_schema
from dagster_project.lineage.figure import Asked, Figure, Grounds, SqlGraph, Step, open_figure


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
    schema = base_schema(contracts)
    for name, lineage in lineages.items():
        schema[name] = dict.fromkeys(lineage.columns, "UNKNOWN")
    grounds = Grounds(graph.models, schema, literals, {})
    figure = open_figure(con, grounds, Asked(table, where, column))
    rows, files, missing = _sources(con, figure, limit)
    return Trace(
        table,
        dict(where),
        column,
        figure.shown,
        figure.recomputed,
        figure.equal and not missing,
        figure.suppressed,
        figure.steps,
        files,
        rows,
        sum(file.rows for file in files),
        missing,
    )


def _sources(
    con: duckdb.DuckDBPyConnection, figure: Figure, limit: int
) -> tuple[tuple[SourceRow, ...], tuple[SourceFile, ...], int]:
    """The delivered rows and files behind the opened silver rows, and how many are unknown."""
    rows: list[SourceRow] = []
    files: list[SourceFile] = []
    missing = 0
    for end in figure.ends:
        table, witness = end.table, end.temp
        layer, _, feed = table.partition(".")
        if layer != "silver":
            continue
        file = real_file("s._sheet")
        placed = (
            f"SELECT s._batch_id, {file.path} AS path, {file.sha256} AS sha256, "
            f"{file.sheet} AS sheet, s._source_row, "
            f"r._batch_id IS NULL OR b.path IS NULL AS is_missing "
            f"FROM {witness} AS s LEFT JOIN ops.batch AS b ON b.batch_id = s._batch_id "
            f"{file.join} LEFT JOIN bronze.{feed} AS r "
            f"ON r._batch_id IN (b.batch_id, COALESCE(b.source_batch_id, b.batch_id)) "
            f"AND r._sheet = s._sheet AND r._source_row = s._source_row"
        )
        listed = con.execute(
            f"SELECT DISTINCT * FROM ({placed}) ORDER BY ALL LIMIT {max(limit - len(rows), 0)}"
        ).fetchall()
        rows += [SourceRow(table, r[0], r[1] or "", r[2] or "", r[3], r[4]) for r in listed]
        counted = con.execute(
            f"SELECT _batch_id, path, sha256, COUNT(*), COUNT(*) FILTER (WHERE is_missing) "
            f"FROM (SELECT DISTINCT * FROM ({placed})) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        files += [SourceFile(table, r[0], r[1] or "", r[2] or "", r[3]) for r in counted]
        missing += sum(r[4] for r in counted)
    return tuple(rows), tuple(files), missing
