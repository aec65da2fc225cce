"""``ReadReplica``: what analysts open, and Great Expectations' second opinion beside it.

Both come after everything was committed and can stop nothing.
"""

import dagster as dg

from dagster_project.components.guard import sentences_only
from dagster_project.components.site import SiteResource, county_home
from dagster_project.components.steps import opinion
from dagster_project.components.steps import replica as step
from dagster_project.components.steps.workshop import Workshop

REPLICA = dg.AssetKey(["published", "county"])
DOCS = dg.AssetKey(["docs", "great_expectations"])


class ReadReplica(dg.Component, dg.Model, dg.Resolvable):
    """The published read replica, and the Data Docs of what arrived."""

    second_opinion: bool = True

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The replica comes after every table of the site."""
        workshop = Workshop.at(county_home())
        tables = [f"silver.{name}" for name in workshop.contracts.feeds]
        tables += list(workshop.graph.models)
        assets = [_replica([dg.AssetKey(name.split(".")) for name in tables])]
        if self.second_opinion and opinion.is_built():
            assets.append(_second_opinion())
        return dg.Definitions(assets=assets)


def _replica(deps: list[dg.AssetKey]) -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        REPLICA,
        deps=deps,
        description="只读副本：脱敏视图与汇总表，任何 DuckDB 客户端可直接打开",
        group_name="publish",
        kinds={"duckdb"},
    )

    @dg.multi_asset(
        name="publish_replica",
        specs=[spec],
        can_subset=False,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
    )
    def publish(site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            replica, made = step.publish(site.workshop)
        yield dg.MaterializeResult(
            asset_key=REPLICA,
            metadata={"snapshot": replica.snapshot, "new": made},
            data_version=dg.DataVersion(str(replica.snapshot)),
        )

    return publish


def _second_opinion() -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        DOCS,
        deps=[REPLICA],
        description="Great Expectations 对每个到达批次和每张报表的第二意见，及其网页",
        group_name="publish",
        kinds={"greatexpectations"},
    )

    @dg.multi_asset(name="second_opinion", specs=[spec], can_subset=False)
    def validate(context: dg.AssetExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            done = opinion.second_opinion(site.workshop, site.occasion(context.run_id))
        yield dg.MaterializeResult(asset_key=DOCS, metadata=done)

    return validate
