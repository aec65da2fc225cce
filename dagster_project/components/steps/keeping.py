"""Keeping a site's lake: which of its past states are held and by what, and giving up the rest.

What holds a snapshot is ``lake.retention``'s decision, but for what a county owes its parent, which
is told here. How a change is made and proven is ``lake.compaction``'s work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.packaging.drafting import recipe_hash
from dagster_project.components.steps.packaging.periods import owed, sealed_periods
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake import compaction, maintenance, sums
from dagster_project.lake.compaction import Agenda, Compacted, agenda, carry_out
from dagster_project.lake.inventory import Inventory, inventory
from dagster_project.lake.maintenance import Removed
from dagster_project.lake.retention import Claim, Claimant, Decision, Rule, claims, decide
from dagster_project.lake.snapshots import Snapshot
from dagster_project.transform.models.content import content_hash

_log = structlog.get_logger(__name__)
_YEAR = timedelta(days=366)
OnStep = Callable[[str], None]

# Files that no held snapshot sees, and that were not given up before.
_FREED = """
SELECT count(*), COALESCE(sum(file_size_bytes), 0)
FROM (
  SELECT begin_snapshot, end_snapshot, file_size_bytes
  FROM __ducklake_metadata_lake.ducklake_data_file
  UNION ALL
  SELECT begin_snapshot, end_snapshot, file_size_bytes
  FROM __ducklake_metadata_lake.ducklake_delete_file
) AS f
WHERE end_snapshot IS NOT NULL AND NOT EXISTS (
  FROM (SELECT unnest($held) AS id) AS s
  WHERE s.id >= f.begin_snapshot AND s.id < f.end_snapshot
)
"""


@dataclass(frozen=True)
class Outlook:
    """A lake's snapshots, what would be given up and made compact, and what lies there.

    ``freed`` are the data files, and their bytes, that nobody would need any more.
    """

    decision: Decision
    agenda: Agenda
    stock: Inventory
    freed: tuple[int, int]


@dataclass(frozen=True)
class Kept:
    """What keeping did: contents that were proven, and what was removed from the disk.

    ``longest`` is for how many seconds it held the lake at a time; ``waiting`` are data files, and
    their bytes, that nobody needs any more and that stay until nobody can be reading them.
    """

    outlook: Outlook
    expired: tuple[Snapshot, ...] = ()
    compacted: tuple[Compacted, ...] = ()
    proven: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    removed: Removed = field(default_factory=Removed)
    waiting: tuple[int, int] = (0, 0)


def rule_of(workshop: Workshop) -> Rule:
    """How long what is kept, as ``site.yaml`` says."""
    keep = workshop.site.keep
    years = keep.packages_years
    return Rule(timedelta(days=keep.days), years * _YEAR if years else None)


def claimant(workshop: Workshop, at: datetime) -> Claimant:
    """What holds snapshots of a site's lake."""

    def told(con: duckdb.DuckDBPyConnection) -> Iterator[Claim]:
        yield from claims(con, workshop.home, rule_of(workshop), at)
        if workshop.site.collects:
            yield from _owed(Workshop.at(workshop.home.root), con, at)

    return told


def outlook(workshop: Workshop) -> Outlook:
    """What there is to do; nothing is changed."""
    claim = claimant(workshop, clock.now())
    with workshop.lake.reader() as con:
        decision = decide(con, claim(con))
        row = con.execute(_FREED, {"held": [*decision.held]}).fetchone() or (0, 0)
        return Outlook(
            decision,
            agenda(con, claim),
            inventory(con, workshop.home),
            (int(row[0]), int(row[1])),
        )


def keep(workshop: Workshop, *, dry_run: bool = False, on_step: OnStep | None = None) -> Kept:
    """Give up the snapshots that nobody needs, make tables compact, and remove what is left over.

    The lock is let go between the changes. One that cannot be proven stops it; those before it
    stand.

    Args:
        workshop: The site.
        dry_run: Only tell.
        on_step: Called with a sentence before each change.

    Raises:
        LakeError: Something held would not read as it did; the lake is as it was before.
    """
    begun = time.monotonic()
    found = outlook(workshop)
    now = clock.now()
    if dry_run:
        removed = maintenance.gc(workshop.lake, at=now, dry_run=True)
        return Kept(found, removed=removed, waiting=_waiting(found.stock))
    expired: list[Snapshot] = []
    compacted: list[Compacted] = []
    proven, longest = 0, 0.0
    for change in found.agenda.changes:
        if on_step:
            on_step(_sentence(change, found))
        start = time.monotonic()
        done = carry_out(workshop.lake, change, claimant(workshop, now), content_hash)
        longest = max(longest, time.monotonic() - start)
        expired += done.expired
        compacted += done.compacted
        proven += done.proven
    removed = maintenance.gc(workshop.lake, at=now)
    sums.note(workshop.lake)
    kept = Kept(
        found,
        tuple(expired),
        tuple(compacted),
        proven,
        time.monotonic() - begun,
        longest,
        removed,
        _waiting(_stock(workshop)),
    )
    _log.info("lake kept", **{k: v for k, v in told(kept).items() if isinstance(v, int | float)})
    return kept


def _stock(workshop: Workshop) -> Inventory:
    with workshop.lake.reader() as con:
        return inventory(con, workshop.home)


def _waiting(stock: Inventory) -> tuple[int, int]:
    files = [stock.present[name] for name in stock.given_up if name in stock.present]
    return len(files), sum(file.stat().st_size for file in files)


def told(kept: Kept) -> dict[str, Any]:
    """What keeping did, or would do, in plain values."""
    found, removed = kept.outlook, kept.removed
    return {
        "snapshots": len(found.decision.held) + len(found.decision.gone),
        "held": len(found.decision.held),
        "held_by": dict(reasons(found.decision)),
        "unclaimed": [one.id for one in found.decision.gone],
        "freed_files": found.freed[0],
        "freed_bytes": found.freed[1],
        "loose": [
            {
                "table": one.table,
                "files": one.files,
                "small": one.small,
                "deleted": one.deleted,
                "bytes": one.size,
            }
            for one in found.agenda.tables
        ],
        "too_long_to_prove": [one.table for one in found.agenda.left],
        "lacking": [
            {"snapshot": one.snapshot, "kind": one.kind, "by": one.by}
            for one in found.decision.lacking
        ],
        "expired": [one.id for one in kept.expired],
        "compacted": [
            {"table": one.table, "before": one.before, "after": one.after} for one in kept.compacted
        ],
        "waiting_files": kept.waiting[0],
        "waiting_bytes": kept.waiting[1],
        "proven": kept.proven,
        "seconds": round(kept.seconds, 2),
        "longest_change": round(kept.longest, 2),
        "removed": {
            "replicas": removed.replicas,
            "shared": removed.shared,
            "scratch": removed.scratch,
            "orphans": removed.orphans,
            "given_up": removed.given_up,
            "bytes": removed.size,
        },
    }


def reasons(decision: Decision) -> Counter[str]:
    """How many snapshots each kind of claim holds; one snapshot may be held by several."""
    return Counter(kind for some in decision.held.values() for kind in {one.kind for one in some})


def _sentence(change: compaction.Change, found: Outlook) -> str:
    if change.expire:
        return f"giving up {len(found.decision.gone)} snapshots"
    return f"making {len(change.tables)} tables compact"


def _owed(workshop: Workshop, con: duckdb.DuckDBPyConnection, at: datetime) -> Iterator[Claim]:
    """The states that periods which were never sealed will be made of, when they are.

    The snapshot after it proves that it was the current one, and is held along with it.
    """
    known = con.execute("SELECT snapshot_id, snapshot_time FROM lake.snapshots() ORDER BY 1")
    times = [(int(number), instant) for number, instant in known.fetchall()]
    for model in workshop.graph.models.values():
        contract = model.contract
        if model.layer != "report" or not contract.period:
            continue
        sealed = sealed_periods(con, contract)
        for period in owed(contract, sealed, recipe_hash(workshop, model.table), at):
            due = period.due_at(contract)
            before = [number for number, instant in times if instant <= due][-1:]
            after = [number for number, instant in times if instant > due][:1]
            for number in (*before, *after):
                yield Claim(number, "period", f"{model.name} {period.name}")
