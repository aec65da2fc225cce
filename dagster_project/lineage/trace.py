"""One figure opened into the rows of the files that it was made of, and computed again from them.

Row lists are never stored: the models' SQL is turned round (see ``opening``) level by level until
silver is reached. The figure is then computed once more from the opened rows alone; a trace says
whether both agree. What cannot be traced exactly is refused with a sentence, not approximated.
Whether the rows are what the files say is not asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import Contracts
from dagster_project.lake.batch_files import real_file
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.describe import base_schema
from dagster_project.lineage.opening.figure import (
    Asked,
    End,
    Figure,
    Grounds,
    SqlGraph,
    Step,
    Suppress,
    open_figure,
)

_FILE = real_file("p._sheet")
_SAID = f"p._batch_id, {_FILE.path} AS path, {_FILE.sha256} AS sha256"
_FILES = f"trace_sheets AS p LEFT JOIN ops.batch AS b ON b.batch_id = p._batch_id {_FILE.join}"


@dataclass(frozen=True)
class SourceRow:
    """One row of one delivered file; ``row`` counts records from 1, titles and header included.

    A ``deciding`` row gives no value: it says which rows count.
    """

    table: str
    batch_id: str
    path: str
    sha256: str
    sheet: str
    row: int
    deciding: bool = False


@dataclass(frozen=True)
class SourceFile:
    """One delivered file and how many of its rows take part."""

    table: str
    batch_id: str
    path: str
    sha256: str
    rows: int
    deciding: bool = False


@dataclass(frozen=True)
class Ledger:
    """Opened rows of a ledger of ``ops``: their number, and the columns that matter."""

    table: str
    rows: int
    columns: tuple[str, ...]
    deciding: bool = False


@dataclass(frozen=True)
class Trace:
    """A figure and where it comes from.

    ``figure`` is as published (None when it is not shown); ``recomputed`` is computed from the
    opened rows alone. ``row_count`` counts the rows that give a value, ``missing`` the opened
    silver rows whose bronze row or file is unknown.
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
    ledgers: tuple[Ledger, ...] = ()


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
    grounds = grounds_of(graph, contracts, lineages, literals)
    asked = Asked(table, where, column)
    return traced(con, asked, open_figure(con, grounds, asked), limit=limit)


def grounds_of(
    graph: SqlGraph,
    contracts: Contracts,
    lineages: Mapping[str, ModelLineage],
    literals: Mapping[str, exp.Expr],
    suppress: Suppress | None = None,
) -> Grounds:
    """What figures of a site that collects are opened with; arguments as of ``trace``.

    ``suppress`` blanks small cells as the build did.
    """
    schema = base_schema(contracts)
    for name, lineage in lineages.items():
        schema[name] = dict.fromkeys(lineage.columns, "UNKNOWN")
    return Grounds(graph.models, schema, literals, {}, suppress)


def traced(
    con: duckdb.DuckDBPyConnection, asked: Asked, figure: Figure, *, limit: int = 1000
) -> Trace:
    """Follow the rows of an opened figure to their files.

    Args:
        con: The connection that holds the opened rows.
        asked: The figure that was opened.
        figure: What was opened.
        limit: How many rows to list; all are counted.
    """
    ends = sorted(figure.ends, key=lambda end: (end.deciding, end.table))
    rows, files, missing = _sources(con, ends, limit)
    return Trace(
        asked.table,
        dict(asked.where),
        asked.column,
        figure.shown,
        figure.recomputed,
        figure.equal and not missing,
        figure.suppressed,
        figure.steps,
        files,
        rows,
        sum(file.rows for file in files if not file.deciding),
        missing,
        tuple(_ledger(con, end) for end in ends if end.table.startswith("ops.")),
    )


def _ledger(con: duckdb.DuckDBPyConnection, end: End) -> Ledger:
    row = con.execute(f"SELECT COUNT(*) FROM {end.temp}").fetchone()
    return Ledger(end.table, int(row[0]) if row else 0, end.columns, end.deciding)


def _sources(
    con: duckdb.DuckDBPyConnection, ends: Sequence[End], limit: int
) -> tuple[tuple[SourceRow, ...], tuple[SourceFile, ...], int]:
    """The delivered rows and files behind the opened silver rows, and how many are unknown."""
    rows: list[SourceRow] = []
    files: list[SourceFile] = []
    missing = 0
    for end in ends:
        table, witness, deciding = end.table, end.temp, end.deciding
        layer, _, feed = table.partition(".")
        if layer != "silver":
            continue
        _place(con, witness, feed)
        counted = con.execute(
            f"SELECT {_SAID}, CAST(sum(p.rows) AS BIGINT), CAST(sum(p.missing) AS BIGINT)"
            f" FROM {_FILES} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        files += [SourceFile(table, r[0], r[1] or "", r[2] or "", r[3], deciding) for r in counted]
        missing += sum(r[4] for r in counted)
        room = max(limit - len(rows), 0)
        listed = con.execute(
            f"SELECT {_SAID}, {_FILE.sheet} AS sheet, s._source_row FROM trace_placed AS s"
            f" JOIN {_FILES} USING (_batch_id, _sheet) ORDER BY ALL LIMIT {room}"
        ).fetchall()
        rows += [
            SourceRow(table, r[0], r[1] or "", r[2] or "", r[3], r[4], deciding) for r in listed
        ]
    return tuple(rows), tuple(files), missing


def _place(con: duckdb.DuckDBPyConnection, witness: str, feed: str) -> None:
    """``trace_placed``: the places of opened rows; ``trace_sheets``: their number by sheet.

    A row is missing where bronze has none at its place, or no batch is known of it.
    """
    place = "_batch_id, _sheet, _source_row"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE trace_placed AS SELECT DISTINCT {place} FROM {witness}"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE trace_sheets AS"
        f" SELECT s._batch_id, s._sheet, count(*) AS rows,"
        f" count(*) FILTER (WHERE r._batch_id IS NULL OR b.path IS NULL) AS missing"
        f" FROM trace_placed AS s LEFT JOIN ops.batch AS b ON b.batch_id = s._batch_id"
        f" LEFT JOIN (SELECT DISTINCT {place} FROM bronze.{feed} SEMI JOIN trace_placed"
        f" USING ({place})) AS r"
        f" ON r._batch_id = s._batch_id AND r._sheet = s._sheet AND r._source_row = s._source_row"
        f" GROUP BY ALL"
    )
