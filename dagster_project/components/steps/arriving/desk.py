"""A feed's deliveries, one after the other: landed, read, conformed, committed, or refused.

Each delivery is one transaction; a refused or held one leaves the lake as it was but for its
record. What makes a delivery doubtful stands in ``doubts``; releasing a held one in ``release``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from dagster_project import clock
from dagster_project.components.steps.arriving import deliveries, doubts, gate
from dagster_project.components.steps.arriving.deliveries import Arrival, Locate, Result
from dagster_project.components.steps.arriving.drift import Watch
from dagster_project.components.steps.arriving.holds import (
    Held,
    Hold,
    State,
    holds,
    open_hold,
    supersede,
)
from dagster_project.components.steps.arriving.reading import Reading, note_files, read_files
from dagster_project.components.steps.arriving.shifts import judge_shifts
from dagster_project.components.steps.arriving.totals import judge_totals
from dagster_project.components.steps.checks import READABLE
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import COUNTS, FeedOutcome
from dagster_project.components.steps.told import merging
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.drift import Finding
from dagster_project.errors import DeliveryError
from dagster_project.ingest.channels import Candidate
from dagster_project.lake import Transaction, Writer
from dagster_project.transform.conform import (
    BatchCounts,
    BatchInput,
    Plan,
    bronze_file,
    conform,
)

Close = Callable[[duckdb.DuckDBPyConnection, Arrival, Result, str], None]
"""Writes into the ledger, inside the transaction, what became of a delivery, with a message."""


@dataclass(frozen=True)
class Desk:
    """One feed's step while it holds the lake."""

    workshop: Workshop
    writer: Writer
    plan: Plan
    occasion: Occasion
    done: FeedOutcome

    def take(self, locate: Locate, candidate: Candidate) -> None:
        """One delivery: landed, read, conformed and committed, or refused or held."""
        self.done.deliveries += 1
        arrival = None
        try:
            last = deliveries.last_reception(self.writer.con, candidate.feed)
            arrival = deliveries.receive(locate, candidate, self.workshop.home, after=last)
            try:
                self._take(arrival)
            except Held as held:
                self._hold(arrival, held)
        except DeliveryError as error:
            self._refuse(candidate, error, arrival)

    def merge(
        self, arrival: Arrival, granted: Sequence[Hold] = (), close: Close | None = None
    ) -> None:
        """Take an arrival into the lake, in one transaction.

        Args:
            arrival: The delivery; its bytes are landed.
            granted: Its holds that somebody has accepted: they are not raised again.
            close: Notes what became of it; a new delivery is recorded.

        Raises:
            DeliveryError: It is refused.
            Held: A person must decide.
        """
        feed, close = self.plan.feed, close or self._record
        if deliveries.already_applied(self.writer.con, feed, arrival):
            with self._transaction(f"same bytes again: {arrival.candidate.path}") as tx:
                close(tx.con, arrival, "unchanged", "")
            return
        rows = bronze_file(self.workshop.home.data, feed, arrival.batch_id)
        with merging(self.workshop, feed, self.occasion, arrival) as merged:
            try:
                reading = read_files(self.writer.con, arrival, feed, rows, self.workshop.limits)
                counts, tx = self._commit(arrival, reading, rows, granted, close)
            except BaseException:
                self._discard(rows, arrival.batch_id)
                raise
            merged(counts, tx.snapshot)
        self.done.batches.append(arrival.batch_id)
        for name in COUNTS:
            self.done.counts[name] += getattr(counts, name)
        self.done.deleted += counts.deleted

    def _commit(
        self,
        arrival: Arrival,
        reading: Reading,
        rows: Path,
        granted: Sequence[Hold],
        close: Close,
    ) -> tuple[BatchCounts, Transaction]:
        """Judge the delivery as a whole, then its rows, and commit them; a doubt tells its rows."""
        known = {"read": reading.whole.read, "dropped": len(reading.whole.dropped)}
        try:
            return self._judged(arrival, reading, rows, granted, close, known=known)
        except Held as held:
            held.counts = known
            raise

    def _judged(
        self,
        arrival: Arrival,
        reading: Reading,
        rows: Path,
        granted: Sequence[Hold],
        close: Close,
        *,
        known: dict[str, int],
    ) -> tuple[BatchCounts, Transaction]:
        feed, path = self.plan.feed, arrival.candidate.path
        kinds = {hold.kind for hold in granted}
        told = self._remarks(arrival, reading)
        allowed = [one for hold in granted if hold.kind == "schema" for one in hold.findings]
        watch = Watch(
            self.workshop,
            self.writer.con,
            self.plan,
            path,
            rows,
            arrival.received_at,
            [Finding.of(one) for one in allowed],
        )
        watch.before(reading.whole)
        if "rows" not in kinds:
            doubts.judge_rows(arrival, reading.results)
        if "period" not in kinds:
            told.append(doubts.judge_period(self.writer.con, self.plan, arrival, rows))
        with self._transaction(f"{feed.title}: {path}", batch_id=arrival.batch_id) as tx:
            before = doubts.live(tx.con, feed) if feed.delivery == "full" else 0
            counts = conform(tx.con, self.plan, self._batch(arrival, reading, rows))
            known |= {name: getattr(counts, name) for name in COUNTS}
            watch.after(reading.whole, counts)
            if "quality" not in kinds:
                most_s = self.workshop.settings.rule_timeout_s
                gate.judge(tx.con, self.plan, path, counts, self.occasion.day, most_s=most_s)
            if "vanished" not in kinds:
                doubts.judge_vanished(feed, path, before, counts)
            note_files(tx.con, arrival, reading)
            told += self._unusual(tx.con, arrival)
            for answered in supersede(tx.con, feed, path, arrival.received_at):
                deliveries.settle_repeats(tx.con, answered, "unchanged")
            told.append(watch.remarks())
            if news := watch.news():
                self._open(tx.con, arrival, Held("schema", news, watch.remarks()), "noted")
            close(tx.con, arrival, "merged", " ".join(one for one in told if one))
        return counts, tx

    def _unusual(self, con: duckdb.DuckDBPyConnection, arrival: Arrival) -> list[str]:
        """What is told of a merged delivery: totals that differ, a shape that has changed."""
        feed, run_id, path = self.plan.feed, self.occasion.run_id, arrival.candidate.path
        return [
            judge_totals(con, feed, run_id, arrival.batch_id, path),
            judge_shifts(con, feed, run_id, (arrival.batch_id, path), self.workshop.contracts),
        ]

    def _remarks(self, arrival: Arrival, reading: Reading) -> list[str]:
        """What the department should hear of each file."""
        return [
            deliveries.remarks(replace(arrival.candidate, path=part.path), self.plan.feed, result)
            for part, result in zip(arrival.candidate.files, reading.results, strict=True)
        ]

    def _take(self, arrival: Arrival) -> None:
        """Merge, unless the same bytes wait for a decision already."""
        waiting = [
            hold
            for hold in holds(self.writer.con, self.plan.feed.name)
            if hold.sha256 == arrival.sha256
        ]
        if not waiting:
            self.merge(arrival)
            return
        with self._transaction(f"same bytes again: {arrival.candidate.path}") as tx:
            path, hold = arrival.candidate.path, waiting[0]
            message = f"{path}: the same bytes as {hold.path}, which is held ({hold.hold_id})."
            self._record(tx.con, arrival, "held", message)

    def _hold(self, arrival: Arrival, held: Held) -> None:
        with self._transaction(f"hold {arrival.candidate.path}") as tx:
            self.hold(tx.con, arrival, held)
            self._record(tx.con, arrival, "held", held.sentence)

    def hold(self, con: duckdb.DuckDBPyConnection, arrival: Arrival, held: Held) -> None:
        """Put a delivery among those that wait for a decision; call it inside a transaction."""
        self.done.held.append(held.sentence)
        self._open(con, arrival, held, "open")

    def _open(
        self, con: duckdb.DuckDBPyConnection, arrival: Arrival, held: Held, state: State
    ) -> None:
        open_hold(
            con,
            self.plan.feed,
            held,
            delivery_id=arrival.delivery_id,
            batch_id=arrival.batch_id,
            path=arrival.candidate.path,
            sha256=arrival.sha256,
            run_id=self.occasion.run_id,
            state=state,
        )

    def _refuse(self, candidate: Candidate, error: DeliveryError, arrival: Arrival | None) -> None:
        """Record a refusal, with the bytes where they were landed: they may be read again."""
        self.done.refused.append(str(error))
        self.done.failed_checks.add(READABLE)
        with self._transaction(f"refuse {candidate.path}") as tx:
            deliveries.record(
                tx.con,
                candidate,
                run_id=self.occasion.run_id,
                received_at=arrival.received_at if arrival else clock.now(),
                outcome="refused",
                landed=arrival.landed if arrival else (),
                sha256=arrival.sha256 if arrival else "",
                message=str(error),
            )

    def _discard(self, rows: Path, batch_id: str) -> None:
        """Remove the rows of a batch that no commit names; in doubt they stay, as an orphan."""
        with contextlib.suppress(duckdb.Error):
            query = "SELECT 1 FROM lake.ops.batch WHERE batch_id = ?"
            if self.writer.con.execute(query, [batch_id]).fetchone() is None:
                rows.unlink(missing_ok=True)

    def _batch(self, arrival: Arrival, reading: Reading, rows: Path) -> BatchInput:
        return BatchInput(
            batch_id=arrival.batch_id,
            sha256=arrival.sha256,
            path=arrival.candidate.path,
            format=reading.format,
            encoding=reading.encoding,
            delivered_at=arrival.received_at,
            run_id=self.occasion.run_id,
            committed_at=clock.now(),
            rows=rows,
            adopt=True,
            dropped=reading.whole.dropped,
            control_totals=reading.whole.control_totals,
            units=reading.whole.units,
        )

    def _record(
        self, con: duckdb.DuckDBPyConnection, arrival: Arrival, outcome: Result, message: str = ""
    ) -> None:
        deliveries.record(
            con,
            arrival.candidate,
            run_id=self.occasion.run_id,
            received_at=arrival.received_at,
            outcome=outcome,
            landed=arrival.landed,
            sha256=arrival.sha256,
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
