"""A task again for a range of days: what was landed is conformed again, what can be is fetched.

Nothing is counted twice: a replay is a batch of its own that refers to the landed one, bytes that
were applied already change nothing, and what is fetched again moves no watermark. Silver and the
cases of a feed follow from all its landed batches together, so they are made again from all of
them once one of the range is; a batch outside of it gives the same rows again unless its contract
has changed. Each is one transaction, and a rerun that was cut off may be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import duckdb

from dagster_project import clock
from dagster_project.components.steps.arriving import deliveries
from dagster_project.components.steps.arriving.deliveries import Arrival, Result
from dagster_project.components.steps.arriving.desk import Desk
from dagster_project.components.steps.arriving.fetching import Fetch
from dagster_project.components.steps.arriving.holds import Held
from dagster_project.components.steps.arriving.taking import prepare
from dagster_project.components.steps.feed import alone, close_step
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.packaging.building import Wanted, build_periods
from dagster_project.components.steps.packaging.drafting import Will
from dagster_project.components.steps.rebuild import look_again, rebuild_feed
from dagster_project.components.steps.tasks.pausing import Action, Decision, note, paused
from dagster_project.components.steps.tasks.spans import Span
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.due import DAY
from dagster_project.contracts.model import Feed, Server, Sla
from dagster_project.contracts.report_period import UNITS
from dagster_project.errors import DeliveryError, UsageError
from dagster_project.ingest.channels.pull import Window
from dagster_project.transform.models import Model

FILES = ("sftp", "s3")
PRESENT = (
    "Its figures are made of the records that the lake holds today; a difference to what was sealed"
    " becomes a new revision."
)
PAST = (
    "A past period is made again from the state that it was sealed from, one that never was from"
    " the state of its due time; it differs only if SQL or contracts do."
)


@dataclass(frozen=True)
class Plan:
    """What a rerun would do, before it is done; ``left_out`` says what it cannot do, and why.

    ``refused`` are deliveries of the range that were refused and lie in the landing, ``batches``
    the landed batches of it, ``channels`` are asked again, ``periods`` are the days for which a
    report is made again.
    """

    task: str
    span: Span
    refused: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()
    landed: int = 0
    channels: tuple[str, ...] = ()
    periods: tuple[date, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.refused or self.batches or self.channels or self.periods)

    @property
    def sentences(self) -> list[str]:
        """What would be done, for people."""
        told = []
        if self.refused:
            told.append(f"{len(self.refused)} refused deliveries are read again from the landing")
        if self.channels:
            told.append(f"asked again for these days: {', '.join(self.channels)}")
        if self.batches:
            others = self.landed - len(self.batches)
            told.append(
                f"landed batches of these days conformed again under today's contract:"
                f" {len(self.batches)}" + (f", with the feed's other {others}" if others else "")
            )
        if self.periods:
            named = ", ".join(f"{day}" for day in self.periods)
            told.append(f"the report is made again for the periods that end {named}")
        return told or ["nothing lies in this range"]


@dataclass
class Again:
    """What a rerun did; ``refused`` are sentences about periods that cannot be made."""

    plan: Plan
    outcome: FeedOutcome | None = None
    replays: int = 0
    rows: int = 0
    sealed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def plan_rerun(workshop: Workshop, name: str, span: Span) -> Plan:
    """What there is to do again for a task and a range of days.

    Raises:
        UsageError: There is no such task, or it is one without a past.
    """
    model = workshop.graph.models.get(name) or workshop.graph.models.get(f"report.{name}")
    if model is not None and name not in workshop.contracts.feeds:
        return _plan_report(model, span)
    feed = workshop.feed(name)
    channels, left_out = _channels(feed)
    if not workshop.home.catalog.exists():
        return Plan(name, span, channels=channels, left_out=left_out)
    start, end = span.instants
    days = [name, start, end]
    between = "feed = ? AND {0} >= ?::TIMESTAMPTZ AND {0} < ?::TIMESTAMPTZ"
    with workshop.lake.reader() as con:
        refused = con.execute(
            "SELECT delivery_id FROM lake.ops.delivery"
            f" WHERE {between.format('received_at')}"
            " AND outcome IN ('refused', 'unreadable') AND sha256 IS NOT NULL ORDER BY received_at",
            days,
        ).fetchall()
        batches = con.execute(
            f"SELECT batch_id FROM lake.ops.batch WHERE {between.format('delivered_at')}"
            " AND source_batch_id IS NULL ORDER BY delivered_at, batch_id",
            days,
        ).fetchall()
        landed = con.execute(
            "SELECT count(*) FROM lake.ops.batch WHERE feed = ? AND source_batch_id IS NULL", [name]
        ).fetchone()
    return Plan(
        name,
        span,
        tuple(str(one) for (one,) in refused),
        tuple(str(one) for (one,) in batches),
        int(landed[0]) if landed else 0,
        channels,
        left_out=left_out,
    )


def rerun(
    workshop: Workshop,
    plan: Plan,
    occasion: Occasion,
    *,
    action: Action,
    by: str,
    why: str,
) -> Again:
    """Do what was planned, and keep who decided it and why.

    Raises:
        UsageError: No reason is given, or the task is paused.
        TaskRunningError: Another process runs the task.
        LakeError: A law of the lake would be broken; what was committed before stays.
    """
    if not why.strip():
        raise UsageError(f"{plan.task} cannot be run again without a reason", todo="Add --why")
    occasion = replace(occasion, trigger="rerun", is_manual=True)
    days = (plan.span.since, plan.span.until)
    decision = Decision(
        plan.task, action, clock.now(), by, why.strip(), *days, run_id=occasion.run_id
    )
    if plan.periods:
        _decide(workshop, decision)
        return _reports(workshop, plan, occasion, Will(why.strip(), by))
    return _feed(workshop, plan, occasion, decision)


def _decide(workshop: Workshop, decision: Decision) -> None:
    """Keep a decision, unless the task is paused."""
    task = decision.task
    with workshop.lake.writer(f"deciding on {task}") as writer:
        if paused(writer.con, task):
            raise UsageError(f"{task} is paused", todo=f"`countylake tasks resume {task}` first")
        with writer.transaction(f"{decision.action} {task}", run_id=decision.run_id) as tx:
            note(tx.con, decision)


def _feed(workshop: Workshop, plan: Plan, occasion: Occasion, decision: Decision) -> Again:
    feed, started = workshop.feed(plan.task), clock.now()
    done = Again(plan, FeedOutcome(plan.task))
    assert done.outcome is not None  # noqa: S101 - made in the line above
    with alone(workshop, feed, occasion):
        _decide(workshop, decision)  # one that waits for another process was not carried out
        for delivery_id in plan.refused:
            _read_again(workshop, feed, delivery_id, occasion, done.outcome)
        if plan.channels:
            servers = tuple(one for one in feed.servers if one.name in plan.channels)
            window = Window(str(plan.span.since), str(plan.span.until + DAY))
            part = replace(feed, servers=servers)
            Fetch(workshop, part, occasion, done.outcome, window=window).all()
        if plan.batches:
            made = rebuild_feed(workshop, plan.task, occasion)
            done.replays, done.rows = int(made["batches"]), int(made["rows"])
        look_again(workshop, occasion)
        if done.replays and not done.outcome.deliveries:
            done.outcome.status = "success"
        close_step(workshop, plan.task, occasion, started, done.outcome)
    return done


def _read_again(
    workshop: Workshop, feed: Feed, delivery_id: str, occasion: Occasion, done: FeedOutcome
) -> None:
    """A refused delivery under today's contract; it keeps its place in the order of rows."""
    with workshop.lake.writer(f"reading {delivery_id} again") as writer:
        prepare(workshop, writer, feed, occasion)
        desk = Desk(workshop, writer, workshop.plan(feed.name), occasion, done)
        arrival = deliveries.received(writer.con, delivery_id, workshop.home)
        done.deliveries += 1

        def close(
            con: duckdb.DuckDBPyConnection, arrival: Arrival, outcome: Result, message: str
        ) -> None:
            batch_id = arrival.batch_id if outcome == "merged" else ""
            deliveries.settle(con, delivery_id, outcome, batch_id=batch_id, message=message)

        try:
            desk.merge(arrival, [], close)
        except Held as held:
            with writer.transaction(f"hold {delivery_id}", run_id=occasion.run_id) as tx:
                desk.hold(tx.con, arrival, held)
                deliveries.settle(tx.con, delivery_id, "held", message=held.sentence)
        except DeliveryError as error:
            done.refused.append(str(error))


def _channels(feed: Feed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The channels that can bring a range again, and a sentence for each that cannot."""
    able = [server for server in feed.pulled if _can_again(feed, server)]
    told = tuple(
        f"The channel {server.name} is not asked: "
        + (
            "an older full snapshot would replace the newer one"
            if server.type in FILES
            else "without a watermark its source has only its present state, which"
            f" `countylake tasks run {feed.name}` fetches"
        )
        for server in feed.pulled
        if server not in able
    )
    return tuple(server.name for server in able), told


def _can_again(feed: Feed, server: Server) -> bool:
    if server.type in FILES:
        return feed.delivery == "incremental"
    return server.watermark is not None


def _plan_report(model: Model, span: Span) -> Plan:
    """A report's periods; a model that is not reported has the present state only."""
    contract = model.contract
    if not contract.period:
        raise UsageError(
            f"{model.table} shows the present state only and cannot be made for a past period",
            todo="`countylake run` renews it",
        )
    return Plan(
        model.table,
        span,
        periods=tuple(last for _, last in span.periods(Sla(1, UNITS[contract.period]))),
        left_out=(PRESENT if contract.period_column else PAST,),
    )


def _reports(workshop: Workshop, plan: Plan, occasion: Occasion, will: Will) -> Again:
    """The report's packages of these periods again, each from what may be said of it."""
    done = Again(plan)
    name = workshop.graph.models[plan.task].name
    wanted = Wanted(since=plan.span.since, until=plan.span.until)
    sealing = build_periods(workshop, name, wanted, occasion, will)
    done.sealed += [one.package_id for one in sealing.new]
    done.refused += sealing.refused
    return done
