"""Which snapshots of a lake are held, by what, and which may be given up.

A snapshot is held as long as one claim names it. Claims that only other rooms know of are handed
in. Nothing is given up here; that is ``compaction``'s work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import duckdb

from dagster_project.lake.publish import RECORD, read_record
from dagster_project.lake.snapshots import Snapshot, snapshots
from dagster_project.lake.table_state import TOUCHED
from dagster_project.paths import Home

Kind = Literal["newest", "young", "package", "build", "replica", "period", "version"]
KINDS: Mapping[Kind, str] = {
    "newest": "最新 newest",
    "young": "近期 young",
    "package": "报送包 package",
    "build": "模型构建 build",
    "replica": "只读副本 replica",
    "period": "待补报 owed period",
    "version": "表的版本 table's version",
}
"""Why a snapshot is held, in the order in which it is told."""
_META = "__ducklake_metadata_lake"

# A withdrawal names the snapshot of what it withdraws.
_PACKAGES = """
SELECT snapshot, package_id FROM lake.ops.package WHERE snapshot IS NOT NULL
  AND ($since IS NULL OR sealed_at IS NULL OR sealed_at >= $since)
UNION
SELECT r.snapshot, r.package_id FROM lake.ops.receipt AS r
WHERE r.snapshot IS NOT NULL AND ($since IS NULL OR NOT EXISTS (
  FROM lake.ops.package AS p WHERE p.package_id = r.package_id AND p.sealed_at < $since))
ORDER BY ALL
"""
_BUILDS = """
SELECT max(snapshot), table_name FROM lake.ops.model_build WHERE snapshot IS NOT NULL
GROUP BY table_name
UNION
SELECT arg_max(snapshot, (built_at, snapshot)), table_name FROM lake.ops.model_build
WHERE snapshot IS NOT NULL
GROUP BY table_name
ORDER BY ALL
"""
# What ended last is all that tells when such a table changed: it is kept by a snapshot that saw it.
_VERSIONS = """
WITH part AS (
  SELECT table_id, begin_snapshot, end_snapshot, NULL AS partial_max FROM {meta}.ducklake_table
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot, partial_max FROM {meta}.ducklake_data_file
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot, partial_max FROM {meta}.ducklake_delete_file
  UNION ALL
  SELECT table_id, begin_snapshot, end_snapshot, NULL FROM {meta}.ducklake_column
),
touched AS ({touched}),
named AS (
  SELECT s.schema_name || '.' || t.table_name AS name, t.table_id
  FROM {meta}.ducklake_table AS t
  JOIN {meta}.ducklake_schema AS s ON s.schema_id = t.schema_id
  WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
),
last AS (
  SELECT n.name, n.table_id, touched.snapshot
  FROM named AS n
  JOIN touched ON touched.name = n.name
  WHERE NOT EXISTS (
    FROM part AS p
    WHERE p.table_id = n.table_id AND p.end_snapshot IS NULL
      AND GREATEST(p.begin_snapshot, COALESCE(p.partial_max, 0)) = touched.snapshot
  )
)
SELECT max(s.snapshot_id), last.name
FROM last
JOIN part AS p ON p.table_id = last.table_id AND p.end_snapshot = last.snapshot
JOIN {meta}.ducklake_snapshot AS s
  ON s.snapshot_id >= p.begin_snapshot AND s.snapshot_id < p.end_snapshot
GROUP BY last.name
ORDER BY ALL
"""


@dataclass(frozen=True, order=True)
class Claim:
    """Something that needs a snapshot: which, what kind of thing, and its name."""

    snapshot: int
    kind: Kind
    by: str


@dataclass(frozen=True)
class Rule:
    """How long what is kept.

    ``young`` holds every snapshot of that age; ``packages`` is how long packages hold theirs, and
    None is for ever.
    """

    young: timedelta = timedelta(days=7)
    packages: timedelta | None = None


Claimant = Callable[[duckdb.DuckDBPyConnection], Iterable[Claim]]
"""Gives the claims that a lake's reader or writer knows of."""


@dataclass(frozen=True)
class Decision:
    """Every snapshot of a lake, oldest first: held by claims, or given up.

    ``lacking`` are claims to snapshots that the lake does not have.
    """

    held: Mapping[int, tuple[Claim, ...]]
    gone: tuple[Snapshot, ...]
    lacking: tuple[Claim, ...]


def claims(
    con: duckdb.DuckDBPyConnection, home: Home, rule: Rule, at: datetime
) -> tuple[Claim, ...]:
    """What the lake itself knows of: packages, builds, replicas, the young, and the newest.

    Args:
        con: A reader or writer with the lake attached.
        home: Where its replicas lie.
        rule: How long what is kept.
        at: The present instant.
    """
    known = snapshots(con)
    since = at - rule.packages if rule.packages is not None else None
    versions = _VERSIONS.format(meta=_META, touched=_touched())
    found = [Claim(one.id, "young", "") for one in known if one.committed_at > at - rule.young]
    found += [Claim(one.id, "newest", "") for one in known[:1]]
    found += _found(con, "package", _PACKAGES, {"since": since})
    found += _found(con, "build", _BUILDS)
    found += _found(con, "version", versions)
    for record in sorted(home.published.glob(f"*/{RECORD}")):
        replica = None if record.parent.is_symlink() else read_record(record.parent)
        if replica is not None:
            found.append(Claim(replica.snapshot, "replica", replica.folder))
    return tuple(found)


def decide(con: duckdb.DuckDBPyConnection, found: Iterable[Claim]) -> Decision:
    """Divide the lake's snapshots into those that a claim names and those that none does."""
    known = sorted(snapshots(con), key=lambda one: one.id)
    held: dict[int, list[Claim]] = {}
    for claim in sorted(set(found), key=lambda one: (one.snapshot, [*KINDS].index(one.kind), one)):
        held.setdefault(claim.snapshot, []).append(claim)
    there = {one.id for one in known}
    return Decision(
        held={one.id: tuple(held[one.id]) for one in known if one.id in held},
        gone=tuple(one for one in known if one.id not in held),
        lacking=tuple(one for at, some in held.items() if at not in there for one in some),
    )


def _touched() -> str:
    query = TOUCHED.format(meta=_META)
    return f"SELECT * FROM ({query}) AS t (name, snapshot)"


def _found(
    con: duckdb.DuckDBPyConnection, kind: Kind, query: str, words: dict[str, object] | None = None
) -> list[Claim]:
    rows = con.execute(query, words).fetchall()
    return [Claim(int(snapshot), kind, str(by)) for snapshot, by in rows]
