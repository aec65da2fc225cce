"""``ReportUp``: what leaves the county: one sealed package per report and period, and its way up.

Sealing, chaining and acknowledgements are ``reporting``'s work.
"""

from collections.abc import Sequence

import dagster as dg

from dagster_project.components import described
from dagster_project.components.guard import sentences_only
from dagster_project.components.site import SiteResource, county_home
from dagster_project.components.steps import report as step
from dagster_project.components.steps.delivering import deliver as meet_parent
from dagster_project.components.steps.forwarding import forward_events
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Table

DELIVERED = dg.AssetKey(["outbox", "delivered"])
MOST_NAMED = 20
"""Packages and sentences that one materialization names; Dagster's metadata are kept small."""


class ReportUp(dg.Component, dg.Model, dg.Resolvable):
    """The packages of the county's reports, and their delivery to the parent site.

    ``reports`` names some of them; empty means every report whose contract has a period.
    """

    reports: Sequence[str] = ()

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One package asset per report, and one step that takes them up."""
        reports = [
            table
            for table in step.reports(Workshop.at(county_home()))
            if not self.reports or table.name in self.reports
        ]
        return dg.Definitions(assets=[*(_package(table) for table in reports), _delivery(reports)])


def _package(table: Table) -> dg.AssetsDefinition:
    key = dg.AssetKey(["package", table.name])
    spec = dg.AssetSpec(
        key,
        deps=[described.asset_key(f"report.{table.name}")],
        description=f"{table.title}：签名、编号、成链的报送包（{table.period}）",
        group_name="report_up",
        owners=described.owners(table),
        kinds={"parquet"},
        tags={"report": table.name, "period": described.tag(table.period)},
        metadata=described.sources(table.path),
    )

    @dg.multi_asset(name=f"package_{table.name}", specs=[spec], can_subset=False)
    def seal(context: dg.AssetExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            sealing = step.seal_report(site.workshop, table.name, site.occasion(context.run_id))
        for remark in sealing.remarks:
            context.log.warning(remark)
        sealed = sealing.current
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                "package_id": sealed.package_id,
                "package_no": sealed.package_no,
                "new": sealed.is_new,
                "cut_off_at": sealed.cut_off_at.isoformat(),
                "sealed_now": [one.package_id for one in sealing.new][-MOST_NAMED:],
                "sealed_cnt": len(sealing.new),
                "rows_not_reported": list(sealing.remarks)[:MOST_NAMED],
            },
            data_version=dg.DataVersion(sealed.package_hash[:32]),
        )

    return seal


def _delivery(reports: Sequence[Table]) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        DELIVERED,
        deps=[dg.AssetKey(["package", table.name]) for table in reports],
        description="报送包送达上级，并取回上级的签名回执",
        group_name="report_up",
        kinds={"exchange"},
    )

    @dg.multi_asset(
        name="deliver_packages",
        specs=[spec],
        can_subset=False,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
    )
    def deliver(site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            sent = meet_parent(site.workshop)
            told = forward_events(site.workshop)
        yield dg.MaterializeResult(
            asset_key=DELIVERED,
            metadata={
                "delivered_now": len(sent.delivered),
                "answered_now": len(sent.answers),
                "waiting": len(sent.waiting),
                "fault": sent.fault,
                "remarks": sent.remarks[:MOST_NAMED],
                **(
                    {"events_handed_on": told.sent, "events_fault": told.last_error} if told else {}
                ),
            },
        )

    return deliver
