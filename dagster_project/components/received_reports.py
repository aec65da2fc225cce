"""``ReceivedReports``: what children sent, verified and unified; the site's own replica.

One step receives all packages, because their order in the children's chains matters.
"""

import dagster as dg

from dagster_project.components import described
from dagster_project.components.guard import sentences_only
from dagster_project.components.site import SiteResource, city_home
from dagster_project.components.steps import city as step
from dagster_project.components.steps import replica as replica_step
from dagster_project.components.steps.forwarding import forward_events
from dagster_project.components.steps.workshop import Workshop

JOB = "city_receive"
REPLICA = dg.AssetKey(["published", "city"])


class ReceivedReports(dg.Component, dg.Model, dg.Resolvable):
    """The city's unified tables, their replica, and the job that brings both up to date."""

    every: str = "*/10 * * * *"

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One asset per report that children owe."""
        workshop = Workshop.at(city_home(), "receive")
        shapes = step.report_shapes(workshop)
        keys = [dg.AssetKey(["city", name]) for name in shapes]
        models = [dg.AssetKey(name.split(".")) for name in workshop.graph.models]
        return dg.Definitions(
            assets=[_reception(workshop), _replica([*keys, *models])],
            jobs=[
                dg.define_asset_job(
                    JOB,
                    selection=dg.AssetSelection.all(),
                    description="接收各县报送包：验签→验链→归并→回执→只读副本",
                )
            ],
            schedules=[
                dg.ScheduleDefinition(
                    name="receive",
                    job_name=JOB,
                    cron_schedule=self.every,
                    execution_timezone=described.TIMEZONE,
                )
            ],
        )


def _reception(workshop: Workshop) -> dg.AssetsDefinition:
    contracts = workshop.contracts.tables
    specs = [
        dg.AssetSpec(
            dg.AssetKey(["city", name]),
            description=f"{contracts['report', name].title}：各县报送，按县、报告期、版次",
            group_name="city",
            kinds={"ducklake"},
            tags={"report": name},
            metadata={
                "dagster/column_schema": described.table_schema(columns),
                **described.sources(contracts["report", name].path),
            },
        )
        for name, columns in step.report_shapes(workshop).items()
    ]

    @dg.multi_asset(
        name="receive_packages",
        specs=specs,
        can_subset=False,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
    )
    def receive(context: dg.AssetExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            done = step.take_in(site.workshop, context.run_id)
        for remark in done.remarks:
            context.log.warning(remark)
        for spec in specs:
            mine = [one for one in done.decisions if one.report == spec.key.path[-1]]
            yield dg.MaterializeResult(
                asset_key=spec.key,
                metadata={
                    "accepted_now": sum(one.outcome == "accepted" for one in mine),
                    "rejected_now": sum(one.outcome == "rejected" for one in mine),
                },
            )

    return receive


def _replica(deps: list[dg.AssetKey]) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        REPLICA,
        deps=deps,
        description="只读副本：各县汇总，任何 DuckDB 客户端可直接打开",
        group_name="publish",
        kinds={"duckdb"},
    )

    @dg.multi_asset(name="publish_city_replica", specs=[spec], can_subset=False)
    def publish(site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            replica, made = replica_step.publish(site.workshop)
            forward_events(site.workshop)
        yield dg.MaterializeResult(
            asset_key=REPLICA, metadata={"snapshot": replica.snapshot, "new": made}
        )

    return publish
