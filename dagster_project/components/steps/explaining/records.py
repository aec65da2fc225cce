"""Which records of a feed differ between two snapshots of silver, and where they came from.

A record is what a key's row says; that a new full snapshot delivered the same again is no change.
Where a row stands (file, sheet, row number) is told; what it says is not, and its key only where
the contract holds the key for no personal datum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import duckdb

from dagster_project.contracts.model import Feed
from dagster_project.contracts.tablesql import record_key
from dagster_project.lake.batch_files import real_file
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.tables import SILVER_COLUMNS
from dagster_project.transform.models import Stage, at

Kind = Literal["rejudged", "new", "corrected", "removed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they are changed: what the county judged anew, then what came."""
MOST_PARTS = 12
"""Each part of a feed's changes is one more evaluation of the report."""
OPEN_LEVELS = ("L1", "L2")

_CHANGED = """
CREATE TABLE {made} AS
WITH a AS ({old}), b AS ({new}),
before AS (SELECT {key} AS record_key, {shared}, _batch_id, _sheet, _source_row FROM a
    WHERE NOT _is_deleted),
after AS (SELECT {key} AS record_key, {shared}, _batch_id, _sheet, _source_row FROM b
    WHERE NOT _is_deleted),
gone AS (SELECT {key} AS record_key FROM b WHERE _is_deleted),
paired AS (
    SELECT
        coalesce(a.record_key, b.record_key) AS record_key,
        a.record_key IS NOT NULL AS was,
        b.record_key IS NOT NULL AS is,
        [{differing}] AS columns,
        a._batch_id AS old_batch, a._sheet AS old_sheet, a._source_row AS old_row,
        b._batch_id AS new_batch, b._sheet AS new_sheet, b._source_row AS new_row
    FROM before AS a FULL JOIN after AS b ON a.record_key = b.record_key
)
SELECT
    p.record_key,
    CASE
        WHEN p.is AND known.batch_id IS NOT NULL THEN 'rejudged'
        WHEN p.is AND NOT p.was THEN 'new'
        WHEN p.is THEN 'corrected'
        WHEN gone.record_key IS NULL THEN 'rejudged'
        ELSE 'removed'
    END AS kind,
    CASE WHEN p.was AND p.is THEN list_filter(p.columns, one -> one IS NOT NULL) ELSE [] END
        AS columns,
    old_batch, old_sheet, old_row,
    coalesce(new_batch, CASE WHEN gone.record_key IS NULL THEN old_batch ELSE {newest} END)
        AS new_batch,
    new_sheet, new_row
FROM paired AS p
LEFT JOIN gone ON gone.record_key = p.record_key
LEFT JOIN (SELECT batch_id FROM ({batches})) AS known ON known.batch_id = p.new_batch
WHERE p.was <> p.is OR len(list_filter(p.columns, one -> one IS NOT NULL)) > 0
"""
_NEWEST = """
(SELECT arg_max(batch_id, (delivered_at, batch_id)) FROM ({batches})
WHERE feed = {feed} AND source_batch_id IS NULL)
"""
_BATCHES = """
SELECT
    r.kind, r.new_batch, count(*) AS records,
    any_value(b.delivered_at) AS delivered_at,
    coalesce(any_value(d.received_at), any_value(b.delivered_at)) AS received_at,
    any_value(d.channel) AS channel, any_value(b.path) AS path, any_value(b.sha256) AS sha256,
    any_value(b.contract_version) AS contract_version,
    any_value(j.contract_version) AS judged_by,
    any_value(h.hold_id) AS hold_id, any_value(h.decided_at) AS released_at
FROM {made} AS r
LEFT JOIN ({batches}) AS b ON b.batch_id = r.new_batch
LEFT JOIN (
    SELECT batch_id, min(received_at) AS received_at, arg_min(channel, received_at) AS channel
    FROM ({deliveries}) WHERE outcome = 'merged' GROUP BY batch_id
) AS d ON d.batch_id = r.new_batch
LEFT JOIN (
    SELECT batch_id, hold_id, decided_at FROM ({holds}) WHERE state = 'accepted'
) AS h ON h.batch_id = r.new_batch
LEFT JOIN (
    SELECT source_batch_id, arg_max(contract_version, committed_at) AS contract_version
    FROM ({batches}) WHERE source_batch_id IS NOT NULL GROUP BY source_batch_id
) AS j ON j.source_batch_id = r.new_batch AND r.kind = 'rejudged'
GROUP BY r.kind, r.new_batch
ORDER BY received_at, r.new_batch, r.kind
"""
_ROWS = """
SELECT
    r.kind, r.record_key, list_sort(r.columns) AS columns,
    r.old_batch, {old_path} AS old_path, {old_sha} AS old_sha, {old_sheet} AS old_sheet, r.old_row,
    r.new_batch, {new_path} AS new_path, {new_sha} AS new_sha, {new_sheet} AS new_sheet, r.new_row
FROM {made} AS r
LEFT JOIN ({old}) AS old
    ON old.batch_id = r.old_batch AND old.sheet IS NOT DISTINCT FROM r.old_sheet
LEFT JOIN ({new}) AS new
    ON new.batch_id = r.new_batch AND new.sheet IS NOT DISTINCT FROM r.new_sheet
"""


@dataclass(frozen=True)
class Part:
    """Changed records of one kind, of one batch or (with an empty one) of all."""

    kind: Kind
    batch_id: str
    records: int

    @property
    def condition(self) -> str:
        """Which changed records these are."""
        batch = f" AND new_batch = {literal(self.batch_id)}" if self.batch_id else ""
        return f"(kind = {literal(self.kind)}{batch})"


@dataclass(frozen=True)
class Changed:
    """The changed records of one feed: a table on the stage, with how many there are by kind."""

    feed: Feed
    relation: str
    batches: tuple[Part, ...]
    columns: tuple[str, ...]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many records of each kind."""
        counted = dict.fromkeys(KINDS, 0)
        for part in self.batches:
            counted[part.kind] += part.records
        return {kind: count for kind, count in counted.items() if count}

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is changed one after the other: batch by batch, as long as these are few."""
        if len(self.batches) <= MOST_PARTS:
            return self.batches
        return tuple(Part(kind, "", count) for kind, count in self.counts.items())

    @property
    def shows_keys(self) -> bool:
        """Whether the feed's key may be shown."""
        return all(self.feed.column(name).level in OPEN_LEVELS for name in self.feed.key)

    def mixed(self, old: int, new: int, parts: Iterable[Part]) -> str:
        """The SELECT of silver as it was, with only some of the changes made."""
        table, key = f"silver.{self.feed.name}", record_key(self.feed)
        wanted = " OR ".join(part.condition for part in parts)
        keys = f"SELECT record_key FROM {self.relation} WHERE {wanted}"
        return (
            f"SELECT * FROM ({at(table, old)}) WHERE {key} NOT IN ({keys})"
            f" UNION ALL BY NAME SELECT * FROM ({at(table, new)}) WHERE {key} IN ({keys})"
        )


def compare(stage: Stage, feed: Feed, old: int, new: int) -> Changed:
    """Find the records of a feed that differ between two snapshots.

    Args:
        stage: Where the answer is kept; its connection reads the lake.
        feed: The feed, as its contract is today.
        old: The snapshot before.
        new: The snapshot after.

    Raises:
        duckdb.Error: Silver had another key at one of the snapshots.
    """
    con, table = stage.con, f"silver.{feed.name}"
    before, after = (_names(con, at(table, snapshot)) for snapshot in (old, new))
    shared = [name for name in after if name in before and name not in SILVER_COLUMNS]
    relation = f"{stage.name}.made.changed_{feed.name}"
    batches = at("ops.batch", old)
    con.execute(
        _CHANGED.format(
            made=relation,
            old=at(table, old),
            new=at(table, new),
            key=record_key(feed),
            shared=", ".join(quoted(name) for name in shared),
            differing=", ".join(
                f"CASE WHEN a.{quoted(name)} IS DISTINCT FROM b.{quoted(name)}"
                f" THEN {literal(name)} END"
                for name in shared
            ),
            newest=_NEWEST.format(batches=at("ops.batch", new), feed=literal(feed.name)),
            batches=batches,
        )
    )
    found = con.execute(
        f"SELECT kind, coalesce(new_batch, ''), count(*) FROM {relation} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    parts = sorted((Part(*row) for row in found), key=lambda part: KINDS.index(part.kind))
    names = con.execute(
        f"SELECT DISTINCT unnest(columns) AS name FROM {relation} ORDER BY name"
    ).fetchall()
    return Changed(feed, relation, tuple(parts), tuple(name for (name,) in names))


def by_batch(stage: Stage, changed: Changed, snapshot: int) -> list[dict[str, Any]]:
    """How many records of each kind each batch changed, with the delivery that brought it."""
    query = _BATCHES.format(
        made=changed.relation,
        batches=at("ops.batch", snapshot),
        deliveries=at("ops.delivery", snapshot),
        holds=at("ops.hold", snapshot),
    )
    return [_without_nothing(row) for row in _dicts(stage.con, query)]


def rows(stage: Stage, changed: Changed, snapshot: int) -> list[dict[str, Any]]:
    """Every changed record: its kind, both places in files, the names of changed columns."""
    old, new = (_files(changed, side, snapshot) for side in ("old", "new"))
    query = _ROWS.format(
        made=changed.relation,
        old=old,
        new=new,
        **{
            f"{side}_{what}": f"{side}.{name}"
            for side in ("old", "new")
            for what, name in (("path", "path"), ("sha", "sha256"), ("sheet", "real_sheet"))
        },
    )
    order = " ORDER BY kind, new_path, new_sheet, new_row, old_path, old_sheet, old_row"
    return [_row(changed, one) for one in _dicts(stage.con, query + order)]


def _row(changed: Changed, one: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"feed": changed.feed.name, "kind": one["kind"]}
    if changed.shows_keys:
        told["key"] = one["record_key"]
    for side in ("old", "new"):
        if one[f"{side}_row"] is not None:
            told["before" if side == "old" else "after"] = {
                "batch_id": one[f"{side}_batch"],
                "file": one[f"{side}_path"],
                "sha256": one[f"{side}_sha"],
                "sheet": one[f"{side}_sheet"],
                "row": one[f"{side}_row"],
            }
    if one["columns"]:
        told["columns"] = one["columns"]
    return told


def _files(changed: Changed, side: str, snapshot: int) -> str:
    """Batch and sheet of the changed rows, with the file and the sheet that they really are."""
    place = real_file("p.sheet")
    join = place.join.replace("ops.batch_file", f"({at('ops.batch_file', snapshot)})")
    return (
        f"SELECT p.batch_id, p.sheet, {place.path} AS path, {place.sha256} AS sha256,"
        f" {place.sheet} AS real_sheet"
        f" FROM (SELECT DISTINCT {side}_batch AS batch_id, {side}_sheet AS sheet"
        f" FROM {changed.relation}) AS p"
        f" JOIN ({at('ops.batch', snapshot)}) AS b ON b.batch_id = p.batch_id {join}"
    )


def _names(con: duckdb.DuckDBPyConnection, select: str) -> list[str]:
    return [str(row[0]) for row in con.execute(f"DESCRIBE {select}").fetchall()]


def _dicts(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = con.execute(query)
    names: Sequence[str] = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _without_nothing(row: dict[str, Any]) -> dict[str, Any]:
    return {("batch_id" if k == "new_batch" else k): v for k, v in row.items() if v is not None}
