"""The ledger of executions (``ops.task_run``): one row per task and execution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import duckdb

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion, Trigger
from dagster_project.components.steps.tasks.running import Running, running
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.due import at_hour, due_at
from dagster_project.contracts.model import Feed, Table
from dagster_project.errors import ModelError, PackageError
from dagster_project.lake import Writer


class Outcome(Protocol):
    """How an execution went."""

    status: str
    deliveries: int
    counts: dict[str, int]
    error: str
    is_transient: bool
    reason: str

    @property
    def failures(self) -> Sequence[str]:
        """The channels that could not be asked, each as a sentence."""


@dataclass(frozen=True)
class Task:
    """One execution of one task."""

    run_id: str
    task: str
    kind: str
    department: str
    day: date
    due_at: datetime
    started_at: datetime
    finished_at: datetime
    trigger: Trigger = "manual"

    @classmethod
    def of_feed(
        cls, feed: Feed | None, name: str, occasion: Occasion, started: datetime, ended: datetime
    ) -> Task:
        """A feed's execution; the contract may be one that did not load."""
        return cls(
            run_id=occasion.run_id,
            task=name,
            kind="feed",
            department=feed.department_name if feed else "",
            day=occasion.day,
            due_at=due_at(feed.sla, occasion.day) if feed else at_hour(occasion.day, "20:00"),
            started_at=started,
            finished_at=ended,
            trigger=occasion.trigger,
        )

    @classmethod
    def of_table(cls, table: Table, occasion: Occasion, started: datetime, ended: datetime) -> Task:
        """The execution of a model, or of a report: its build, or its sealing."""
        return cls(
            run_id=occasion.run_id,
            task=f"{table.layer}.{table.name}",
            kind="report" if table.layer == "report" and table.period else "model",
            department=table.owner,
            day=occasion.day,
            due_at=at_hour(occasion.day, table.due_time),
            started_at=started,
            finished_at=ended,
            trigger=occasion.trigger,
        )


def record_task(con: duckdb.DuckDBPyConnection, task: Task, done: Outcome) -> None:
    """Write the execution; call it inside a transaction."""
    counts = done.counts
    con.execute(
        "INSERT INTO lake.ops.task_run BY NAME SELECT ? AS run_id, ? AS task, ? AS kind,"
        " ? AS department, ? AS day, ?::TIMESTAMPTZ AS due_at, ?::TIMESTAMPTZ AS started_at,"
        " ?::TIMESTAMPTZ AS finished_at, ? AS status, ? AS deliveries, ? AS read, ? AS accepted,"
        " ? AS rejected, ? AS duplicate, ? AS superseded, ? AS dropped, ? AS error, ? AS trigger,"
        " ? AS attempt, ? AS is_transient, ? AS reason, ? AS unreached",
        [
            task.run_id,
            task.task,
            task.kind,
            task.department,
            task.day,
            task.due_at,
            task.started_at,
            task.finished_at,
            done.status,
            done.deliveries,
            *(
                counts.get(name, 0)
                for name in ("read", "accepted", "rejected", "duplicate", "superseded", "dropped")
            ),
            done.error or None,
            task.trigger,
            _attempt(con, task),
            done.is_transient,
            done.reason or None,
            len(done.failures),
        ],
    )


def _attempt(con: duckdb.DuckDBPyConnection, task: Task) -> int:
    """A retry counts on from the execution before it; everything else is a first attempt."""
    if task.trigger != "retry":
        return 1
    row = con.execute(
        "SELECT arg_max(attempt, finished_at) FROM lake.ops.task_run"
        " WHERE kind = ? AND task = ? AND status <> 'skipped'",
        [task.kind, task.task],
    ).fetchone()
    return 1 + (int(row[0]) if row and row[0] else 1)


@dataclass
class Ended:
    """How an execution ended that took no deliveries; without a word it failed for the moment."""

    error: str
    status: str = "failed"
    deliveries: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    is_transient: bool = True
    reason: str = ""
    failures: Sequence[str] = ()


def record_killed(writer: Writer, feed: Feed, run: Running, day: date) -> bool:
    """Write down an execution whose process was killed; true if nobody had done so.

    What it had committed is in the lake, and nothing else of it.
    """
    known = writer.con.execute(
        "SELECT 1 FROM lake.ops.task_run WHERE run_id = ? AND task = ? LIMIT 1",
        [run.run_id, feed.name],
    ).fetchone()
    if known is not None:
        return False
    occasion = Occasion(run.run_id, day)
    task = Task.of_feed(feed, feed.name, occasion, run.started_at, clock.now())
    ended = Ended(
        f"The process {run.pid} of this run ended before the run did; what it had committed stays,"
        " and the rest is taken by the next run."
    )
    with writer.transaction(f"{feed.name}: killed", run_id=run.run_id) as tx:
        record_task(tx.con, task, ended)
    return True


@contextmanager
def made(workshop: Workshop, table: Table, occasion: Occasion) -> Iterator[datetime]:
    """Make a model or a report while no other process does; a failure is recorded.

    Yields:
        When it began. What was made is recorded by ``record_made``, in its own transaction.
    """
    started = clock.now()
    patience = workshop.settings.lock_timeout_s
    name = f"{table.layer}.{table.name}"
    with running(workshop.home, name, occasion.run_id, patience_s=patience):
        try:
            yield started
        except (ModelError, PackageError) as error:
            failed = Ended(str(error), is_transient=False)
            with (
                workshop.lake.writer(f"recording {name}") as writer,
                writer.transaction(f"{name}: failed", run_id=occasion.run_id) as tx,
            ):
                task = Task.of_table(table, occasion, started, clock.now())
                record_task(tx.con, task, failed)
            raise


def record_made(
    con: duckdb.DuckDBPyConnection, table: Table, occasion: Occasion, started: datetime
) -> None:
    """Write down that a model or a report was made; call it inside the transaction."""
    task = Task.of_table(table, occasion, started, clock.now())
    record_task(con, task, Ended("", "success", is_transient=False))
