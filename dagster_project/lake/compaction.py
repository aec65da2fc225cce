"""Giving up snapshots and merging small files, each change proven before it counts.

Every change is made to a copy of the catalog (``rework``) and held against the lake as it is
(``proof``); a difference stops it, and the lake stays as it was. Which snapshots are held is
``retention``'s decision; data files are not removed here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import duckdb

from dagster_project.errors import LakeError
from dagster_project.lake import sums
from dagster_project.lake.engine import literal
from dagster_project.lake.lake import AUTHOR, Lake
from dagster_project.lake.proof import ADVICE, SAMPLE, Digest, Proof, sealed
from dagster_project.lake.retention import Claimant, decide
from dagster_project.lake.rework import reworking
from dagster_project.lake.snapshots import Snapshot, current_snapshot
from dagster_project.lake.table_state import states_at
from dagster_project.paths import Home

SMALL = 4 << 20
"""A data file of fewer bytes is worth merging with others."""
MANY = 8
"""So many small files of a table are worth the work."""
DELETED = 0.5
"""A file of which a larger part is deleted is worth writing again."""
ROUND = 10_000_000
"""Rows that may be hashed while the lock is held once: some ten seconds."""
MOST = 300_000_000
"""Rows that may be hashed for one table."""
_PER_PROOF = 30_000
"""What a proof costs beyond its rows, in rows."""
_META = "__ducklake_metadata_lake"

_FILES = """
SELECT
  s.schema_name || '.' || t.table_name,
  count(*),
  count(*) FILTER (f.file_size_bytes < $small AND d.delete_count IS NULL),
  count(*) FILTER (d.delete_count > $deleted * f.record_count),
  sum(f.file_size_bytes)
FROM {meta}.ducklake_data_file AS f
JOIN {meta}.ducklake_table AS t ON t.table_id = f.table_id AND t.end_snapshot IS NULL
JOIN {meta}.ducklake_schema AS s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL
LEFT JOIN {meta}.ducklake_delete_file AS d
  ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL
WHERE f.end_snapshot IS NULL
GROUP BY ALL
ORDER BY ALL
"""


@dataclass(frozen=True)
class Files:
    """The live files of a table: all, the small ones without deleted rows, the mostly deleted."""

    table: str
    files: int
    small: int
    deleted: int
    size: int

    @property
    def is_loose(self) -> bool:
        """Whether it is worth making compact."""
        return self.small >= MANY or self.deleted > 0


@dataclass(frozen=True)
class Change:
    """What is wanted: giving up the snapshots that nobody claims, or tables made compact."""

    expire: bool = False
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compacted:
    """A table's live files before and after."""

    table: str
    before: int
    after: int


@dataclass(frozen=True)
class Done:
    """What became of a change; ``proven`` is how many contents were hashed again and equal."""

    expired: tuple[Snapshot, ...] = ()
    compacted: tuple[Compacted, ...] = ()
    proven: int = 0


def live_files(con: duckdb.DuckDBPyConnection) -> dict[str, Files]:
    """The live files of every table that has any."""
    wanted = {"small": SMALL, "deleted": DELETED}
    rows = con.execute(_FILES.format(meta=_META), wanted).fetchall()
    return {str(name): Files(str(name), *(int(one) for one in counts)) for name, *counts in rows}


@dataclass(frozen=True)
class Agenda:
    """What there is to do, in changes none of which holds the lock for long.

    ``left`` are tables whose proof would take too long.
    """

    changes: tuple[Change, ...]
    tables: tuple[Files, ...]
    left: tuple[Files, ...]


def agenda(con: duckdb.DuckDBPyConnection, claimant: Claimant) -> Agenda:
    """What is worth doing now; only a look."""
    decision = decide(con, claimant(con))
    found = {one.table: one for one in live_files(con).values() if one.is_loose}
    costs = dict.fromkeys(found, 0)
    told = sealed(con)
    newest = max(decision.held)
    for (name, at), state in states_at(con, decision.held).items():
        if name in costs:
            times = 2 * SAMPLE if at == newest else int((name, at) in told)
            costs[name] += times * (state.rows + _PER_PROOF)
    changes = [Change(expire=True)] if decision.gone else []
    group: list[str] = []
    for name in (name for name, cost in costs.items() if cost <= MOST):
        if group and sum(costs[one] for one in (*group, name)) > ROUND:
            changes.append(Change(tables=tuple(group)))
            group = []
        group.append(name)
    changes += [Change(tables=tuple(group))] if group else []
    return Agenda(
        tuple(changes),
        tuple(one for name, one in found.items() if costs[name] <= MOST),
        tuple(one for name, one in found.items() if costs[name] > MOST),
    )


def carry_out(lake: Lake, change: Change, claimant: Claimant, digest: Digest) -> Done:
    """Make one change, or none.

    Args:
        lake: The lake; no writer of this thread has it open.
        change: What is wanted; which snapshots go is decided here, under the lock.
        claimant: What holds snapshots.
        digest: Hashes content.

    Raises:
        LakeError: Something held would not read as it did, or a file is missing; nothing changed.
    """
    with reworking(lake, "keeping the lake compact") as work:
        decision = decide(work.old, claimant(work.old))
        gone = decision.gone if change.expire else ()
        _expire(work.new, gone)
        before = live_files(work.old)
        _undecayed(work.old, lake.home, change.tables)
        _make_compact(work.new, [before[name] for name in change.tables if name in before])
        if not gone and current_snapshot(work.new) == current_snapshot(work.old):
            return Done()
        proof = Proof(work.old, work.new, tuple(decision.held), digest)
        proof.prove(lake.home, {one.id for one in gone})
        proof.remember()
        work.adopt()
        after = live_files(work.new)
        counts = (
            Compacted(name, before[name].files, after[name].files if name in after else 0)
            for name in change.tables
            if name in before
        )
        compacted = tuple(one for one in counts if one.before != one.after)
        return Done(tuple(gone), compacted, proof.proven)


def _expire(con: duckdb.DuckDBPyConnection, gone: Iterable[Snapshot]) -> None:
    """Give up snapshots by name, never by age."""
    if versions := ", ".join(str(one.id) for one in gone):
        con.execute(f"CALL ducklake_expire_snapshots('lake', versions => [{versions}])")


def _undecayed(con: duckdb.DuckDBPyConnection, home: Home, tables: Collection[str]) -> None:
    """Make sure that the files of tables are what was written: decay must not be made to last."""
    folders = tuple(name.replace(".", "/") for name in tables)
    for path, what in sums.differences(con, home, folders) if folders else ():
        if what:
            raise LakeError(what, where=str(path), todo=ADVICE)


def _make_compact(con: duckdb.DuckDBPyConnection, tables: Collection[Files]) -> None:
    """Write mostly deleted files again and merge small ones, in one commit."""
    if not tables:
        return
    con.execute("BEGIN")
    message = f"make compact: {', '.join(one.table for one in tables)}"
    con.execute("CALL lake.set_commit_message(?, ?, extra_info => '{}')", [AUTHOR, message])
    for one in tables:
        layer, _, name = one.table.partition(".")
        place = f"'lake', {literal(name)}, schema => {literal(layer)}"
        if one.deleted:
            rewrite = f"ducklake_rewrite_data_files({place}, delete_threshold => {DELETED})"
            con.execute(f"CALL {rewrite}").fetchall()
        if one.small >= MANY:
            merge = f"ducklake_merge_adjacent_files({place}, max_file_size => {SMALL})"
            con.execute(f"CALL {merge}").fetchall()
    con.execute("COMMIT")
