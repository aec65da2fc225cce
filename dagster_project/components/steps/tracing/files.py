"""Landed files read once more: whether bronze's cells are what stands at their sheet and row.

That a landed file is the one that came is its name's matter: it is called by its SHA-256.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.errors import CountyLakeError
from dagster_project.ingest.readers import read
from dagster_project.lake.engine import literal, quoted
from dagster_project.protocol.canonical import sha256_file

MOST = 5
"""How many rows of a file are named; the others are counted."""
_FILES = """
SELECT b.batch_id, coalesce(f.sheet_prefix, ''), coalesce(f.path, b.path),
    coalesce(f.sha256, b.sha256)
FROM ops.batch AS b LEFT JOIN ops.batch_file AS f USING (batch_id)
WHERE b.batch_id IN (SELECT DISTINCT _batch_id FROM {opened})
ORDER BY ALL
"""


@dataclass(frozen=True)
class _File:
    batch_id: str
    prefix: str
    path: str
    sha256: str

    @property
    def sheet(self) -> str:
        """SQL: the sheet of a row of the file as bronze calls it."""
        if not self.prefix:
            return "_sheet"
        inside = "CASE WHEN _sheet = '' THEN '' ELSE '/' || _sheet END"
        return f"{literal(self.prefix)} || {inside}"


def read_again(
    con: duckdb.DuckDBPyConnection, workshop: Workshop, feed: Feed, opened: str
) -> Iterator[str]:
    """Hold the bronze rows behind opened rows against the files; a sentence for each fault.

    Args:
        con: A connection with the lake attached and the ledgers of then laid out.
        workshop: The site.
        feed: The feed.
        opened: A relation with ``_batch_id``, ``_sheet`` and ``_source_row``.
    """
    files = [_File(*row) for row in con.execute(_FILES.format(opened=opened)).fetchall()]
    with tempfile.TemporaryDirectory(dir=workshop.home.scratch) as folder:
        for number, file in enumerate(files):
            yield from _look(con, workshop, feed, opened, file, Path(folder) / f"{number}.parquet")


def _look(  # noqa: PLR0917 - one file, and what it is held against
    con: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    feed: Feed,
    opened: str,
    file: _File,
    out: Path,
) -> Iterator[str]:
    landed = workshop.home.landing / file.sha256
    try:
        if sha256_file(landed) != file.sha256:
            yield f"{file.path}: the landed file's bytes are not those that were received"
            return
        read(
            landed,
            feed,
            file.batch_id,
            out,
            name=file.path,
            limits=workshop.limits,
            lenient=True,
        )
    except FileNotFoundError:
        yield f"{file.path}: the landed file {file.sha256} is gone"
        return
    except (CountyLakeError, OSError) as error:
        yield f"{file.path}: the landed file cannot be read again ({error})"
        return
    yield from _compare(con, feed, opened, file, out)


def _compare(
    con: duckdb.DuckDBPyConnection, feed: Feed, opened: str, file: _File, out: Path
) -> Iterator[str]:
    """Rows of bronze whose cells are not those of the file."""
    columns = [*(column.name for column in feed.columns), "_extra", "_defect"]
    differ = ", ".join(
        f"CASE WHEN b.{quoted(n)} IS DISTINCT FROM r.{quoted(n)} THEN {literal(n)} END"
        for n in columns
    )
    places = f"SELECT _sheet, _source_row FROM {opened} WHERE _batch_id = {literal(file.batch_id)}"
    mine = (
        f" AND (_sheet = {literal(file.prefix)}"
        f" OR starts_with(_sheet, {literal(file.prefix + '/')}))"
        if file.prefix
        else ""
    )
    rows = con.execute(
        f"""SELECT b._sheet, b._source_row, r._source_row IS NULL, array_to_string(list_filter(
            [{differ}], one -> one IS NOT NULL), ', ') AS said, count(*) OVER ()
        FROM (
            SELECT * FROM lake.bronze.{quoted(feed.name)}
            WHERE _batch_id = {literal(file.batch_id)} AND (_sheet, _source_row) IN ({places})
                {mine}
        ) AS b
        LEFT JOIN (
            SELECT * REPLACE ({file.sheet} AS _sheet) FROM read_parquet({literal(out)})
        ) AS r ON r._sheet = b._sheet AND r._source_row = b._source_row
        WHERE r._source_row IS NULL OR said <> ''
        ORDER BY ALL LIMIT {MOST}"""
    ).fetchall()
    for sheet, row, is_absent, said, _ in rows:
        place = f"{file.path}{f', sheet {sheet}' if sheet else ''}, row {row}"
        what = "the file has no such row" if is_absent else f"the file has other cells ({said})"
        yield f"bronze.{feed.name} holds {place}: {what}"
    if rows and rows[0][4] > MOST:
        yield f"bronze.{feed.name} holds {rows[0][4] - MOST:,} rows more of {file.path} otherwise"
