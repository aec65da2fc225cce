"""Valid rows of a batch -> silver: one row per key, the greatest in the total order.

The result depends on the set of merged batches only, never on the order of their arrival. What a
row holds was settled in ``select``; counts other than of the merge are ``records``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from dagster_project.contracts.model import Feed
from dagster_project.contracts.tablesql import record_key
from dagster_project.errors import LakeError
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.tables import SILVER_COLUMNS, silver


@dataclass(frozen=True)
class Arrival:
    """What the merge must know of a batch.

    ``landed_id`` is the batch that brought the rows (a replay keeps it). ``whole`` says that the
    rows are all of that batch: only then do they say which keys a full snapshot lacks.
    """

    landed_id: str
    delivered_at: datetime
    whole: bool = True


@dataclass(frozen=True)
class Merged:
    """What the merge did; ``live`` counts silver's records that are not deleted, after it.

    ``repeated`` are rows of the batch whose key another row of it has: those that say the same,
    and all of them where nothing orders them in time.
    """

    accepted: int
    duplicate: int
    superseded: int
    inserted: int
    updated: int
    deleted: int
    live: int = 0
    repeated: int = 0


def merge(con: duckdb.DuckDBPyConnection, feed: Feed, arrival: Arrival) -> Merged:
    """Merge ``conform_rows`` into silver.

    Raises:
        LakeError: A key would be twice in silver.
    """
    duplicate, superseded = _settle_repeats(con, feed)
    winners = _one(con, "SELECT count(*) FROM conform_winners")
    before = _one(con, f"SELECT count(*) FROM {silver(feed)}")
    newest = _newest(con, feed, arrival)
    if before == 0 and (feed.delivery == "incremental" or newest == arrival.landed_id):
        _insert(con, feed, arrival, "conform_winners", "FALSE")
        merged = Merged(winners, 0, 0, winners, 0, 0)
    elif feed.delivery == "full" and newest == arrival.landed_id and arrival.whole:
        merged = _replace(con, feed, arrival)
    else:
        merged = _merge_rows(con, feed, arrival, newest)
        _prove_keys(con, feed, winners)
    live = _one(con, f"SELECT count(*) FROM {silver(feed)} WHERE NOT _is_deleted")
    after = _one(con, f"SELECT count(*) FROM {silver(feed)}")
    if after != before + merged.inserted:
        raise LakeError(
            f"silver.{feed.name} would hold {after} rows in place of {before + merged.inserted}",
            where=arrival.landed_id,
            todo="Nothing was written; report this batch",
        )
    return Merged(
        accepted=merged.accepted,
        duplicate=merged.duplicate + duplicate,
        superseded=merged.superseded + superseded,
        inserted=merged.inserted,
        updated=merged.updated,
        deleted=merged.deleted,
        live=live,
        repeated=duplicate if _is_history(feed) else duplicate + superseded,
    )


def _is_history(feed: Feed) -> bool:
    """Whether one delivery may tell several states of a record, one after the other."""
    return feed.delivery == "incremental" and bool(feed.order_by)


def _settle_repeats(con: duckdb.DuckDBPyConnection, feed: Feed) -> tuple[int, int]:
    """Leave one row per key in ``conform_winners``; count the others.

    The dear window runs over rows of repeated keys only, and mostly there are none.
    """
    keys = _keys(feed)
    # Whole numbers group faster than texts: look at hashes first, then at what they point to.
    suspects = f"SELECT hash({keys}) FROM conform_rows WHERE _ok GROUP BY ALL HAVING count(*) > 1"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE conform_repeated AS SELECT {keys} FROM conform_rows"
        f" WHERE _ok AND hash({keys}) IN ({suspects}) GROUP BY {keys} HAVING count(*) > 1"
    )
    view = "CREATE OR REPLACE TEMP VIEW conform_winners AS SELECT * FROM conform_rows WHERE _ok"
    if _one(con, "SELECT count(*) FROM conform_repeated") == 0:
        con.execute(view)
        return 0, 0
    order = ", ".join(
        [f"{quoted(feed.order_by)} DESC NULLS LAST"] * bool(feed.order_by)
        + ["_sheet DESC", "_source_row DESC"]
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE conform_losers AS
        SELECT rid, twin > 1 AS is_duplicate FROM (
            SELECT c.rowid AS rid,
                row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS place,
                row_number() OVER (PARTITION BY {keys}, _hash ORDER BY {order}) AS twin
            FROM conform_rows c SEMI JOIN conform_repeated USING ({keys})
            WHERE _ok
        ) WHERE place > 1"""
    )
    con.execute(f"{view} AND rowid NOT IN (SELECT rid FROM conform_losers)")
    counts = con.execute(
        "SELECT count(*) FILTER (is_duplicate), count(*) FILTER (NOT is_duplicate)"
        " FROM conform_losers"
    ).fetchone()
    assert counts is not None  # noqa: S101 - an aggregate always has a row
    return int(counts[0]), int(counts[1])


def _newest(con: duckdb.DuckDBPyConnection, feed: Feed, arrival: Arrival) -> str:
    """The batch id of the feed's newest landed delivery, this one included."""
    row = con.execute(
        "SELECT batch_id FROM lake.ops.batch WHERE feed = ? AND source_batch_id IS NULL"
        " AND (delivered_at, batch_id) > (?::TIMESTAMPTZ, ?)"
        " ORDER BY delivered_at DESC, batch_id DESC LIMIT 1",
        [feed.name, arrival.delivered_at, arrival.landed_id],
    ).fetchone()
    return str(row[0]) if row else arrival.landed_id


def _replace(con: duckdb.DuckDBPyConnection, feed: Feed, arrival: Arrival) -> Merged:
    """The newest full snapshot: all its rows, and what it lacks as it was."""
    keys, table = _keys(feed), silver(feed)
    held = con.execute(
        f"""SELECT count(*) FILTER (s._record_hash = w._hash),
                count(*) FILTER (s._record_hash <> w._hash),
                count(*) FILTER (s._record_hash <> w._hash OR s._is_deleted)
            FROM conform_winners w JOIN {table} s USING ({keys})"""
    ).fetchone()
    assert held is not None  # noqa: S101 - an aggregate always has a row
    same, changed, updated = (int(count) for count in held)
    seen = "SELECT _key FROM conform_rows WHERE NOT _ok AND _key IS NOT NULL"
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE conform_rest AS
            SELECT * REPLACE ({record_key(feed)} NOT IN ({seen}) AS _is_deleted), _is_deleted AS was
            FROM {table} ANTI JOIN conform_winners USING ({keys})"""
    )
    deleted = _one(con, "SELECT count(*) FROM conform_rest WHERE _is_deleted AND NOT was")
    winners = _one(con, "SELECT count(*) FROM conform_winners")
    con.execute(f"DELETE FROM {table}")
    _insert(con, feed, arrival, "conform_winners", "FALSE")
    names = ", ".join([*_columns(feed), *SILVER_COLUMNS])
    con.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM conform_rest")
    inserted = winners - same - changed
    return Merged(inserted + changed, same, 0, inserted, updated, deleted)


def _merge_rows(
    con: duckdb.DuckDBPyConnection, feed: Feed, arrival: Arrival, newest: str
) -> Merged:
    """Row by row against what silver holds: insert, replace, or leave."""
    keys, table = _keys(feed), silver(feed)
    on = " AND ".join(f"w.{name} = s.{name}" for name in _key_names(feed))
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE conform_held AS
            SELECT {", ".join(f"w.{name}" for name in _key_names(feed))},
                s._record_hash = w._hash AS same, {_is_newer(feed, arrival)} AS newer
            FROM conform_winners w JOIN {table} s ON {on}"""
    )
    row = con.execute(
        f"""SELECT count(DISTINCT ({keys})), count(*),
                count(*) FILTER (newer), count(*) FILTER (same),
                count(*) FILTER (newer AND NOT same), count(*) FILTER (NOT newer AND NOT same)
            FROM conform_held"""
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has a row
    known, held, newer, same, updated, superseded = (int(count) for count in row)
    if known != held:
        raise _twice(feed)
    inserted = _one(con, "SELECT count(*) FROM conform_winners") - held
    if newer:
        con.execute(
            f"DELETE FROM {table} AS s USING (SELECT {keys} FROM conform_held WHERE newer) AS w"
            f" WHERE {on}"
        )
    if newer or inserted:
        winners = (
            f"(SELECT w.* FROM conform_winners w ANTI JOIN"
            f" (SELECT {keys} FROM conform_held WHERE NOT newer) USING ({keys}))"
        )
        _insert(con, feed, arrival, winners, _deletion(feed, newest))
    return Merged(inserted + updated, same, superseded, inserted, updated, 0)


def _deletion(feed: Feed, newest: str) -> str:
    """Whether a row of an older snapshot is gone by now.

    A valid row of the newest snapshot would be in silver and win; so the key is there only if
    that snapshot's row was rejected.
    """
    if feed.delivery == "incremental":
        return "FALSE"
    rejected = (
        "SELECT q.record_key FROM lake.ops.quarantine q JOIN lake.ops.batch b USING (batch_id)"
        f" WHERE coalesce(b.source_batch_id, b.batch_id) = {literal(newest)}"
        " AND q.record_key IS NOT NULL"
    )
    return f"{record_key(feed)} NOT IN ({rejected})"


def _is_newer(feed: Feed, arrival: Arrival) -> str:
    """Whether row ``w`` of the batch is greater than row ``s`` of silver."""
    by_column = [(f"w.{quoted(name)}", f"s.{quoted(name)}") for name in [feed.order_by] if name]
    landed = literal(arrival.landed_id)
    by_delivery = [(_instant(arrival), "s._delivered_at"), (landed, "s._batch_id")]
    by_place = [("w._sheet", "s._sheet"), ("w._source_row", "s._source_row")]
    if feed.delivery == "full":
        pairs = [*by_delivery, *by_column, *by_place]
    else:
        pairs = [*by_column, *by_delivery, *by_place]
    branches = " ".join(
        f"WHEN {w} IS DISTINCT FROM {s} THEN coalesce({w} > {s}, {s} IS NULL)" for w, s in pairs
    )
    return f"CASE {branches} ELSE FALSE END"


def _insert(
    con: duckdb.DuckDBPyConnection, feed: Feed, arrival: Arrival, rows: str, deleted: str
) -> None:
    names = ", ".join([*_columns(feed), *SILVER_COLUMNS])
    con.execute(
        f"INSERT INTO {silver(feed)} ({names}) SELECT {', '.join(_columns(feed))},"
        f" {literal(arrival.landed_id)}, _sheet, _source_row, _hash, {_instant(arrival)}, {deleted}"
        f" FROM {rows}"
    )


def _prove_keys(con: duckdb.DuckDBPyConnection, feed: Feed, winners: int) -> None:
    """Every key of the batch stands in silver exactly once."""
    keys = _keys(feed)
    found = con.execute(
        f"SELECT count(*), count(DISTINCT ({keys})) FROM {silver(feed)}"
        f" SEMI JOIN conform_winners USING ({keys})"
    ).fetchone()
    if found != (winners, winners):
        raise _twice(feed)


def _twice(feed: Feed) -> LakeError:
    return LakeError(
        f"a key stands twice in silver.{feed.name}",
        where=", ".join(feed.key),
        todo=f"Nothing was written; run `countylake rebuild {feed.name}`",
    )


def _columns(feed: Feed) -> list[str]:
    return [quoted(column.name) for column in feed.columns]


def _key_names(feed: Feed) -> list[str]:
    return [quoted(name) for name in feed.key]


def _keys(feed: Feed) -> str:
    return ", ".join(_key_names(feed))


def _instant(arrival: Arrival) -> str:
    return f"{literal(arrival.delivered_at.isoformat())}::TIMESTAMPTZ"


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
