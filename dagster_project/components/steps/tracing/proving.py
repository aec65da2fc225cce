"""Whether opened rows of silver are what the delivered rows say, and are so still.

Of each opened row the cells that the figure reads, and its key, are held against its bronze row,
conformed once more; what the ledger says of the batches is held against what it said when the
figure was made, and against the deliveries. Every fault is a sentence that names table, file and
row, and no value. That whole tables are right is ``verify``'s matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import duckdb

from dagster_project.components.steps.tracing.again import PLACE, Again, conform_again
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
class Opened:
    """A feed's opened rows in a temp table: their places, and the ``columns`` that are proven."""

    feed: Feed
    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Proof:
    """What was found of one feed's opened rows; ``again`` are their bronze rows, conformed again.

    With those of the rows that waited for a correction, where any did.
    """

    opened: Opened
    again: Again
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def feed(self) -> Feed:
        """The feed."""
        return self.opened.feed


def opened_rows(
    con: duckdb.DuckDBPyConnection, feed: Feed, ends: Iterable[End], wanted: Collection[str] | None
) -> Opened:
    """Read a feed's opened rows from silver as it was then.

    Args:
        con: A connection with the opened rows, and with the tables of then laid out.
        feed: The feed.
        ends: Its opened rows; none where the figure has no row of it.
        wanted: Columns that decide of the figure, besides those that its rows were opened with;
            None means all that there are.
    """
    table = f"tracing_opened_{feed.name}"
    parts, read = [], {*feed.key, *(wanted or ())}
    for end in ends:
        parts.append(f"SELECT {PLACE} FROM {end.temp}")
        read |= {str(row[0]) for row in con.execute(f"DESCRIBE {end.temp}").fetchall()}
    then = {str(row[0]) for row in con.execute(f"DESCRIBE silver.{feed.name}").fetchall()}
    columns = tuple(
        c.name for c in feed.columns if c.name in then and (wanted is None or c.name in read)
    )
    places = " UNION ".join(parts) or f"SELECT {PLACE} FROM silver.{feed.name} LIMIT 0"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {PLACE},"
        f" {', '.join(map(quoted, columns))} FROM silver.{feed.name}"
        f" SEMI JOIN ({places}) AS e USING ({PLACE})"
    )
    return Opened(feed, table, columns)


def prove(
    con: duckdb.DuckDBPyConnection, workshop: Workshop, opened: Opened, waiting: str, snapshot: int
) -> Proof:
    """Hold a feed's opened rows against bronze and the ledgers.

    Args:
        con: A connection with the opened rows, and with the tables of then laid out.
        workshop: The site.
        opened: The opened rows.
        waiting: The temp table of rows that are conformed beside them; may be empty.
        snapshot: When those rows were read.
    """
    feed, table = opened.feed, opened.table
    places = f"SELECT {PLACE} FROM {table}"
    if waiting:
        places = f"{places} UNION SELECT {PLACE} FROM {waiting}"
    again = conform_again(con, workshop, feed, places, opened.columns)
    faults = [*_unsaid(con, opened, again), *_absent(con, opened, again)]
    if touched(con).get(f"silver.{feed.name}", 0) > snapshot:
        faults += _moved(con, opened)
    notes = [
        f"{one} was judged by a contract of {feed.name} that is no longer known, or by several:"
        " its rows were looked up in bronze, and not judged again"
        for one in again.older
    ]
    notes += [
        f"{one} was judged again by the contract of {feed.name} that had judged it, not by today's"
        for one in again.past
    ]
    return Proof(opened, again, tuple(faults), tuple(notes))


def _unsaid(con: duckdb.DuckDBPyConnection, opened: Opened, again: Again) -> Iterator[str]:
    """Rows whose cells are not what their bronze row says."""
    # A name was turned into a code by a parent that may be another by now.
    columns = [n for n in opened.columns if n in again.columns and n not in again.names]
    differ = ", ".join(
        f"CASE WHEN s.{quoted(n)} IS DISTINCT FROM c.{quoted(n)} THEN {literal(n)} END"
        for n in columns
    )
    is_other = " OR ".join(f"s.{quoted(n)} IS DISTINCT FROM c.{quoted(n)}" for n in columns)
    name = opened.feed.name
    yield from _rows(
        con,
        f"SELECT s._batch_id, s._sheet, s._source_row, array_to_string(list_filter([{differ},"
        f" CASE WHEN NOT c._ok THEN 'a rule rejects it' END], one -> one IS NOT NULL), ', ') AS"
        f" said FROM {opened.table} AS s JOIN {again.table} AS c USING ({PLACE})"
        f" WHERE NOT c._ok OR {is_other}",
        "TRUE",
        f"silver.{name} holds other values than the row of bronze.{name} that it names gives",
    )


def _absent(con: duckdb.DuckDBPyConnection, opened: Opened, again: Again) -> Iterator[str]:
    """Rows that bronze does not hold, or holds twice."""
    name, held = opened.feed.name, f"SELECT {PLACE} FROM {again.table}"
    if again.older:
        others = ", ".join(map(literal, again.older))
        held += f" UNION ALL SELECT {PLACE} FROM lake.bronze.{quoted(name)}"
        held += f" WHERE _batch_id IN ({others})"
    yield from _rows(
        con,
        f"SELECT s._batch_id, s._sheet, s._source_row, count(r._batch_id) AS held, '' AS said"
        f" FROM {opened.table} AS s LEFT JOIN ({held}) AS r USING ({PLACE}) GROUP BY ALL",
        "held <> 1",
        f"bronze.{name} does not hold the row once",
    )


def _moved(con: duckdb.DuckDBPyConnection, opened: Opened) -> Iterator[str]:
    """Rows that silver holds otherwise now, though nothing judged their batch again since."""
    table, feed = f"silver.{opened.feed.name}", opened.feed
    present = {*columns_at(con, [table], current_snapshot(con)).get(table, [])}
    columns = [name for name in opened.columns if name in present]
    differ = [
        f"CASE WHEN n.{quoted(n)} IS DISTINCT FROM s.{quoted(n)} THEN {literal(n)} END"
        for n in columns
    ]
    if present >= {column.name for column in feed.columns}:
        differ.append(f"CASE WHEN {record_hash(feed, 'n.')} <> n._record_hash THEN 'its hash' END")
    yield from _rows(
        con,
        f"SELECT s._batch_id, s._sheet, s._source_row, array_to_string(list_filter("
        f"[{', '.join(differ)}], one -> one IS NOT NULL), ', ') AS said FROM {opened.table} AS s"
        f" JOIN (FROM lake.silver.{quoted(feed.name)} WHERE _batch_id IN (SELECT _batch_id FROM"
        f" {opened.table})) AS n USING ({PLACE})"
        f" WHERE NOT EXISTS (SELECT 1 FROM lake.ops.batch AS b WHERE b.source_batch_id ="
        f" s._batch_id AND b.batch_id NOT IN (SELECT batch_id FROM ops.batch))",
        "said <> ''",
        f"silver.{feed.name} was changed by hand since the figure was made",
    )


def repointed(con: duckdb.DuckDBPyConnection, proofs: Iterable[Proof]) -> Iterator[str]:
    """Batches of which the ledger says something else than it did, or than the delivery."""
    batches = " UNION ".join(f"SELECT _batch_id FROM {one.opened.table}" for one in proofs)
    if not batches:
        return
    rows = con.execute(
        f"""SELECT t.batch_id, t.path, t.sha256, n.path, n.sha256, d.path, d.sha256
        FROM ops.batch AS t
        LEFT JOIN lake.ops.batch AS n USING (batch_id)
        LEFT JOIN (
            SELECT batch_id, any_value(path) AS path, any_value(sha256) AS sha256
            FROM lake.ops.delivery WHERE outcome = 'merged' AND parts IS NULL GROUP BY batch_id
        ) AS d USING (batch_id)
        WHERE t.batch_id IN ({batches}) ORDER BY t.batch_id"""
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
