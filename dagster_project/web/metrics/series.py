"""Every figure by its name: what it counts, in which base unit, and which labels it has.

Names follow OpenMetrics: base units at the end (seconds, bytes, ratio), ``_total`` for counters
alone. Labels are names of feeds, tasks, reports, kinds and codes of departments: all of them
written in contracts or in code. ``docs/metrics.md`` shows what to make of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)

from dagster_project import __version__
from dagster_project.components.steps.tasks.look import Look
from dagster_project.components.steps.workshop import Workshop
from dagster_project.reporting.links.memory import recall
from dagster_project.web.keeper import STATES, Kept
from dagster_project.web.metrics.ledgers import FATES, Ledgers
from dagster_project.web.metrics.machine import machine

UNKNOWN = "unknown"
"""The department of a feed whose contract is gone."""
WHOLE = "all"
"""What the models of quality call all feeds together; its department is called so, too."""


def figures(workshop: Workshop, kept: Kept[Ledgers], now: datetime) -> Iterator[Metric]:
    """All figures of a site.

    Args:
        workshop: The site.
        kept: The look to show; without ledgers only what can be known without them.
        now: The instant that ages are counted to.
    """
    up = _gauge("up", "Whether the ledgers could be read, now or at an earlier look (1), or not.")
    up.add_metric([], float(kept.seen is not None))
    yield up
    states: dict[str, bool] = {state: state == kept.state for state in STATES}
    yield StateSetMetricFamily(
        "countylake_lake_state", "What the last look at the lake met.", states
    )
    yield InfoMetricFamily("countylake_build", "The programme.", {"version": __version__})
    yield from machine(workshop.home, now)
    yield from _link(workshop, now)
    if kept.seen is not None:
        ledgers = kept.seen
        departments = _departments(workshop, ledgers)
        yield from _lake(ledgers, now)
        yield from _arrivals(workshop, ledgers, departments, now)
        yield from _rows(ledgers, departments)
        yield from _holds(ledgers, departments, now)
        yield from _cases(ledgers, departments, now)
        yield from _quality(ledgers, departments)
        yield from _packages(ledgers, now)
        yield from _runs(ledgers)


def _link(workshop: Workshop, now: datetime) -> Iterator[Metric]:
    """How the link to the parent fares; it is remembered beside the packages, not in the lake."""
    if not workshop.site.parent:
        return
    memory = recall(workshop.home)
    failures = _gauge("link_failures", "Meetings with the parent that failed since one went well.")
    failures.add_metric([], memory.failures)
    met = _gauge("link_success_age", "Age of the last whole meeting.", unit="seconds")
    if memory.last_success_at is not None:
        met.add_metric([], _age(memory.last_success_at, now))
    yield from (failures, met)


def _gauge(name: str, what: str, *labels: str, unit: str = "") -> GaugeMetricFamily:
    return GaugeMetricFamily(f"countylake_{name}", what, labels=labels, unit=unit)


def _counter(name: str, what: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"countylake_{name}", what, labels=labels)


def _departments(workshop: Workshop, ledgers: Ledgers) -> dict[str, str]:
    """Feed -> code of its department; contracts know better than an older catalogue."""
    named = {name: feed.department_code for name, feed in workshop.contracts.feeds.items()}
    return {**dict(ledgers.departments), **named}


def _age(then: datetime, now: datetime) -> float:
    return max((now - then).total_seconds(), 0.0)


def _lake(ledgers: Ledgers, now: datetime) -> Iterator[Metric]:
    age = _gauge("look_age", "Age of the look at the ledgers that is shown.", unit="seconds")
    age.add_metric([], _age(ledgers.read_at, now))
    yield age
    number = _gauge("lake_snapshot", "The lake's newest snapshot.")
    number.add_metric([], ledgers.snapshot)
    yield number
    if ledgers.snapshot_at is not None:
        since = _gauge("lake_snapshot_age", "Time since the last commit.", unit="seconds")
        since.add_metric([], _age(ledgers.snapshot_at, now))
        yield since


def _arrivals(
    workshop: Workshop, ledgers: Ledgers, departments: dict[str, str], now: datetime
) -> Iterator[Metric]:
    """How fresh each feed is, and whether it missed a deadline."""
    lag = _gauge(
        "feed_freshness_lag",
        "Time since the feed last brought something, or its source said that nothing is new.",
        *("feed", "department"),
        unit="seconds",
    )
    missed = _gauge(
        "feed_deadline_missed",
        "Whether a deadline is past and nothing came for its period, nor since (1).",
        *("feed", "department"),
    )
    overdue = _gauge(
        "feed_overdue", "Time since the missed deadline.", "feed", "department", unit="seconds"
    )
    for line in Look(workshop, now, ledgers.facts).feeds():
        labels = [line.task, departments[line.task]]
        ran = ledgers.facts.executions.get(("feed", line.task))
        answered = ran.answered if ran else ()
        if arrived := max((*ledgers.facts.deliveries.get(line.task, ()), *answered), default=None):
            lag.add_metric(labels, _age(arrived, now))
        missed.add_metric(labels, float(line.missed_at is not None))
        if line.missed_at is not None:
            overdue.add_metric(labels, _age(line.missed_at, now))
    yield from (lag, missed, overdue)
    deliveries = _counter(
        "deliveries", "Deliveries by what became of them.", "feed", "department", "outcome"
    )
    for feed, outcome, count in ledgers.deliveries:
        deliveries.add_metric([feed, departments.get(feed, UNKNOWN), outcome], count)
    yield deliveries


def _rows(ledgers: Ledgers, departments: dict[str, str]) -> Iterator[Metric]:
    read = _counter("rows_read", "Rows that were read of deliveries.", "feed", "department")
    fates = _counter(
        "rows", "Rows by what became of them; together all read.", "feed", "department", "fate"
    )
    for feed, total, *counts in ledgers.rows:
        labels = [feed, departments.get(feed, UNKNOWN)]
        read.add_metric(labels, total)
        for fate, count in zip(FATES, counts, strict=True):
            fates.add_metric([*labels, fate], count)
    yield from (read, fates)


def _holds(ledgers: Ledgers, departments: dict[str, str], now: datetime) -> Iterator[Metric]:
    count = _gauge(
        "open_holds", "Deliveries that wait for a decision.", "feed", "department", "kind"
    )
    oldest = _gauge(
        "open_hold_age", "Age of the feed's oldest open hold.", "feed", "department", unit="seconds"
    )
    for feed, held in sorted(ledgers.facts.holds.items()):
        labels = [feed, departments.get(feed, UNKNOWN)]
        for kind in sorted({hold.kind for hold in held}):
            count.add_metric([*labels, kind], sum(hold.kind == kind for hold in held))
        oldest.add_metric(labels, max(_age(hold.opened_at, now) for hold in held))
    yield from (count, oldest)


def _cases(ledgers: Ledgers, departments: dict[str, str], now: datetime) -> Iterator[Metric]:
    labels = ("feed", "department", "kind")
    count = _gauge(
        "open_cases", "Cases that wait for a department; overdue: past their day.", *labels, "state"
    )
    oldest = _gauge("open_case_age", "Age of the oldest open case.", *labels, unit="seconds")
    ages: dict[tuple[str, str], float] = {}
    for case in ledgers.cases:
        code = departments.get(case.feed, UNKNOWN)
        state = "overdue" if case.is_overdue else "in_time"
        count.add_metric([case.feed, code, case.kind, state], case.cases)
        key = (case.feed, case.kind)
        ages[key] = max(ages.get(key, 0.0), _age(case.oldest, now))
    for (feed, kind), age in ages.items():
        oldest.add_metric([feed, departments.get(feed, UNKNOWN), kind], age)
    yield from (count, oldest)


def _quality(ledgers: Ledgers, departments: dict[str, str]) -> Iterator[Metric]:
    """Scores between 0 and 1, as the models of the last run made them; ``all`` is the site."""
    score = _gauge(
        "quality_score", "The weighted score of the day.", "feed", "department", unit="ratio"
    )
    dimension = _gauge(
        "quality_dimension",
        "The share of checks that passed.",
        *("feed", "department", "dimension"),
        unit="ratio",
    )
    known = {WHOLE: WHOLE, **departments}
    for feed, points in ledgers.scores:
        score.add_metric([feed, known.get(feed, UNKNOWN)], float(points) / 100)
    for feed, name, percent in ledgers.dimensions:
        dimension.add_metric([feed, known.get(feed, UNKNOWN), name], float(percent) / 100)
    yield from (score, dimension)


def _packages(ledgers: Ledgers, now: datetime) -> Iterator[Metric]:
    number = _gauge("package_number", "Number of the last package that was sealed.")
    age = _gauge("package_age", "Age of the report's last package.", "report", unit="seconds")
    if ledgers.packages:
        number.add_metric([], max(last for _, last, _ in ledgers.packages))
    for report, _, sealed_at in ledgers.packages:
        age.add_metric([report], _age(sealed_at, now))
    yield from (number, age)
    answers = _gauge("packages", "Packages by the city's last answer; waiting: none.", "answer")
    waiting = _gauge("unacknowledged_packages", "Packages that the city did not answer.")
    oldest = _gauge(
        "unacknowledged_package_age", "Age of the oldest unanswered package.", unit="seconds"
    )
    unanswered = 0
    for answer, count, first in ledgers.answers:
        answers.add_metric([answer], count)
        if answer == "waiting":
            unanswered = count
            oldest.add_metric([], _age(first, now))
    waiting.add_metric([], unanswered)
    yield from (answers, waiting, oldest)


def _runs(ledgers: Ledgers) -> Iterator[Metric]:
    runs = _counter("task_runs", "Executions by their end.", "kind", "task", "status")
    for kind, task, status, count in ledgers.runs:
        runs.add_metric([kind, task, status], count)
    duration = _gauge(
        "task_run_duration",
        "Duration of the last execution that went well.",
        *("kind", "task"),
        unit="seconds",
    )
    failures = _gauge(
        "task_failures", "Executions that failed since one went well.", "kind", "task"
    )
    for (kind, task), ran in sorted(ledgers.facts.executions.items()):
        if ran.durations:
            duration.add_metric([kind, task], ran.durations[0])
        failures.add_metric([kind, task], ran.failures)
    yield from (runs, duration, failures)
