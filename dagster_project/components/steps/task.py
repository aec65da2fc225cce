"""The ledger of executions (``ops.task_run``): one row per task and execution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

import duckdb

from dagster_project.components.steps.due import at_hour, due_at
from dagster_project.components.steps.occasion import Occasion
from dagster_project.contracts.model import Feed, Table


class Outcome(Protocol):
    """How an execution went."""

    status: str
    deliveries: int
    counts: dict[str, int]
    error: str


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
        )

    @classmethod
    def of_table(
        cls, table: Table, kind: str, occasion: Occasion, started: datetime, ended: datetime
    ) -> Task:
        """The execution of a model or of a report's sealing."""
        return cls(
            run_id=occasion.run_id,
            task=table.name,
            kind=kind,
            department=table.owner,
            day=occasion.day,
            due_at=at_hour(occasion.day, table.due_time),
            started_at=started,
            finished_at=ended,
        )


def record_task(con: duckdb.DuckDBPyConnection, task: Task, done: Outcome) -> None:
    """Write the execution; call it inside a transaction."""
    counts = done.counts
    con.execute(
        "INSERT INTO lake.ops.task_run BY NAME SELECT ? AS run_id, ? AS task, ? AS kind,"
        " ? AS department, ? AS day, ?::TIMESTAMPTZ AS due_at, ?::TIMESTAMPTZ AS started_at,"
        " ?::TIMESTAMPTZ AS finished_at, ? AS status, ? AS deliveries, ? AS read, ? AS accepted,"
        " ? AS rejected, ? AS duplicate, ? AS superseded, ? AS dropped, ? AS error",
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
        ],
    )
