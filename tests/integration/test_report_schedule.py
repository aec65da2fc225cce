"""Reports are asked for by their own due times, and what was missed once, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from period_kit import BY_MONTH, DAY, STATE, Periods, days_ago, today

from dagster_project import clock
from dagster_project.components.county_day import AT_MOST, JOB
from dagster_project.components.launch import instance_of
from dagster_project.components.report_schedule import reports_sensor
from dagster_project.components.steps.packaging.due import LEAD, due_reports
from dagster_project.components.task_schedule import START
from dagster_project.contracts.due import at_hour
from tests.delivery_kit import rows


@dg.job(name=JOB)
def county_day() -> None:
    """What the sensor names; these tests start no run."""


@pytest.fixture
def county(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Periods:
    """A county that the sensor works for; its report of the state is due at midnight."""
    made = Periods(tmp_path)
    made.due_time(STATE, "00:00")
    made.due_time(DAY, "23:59")
    monkeypatch.setenv("COUNTYLAKE_HOME", str(made.workshop.home.root))
    monkeypatch.setenv("COUNTYLAKE_SCHEMAS", str(tmp_path / "schemas"))
    monkeypatch.setenv("COUNTYLAKE_SQL", str(tmp_path / "sql"))
    made.take("许可_1.csv", rows([1]))
    return made


@pytest.fixture
def instance(county: Periods) -> Iterator[dg.DagsterInstance]:
    """The county's own, persistent instance."""
    before = os.environ.get("DAGSTER_HOME")
    with instance_of(county.workshop.home) as made:
        yield made
    if before is None:
        del os.environ["DAGSTER_HOME"]
    else:
        os.environ["DAGSTER_HOME"] = before


def look(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """What one look of the sensor asks for."""
    seen = reports_sensor(60).evaluate_tick(dg.build_sensor_context(instance=instance))
    return list(seen.run_requests or ())


def packages_of(request: dg.RunRequest) -> set[str]:
    """The packages that a run would seal."""
    return {key.path[1] for key in request.asset_selection or () if key.path[0] == "package"}


def test_each_report_has_its_own_hour(county: Periods) -> None:
    """A little before its due time, and not before; a month's report on the month's last day."""
    last = at_hour(today().replace(day=1) - timedelta(days=1), "23:59")
    night = due_reports(county.workshop, last - LEAD - timedelta(minutes=1))
    assert {one.report for one in night} == {STATE, BY_MONTH}
    evening = due_reports(county.workshop, last - LEAD)
    assert {one.report for one in evening} == {STATE, BY_MONTH, DAY}
    assert not any(one.is_past or one.is_sealed for one in evening)


def test_a_due_time_asks_for_one_run(instance: dg.DagsterInstance) -> None:
    """With its models and delivery; again only while it is not sealed, and not for ever."""
    (first,) = [one for one in look(instance) if STATE in packages_of(one)]
    keys = {key.to_user_string() for key in first.asset_selection or ()}
    assert {"gold/permit_month", f"report/{STATE}", f"package/{STATE}", "outbox/delivered"} <= keys
    for number in range(AT_MOST):
        (asked,) = [one for one in look(instance) if STATE in packages_of(one)]
        assert asked.run_key == f"{first.tags[START]}-{number}"
        begun = instance.create_run_for_job(
            county_day, tags=asked.tags, status=dg.DagsterRunStatus.STARTING
        )
        assert look(instance) == []
        instance.report_run_failed(begun)
    assert [one for one in look(instance) if STATE in packages_of(one)] == []


@pytest.mark.thorough
def test_what_was_missed_is_asked_for_until_it_is_sealed(
    county: Periods, instance: dg.DagsterInstance
) -> None:
    """One run of all that is owed; the step seals it, and nothing is asked any more."""
    for name in (STATE, DAY):
        county.report(name, days_ago(3))
    county.age(3)
    owed = [one for one in due_reports(county.workshop, clock.now()) if one.is_past]
    assert {(one.report, one.period) for one in owed} == {
        (name, f"{days_ago(n):%Y%m%d}") for name in (STATE, DAY) for n in (2, 1)
    }
    requests = look(instance)
    assert {STATE, DAY} in [packages_of(one) for one in requests]
    for name in (STATE, DAY):
        county.report(name)
    assert not any(one.is_past for one in due_reports(county.workshop, clock.now()))
    begun = [instance.create_run_for_job(county_day, tags=one.tags) for one in requests]
    for one in begun:
        instance.report_run_failed(one)
    assert not any(STATE in packages_of(one) for one in look(instance))
