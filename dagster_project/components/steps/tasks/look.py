"""归集任务: every feed, report and model as a task, with its schedule, deadline and state.

Computed from contracts, ledgers and the locks of what runs now; nothing is stored. The states, of
which the first that fits is told:

==========  =======================================================================================
running     A process holds the task's lock.
paused      Somebody paused it: its files wait, its channels are not asked.
held        A delivery of the feed waits for a person's decision (``countylake hold``, ``drift``).
late        A deadline is past and nothing came for its period, nor since.
failed      The executions since it last went well failed.
due         It is to be started: its time has come, a file waits, or a failure is tried again.
            A model is due when something it reads was merged or built after its last build.
waiting     Nothing has come for the present period, and its deadline is still ahead.
ok          The present period is served.
never       It never ran.
==========  =======================================================================================

Who is waited for is found in ``waits``, what is to be started in ``starting``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from statistics import median
from typing import Any, Literal

from dagster_project import clock
from dagster_project.components.steps.arriving.watch import waiting_files
from dagster_project.components.steps.data_age import age_days
from dagster_project.components.steps.tasks.facts import Executions, Facts, facts
from dagster_project.components.steps.tasks.pausing import Decision
from dagster_project.components.steps.tasks.running import Running, now_running
from dagster_project.components.steps.tasks.standing import Standing, standing, within
from dagster_project.components.steps.tasks.starting import Start, retry_at, start_of
from dagster_project.components.steps.tasks.timetable import timetable
from dagster_project.components.steps.tasks.waits import Wait, feed_waits, table_waits
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed, Sla, Table
from dagster_project.contracts.report_period import UNITS, period_at
from dagster_project.errors import UsageError
from dagster_project.transform.models import Model

State = Literal["running", "paused", "held", "late", "failed", "due", "waiting", "ok", "never"]
STATES: tuple[State, ...] = (
    "running",
    "paused",
    "held",
    "late",
    "failed",
    "due",
    "waiting",
    "ok",
    "never",
)
"""Every state, in the order in which the first that fits is told."""
URGENCY: tuple[State, ...] = (
    "late",
    "failed",
    "held",
    "running",
    "due",
    "paused",
    "never",
    "waiting",
    "ok",
)
"""The order in which tasks are shown: first what somebody must act on."""


@dataclass(frozen=True)
class TaskLine:
    """One task as it stands; instants in UTC, durations in seconds.

    ``period`` is the present one, due at ``due_at``; ``missed_at`` is the deadline that a late task
    missed. The rows are those of the last execution that took something. ``failures`` are the
    executions that failed since the last one that went well. ``data_until`` is when a feed's
    published data came, or were known to be the newest still. ``start`` is why it is to be started
    now, if it is.
    """

    task: str
    title: str
    kind: Literal["feed", "report", "model"]
    department: str
    owner: str
    state: State
    schedule: str
    cron: str
    period: tuple[date, date] | None
    due_at: datetime | None
    is_served: bool
    missed_at: datetime | None
    last_success: datetime | None
    last_run: datetime | None
    last_status: str
    next_run: datetime | None
    running: Running | None
    paused: Decision | None
    holds: tuple[str, ...]
    failures: int
    attempt: int
    retry_at: datetime | None
    error: str
    deliveries_waiting: int
    read: int
    accepted: int
    rejected: int
    duration_s: float | None
    median_s: float | None
    waits_for: tuple[Wait, ...]
    start: Start | None = None
    data_until: datetime | None = None
    data_age_days: int | None = None


def tasks(workshop: Workshop, now: datetime | None = None) -> list[TaskLine]:
    """Every task of the site, the most urgent first.

    Raises:
        LakeBusyError: A writer kept the lake for too long.
    """
    return in_order(every(workshop, now)[1].values())


def every(workshop: Workshop, now: datetime | None = None) -> tuple[Look, dict[str, TaskLine]]:
    """One look, and every task by its name, each after what it reads.

    Raises:
        LakeBusyError: A writer kept the lake for too long.
    """
    look = Look.at(workshop, now or clock.now())
    lines = {line.task: line for line in look.feeds()}
    for model in workshop.graph.models.values():
        lines[model.table] = look.table(model, lines)
    return look, lines


def in_order(lines: Iterable[TaskLine]) -> list[TaskLine]:
    """The most urgent first; of equals the earliest deadline."""
    far = datetime.max.replace(tzinfo=clock.SHANGHAI)

    def urgency(line: TaskLine) -> tuple[int, datetime, str]:
        return URGENCY.index(line.state), line.missed_at or line.due_at or far, line.task

    return sorted(lines, key=urgency)


def task(workshop: Workshop, name: str, now: datetime | None = None) -> TaskLine:
    """One task: a feed by its name, a report or model as ``layer.name`` or by its name alone.

    Raises:
        UsageError: There is no such task.
    """
    return named(workshop, every(workshop, now)[1], name)


def named(workshop: Workshop, lines: Mapping[str, TaskLine], name: str) -> TaskLine:
    """The task that a name means.

    Raises:
        UsageError: There is no such task.
    """
    known = in_order(lines.values())
    found = [line for line in known if name in (line.task, line.task.partition(".")[2])]
    if not found:
        workshop.feed(name) if "." not in name else None
        raise UsageError(
            f"there is no task {name}", todo="`countylake tasks --kind all` names them"
        )
    return found[0]


def to_start(workshop: Workshop, now: datetime | None = None) -> list[Start]:
    """The feeds that are to be started now, and why; paused, held and running ones are not."""
    look = Look.at(workshop, now or clock.now())
    return [line.start for line in look.feeds() if line.start and line.state not in NOT_STARTED]


NOT_STARTED: tuple[State, ...] = ("running", "paused")


@dataclass(frozen=True)
class Look:
    """One look at the site: what its lines are computed from."""

    workshop: Workshop
    now: datetime
    facts: Facts = field(default_factory=Facts)
    running: Mapping[str, Running] = field(default_factory=dict)
    files: Mapping[str, Sequence[datetime]] = field(default_factory=dict)

    @staticmethod
    def at(workshop: Workshop, now: datetime) -> Look:
        """Look at ledgers, locks and inbox."""
        known = Facts()
        asked = [name for name, feed in workshop.contracts.feeds.items() if feed.is_asked]
        if workshop.home.catalog.exists():
            with workshop.lake.reader() as con:
                known = facts(con, asked)
                files = waiting_files(workshop, con, now)
        else:
            files = waiting_files(workshop, None, now)
        return Look(workshop, now, known, now_running(workshop.home), files)

    def feeds(self) -> list[TaskLine]:
        """Every feed whose contract could be read; who waits for whom is known at the end."""
        lines = {name: self.feed(feed) for name, feed in self.workshop.contracts.feeds.items()}
        return [
            replace(line, waits_for=feed_waits(self.workshop, lines, line, self.facts))
            for line in lines.values()
        ]

    def feed(self, feed: Feed) -> TaskLine:
        """One feed, but for whom it waits for."""
        ran = self.facts.executions.get(("feed", feed.name), Executions())
        taken = [*self.facts.deliveries.get(feed.name, ()), *ran.answered]
        stands = standing(
            feed.sla,
            within(taken),
            ran.first_run,
            self.now,
            self.facts.deadlines.get(feed.name, ()),
        )
        until = max(taken) if self.facts.deliveries.get(feed.name) else None
        times, files = timetable(feed), self.files.get(feed.name, ())
        held = self.facts.holds.get(feed.name, ())
        stopped = any(hold.kind == "schema" for hold in held)
        start = None if stopped else start_of(feed, ran, times, stands, files=files, now=self.now)
        again = retry_at(ran)
        state = self._state(feed.name, ran, stands, is_due=start is not None)
        return TaskLine(
            task=feed.name,
            title=feed.title,
            kind="feed",
            department=feed.department_name,
            owner=feed.owner or feed.department_name,
            state=state,
            schedule=times.words,
            cron=times.cron,
            period=(stands.first, stands.last),
            due_at=stands.due_at,
            is_served=stands.is_served,
            missed_at=stands.missed_at,
            next_run=min(times.next(self.now), again or times.next(self.now)),
            holds=tuple(hold.hold_id for hold in held),
            retry_at=again,
            deliveries_waiting=len(files),
            waits_for=(),
            start=start,
            data_until=until,
            data_age_days=age_days(until, self.now),
            **self._told(feed.name, ran),
        )

    def table(self, model: Model, named: Mapping[str, TaskLine]) -> TaskLine:
        """A report or another model, after everything that it reads."""
        contract = model.contract
        is_report = model.layer == "report" and bool(contract.period)
        kind: Literal["report", "model"] = "report" if is_report else "model"
        ran = self.facts.executions.get((kind, model.table), Executions())
        built = self.facts.builds.get(model.table)
        stands = self._report(contract) if is_report else None
        waits = table_waits(self.workshop, named, model)
        stale = self._is_stale(model, built)
        state = self._state(model.table, ran, stands, is_due=stale, last=built)
        if state == "ok" and stands is None and waits:
            state = "waiting"
        told = self._told(model.table, ran)
        told["last_run"] = max(filter(None, (built, ran.last_run)), default=None)
        told["last_success"] = built
        return TaskLine(
            task=model.table,
            title=contract.title,
            kind=kind,
            department=contract.owner,
            owner=contract.owner,
            state=state,
            schedule=f"{contract.period} {contract.due_time}" if is_report else "after its inputs",
            cron="",
            period=(stands.first, stands.last) if stands else None,
            due_at=stands.due_at if stands else None,
            is_served=stands.is_served if stands else not stale,
            missed_at=stands.missed_at if stands else None,
            next_run=None,
            holds=(),
            retry_at=None,
            deliveries_waiting=0,
            waits_for=waits,
            **told,
        )

    def _told(self, name: str, ran: Executions) -> dict[str, Any]:
        """What the executions say, as every kind of task shows it."""
        return {
            "last_success": ran.last_success,
            "last_run": ran.last_run,
            "last_status": ran.last_status,
            "running": self.running.get(name),
            "paused": self.facts.pauses.get(name),
            "failures": ran.failures,
            "attempt": ran.attempt,
            "error": ran.error,
            "read": ran.read,
            "accepted": ran.accepted,
            "rejected": ran.rejected,
            "duration_s": ran.durations[0] if ran.durations else None,
            "median_s": median(ran.durations) if ran.durations else None,
        }

    def _state(
        self,
        name: str,
        ran: Executions,
        stands: Standing | None,
        *,
        is_due: bool,
        last: datetime | None = None,
    ) -> State:
        fits: dict[State, bool] = {
            "running": name in self.running,
            "paused": name in self.facts.pauses,
            "held": bool(self.facts.holds.get(name)),
            "late": stands is not None and stands.missed_at is not None,
            "failed": ran.failures > 0,
            "due": is_due,
            "never": (ran.last_run or last) is None,
            "waiting": stands is not None and not stands.is_served,
        }
        return next((state for state, is_so in fits.items() if is_so), "ok")

    def _report(self, contract: Table) -> Standing:
        """A report's period is served when a package of it is sealed."""
        sealed, first = self.facts.packages.get(contract.name, (frozenset(), None))

        def serves(_first: date, last: date) -> bool:
            return period_at(contract.period, last).name in sealed

        sla = Sla(1, UNITS[contract.period], contract.due_time)
        return standing(sla, serves, first, self.now)

    def _is_stale(self, model: Model, built: datetime | None) -> bool:
        """Whether something the model reads changed after its last build."""
        if built is None:
            return False
        for name in model.inputs:
            layer, _, stem = name.partition(".")
            if layer == "silver" and stem in self.workshop.contracts.feeds:
                changed = self.facts.merges.get(stem)
            else:
                changed = self.facts.builds.get(name)
            if changed is not None and changed > built:
                return True
        return False
