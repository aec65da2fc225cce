"""What lies in the inbox for one feed, taken in order; a pausing hold keeps later files waiting.

How one delivery is taken stands in ``desk``, what other channels bring in ``fetching``.
"""

from __future__ import annotations

from dagster_project import clock
from dagster_project.components.steps.arriving import deliveries
from dagster_project.components.steps.arriving.desk import Desk
from dagster_project.components.steps.arriving.holds import pausing
from dagster_project.components.steps.contract_versions import record_contracts
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.ingest.channels import InboxChannel
from dagster_project.lake import Writer
from dagster_project.transform.conform import evolve
from dagster_project.transform.models import register_deadlines, register_feeds, register_weights


def prepare(workshop: Workshop, writer: Writer, feed: Feed, occasion: Occasion) -> None:
    """Make the feed's tables as its contract says; keep the wording of contracts that changed."""
    with writer.transaction(f"tables of {feed.name}", run_id=occasion.run_id, feed=feed.name):
        evolve(writer.con, feed)
        if occasion.run_id not in workshop.registered:
            register_feeds(writer.con, workshop.contracts)
            register_weights(writer.con, workshop.contracts)
        register_deadlines(writer.con, workshop.contracts, clock.now(), feed.name)
        record_contracts(writer.con, workshop, occasion.run_id)
    workshop.registered.add(occasion.run_id)


def take_all(
    workshop: Workshop, writer: Writer, feed: Feed, occasion: Occasion, done: FeedOutcome
) -> None:
    """Everything that is new in the inbox for this feed, in the order of the paths.

    A delivery whose structure waits for a decision keeps all later ones in the inbox.
    """
    prepare(workshop, writer, feed, occasion)
    channel = InboxChannel(workshop.site.folder(workshop.home, "inbox"))
    marks = deliveries.known_marks(writer.con, feed.name)
    found = channel.discover(workshop.contracts.feeds.values(), marks, now=clock.now())
    mine = [candidate for candidate in found.candidates if candidate.feed == feed.name]
    if not mine:
        return
    desk = Desk(workshop, writer, workshop.plan(feed.name), occasion, done)
    for number, candidate in enumerate(mine):
        if (hold := pausing(writer.con, feed.name)) is not None:
            rest = len(mine) - number
            done.held.append(
                f"{rest} {'delivery waits' if rest == 1 else 'deliveries wait'} in the"
                f" inbox until hold {hold.hold_id} is decided."
            )
            return
        desk.take(channel.locate, candidate)
