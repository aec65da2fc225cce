"""Which deliveries behind a report wait for a decision, and what became of those that did.

As of an instant, by the ledger of holds. What a package says of them is ``protocol.held``'s form,
how a delivery is held and decided on ``arriving``'s work.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import duckdb

from dagster_project.clock import utc_text
from dagster_project.components.steps.arriving.holds import Hold, State, hold_of, waiting_at
from dagster_project.components.steps.workshop import Workshop
from dagster_project.protocol.held import HeldFeed, Holds, Reason, Settled

_OUTCOMES: dict[State, Literal["released", "refused", "superseded"]] = {
    "accepted": "released",
    "refused": "refused",
    "superseded": "superseded",
}
BUDGET = "rejection_budget"
"""What the share or the number of rejected rows is called among a package's reasons."""
# What came before the instant and is in silver; what was merged later says nothing of it.
_UNTIL = """
SELECT max(d.received_at)
FROM lake.ops.delivery AS d
LEFT JOIN lake.ops.batch AS b ON b.batch_id = d.batch_id
WHERE d.feed = ? AND d.outcome IN ('merged', 'unchanged')
    AND coalesce(b.committed_at, d.received_at) < ?::TIMESTAMPTZ
"""


def feeds_behind(workshop: Workshop, table: str) -> frozenset[str]:
    """The feeds that a model is made of, through whatever lies between.

    A model that reads the ledgers (``ops``) tells of every feed.
    """
    models = workshop.graph.models
    inputs = {
        name
        for one in (table, *workshop.graph.upstream(table))
        for name in models[one].inputs
        if name not in models
    }
    feeds = workshop.contracts.feeds
    if any(name.startswith("ops.") for name in inputs):
        return frozenset(feeds)
    return frozenset(name for name in feeds if f"silver.{name}" in inputs)


def holds_behind(
    workshop: Workshop, con: duckdb.DuckDBPyConnection, table: str, at: datetime
) -> Holds:
    """What a report's package has to say of held deliveries.

    Args:
        workshop: The site.
        con: A reader's or the writer's connection.
        table: ``report.<name>``.
        at: The report's cut-off.
    """
    feeds = feeds_behind(workshop, table)
    held = [hold for hold in waiting_at(con, at) if hold.feed in feeds]
    until = {feed: data_until(con, feed, at) for feed in {hold.feed for hold in held}}
    named = {hold.hold_id for hold in held}
    before = _said_before(con, table)
    return Holds(
        held=tuple(_held(workshop, hold, until[hold.feed]) for hold in held),
        settled=tuple(_settled(con, one) for one in before.held if one.hold_id not in named),
    )


def data_until(con: duckdb.DuckDBPyConnection, feed: str, at: datetime) -> datetime | None:
    """When the newest of the feed's data came that were in silver at an instant."""
    row = con.execute(_UNTIL, [feed, at]).fetchone()
    return row[0] if row else None


def _said_before(con: duckdb.DuckDBPyConnection, table: str) -> Holds:
    """What the report's package before says."""
    row = con.execute(
        "SELECT held FROM lake.ops.package WHERE report = ? ORDER BY package_no DESC LIMIT 1",
        [table.partition(".")[2]],
    ).fetchone()
    return Holds.model_validate(json.loads(row[0])) if row and row[0] else Holds()


def _held(workshop: Workshop, hold: Hold, until: datetime | None) -> HeldFeed:
    return HeldFeed(
        feed=hold.feed,
        title=workshop.contracts.feeds[hold.feed].title[:200],
        hold_id=hold.hold_id,
        kind=hold.kind,
        since=utc_text(hold.opened_at),
        data_until=utc_text(until) if until else "",
        rows=hold.rows,
        reasons=tuple(reasons(hold)),
    )


def _settled(con: duckdb.DuckDBPyConnection, before: HeldFeed) -> Settled:
    hold = hold_of(con, before.hold_id)
    return Settled(
        feed=before.feed,
        title=before.title,
        hold_id=before.hold_id,
        outcome=_OUTCOMES.get(hold.state, "superseded"),
        since=before.since,
        settled_at=utc_text(hold.decided_at or hold.opened_at),
    )


def reasons(hold: Hold) -> Iterator[Reason]:
    """Why it is held, in counts; titles and codes of a file that may be wrong stay here."""
    for found in hold.findings:
        if hold.kind == "quality" and "rule" in found:
            yield Reason(rule=found["rule"], checked=found["checked"], failed=found["failed"])
        elif hold.kind == "quality" and found["exceeded"]:
            yield Reason(rule=BUDGET, checked=found["rows"], failed=found["rejected"])
        elif hold.kind == "vanished":
            yield Reason(rule="vanished", checked=found["live"], failed=found["vanished"])
        elif hold.kind == "period":
            rows = found["inside"] + found["outside"]
            yield Reason(rule="period", checked=rows, failed=found["outside"])
        elif hold.kind == "rows":
            lacking = abs(found["stated"] - found["read"])
            yield Reason(rule="rows", checked=found["stated"], failed=lacking)
        elif hold.kind == "schema":
            yield _of_structure(found)


def _of_structure(found: dict[str, Any]) -> Reason:
    column, evidence = found["column"], found["evidence"]
    checked, failed = (evidence.get(name) for name in ("checked", "failed"))
    return Reason(
        rule=f"{column}.{found['kind']}" if column else found["kind"],
        checked=checked if isinstance(checked, int) else None,
        failed=failed if isinstance(failed, int) else None,
    )
