"""``CountyDay``: the job that is the county's day, and what starts it.

Schedules and sensors only ask for runs; what a run does is in the assets.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from dagster_project.components.described import TIMEZONE, asset_key
from dagster_project.components.read_replica import REPLICA
from dagster_project.components.site import county_home
from dagster_project.components.steps.arriving.watch import inbox_state
from dagster_project.components.steps.model import REFERENCES
from dagster_project.components.steps.replica import publish
from dagster_project.components.steps.workshop import Workshop

JOB = "county_day"
AT_MOST = 3
"""Runs that are asked for one and the same thing, if none of them does it: then a person must look,
and the next scheduled run tries again."""


class CountyDay(dg.Component, dg.Model, dg.Resolvable):
    """The job ``county_day``, its schedule (Asia/Shanghai) and its sensor on the inbox."""

    daily_at: str = "30 20 * * *"
    look_every_s: int = 60
    is_running: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One job, one schedule, two sensors."""
        job = dg.define_asset_job(
            JOB,
            selection=dg.AssetSelection.all(),
            description="县一日：收件箱→标准化→汇总→报表→报送→只读副本",
        )
        return dg.Definitions(
            jobs=[job],
            schedules=[self._schedule()],
            sensors=[
                inbox_sensor(self.look_every_s, is_running=self.is_running),
                _replica_sensor(is_running=self.is_running),
            ],
        )

    def _schedule(self) -> dg.ScheduleDefinition:
        return dg.ScheduleDefinition(
            name="daily_reports",
            job_name=JOB,
            cron_schedule=self.daily_at,
            execution_timezone=TIMEZONE,
            run_config=run_config("schedule"),
            default_status=dg.DefaultScheduleStatus.RUNNING
            if self.is_running
            else dg.DefaultScheduleStatus.STOPPED,
            description="每日全县运行一次：任务执行与数据归集",
        )


def begun(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs of the job that were asked for and have not ended."""
    asked = dg.RunsFilter(job_name=JOB, statuses=list(IN_PROGRESS_RUN_STATUSES))
    return list(instance.get_runs(asked))


def run_config(trigger: str) -> dict[str, Any]:
    """What a run is told of how it was started."""
    return {"resources": {"site": {"config": {"home": county_home(), "trigger": trigger}}}}


def sensor_status(*, is_running: bool) -> dg.DefaultSensorStatus:
    """Whether a sensor works from the beginning, or waits until somebody starts it in the UI."""
    return dg.DefaultSensorStatus.RUNNING if is_running else dg.DefaultSensorStatus.STOPPED


def task_assets(workshop: Workshop, feeds: Iterable[str]) -> list[dg.AssetKey]:
    """What a task's own run makes: its feeds, what looks at references, models, the replica.

    Reports are sealed by the day's schedule, and not once more for each feed that comes.
    """
    models = workshop.graph.models.values()
    behind = [REFERENCES, *(model.table for model in models if model.layer != "report")]
    return [*feed_assets(feeds), *(asset_key(table) for table in behind), REPLICA]


def feed_assets(feeds: Iterable[str]) -> list[dg.AssetKey]:
    """The four assets of each feed's step."""
    keys = ("bronze/{}", "silver/{}", "ops/quarantine/{}", "ops/batch/{}")
    return [dg.AssetKey(key.format(feed).split("/")) for feed in feeds for key in keys]


def inbox_sensor(seconds: int, *, is_running: bool = True) -> dg.SensorDefinition:
    """The sensor that starts the day when files lie in the inbox that a run would take."""

    @dg.sensor(
        name="inbox",
        job_name=JOB,
        minimum_interval_seconds=seconds,
        default_status=sensor_status(is_running=is_running),
        description="收件箱有新文件时启动一次运行",
    )
    def inbox(context: dg.SensorEvaluationContext):  # type: ignore[no-untyped-def]  # noqa: ANN202
        state, files = inbox_state(Workshop.at(county_home()))
        before, _, asked = (context.cursor or "").partition(" ")
        times = int(asked or 0) if before == state else 0
        if not files:
            context.update_cursor("")
            return dg.SkipReason("nothing in the inbox waits for a run")
        if begun(context.instance):
            return dg.SkipReason(f"{files} files wait, and a run has not ended")
        if times >= AT_MOST:
            return dg.SkipReason(f"{times} runs have not taken the {files} files that wait")
        context.update_cursor(f"{state} {times + 1}")
        return dg.RunRequest(run_config=run_config("arrival"))

    return inbox


def _replica_sensor(*, is_running: bool) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="publish_after_failure",
        default_status=sensor_status(is_running=is_running),
        description="运行失败时仍发布只读副本：已提交的数据应当可见",
    )
    def after_failure(context: dg.RunFailureSensorContext) -> None:  # noqa: ARG001
        publish(Workshop.at(county_home()))

    return after_failure
