"""The rules of whole tables as asset checks: answered by the ledger after the county's review.

Asking the rules is ``steps.judging``'s work, inside the step that looks again at references.
"""

from collections.abc import Sequence

import dagster as dg

from dagster_project.components import described
from dagster_project.components.guard import sentences_only
from dagster_project.components.site import SiteResource
from dagster_project.components.steps.judging.review import newest
from dagster_project.components.steps.model import REFERENCES
from dagster_project.contracts.model import Feed
from dagster_project.contracts.table_rule import TableRule


def check_name(rule: TableRule) -> str:
    """A rule's id as Dagster lets checks be named."""
    return rule.id.replace(".", "__")


def table_rule_checks(feeds: Sequence[Feed]) -> list[dg.AssetChecksDefinition]:
    """One check per table rule on the feed's silver table; none where no feed has any.

    A rule that waits for another feed has no answer yet, and none is told.
    """
    rules = {(feed.name, check_name(rule)): rule for feed in feeds for rule in feed.table_rules}
    specs = [
        dg.AssetCheckSpec(
            name,
            asset=dg.AssetKey(["silver", feed]),
            description=rule.message,
            additional_deps=[described.asset_key(REFERENCES)],
        )
        for (feed, name), rule in rules.items()
    ]
    if not specs:
        return []

    @dg.multi_asset_check(name="rules_of_whole_tables", specs=specs, can_subset=True)
    def answer(context: dg.AssetCheckExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            known = newest(site.workshop)
        for key in sorted(context.selected_asset_check_keys):
            feed = key.asset_key.path[-1]
            rule = rules[feed, key.name]
            if (feed, rule.id) not in known:
                continue
            checked, failed = known[feed, rule.id]
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=failed == 0,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"checked": checked, "failed": failed},
            )

    return [answer]
