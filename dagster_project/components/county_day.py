"""``CountyDay``: the job that is the county's day, and what starts it.

Schedules and sensors only ask for runs; what a run does is in the assets.
"""

from collections.abc import Iterable

import dagster as dg

from dagster_project.components.described import TIMEZONE
from dagster_project.components.site import county_home
from dagster_project.components.steps.replica import publish
from dagster_project.components.steps.watch import inbox_state
from dagster_project.components.steps.workshop import Workshop

JOB = "county_day"


class CountyDay(dg.Component, dg.Model, dg.Resolvable):
    """The job ``county_day``, its sensor on the inbox and its schedules (Asia/Shanghai)."""

    daily_at: str = "30 20 * * *"
    monthly_at: str = "0 6 1 * *"
    look_every_s: int = 60

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One job, two schedules, two sensors."""
        job = dg.define_asset_job(
            JOB,
            selection=dg.AssetSelection.all(),
            description="县一日：收件箱→标准化→汇总→报表→报送→只读副本",
        )
        return dg.Definitions(
            jobs=[job],
            schedules=[
                _schedule("daily_reports", self.daily_at, "日报：任务执行与数据归集"),
                _schedule("monthly_reports", self.monthly_at, "月报：上月截止后"),
            ],
            sensors=[_inbox_sensor(self.look_every_s), _replica_sensor()],
        )


def feed_assets(feeds: Iterable[str]) -> list[dg.AssetKey]:
    """The four assets of each feed's step."""
    keys = ("bronze/{}", "silver/{}", "ops/quarantine/{}", "ops/batch/{}")
    return [dg.AssetKey(key.format(feed).split("/")) for feed in feeds for key in keys]


def _schedule(name: str, cron: str, description: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=name,
        job_name=JOB,
        cron_schedule=cron,
        execution_timezone=TIMEZONE,
        description=description,
    )


def _inbox_sensor(seconds: int) -> dg.SensorDefinition:
    @dg.sensor(
        name="inbox",
        job_name=JOB,
        minimum_interval_seconds=seconds,
        description="收件箱有新文件时启动一次运行",
    )
    def inbox(context: dg.SensorEvaluationContext):  # type: ignore[no-untyped-def]  # noqa: ANN202
        state, files = inbox_state(Workshop.at(county_home()))
        if state == context.cursor:
            return dg.SkipReason(f"nothing new among {files} files of the inbox")
        context.update_cursor(state)
        return dg.RunRequest(run_key=state)

    return inbox


def _replica_sensor() -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="publish_after_failure",
        description="运行失败时仍发布只读副本：已提交的数据应当可见",
    )
    def after_failure(context: dg.RunFailureSensorContext) -> None:  # noqa: ARG001
        publish(Workshop.at(county_home()))

    return after_failure
