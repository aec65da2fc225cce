"""What a run did, told in one dictionary: feeds, reports, and where to look next."""

from __future__ import annotations

from typing import Any

import duckdb

from dagster_project import clock
from dagster_project.components.steps import overview
from dagster_project.components.steps.arriving.deliveries import known_marks
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.ingest.channels import InboxChannel
from dagster_project.ingest.channels.base import Mark
from dagster_project.lake.publish import replica_path

_RUN = """
SELECT
  (SELECT count(*) FROM lake.ops.task_run WHERE run_id = $run AND status IN ('failed', 'partial')),
  (SELECT count(*) FROM lake.ops.delivery WHERE run_id = $run),
  (SELECT count(*) FROM lake.ops.package WHERE sealed_at >= coalesce(
     (SELECT min(started_at) FROM lake.ops.task_run WHERE run_id = $run), 'infinity'::TIMESTAMPTZ)),
  (SELECT max(day) FROM lake.ops.task_run WHERE run_id = $run)
"""
_TAKEN = """
SELECT message
FROM lake.ops.delivery
WHERE run_id = ? AND outcome IN ('merged', 'unchanged') AND message IS NOT NULL
ORDER BY received_at
"""
_SKIPPED = "SELECT reason FROM lake.ops.task_run WHERE run_id = ? AND reason IS NOT NULL"
_CONTRACTS = """
SELECT message
FROM lake.ops.contract
WHERE run_id = ? AND NOT version_ok
ORDER BY layer, name
"""


def summary(workshop: Workshop, run_id: str, failures: dict[str, str]) -> dict[str, Any]:
    """The run's outcome; ``status`` is success, unchanged, partial or failed."""
    state = overview.status(workshop)
    troubled = delivered = sealed = 0
    day = None
    said: list[str] = []
    marks: set[Mark] = set()
    if workshop.home.catalog.exists():
        with workshop.lake.reader() as con:
            row = con.execute(_RUN, {"run": run_id}).fetchone()
            troubled, delivered, sealed, day = row or (0, 0, 0, None)
            said, marks = _of_run(con, run_id), known_marks(con)
    if failures:
        status = "failed"
    elif troubled or state["problems"]:
        status = "partial"
    elif delivered or sealed:
        status = "success"
    else:
        status = "unchanged"
    return {
        "run_id": run_id,
        "status": status,
        "day": str(day or clock.local_day(clock.now())),
        **state,
        "failures": failures,
        "remarks": [*said, *_of_inbox(workshop, marks)],
        "replica": _replica(workshop),
        "docs": _docs(workshop),
    }


def _of_run(con: duckdb.DuckDBPyConnection, run_id: str) -> list[str]:
    """What is to be said of contracts and files that this run took."""
    return [
        str(message)
        for query in (_CONTRACTS, _SKIPPED, _TAKEN)
        for (message,) in con.execute(query, [run_id]).fetchall()
    ]


def _of_inbox(workshop: Workshop, marks: set[Mark]) -> list[str]:
    """Files of the inbox that no feed takes, or not yet."""
    channel = InboxChannel(workshop.site.folder(workshop.home, "inbox"), wait=lambda _s: None)
    found = channel.discover(workshop.contracts.feeds.values(), marks, now=clock.now())
    remarks = (*found.unclaimed, *found.refused, *found.unfinished)
    return [remark.sentence for remark in remarks]


def _replica(workshop: Workshop) -> str:
    try:
        return str(replica_path(workshop.home).parents[1] / "current" / "county.duckdb")
    except UsageError:
        return ""


def _docs(workshop: Workshop) -> str:
    index = workshop.home.docs / "index.html"
    return str(index) if index.exists() else ""
