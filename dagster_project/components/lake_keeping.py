"""``LakeKeeping``: the job that keeps the lake small, once a week, in no run that takes data in.

What is given up and what is held is decided in ``steps.keeping``.
"""

from typing import Any

import dagster as dg

from dagster_project.components.described import TIMEZONE
from dagster_project.components.guard import sentences_only
from dagster_project.components.site import SiteResource
from dagster_project.components.steps.keeping import keep, told

JOB = "lake_keeping"


class LakeKeeping(dg.Component, dg.Model, dg.Resolvable):
    """The job ``lake_keeping`` and its schedule (Asia/Shanghai)."""

    at: str = "30 3 * * 0"
    is_running: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One job, one schedule."""
        schedule = dg.ScheduleDefinition(
            name=JOB,
            job=keeping_job(),
            cron_schedule=self.at,
            execution_timezone=TIMEZONE,
            default_status=dg.DefaultScheduleStatus.RUNNING
            if self.is_running
            else dg.DefaultScheduleStatus.STOPPED,
            description="每周一次：释放无人需要的快照，合并小文件，逐一验证后生效",
        )
        return dg.Definitions(schedules=[schedule])


def keeping_job() -> dg.JobDefinition:
    """The job; between its changes it lets others have the lake."""

    @dg.op(name="keep_lake", description="释放无人需要的快照，合并小文件，清理遗留文件")
    def keep_lake(context: dg.OpExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            done = keep(site.workshop, on_step=context.log.info)
        context.add_output_metadata(_counts(told(done)))

    @dg.job(name=JOB, description="数据湖养护：报送包所据的快照永不释放")
    def lake_keeping() -> None:
        keep_lake()

    return lake_keeping


def _counts(said: dict[str, Any]) -> dict[str, Any]:
    """What Dagster keeps of it: numbers."""
    return {
        "held": said["held"],
        "given_up": len(said["expired"]),
        "compacted": len(said["compacted"]),
        "proven": said["proven"],
        "removed_bytes": said["removed"]["bytes"],
        "longest_change_s": said["longest_change"],
    }
