"""Contracts -> ``ops.deadline``: every period of every feed since its first execution.

A deadline that is past stays as it was written, whatever the contract says later; one that lies
ahead is the contract's of today. What became of a period is told by ``gold.feed_period``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb

from dagster_project.clock import local_day
from dagster_project.contracts.catalogue import catalogued
from dagster_project.contracts.due import Deadline, at_hour, timeline
from dagster_project.contracts.model import Contracts

NEWEST = 3
"""Deadlines of a feed from which those after them follow: one that lies ahead, those before it."""
_WRITTEN = f"""
SELECT feed, first_day, last_day, opens_at, due_at, promise, calendar
FROM lake.ops.deadline
QUALIFY ROW_NUMBER() OVER (PARTITION BY feed ORDER BY due_at DESC) <= {NEWEST}
ORDER BY feed, due_at
"""
_STARTED = "SELECT task, MIN(started_at) FROM lake.ops.task_run WHERE kind = 'feed' GROUP BY task"


def written_deadlines(con: duckdb.DuckDBPyConnection) -> dict[str, list[Deadline]]:
    """The newest deadlines of each feed as they were written, in order."""
    found: dict[str, list[Deadline]] = {}
    for feed, first, last, opens_at, due_at, said, calendar in con.execute(_WRITTEN).fetchall():
        one = Deadline(first, last, local_day(opens_at), due_at, said, calendar)
        found.setdefault(feed, []).append(one)
    return found


def register_deadlines(
    con: duckdb.DuckDBPyConnection, contracts: Contracts, now: datetime, starting: str = ""
) -> int:
    """Write down the deadlines that have come into sight; nothing when there is none.

    The caller holds the writer's lock and an open transaction.

    Args:
        con: The writer's connection.
        contracts: Whose feeds, with what they promise today.
        now: The present instant.
        starting: The feed that is being executed, maybe for the first time.

    Returns:
        How many deadlines were written.
    """
    known = written_deadlines(con)
    due = {
        name: feed.sla
        for name, feed in sorted(contracts.feeds.items())
        if catalogued(feed).promises_updates
    }
    since = {name: before[0].due_at for name, before in known.items()}
    if due.keys() - known.keys():
        since = dict(con.execute(_STARTED).fetchall())
        since.setdefault(starting, now)
    wanted: list[tuple[str, Deadline]] = []
    for name in due.keys() & since.keys():
        before = known.get(name, [])
        found = timeline(due[name], since[name], now, before)
        ahead = [one for one in before if one.due_at > now]
        if ahead == found[-1:]:
            continue
        if ahead:
            con.execute(
                "DELETE FROM lake.ops.deadline WHERE feed = ? AND due_at > ?::TIMESTAMPTZ",
                [name, now],
            )
        wanted += [(name, one) for one in found if one not in before or one in ahead]
    wanted.sort(key=lambda one: (one[0], one[1].due_at))
    _write(con, wanted)
    return len(wanted)


def _write(con: duckdb.DuckDBPyConnection, deadlines: Sequence[tuple[str, Deadline]]) -> None:
    """Write them all in one statement, because each INSERT of its own writes a file of its own."""
    if not deadlines:
        return
    cells: list[object] = []
    for feed, one in deadlines:
        opens_at = at_hour(one.opens, "00:00")
        cells += [feed, one.first, one.last, opens_at, one.due_at, one.calendar, one.promise]
    line = "(?, ?, ?, ?::TIMESTAMPTZ, ?::TIMESTAMPTZ, ?, ?)"
    con.execute(
        "INSERT INTO lake.ops.deadline"
        " (feed, first_day, last_day, opens_at, due_at, calendar, promise)"
        f" VALUES {', '.join([line] * len(deadlines))}",
        cells,
    )
