"""A cheap look at the inbox: what lies there that could be taken now and was not."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime

import duckdb

from dagster_project import clock
from dagster_project.components.steps.arriving.deliveries import known_marks
from dagster_project.components.steps.arriving.holds import PAUSING, holds
from dagster_project.components.steps.tasks.pausing import pauses
from dagster_project.components.steps.workshop import Workshop
from dagster_project.ingest.channels import Candidate, InboxChannel
from dagster_project.ingest.channels.base import Mark


def inbox_state(workshop: Workshop) -> tuple[str, int]:
    """A fingerprint of the finished files that a run would take now, and how many they are.

    Files of paused feeds, and those that wait behind a hold, are left out: a decision changes the
    fingerprint, and until then they start nothing.
    """
    stopped: set[str] = set()
    known: Collection[Mark] = ()
    if workshop.home.catalog.exists():
        with workshop.lake.reader() as con:
            known = known_marks(con)
            stopped = {*pauses(con), *(one.feed for one in holds(con) if one.kind in PAUSING)}
    marks = sorted(
        one.mark
        for one in _new(workshop, known, clock.now(), wait=time.sleep)
        if one.feed not in stopped
    )
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:32] if marks else "", len(marks)


def waiting_files(
    workshop: Workshop, con: duckdb.DuckDBPyConnection | None, now: datetime
) -> Mapping[str, list[datetime]]:
    """By feed, when each delivery that waits in the inbox was written (UTC)."""
    known = known_marks(con) if con is not None else set()
    found: dict[str, list[datetime]] = {}
    for one in _new(workshop, known, now):
        found.setdefault(one.feed, []).append(datetime.fromtimestamp(one.mtime_ns / 1e9, UTC))
    return found


def _new(
    workshop: Workshop,
    known: Collection[Mark],
    now: datetime,
    wait: Callable[[float], None] = lambda _s: None,
) -> tuple[Candidate, ...]:
    channel = InboxChannel(workshop.site.folder(workshop.home, "inbox"), wait=wait)
    return channel.discover(workshop.contracts.feeds.values(), known, now=now).candidates
