"""A hold from its beginning to its end: opened, given back, decided, and what came of it.

Read from the ledgers; deciding is ``release``'s work.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import duckdb

from dagster_project.components.steps.arriving.holds import Hold, State, hold_of, holds
from dagster_project.components.steps.outcome import COUNTS

PROGRAMME = "countylake"
_DECIDED: dict[State, str] = {
    "accepted": "released",
    "refused": "refused",
    "superseded": "superseded",
}


@dataclass(frozen=True)
class Event:
    """One thing that happened to a held delivery: when, what, by whom, and why or with what."""

    at: datetime
    event: str
    by: str
    told: str


@dataclass(frozen=True)
class Course:
    """The whole course of one hold.

    ``outcome`` is what the delivery is now (held, merged, unchanged, refused). ``batch`` are the
    counts with which it was merged, None as long as nothing was. ``rows_held`` are those that are
    in no table because of this hold. ``others`` are further holds of the same delivery.
    """

    hold: Hold
    events: tuple[Event, ...]
    outcome: str
    batch: dict[str, int] | None
    rows_held: int
    others: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """As JSON has it: the hold's own fields, and its course beside them."""
        course = asdict(self)
        hold: dict[str, Any] = course.pop("hold")
        return hold | course


def course_of(con: duckdb.DuckDBPyConnection, hold_id: str) -> Course:
    """Everything that is on record of a hold.

    Raises:
        UsageError: There is none of that number.
    """
    hold = hold_of(con, hold_id)
    outcome = con.execute(
        "SELECT outcome FROM lake.ops.delivery WHERE delivery_id = ?", [hold.delivery_id]
    ).fetchone()
    batch = con.execute(
        f"SELECT committed_at, {', '.join(COUNTS)} FROM lake.ops.batch WHERE batch_id = ?",
        [hold.batch_id],
    ).fetchone()
    counts = dict(zip(COUNTS, map(int, batch[1:]), strict=True)) if batch else None
    opened = "noted" if hold.state == "noted" else "held"
    events = [Event(hold.opened_at, opened, PROGRAMME, hold.message)]
    if hold.returned_at:
        events.append(Event(hold.returned_at, "returned", "", "a marked copy was written"))
    events += _people(con, hold_id)
    if hold.decided_at:
        word = _DECIDED.get(hold.state, hold.state)
        events.append(Event(hold.decided_at, word, hold.decided_by, hold.why))
    if batch and counts:
        told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        # Decision and merge are one transaction; the one is the cause of the other.
        at = max(batch[0], hold.decided_at or batch[0])
        events.append(Event(at, "merged", PROGRAMME, told))
    delivery = holds(con, hold.feed, "", delivery_id=hold.delivery_id)
    return Course(
        hold,
        tuple(sorted(events, key=lambda one: one.at)),
        str(outcome[0]) if outcome else "",
        counts,
        hold.rows or 0 if hold.state == "open" else 0,
        tuple(one.hold_id for one in delivery if one.hold_id != hold_id),
    )


def _people(con: duckdb.DuckDBPyConnection, hold_id: str) -> list[Event]:
    """What people decided about the case that a hold is, beside the hold itself."""
    rows = con.execute(
        "SELECT decided_at, event, decided_by, why FROM lake.ops.case_event WHERE case_id = ?"
        " ORDER BY decided_at",
        [hold_id],
    ).fetchall()
    return [Event(at, str(event), str(by or ""), str(why or "")) for at, event, by, why in rows]
