"""``ReportSchedule``: the sensor that has each report sealed by its own due time.

Also on a day on which no feed came, and after days on which the machine was off: the periods that
were missed are sealed by the package's own step, in order. Which reports these are is decided in
``steps.packaging.due``.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import dagster as dg

from dagster_project import clock
from dagster_project.components.county_day import AT_MOST, JOB, begun, run_config, sensor_status
from dagster_project.components.described import asset_key
from dagster_project.components.read_replica import REPLICA
from dagster_project.components.report_up import DELIVERED
from dagster_project.components.site import county_home
from dagster_project.components.steps.packaging.due import DueReport, due_reports
from dagster_project.components.steps.workshop import Workshop
from dagster_project.components.task_schedule import START


class ReportSchedule(dg.Component, dg.Model, dg.Resolvable):
    """The sensor ``reports``."""

    look_every_s: int = 60
    is_running: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One sensor for all reports: a look costs one reading of the ledger of packages."""
        return dg.Definitions(
            sensors=[reports_sensor(self.look_every_s, is_running=self.is_running)]
        )


def reports_sensor(seconds: int, *, is_running: bool = True) -> dg.SensorDefinition:
    """The sensor; it asks for one run per due time, and for one of all that is owed."""

    @dg.sensor(
        name="reports",
        job_name=JOB,
        minimum_interval_seconds=seconds,
        default_status=sensor_status(is_running=is_running),
        description="报表按各自应报时间封包，当日没有来数也照报；停机错过的各期依次补报",
    )
    def reports(context: dg.SensorEvaluationContext):  # type: ignore[no-untyped-def]  # noqa: ANN202
        workshop = Workshop.at(county_home())
        due = due_reports(workshop, clock.now())
        busy = _busy(begun(context.instance))
        asked = [] if busy else list(_requests(context, workshop, due))
        yield from asked
        if not asked:
            yield dg.SkipReason(
                "a run that seals reports has not ended" if busy else f"{len(due)} due, all asked"
            )

    return reports


def report_assets(workshop: Workshop, reports: Iterable[str]) -> list[dg.AssetKey]:
    """What has to be made anew for some reports: their tables, packages, delivery, the replica."""
    names = sorted(set(reports))
    tables = {
        table
        for name in names
        for table in (*workshop.graph.upstream(f"report.{name}"), f"report.{name}")
    }
    packages = [dg.AssetKey(["package", name]) for name in names]
    return [*(asset_key(table) for table in sorted(tables)), *packages, DELIVERED, REPLICA]


def _busy(runs: Iterable[dg.DagsterRun]) -> bool:
    return any(
        run.asset_selection is None or any(key.path[0] == "package" for key in run.asset_selection)
        for run in runs
    )


def _requests(
    context: dg.SensorEvaluationContext, workshop: Workshop, due: Sequence[DueReport]
) -> Iterator[dg.RunRequest]:
    """One request per due time; a second one only while something of it is not sealed."""

    def hour(one: DueReport) -> str:
        return "owed" if one.is_past else one.due_at.isoformat()

    for at, some in groupby(sorted(due, key=hour), hour):
        group = list(some)
        said = sorted(f"{one.report} {one.period}" for one in group)
        start = f"report-{hashlib.sha256(repr((at, said)).encode()).hexdigest()[:24]}"
        before = context.instance.get_runs_count(dg.RunsFilter(tags={START: start}))
        if before >= AT_MOST:
            context.log.warning("%s: %s runs ended and did not seal them", said, before)
            continue
        if before and at != "owed" and all(one.is_sealed for one in group):
            continue
        yield dg.RunRequest(
            run_key=f"{start}-{before}",
            run_config=run_config("schedule"),
            asset_selection=report_assets(workshop, [one.report for one in group]),
            tags={START: start},
        )
