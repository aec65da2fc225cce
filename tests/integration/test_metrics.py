"""The figures of a county that ran: the same as SQL over its ledgers, and no word of a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families as parse_older

from dagster_project import __version__, clock
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.report import seal_report
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import PROJECT, SAMPLES
from dagster_project.web.metrics.exposition import openmetrics, registry, write_textfile
from dagster_project.web.metrics.ledgers import FATES
from dagster_project.web.metrics.series import figures
from dagster_project.web.site import ShownSite
from tests.conftest import founded_county
from tests.metrics_kit import label_values, parsed, values

# One county for the whole module, wherever it runs.
pytestmark = pytest.mark.xdist_group("metrics")
WORDS = {
    *("starting", "ready", "busy", "empty", "broken", __version__, "unknown", "all"),
    *("waiting", "feed", "model", "report", "success", "failed", "skipped", "partial"),
    *("merged", "unchanged", "refused", "held", "unreadable", *FATES),
    *("schema", "vanished", "period", "rows", "quality"),
    *("fail", "warn", "late", "disagreement", "correction", "in_time", "overdue"),
    *("normativity", "completeness", "accuracy", "consistency", "timeliness", "accessibility"),
}
FEEDS = ("division", "asset")
REPORT = "aggregation_status"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[ShownSite]:
    """A county that took some feeds, whether one is held or not, and sealed a report."""
    assert keys.exists()
    made = founded_county(tmp_path_factory.mktemp("measured"), SAMPLES / "inbox" / "140321")
    occasion = Occasion(run_id=f"test-{uuid4()}", day=clock.now().date())
    for name in FEEDS:
        run_feed(made, name, occasion)
    table = f"report.{REPORT}"
    for name in (*made.graph.upstream(table), table):
        build_model(made, made.graph.models[name], occasion)
    seal_report(made, REPORT, occasion)
    site = ShownSite(made, scrape_s=120, patience_s=60)
    site.keeper.newest(120)
    yield site
    site.keeper.close()


@pytest.fixture(scope="module")
def told(shown: ShownSite) -> dict[str, Metric]:
    """Its figures, parsed and checked."""
    return parsed(openmetrics(shown.registry).decode())


def sql(workshop: Workshop, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query over the lake."""
    with workshop.lake.reader() as con:
        return con.execute(query).fetchall()


def test_rows_and_deliveries_are_those_of_the_ledgers(
    shown: ShownSite, told: dict[str, Metric]
) -> None:
    """Counters equal sums over ops.batch and ops.delivery, and conserve rows like these."""
    counted = values(told["countylake_rows"], "feed", "fate")
    batches = sql(
        shown.workshop,
        "UNPIVOT (SELECT feed, sum(accepted) AS accepted, sum(rejected) AS rejected,"
        " sum(duplicate) AS duplicate, sum(superseded) AS superseded, sum(dropped) AS dropped"
        " FROM ops.batch WHERE source_batch_id IS NULL GROUP BY feed)"
        " ON accepted, rejected, duplicate, superseded, dropped",
    )
    assert counted == {(feed, fate): rows for feed, fate, rows in batches}
    for (feed,), rows in values(told["countylake_rows_read"], "feed").items():
        assert rows == sum(counted[feed, fate] for fate in FATES)
    outcomes = sql(shown.workshop, "SELECT feed, outcome, count(*) FROM ops.delivery GROUP BY ALL")
    assert values(told["countylake_deliveries"], "feed", "outcome") == {
        (feed, outcome): count for feed, outcome, count in outcomes
    }


def test_cases_and_holds_are_those_of_the_ledgers(
    shown: ShownSite, told: dict[str, Metric]
) -> None:
    """Open rejected rows and held deliveries, however old, by feed."""
    cases = values(told["countylake_open_cases"], "feed", "kind", "state")
    for feed, count in sql(
        shown.workshop,
        "SELECT feed, count(*) FROM ops.rectification WHERE state = 'open' GROUP BY feed",
    ):
        found = (cases.get((feed, "fail", state), 0) for state in ("in_time", "overdue"))
        assert sum(found) >= count
    assert sum(cases.values()) > 0
    held = dict(sql(shown.workshop, "SELECT feed, count(*) FROM ops.hold"
                    " WHERE state = 'open' GROUP BY feed"))  # fmt: skip
    assert {
        feed: sum(n for (f, _), n in values(told["countylake_open_holds"], "feed", "kind").items()
                  if f == feed)
        for (feed,) in values(told["countylake_open_hold_age_seconds"], "feed")
    } == held  # fmt: skip
    ages = values(told["countylake_open_case_age_seconds"], "feed", "kind")
    assert set(ages) == {(feed, kind) for feed, kind, _ in cases}


def test_scores_and_packages_are_those_of_the_models_and_the_ledger(
    shown: ShownSite, told: dict[str, Metric]
) -> None:
    """The newest day's points as shares of one; the report is sealed and nobody answered."""
    points = sql(
        shown.workshop,
        "SELECT feed, score FROM gold.quality_trend"
        " WHERE day = (SELECT max(day) FROM gold.quality_trend)",
    )
    scores = values(told["countylake_quality_score_ratio"], "feed")
    assert {feed: round(100 * share, 2) for (feed,), share in scores.items()} == {
        feed: float(score) for feed, score in points
    }
    assert {"all", FEEDS[0]} <= {feed for (feed,) in scores}
    dimensions = values(told["countylake_quality_dimension_ratio"], "feed", "dimension")
    passed = sql(
        shown.workshop,
        "SELECT feed, dimension, pass_pct FROM gold.quality_by_feed_day"
        " WHERE day = (SELECT max(day) FROM gold.quality_by_feed_day)",
    )
    assert {key: round(100 * share, 2) for key, share in dimensions.items()} == {
        (feed, dimension): float(percent) for feed, dimension, percent in passed
    }
    ((number, snapshot),) = sql(
        shown.workshop,
        "SELECT max(package_no), (SELECT max(id) FROM lake.current_snapshot()) FROM ops.package",
    )
    assert values(told["countylake_package_number"])[()] == number
    assert values(told["countylake_unacknowledged_packages"])[()] == 1
    assert values(told["countylake_packages"], "answer") == {("waiting",): 1}
    assert set(values(told["countylake_package_age_seconds"], "report")) == {(REPORT,)}
    assert values(told["countylake_lake_snapshot"])[()] == snapshot


def test_executions_are_those_of_the_ledger(shown: ShownSite, told: dict[str, Metric]) -> None:
    """Every end of every task is counted; what went well has a duration."""
    runs = sql(shown.workshop, "SELECT kind, task, status, count(*) FROM ops.task_run GROUP BY ALL")
    assert values(told["countylake_task_runs"], "kind", "task", "status") == {
        (kind, task, status): count for kind, task, status, count in runs
    }
    durations = values(told["countylake_task_run_duration_seconds"], "kind", "task")
    well = {(k, t) for k, t, status, _ in runs if status in ("success", "partial")}
    assert set(durations) == well
    assert all(seconds > 0 for seconds in durations.values())


def test_every_feed_has_its_department_and_its_lag(
    shown: ShownSite, told: dict[str, Metric]
) -> None:
    """A feed that delivered has an age; every feed says whether it missed a deadline."""
    feeds = shown.workshop.contracts.feeds
    missed = values(told["countylake_feed_deadline_missed"], "feed", "department")
    assert set(missed) == {(name, feed.department_code) for name, feed in feeds.items()}
    lag = values(told["countylake_feed_freshness_lag_seconds"], "feed")
    came = sql(
        shown.workshop,
        "SELECT DISTINCT feed FROM ops.delivery WHERE outcome IN ('merged', 'unchanged')",
    )
    assert set(lag) == set(came)
    assert all(age >= 0 for age in lag.values())


def test_a_deadline_passes_without_any_commit(shown: ShownSite) -> None:
    """The same look, long after: what came once is late, although nothing was written."""
    kept = shown.keeper.newest(120)
    later = registry(lambda: figures(shown.workshop, kept, clock.now() + timedelta(days=800)))
    told = parsed(openmetrics(later).decode())
    missed = values(told["countylake_feed_deadline_missed"], "feed")
    overdue = values(told["countylake_feed_overdue_seconds"], "feed")
    late = {feed for feed, value in missed.items() if value}
    assert late
    assert set(overdue) == late
    assert all(0 < age < 800 * 86400 for age in overdue.values())


def test_no_label_holds_what_is_not_written_in_contracts_or_code(
    shown: ShownSite, told: dict[str, Metric]
) -> None:
    """No person, no cell, no file and no sentence can be a label: every value is a known word."""
    contracts = shown.workshop.contracts
    known = WORDS | set(contracts.feeds) | set(shown.workshop.graph.models)
    known |= {feed.department_code for feed in contracts.feeds.values()}
    known |= {model.name for model in shown.workshop.graph.models.values()}
    assert label_values(told.values()) <= known


def test_the_textfile_says_the_same(
    shown: ShownSite, told: dict[str, Metric], tmp_path: Path
) -> None:
    """The older form of the node exporter holds every counter with the same value."""
    write_textfile(shown.registry, tmp_path / "county.prom")
    text = (tmp_path / "county.prom").read_text(encoding="utf-8")
    older = {family.name: family for family in parse_older(text)}
    assert set(older) >= {"countylake_rows", "countylake_up", "countylake_open_cases"}
    assert values(older["countylake_rows"], "feed", "fate") == values(
        told["countylake_rows"], "feed", "fate"
    )


def test_the_page_of_metrics_knows_every_figure(told: dict[str, Metric]) -> None:
    """Table and alert rules name figures that there are, and none is left out; alerts are YAML."""
    page = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
    named = {re.sub("_(total|info)$", "", one) for one in re.findall(r"countylake_[a-z_]+", page)}
    unpublished = {"countylake_replica_snapshot", "countylake_replica_age_seconds"}
    assert set(told) <= named
    assert named - set(told) <= unpublished
    *_, alerts = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (group,) = yaml.safe_load(alerts)["groups"]
    assert all({"alert", "expr", "annotations"} <= set(rule) for rule in group["rules"])
