"""``Delivery``: the job that meets the parent site, and the sensor that asks for it.

It works beside the county's day: the link may come back at any hour. What a meeting does is in
``report_up``'s asset.
"""

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from dagster_project import clock
from dagster_project.components.county_day import run_config, sensor_status
from dagster_project.components.report_up import DELIVERED
from dagster_project.components.site import county_home
from dagster_project.components.steps.delivering import due
from dagster_project.components.steps.forwarding import events_due
from dagster_project.components.steps.workshop import Workshop

JOB = "delivery"


class Delivery(dg.Component, dg.Model, dg.Resolvable):
    """The job ``delivery`` and its sensor: a look every so often, a run only for a reason."""

    look_every_s: int = 600
    is_running: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One job, one sensor."""
        job = dg.define_asset_job(
            JOB,
            selection=dg.AssetSelection.assets(DELIVERED),
            description="报送包送达上级，取回签名回执；与县一日的运行无关",
        )
        return dg.Definitions(
            jobs=[job], sensors=[delivery_sensor(self.look_every_s, is_running=self.is_running)]
        )


def delivery_sensor(seconds: int, *, is_running: bool = True) -> dg.SensorDefinition:
    """The sensor; a dead link is left alone for longer each time, and costs a look at one file."""

    @dg.sensor(
        name="delivery",
        job_name=JOB,
        minimum_interval_seconds=seconds,
        default_status=sensor_status(is_running=is_running),
        description="有待送的报送包或一小时未联系上级时启动一次报送；链路中断时按退避间隔重试",
    )
    def delivery(context: dg.SensorEvaluationContext):  # type: ignore[no-untyped-def]  # noqa: ANN202
        workshop = Workshop.at(county_home())
        reason = due(workshop, clock.now())
        if not reason and events_due(workshop):
            reason = "events wait for the lineage server"
        if not reason:
            return dg.SkipReason("nothing waits, or the link is left alone for now")
        filters = dg.RunsFilter(job_name=JOB, statuses=list(IN_PROGRESS_RUN_STATUSES))
        if context.instance.get_runs_count(filters):
            return dg.SkipReason("a meeting is under way")
        context.log.info("the parent is met: %s", reason)
        return dg.RunRequest(run_config=run_config("schedule"))

    return delivery
