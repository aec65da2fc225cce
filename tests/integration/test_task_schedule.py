"""The sensors ask Dagster for what is due: once, again after a kill, not for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from dagster_project import clock
from dagster_project.components.county_day import AT_MOST, JOB, inbox_sensor
from dagster_project.components.launch import instance_of
from dagster_project.components.mending import GRACE, mend
from dagster_project.components.steps.feed import close_step
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.tasks.pausing import decide
from dagster_project.components.task_schedule import START, tasks_sensor
from tests.delivery_kit import County, rows

DYING = """\
import os, sys
from pathlib import Path
import dagster as dg
from dagster_project.components.launch import instance_of
from dagster_project.components.site import SiteResource
from dagster_project.paths import Home

@dg.op
def die(site: SiteResource) -> None:
    os.kill(os.getpid(), 9)

@dg.job(name="county_day", resource_defs={"site": SiteResource(home=sys.argv[1])})
def county_day():
    die()

with instance_of(Home(Path(sys.argv[1]))) as instance:
    county_day.execute_in_process(instance=instance)
"""


@dg.job(name=JOB)
def county_day() -> None:
    """What the sensors name; these tests start no run."""


@pytest.fixture
def county(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> County:
    """A county that the sensors work for."""
    made = County(tmp_path)
    monkeypatch.setenv("COUNTYLAKE_HOME", str(made.workshop.home.root))
    monkeypatch.setenv("COUNTYLAKE_SCHEMAS", str(tmp_path / "schemas"))
    return made


@pytest.fixture
def instance(county: County) -> Iterator[dg.DagsterInstance]:
    """The county's own, persistent instance."""
    before = os.environ.get("DAGSTER_HOME")
    with instance_of(county.workshop.home) as made:
        yield made
    if before is None:
        del os.environ["DAGSTER_HOME"]
    else:
        os.environ["DAGSTER_HOME"] = before


def look(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None
) -> tuple[list[dg.RunRequest], str | None]:
    """One look of a sensor: what it asks for, and its cursor."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    seen = sensor.evaluate_tick(context)
    return list(seen.run_requests or ()), seen.cursor


def failed(county: County) -> None:
    """An execution that failed seven minutes ago for a reason that may pass."""
    past = clock.now() - timedelta(minutes=7)
    done = FeedOutcome("permit", error="The source did not answer.", is_transient=True)
    close_step(county.workshop, "permit", Occasion("r", clock.local_day(past)), past, done)
    with county.workshop.lake.writer("test") as writer:
        writer.con.execute("UPDATE lake.ops.task_run SET finished_at = ?::TIMESTAMPTZ", [past])


def test_a_failure_is_asked_for_once_and_not_for_ever(
    county: County, instance: dg.DagsterInstance
) -> None:
    """Two looks make one request; a paused task makes none; runs that die end the asking."""
    sensor = tasks_sensor(60)
    assert look(sensor, instance)[0] == []
    failed(county)
    (first,) = look(sensor, instance)[0]
    (second,) = look(sensor, instance)[0]
    assert first.run_key == second.run_key
    assert first.run_config["resources"]["site"]["config"]["trigger"] == "retry"
    keys = {key.to_user_string() for key in first.asset_selection or ()}
    assert {"silver/permit", "ops/references", "published/county"} <= keys
    decide(county.workshop, ["permit"], "pause", by="w", why="y")
    assert look(sensor, instance)[0] == []
    decide(county.workshop, ["permit"], "resume", by="w", why="y")
    begun = instance.create_run_for_job(
        county_day, tags=first.tags, status=dg.DagsterRunStatus.STARTING
    )
    assert look(sensor, instance)[0] == []
    for number in range(1, AT_MOST):
        instance.report_run_failed(begun)
        (again,) = look(sensor, instance)[0]
        assert again.run_key == f"{first.tags[START]}-{number}"
        begun = instance.create_run_for_job(
            county_day, tags=first.tags, status=dg.DagsterRunStatus.STARTING
        )
    instance.report_run_failed(begun)
    assert look(sensor, instance)[0] == []


def test_files_start_the_day_until_they_are_taken(
    county: County, instance: dg.DagsterInstance
) -> None:
    """Once for each new file; files of a paused feed start nothing, and its decision does."""
    sensor = inbox_sensor(60)
    assert look(sensor, instance) == ([], "")
    county.put("许可_1.csv", rows([1]))
    asked, cursor = look(sensor, instance)
    assert [one.run_config["resources"]["site"]["config"]["trigger"] for one in asked] == [
        "arrival"
    ]
    begun = instance.create_run_for_job(county_day, status=dg.DagsterRunStatus.STARTING)
    assert look(sensor, instance, cursor)[0] == []
    instance.report_run_failed(begun)
    county.run()
    assert look(sensor, instance, cursor) == ([], "")
    decide(county.workshop, ["permit"], "pause", by="w", why="y")
    county.put("许可_2.csv", rows([1, 2]))
    assert look(sensor, instance, "")[0] == []
    decide(county.workshop, ["permit"], "resume", by="w", why="y")
    cursor = ""
    for _ in range(AT_MOST):
        asked, cursor = look(sensor, instance, cursor)
        assert len(asked) == 1
    assert look(sensor, instance, cursor)[0] == []


def test_a_killed_run_is_not_shown_as_started_for_ever(
    county: County, instance: dg.DagsterInstance
) -> None:
    """A run whose process was killed is marked failed; one that is being started is left alone."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(county.workshop.home.root)],
        check=False,
        capture_output=True,
        env=os.environ,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.STARTED
    begun = instance.create_run_for_job(county_day, status=dg.DagsterRunStatus.STARTING)
    assert mend(instance, county.workshop.home) == [run.run_id]
    assert mend(instance, county.workshop.home) == []
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE
    still = instance.get_run_by_id(begun.run_id)
    assert still is not None
    assert still.status == dg.DagsterRunStatus.STARTING
    assert timedelta(minutes=1) < GRACE
