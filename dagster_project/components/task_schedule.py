"""``TaskSchedule``: the sensor that starts feeds when they are due, and again after a failure.

Which feeds these are is decided in ``steps.tasks``; files that arrive are the inbox sensor's.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from dagster_project.components.county_day import (
    AT_MOST,
    JOB,
    begun,
    run_config,
    sensor_status,
    task_assets,
)
from dagster_project.components.mending import mend
from dagster_project.components.site import county_home
from dagster_project.components.steps.feed import bury_killed
from dagster_project.components.steps.tasks.look import to_start
from dagster_project.components.steps.tasks.starting import Start
from dagster_project.components.steps.workshop import Workshop

START = "countylake/start"
"""Tag of the runs that were asked for by one and the same start."""


class TaskSchedule(dg.Component, dg.Model, dg.Resolvable):
    """The sensor ``tasks``."""

    look_every_s: int = 60
    is_running: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One sensor for all feeds: a look costs one reading of the ledgers."""
        return dg.Definitions(sensors=[tasks_sensor(self.look_every_s, is_running=self.is_running)])


def tasks_sensor(seconds: int, *, is_running: bool = True) -> dg.SensorDefinition:
    """The sensor; it asks for one run per look and reason, of all feeds that are due together."""

    @dg.sensor(
        name="tasks",
        job_name=JOB,
        minimum_interval_seconds=seconds,
        default_status=sensor_status(is_running=is_running),
        description="到期的归集任务启动一次运行，失败的按退避间隔重试；停机后补一次",
    )
    def tasks(context: dg.SensorEvaluationContext):  # type: ignore[no-untyped-def]  # noqa: ANN202
        workshop = Workshop.at(county_home())
        for run_id in mend(context.instance, workshop.home):
            context.log.warning("run %s was killed and is marked as failed", run_id)
        bury_killed(workshop)
        busy = _busy(begun(context.instance), workshop.contracts.feeds)
        starts = [
            one for one in to_start(workshop) if one.trigger != "arrival" and one.task not in busy
        ]
        asked = list(_requests(context, workshop, starts))
        yield from asked
        if not asked:
            yield dg.SkipReason(f"{len(starts)} due, {len(busy)} in a run already")

    return tasks


def _busy(runs: Iterable[dg.DagsterRun], feeds: Iterable[str]) -> set[str]:
    """The feeds of these runs."""
    found: set[str] = set()
    for run in runs:
        if run.asset_selection is None:
            return set(feeds)
        found |= {key.path[1] for key in run.asset_selection if key.path[0] == "silver"}
    return found


def _requests(
    context: dg.SensorEvaluationContext, workshop: Workshop, starts: Sequence[Start]
) -> Iterator[dg.RunRequest]:
    """One request per reason; two looks that find the same starts make the same request."""
    for trigger in ("retry", "schedule"):
        group = [one for one in starts if one.trigger == trigger]
        if not group:
            continue
        said = sorted(f"{one.task} {one.at.isoformat()} {one.attempt}" for one in group)
        start = f"{trigger}-{hashlib.sha256(repr(said).encode()).hexdigest()[:24]}"
        before = context.instance.get_runs_count(dg.RunsFilter(tags={START: start}))
        if before >= AT_MOST:
            context.log.warning("%s: %s runs ended without a word of them", said, before)
            continue
        yield dg.RunRequest(
            run_key=f"{start}-{before}",
            run_config=run_config(trigger),
            asset_selection=task_assets(workshop, [one.task for one in group]),
            tags={START: start},
        )
