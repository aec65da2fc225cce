"""A feed's deliveries, one after the other: landed, read, conformed, committed, or refused.

Each delivery is one transaction; a refused one leaves the lake as it was but for its record.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project import clock
from dagster_project.components.steps import deliveries
from dagster_project.components.steps.checks import READABLE
from dagster_project.components.steps.deliveries import Arrival, Result
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import COUNTS, FeedOutcome
from dagster_project.components.steps.told import batch_merged
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.channels import InboxChannel
from dagster_project.ingest.channels.base import Candidate
from dagster_project.ingest.landing import land
from dagster_project.ingest.readers import ReadResult, read
from dagster_project.lake import Transaction, Writer
from dagster_project.transform.conform import BatchInput, Plan, bronze_file, conform, evolve
from dagster_project.transform.models import register_feeds


@dataclass(frozen=True)
class _Desk:
    """One feed's step while it holds the lake."""

    workshop: Workshop
    writer: Writer
    plan: Plan
    channel: InboxChannel
    occasion: Occasion
    done: FeedOutcome

    def take(self, candidate: Candidate) -> None:
        """One delivery: landed, read, conformed and committed, or refused with a sentence."""
        self.done.deliveries += 1
        try:
            self._merge(candidate)
        except DeliveryError as error:
            self.done.refused.append(str(error))
            self.done.failed_checks.add(READABLE)
            with self._transaction(f"refuse {candidate.path}") as tx:
                deliveries.record(
                    tx.con,
                    candidate,
                    run_id=self.occasion.run_id,
                    received_at=clock.now(),
                    outcome="refused",
                    message=str(error),
                )

    def _merge(self, candidate: Candidate) -> None:
        feed, home = self.plan.feed, self.workshop.home
        landed = land(self.channel.locate(candidate), home, name=candidate.path)
        arrival = Arrival(candidate, landed, clock.now())
        if deliveries.already_applied(self.writer.con, feed, landed.sha256):
            with self._transaction(f"same bytes again: {candidate.path}") as tx:
                self._record(tx, arrival, "unchanged")
            return
        rows = bronze_file(home.data, feed, arrival.batch_id)
        try:
            result = read(landed.path, feed, arrival.batch_id, rows, name=candidate.path)
            with self._transaction(
                f"{feed.title}: {candidate.path}", batch_id=arrival.batch_id
            ) as tx:
                counts = conform(tx.con, self.plan, self._batch(arrival, result, rows))
                told = deliveries.remarks(candidate, feed, result)
                self._record(tx, arrival, "merged", told)
        except BaseException:
            self._discard(rows, arrival.batch_id)
            raise
        self.done.batches.append(arrival.batch_id)
        for name in COUNTS:
            self.done.counts[name] += getattr(counts, name)
        batch_merged(
            self.workshop,
            feed,
            self.occasion,
            sha256=landed.sha256,
            snapshot=tx.snapshot,
            rows=result.rows,
            at=arrival.received_at,
        )

    def _discard(self, rows: Path, batch_id: str) -> None:
        """Remove the rows of a batch that no commit names; in doubt they stay, as an orphan."""
        with contextlib.suppress(duckdb.Error):
            query = "SELECT 1 FROM lake.ops.batch WHERE batch_id = ?"
            if self.writer.con.execute(query, [batch_id]).fetchone() is None:
                rows.unlink(missing_ok=True)

    def _batch(self, arrival: Arrival, result: ReadResult, rows: Path) -> BatchInput:
        return BatchInput(
            batch_id=arrival.batch_id,
            sha256=arrival.landed.sha256,
            path=arrival.candidate.path,
            format=result.format,
            encoding=result.encoding,
            delivered_at=arrival.received_at,
            run_id=self.occasion.run_id,
            committed_at=clock.now(),
            rows=rows,
            adopt=True,
            dropped=result.dropped,
            control_totals=result.control_totals,
        )

    def _record(
        self, tx: Transaction, arrival: Arrival, outcome: Result, message: str = ""
    ) -> None:
        deliveries.record(
            tx.con,
            arrival.candidate,
            run_id=self.occasion.run_id,
            received_at=arrival.received_at,
            outcome=outcome,
            sha256=arrival.landed.sha256,
            batch_id=arrival.batch_id if outcome == "merged" else "",
            message=message,
        )

    def _transaction(self, message: str, **extra: object) -> AbstractContextManager[Transaction]:
        return self.writer.transaction(
            message,
            run_id=self.occasion.run_id,
            feed=self.plan.feed.name,
            contract_version=self.plan.feed.version,
            **extra,
        )


def take_all(
    workshop: Workshop, writer: Writer, feed: Feed, occasion: Occasion, done: FeedOutcome
) -> None:
    """Everything that is new in the inbox for this feed, in the order of the paths."""
    with writer.transaction(f"tables of {feed.name}", run_id=occasion.run_id, feed=feed.name):
        evolve(writer.con, feed)
        register_feeds(writer.con, workshop.contracts)
    channel = InboxChannel(workshop.site.folder(workshop.home, "inbox"))
    marks = deliveries.known_marks(writer.con, feed.name)
    found = channel.discover(workshop.contracts.feeds.values(), marks, now=clock.now())
    mine = [candidate for candidate in found.candidates if candidate.feed == feed.name]
    if mine:
        desk = _Desk(workshop, writer, workshop.plan(feed.name), channel, occasion, done)
        for candidate in mine:
            desk.take(candidate)
