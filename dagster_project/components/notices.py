"""``Notices``: the sensor that tells people what waits for them.

What is told to whom is decided in ``steps.notices``; nobody is told unless ``site.yaml`` says so.
"""

import dagster as dg

from dagster_project.components.site import county_home
from dagster_project.components.steps.notices.sending import send_due
from dagster_project.components.steps.workshop import Workshop


class Notices(dg.Component, dg.Model, dg.Resolvable):
    """A look every so often, for a task becomes late without any run."""

    look_every_s: int = 300
    is_running: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One sensor."""
        return dg.Definitions(sensors=[_sensor(self.look_every_s, is_running=self.is_running)])


def _sensor(seconds: int, *, is_running: bool) -> dg.SensorDefinition:
    status = dg.DefaultSensorStatus

    @dg.sensor(
        name="notices",
        minimum_interval_seconds=seconds,
        default_status=status.RUNNING if is_running else status.STOPPED,
        description="逾期、失败、搁置等事由的通知；site.yaml 未配置 notify 时不发送",
    )
    def notices(context: dg.SensorEvaluationContext):  # type: ignore[no-untyped-def]  # noqa: ANN202, ARG001
        done = send_due(Workshop.at(county_home()))
        told = sum(one.told for one in done)
        return dg.SkipReason(f"told {told} matters to {len(done)} recipients")

    return notices
