"""Whether opened rows of silver are what the delivered rows say, and are so still.

Each opened row's bronze row is conformed once more and held against it; what the ledger says of the
batches is held against what it said when the figure was made, and against the deliveries. Every
fault is a sentence that names table, file and row, and no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb

from dagster_project.components.steps.tracing.again import PLACE, Again
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.lake.engine import literal, quoted
from dagster_project.lake.snapshots import current_snapshot
from dagster_project.lake.table_state import columns_at, touched
from dagster_project.lineage.opening.figure import End
from dagster_project.transform.conform.tables import record_hash

MOST = 5
"""How many rows a sentence's kind names; the others are counted."""


@dataclass(frozen=True)
class Proof:
    """What was found of one feed's opened rows; ``opened`` is the temp table of them, whole.

    ``again`` are their bronze rows, conformed once more; None for rows that only decide.
    """

    feed: Feed
    again: Again | None
    opened: str
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def opened_rows(con: duckdb.DuckDBPyConnection, feed: Feed, ends: Iterable[End]) -> str:
    """The temp table of a feed's opened rows with all their columns, whatever opened them."""
    opened = f"tracing_opened_{feed.name}"
    parts = [f"SELECT {PLACE} FROM {end.temp}" for end in ends]
    places = " UNION ".join(parts) or f"SELECT {PLACE} FROM silver.{feed.name} LIMIT 0"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {opened} AS SELECT s.* FROM silver.{feed.name} AS s"
        f" SEMI JOIN ({places}) AS e USING ({PLACE})"
    )
    return opened


def prove(  # noqa: PLR0917 - what to read with, then what to hold against what
    con: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    feed: Feed,
    again: Again | None,
    opened: str,
    snapshot: int,
) -> Proof:
    """Hold a feed's opened rows against bronze and the ledgers.

    Args:
        con: A connection with the opened rows, and with the tables of then laid out.
        workshop: The site.
        feed: The feed.
        again: Their bronze rows, conformed once more; None: only their own hash is asked.
        opened: The temp table of the opened rows (see ``opened_rows``).
        snapshot: When those rows were read.
    """
    faults: list[str] = []
    if again is None:
        faults += _unhashed(con, feed, opened)
    else:
        faults += _unsaid(con, feed, opened, again.table, workshop.plan(feed.name).names)
    faults += _absent(con, feed, opened)
    if touched(con).get(f"silver.{feed.name}", 0) > snapshot:
        faults += _moved(con, feed, opened)
    faults += _repointed(con, opened)
    notes = [
        f"{one} was judged by another contract of {feed.name} than today's: its rows were looked up"
        " in bronze, and not judged again"
        for one in (again.older if again else ())
    ]
    return Proof(feed, again, opened, tuple(faults), tuple(notes))


def _unhashed(con: duckdb.DuckDBPyConnection, feed: Feed, opened: str) -> Iterator[str]:
    """Rows that are not what they were when they were merged, by their own hash."""
    present = {str(row[0]) for row in con.execute(f"DESCRIBE {opened}").fetchall()}
    if present >= {column.name for column in feed.columns}:
        yield from _rows(
            con,
            f"SELECT {PLACE}, '' AS said, {record_hash(feed)} <> _record_hash AS is_other"
            f" FROM {opened}",
            "is_other",
            f"silver.{feed.name} holds a row that does not agree with its own hash",
        )


def _unsaid(
    con: duckdb.DuckDBPyConnection, feed: Feed, opened: str, into: str, named: Iterable[str]
) -> Iterator[str]:
    """Rows whose cells are not what their bronze row says."""
    looked_up = {*named}  # a name was turned into a code by a parent that may be another by now
    columns = [column.name for column in feed.columns if column.name not in looked_up]
    differ = ", ".join(
        f"CASE WHEN s.{quoted(n)} IS DISTINCT FROM c.{quoted(n)} THEN {literal(n)} END"
        for n in columns
    )
    yield from _rows(
        con,
        f"SELECT s._batch_id, s._sheet, s._source_row, array_to_string(list_filter([{differ},"
        f" CASE WHEN NOT c._ok THEN 'a rule rejects it' END], one -> one IS NOT NULL), ', ') AS"
        f" said FROM {opened} AS s JOIN {into} AS c USING ({PLACE})",
        "said <> ''",
        f"silver.{feed.name} holds other values than the row of bronze.{feed.name} that it names"
        " gives",
    )


def _absent(con: duckdb.DuckDBPyConnection, feed: Feed, opened: str) -> Iterator[str]:
    """Rows that bronze does not hold, or holds twice."""
    yield from _rows(
        con,
        f"SELECT s._batch_id, s._sheet, s._source_row, count(r._batch_id) AS held, '' AS said"
        f" FROM {opened} AS s"
        f" LEFT JOIN (SELECT {PLACE} FROM lake.bronze.{quoted(feed.name)} WHERE _batch_id IN"
        f" (SELECT _batch_id FROM {opened})) AS r USING ({PLACE}) GROUP BY ALL",
        "held <> 1",
        f"bronze.{feed.name} does not hold the row once",
    )


def _moved(con: duckdb.DuckDBPyConnection, feed: Feed, opened: str) -> Iterator[str]:
    """Rows that silver holds otherwise now, though nothing judged their batch again since."""
    table = f"silver.{feed.name}"
    present = columns_at(con, [table], current_snapshot(con)).get(table, [])
    then = {str(row[0]) for row in con.execute(f"DESCRIBE {opened}").fetchall()}
    columns = [c.name for c in feed.columns if c.name in present and c.name in then]
    if not columns:
        return
    differ = ", ".join(
        f"CASE WHEN n.{quoted(n)} IS DISTINCT FROM s.{quoted(n)} THEN {literal(n)} END"
        for n in (*columns, "_record_hash")
    )
    yield from _rows(
        con,
        f"SELECT s._batch_id, s._sheet, s._source_row, array_to_string(list_filter([{differ}],"
        f" one -> one IS NOT NULL), ', ') AS said FROM {opened} AS s"
        f" JOIN (FROM lake.silver.{quoted(feed.name)} WHERE _batch_id IN (SELECT _batch_id FROM"
        f" {opened})) AS n USING ({PLACE})"
        f" WHERE NOT EXISTS (SELECT 1 FROM lake.ops.batch AS b WHERE b.source_batch_id ="
        f" s._batch_id AND b.batch_id NOT IN (SELECT batch_id FROM ops.batch))",
        "said <> ''",
        f"silver.{feed.name} was changed by hand since the figure was made",
    )


def _repointed(con: duckdb.DuckDBPyConnection, opened: str) -> Iterator[str]:
    """Batches of which the ledger says something else than it did, or than the delivery."""
    rows = con.execute(
        f"""SELECT t.batch_id, t.path, t.sha256, n.path, n.sha256, d.path, d.sha256
        FROM ops.batch AS t
        LEFT JOIN lake.ops.batch AS n USING (batch_id)
        LEFT JOIN (
            SELECT batch_id, any_value(path) AS path, any_value(sha256) AS sha256
            FROM lake.ops.delivery WHERE outcome = 'merged' AND parts IS NULL GROUP BY batch_id
        ) AS d USING (batch_id)
        WHERE t.batch_id IN (SELECT DISTINCT _batch_id FROM {opened}) ORDER BY t.batch_id"""
    ).fetchall()
    for batch_id, path, sha256, path_now, sha256_now, path_said, sha256_said in rows:
        if (path, sha256) != (path_now, sha256_now):
            yield (
                f"ops.batch says of {batch_id} that it came as {path_now} ({sha256_now}); when the"
                f" figure was made it said {path} ({sha256})"
            )
        if sha256_said is not None and (path, sha256) != (path_said, sha256_said):
            yield (
                f"ops.batch says of {batch_id} that it came as {path} ({sha256}), and ops.delivery"
                f" that it came as {path_said} ({sha256_said})"
            )


def _rows(con: duckdb.DuckDBPyConnection, found: str, condition: str, what: str) -> Iterator[str]:
    """A sentence for each of the first rows that meet a condition, and one for all others."""
    query = f"SELECT * FROM ({found}) WHERE {condition}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE tracing_faults AS {query}")
    counted = con.execute("SELECT count(*) FROM tracing_faults").fetchone()
    for batch_id, sheet, row, said in con.execute(
        "SELECT f._batch_id, f._sheet, f._source_row, f.said FROM tracing_faults AS f"
        f" ORDER BY ALL LIMIT {MOST}"
    ).fetchall():
        place = f"{batch_id}{f', sheet {sheet}' if sheet else ''}, row {row}"
        yield f"{what}: {place}{f' ({said})' if said else ''}"
    if counted and counted[0] > MOST:
        yield f"{what}: {counted[0] - MOST:,} rows more"
