"""Deciding on a held delivery: taken after all, exactly once, or sent back.

The ledger is kept by ``holds``; how a delivery is merged stands in ``desk``.
"""

from __future__ import annotations

import duckdb

from dagster_project import clock
from dagster_project.components.steps.arriving import deliveries
from dagster_project.components.steps.arriving.deliveries import Arrival, Result
from dagster_project.components.steps.arriving.desk import Desk
from dagster_project.components.steps.arriving.holds import Held, Hold, decide, holds, undecided
from dagster_project.components.steps.arriving.taking import prepare
from dagster_project.components.steps.feed import close_step
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.rebuild import look_again
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError


def replay(
    workshop: Workshop,
    hold_id: str,
    occasion: Occasion,
    *,
    by: str,
    why: str,
    contract_version_after: str = "",
) -> FeedOutcome:
    """Take the landed bytes of a held delivery, with the doubt that held it set aside.

    Decision and merge are one transaction. The delivery keeps the instant of its reception, and so
    its place in the order of rows. Another doubt about it opens another hold.

    Raises:
        UsageError: There is no such hold, it was decided, or no reason is given.
        DeliveryError: The file cannot be taken by the contract as it is now; the hold stays open.
        LakeError: The landing lacks the file, or the lake cannot be written.
    """
    started = clock.now()
    with workshop.lake.writer(f"releasing {hold_id}") as writer:
        hold = undecided(writer.con, hold_id)
        if not why.strip():
            raise UsageError(
                f"hold {hold_id} cannot be released without a reason", todo="Add --why"
            )
        feed = workshop.feed(hold.feed)
        prepare(workshop, writer, feed, occasion)
        done = FeedOutcome(feed.name, deliveries=1)
        desk = Desk(workshop, writer, workshop.plan(feed.name), occasion, done)
        arrival = deliveries.received(writer.con, hold.delivery_id, workshop.home)
        earlier = holds(writer.con, feed.name, "accepted", delivery_id=hold.delivery_id)

        def accept(con: duckdb.DuckDBPyConnection) -> None:
            decide(
                con,
                hold_id,
                "accepted",
                by=by,
                why=why,
                contract_version_after=contract_version_after,
            )

        def close(
            con: duckdb.DuckDBPyConnection, arrival: Arrival, outcome: Result, message: str
        ) -> None:
            batch_id = arrival.batch_id if outcome == "merged" else ""
            deliveries.settle(con, hold.delivery_id, outcome, batch_id=batch_id, message=message)
            deliveries.settle_repeats(con, hold, "unchanged")
            accept(con)

        try:
            desk.merge(arrival, [*earlier, hold], close)
        except Held as held:
            with writer.transaction(f"hold {hold.path} again", run_id=occasion.run_id) as tx:
                accept(tx.con)
                desk.hold(tx.con, arrival, held)
                deliveries.settle(tx.con, hold.delivery_id, "held", message=held.sentence)
    look_again(workshop, occasion)
    return close_step(workshop, feed.name, occasion, started, done)


def send_back(workshop: Workshop, hold_id: str, occasion: Occasion, *, by: str, why: str) -> Hold:
    """Refuse a held delivery: nothing of it is merged.

    Raises:
        UsageError: There is no such hold, it was decided, or no reason is given.
    """
    with (
        workshop.lake.writer(f"refusing {hold_id}") as writer,
        writer.transaction(f"refuse hold {hold_id}", run_id=occasion.run_id) as tx,
    ):
        done = decide(tx.con, hold_id, "refused", by=by, why=why)
        message = f"{done.path}: sent back by {by} ({done.why})."
        deliveries.settle(tx.con, done.delivery_id, "refused", message=message)
        deliveries.settle_repeats(tx.con, done, "refused")
    return done
