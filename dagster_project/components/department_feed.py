"""``DepartmentFeed``: every contract of ``schemas/feeds`` becomes one step and four assets.

Adding a feed means adding a YAML file. What a feed's step does stands in ``steps.feed``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from dagster_project.components import described
from dagster_project.components.guard import sentences_only
from dagster_project.components.site import SiteResource, county_home
from dagster_project.components.steps import feed as step
from dagster_project.components.steps.checks import DELIVERED, FeedCheck, feed_checks
from dagster_project.components.steps.correcting.disagreements import withdraw_undeclared
from dagster_project.components.steps.model import REFERENCES
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.rebuild import look_again
from dagster_project.components.steps.workshop import Workshop
from dagster_project.components.table_rules import table_rule_checks
from dagster_project.contracts.model import WORKBOOKS, Feed
from dagster_project.errors import LakeBusyError

RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)


class DepartmentFeed(dg.Component, dg.Model, dg.Resolvable):
    """The feeds of the site's departments.

    ``feeds`` names some of them; empty means every contract, also one that is added later.
    """

    feeds: Sequence[str] = ()

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One step per feed whose contract could be read."""
        contracts = Workshop.at(county_home()).contracts
        feeds = [
            feed for name, feed in contracts.feeds.items() if not self.feeds or name in self.feeds
        ]
        return dg.Definitions(
            assets=[*(_step(feed) for feed in feeds), _references(feeds)],
            asset_checks=table_rule_checks(feeds),
        )


def _specs(feed: Feed) -> list[dg.AssetSpec]:
    bronze, silver = dg.AssetKey(["bronze", feed.name]), dg.AssetKey(["silver", feed.name])
    parents = sorted(
        {c.reference.feed for c in feed.columns if c.reference and c.reference.rejects}
        - {feed.name}
    )
    common: dict[str, Any] = {
        "group_name": described.group(feed.department_code, "department"),
        "owners": described.owners(feed),
        "code_version": feed.version,
    }
    tags = {"feed": feed.name, "department": described.tag(feed.department_code)}
    source = described.sources(feed.path)
    lineage = described.column_lineage(described.conformed_lineage(feed))
    levels = sorted({column.level for column in feed.columns})
    return [
        dg.AssetSpec(
            bronze,
            description=f"{feed.title}（原样留存，{feed.department_name}）",
            kinds={"ducklake", *_kinds(feed)},
            tags={**tags, "layer": "bronze"},
            metadata={
                "dagster/column_schema": described.table_schema(feed.columns, text=True),
                **source,
            },
            freshness_policy=described.freshness(feed.sla),
            **common,
        ),
        dg.AssetSpec(
            silver,
            deps=[bronze, *(dg.AssetKey(["silver", parent]) for parent in parents)],
            description=f"{feed.title}（{feed.department_name}）\n\n{feed.description}".strip(),
            kinds={"ducklake", "duckdb"},
            tags={**tags, "layer": "silver", "level": levels[-1]},
            metadata={
                "dagster/column_schema": described.table_schema(feed.columns),
                "dagster/table_name": f"county.silver.{feed.name}",
                **lineage,
                **source,
            },
            freshness_policy=described.freshness(feed.sla),
            **common,
        ),
        *(
            dg.AssetSpec(
                dg.AssetKey(["ops", table, feed.name]),
                deps=[bronze],
                description=f"{feed.title}：{what}",
                kinds={"ducklake"},
                tags={**tags, "layer": "ops"},
                metadata=source,
                **common,
            )
            for table, what in (
                ("quarantine", f"问题数据，退回{feed.department_name}校核"),
                ("batch", "批次与行数守恒"),
            )
        ),
    ]


def _kinds(feed: Feed) -> Iterator[str]:
    """What departments deliver, in the catalogue's words: it shows three kinds at most."""
    if "csv" in feed.formats:
        yield "csv"
    if set(feed.formats) & set(WORKBOOKS):
        yield "excel"


def _check_specs(feed: Feed, checks: Sequence[FeedCheck]) -> list[dg.AssetCheckSpec]:
    silver = dg.AssetKey(["silver", feed.name])
    return [
        dg.AssetCheckSpec(
            check.name, asset=silver, description=check.sentence, blocking=check.blocking
        )
        for check in checks
    ]


def _step(feed: Feed) -> dg.AssetsDefinition:
    specs = _specs(feed)
    checks = feed_checks(feed)

    @dg.multi_asset(
        name=f"feed_{feed.name}",
        specs=specs,
        check_specs=_check_specs(feed, checks),
        can_subset=False,
        retry_policy=RETRY,
        op_tags={"feed": feed.name},
    )
    def take(context: dg.AssetExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            occasion = site.occasion(context.run_id)
            try:
                done = step.run_feed(site.workshop, feed.name, occasion)
            except LakeBusyError as busy:
                if context.retry_number < RETRY.max_retries:
                    raise
                done = step.give_up(site.workshop, feed.name, occasion, busy)
        if done.error:
            context.log.warning("%s: %s", feed.name, done.error)
        if done.reason:
            context.log.info(done.reason)
        yield from _events(feed, done)

    return take


def _events(
    feed: Feed, done: FeedOutcome
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """What the step did, as Dagster keeps it: counts, never cells."""
    version = dg.DataVersion(done.version) if done.version else None
    shown = {"status": done.status, "batches": len(done.batches)}
    rows: dict[tuple[str, ...], dict[str, Any]] = {
        ("bronze", feed.name): {"dagster/row_count": done.bronze_rows, **shown},
        ("silver", feed.name): {"dagster/row_count": done.silver_rows, **shown},
        ("ops", "quarantine", feed.name): {"dagster/row_count": done.quarantined, **shown},
        ("ops", "batch", feed.name): {**done.counts, **shown},
    }
    if done.score is not None:
        rows["ops", "batch", feed.name]["score"] = float(done.score)
    for key, metadata in rows.items():
        yield dg.MaterializeResult(
            asset_key=dg.AssetKey(key), metadata=metadata, data_version=version
        )
    silver = dg.AssetKey(["silver", feed.name])
    for result in done.checks:
        # A blocking check has done its work before the commit: what failed it is not in the lake,
        # and later models go on with the last good state. Dagster would stop them at an ERROR of
        # a blocking check; the ERROR that people see is the one of the delivery itself.
        yield dg.AssetCheckResult(
            asset_key=silver,
            check_name=result.name,
            passed=result.passed,
            severity=dg.AssetCheckSeverity.ERROR
            if result.name == DELIVERED
            else dg.AssetCheckSeverity.WARN,
            metadata={"checked": result.checked, "failed": result.failed},
        )


def _references(feeds: Sequence[Feed]) -> dg.AssetsDefinition:
    """After all feeds: rows whose parent came later, and the rules of whole tables."""
    spec = dg.AssetSpec(
        described.asset_key(REFERENCES),
        deps=[dg.AssetKey(["silver", feed.name]) for feed in feeds],
        description="跨行、跨表、跨部门规则核查：记录仍在库，发现即立核查事项；上级数据到达后重新判定",
        group_name="quality",
        kinds={"ducklake"},
    )

    @dg.multi_asset(name="look_again_at_references", specs=[spec], can_subset=False)
    def look(context: dg.AssetExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            occasion = site.occasion(context.run_id)
            done = look_again(site.workshop, occasion)
            done |= {"withdrawn": withdraw_undeclared(site.workshop, occasion)}
        yield dg.MaterializeResult(asset_key=spec.key, metadata=done)

    return look
