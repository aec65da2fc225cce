"""``SqlModel``: every SELECT of one folder below ``sql/``, or every entity, becomes an asset.

Order and lineage are read from the SQL; adding a model means adding a file and its contract.
"""

from typing import Literal

import dagster as dg

from dagster_project.components import described
from dagster_project.components.guard import sentences_only
from dagster_project.components.site import SiteResource, city_home, county_home
from dagster_project.components.steps import model as step
from dagster_project.components.steps.workshop import Workshop
from dagster_project.transform.models import Model


class SqlModel(dg.Component, dg.Model, dg.Resolvable):
    """The models of ``sql/<layer>``, and for ``silver`` the entities: one asset per table."""

    layer: Literal["silver", "gold", "report", "city"]

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """One asset per SELECT, with its contract's checks."""
        if self.layer == "city":
            workshop = Workshop.at(city_home(), "receive")
        else:
            workshop = Workshop.at(county_home())
        graph = workshop.graph
        return dg.Definitions(
            assets=[
                _asset(model, workshop)
                for model in graph.models.values()
                if model.layer == self.layer
            ]
        )


def _asset(model: Model, workshop: Workshop) -> dg.AssetsDefinition:
    spec, checks = _spec(model, workshop), _checks(model)

    @dg.multi_asset(
        name=f"{model.layer}_{model.name}",
        specs=[spec],
        check_specs=checks,
        can_subset=False,
        retry_policy=dg.RetryPolicy(max_retries=1, delay=2),
    )
    def build(context: dg.AssetExecutionContext, site: SiteResource):  # type: ignore[no-untyped-def]  # noqa: ANN202
        with sentences_only():
            built = step.build_model(site.workshop, model, site.occasion(context.run_id))
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "dagster/row_count": built.result.rows,
                "changed": built.result.changed,
                "snapshot": built.result.snapshot,
            },
            data_version=dg.DataVersion(built.result.content_hash[:32]),
        )
        # A build that breaks its contract never gets here: it was taken back with a sentence.
        yield dg.AssetCheckResult(asset_key=spec.key, check_name=step.CONTRACT, passed=True)
        for answer in built.rules:
            yield dg.AssetCheckResult(
                asset_key=spec.key,
                check_name=answer.rule.id,
                passed=answer.failed == 0,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"checked": answer.checked, "failed": answer.failed},
            )

    return build


def _spec(model: Model, workshop: Workshop) -> dg.AssetSpec:
    contract = model.contract
    return dg.AssetSpec(
        described.asset_key(model.table),
        deps=[described.asset_key(name) for name in step.dependencies(workshop, model)],
        description=f"{contract.title}\n\n{contract.description}".strip(),
        group_name=model.layer,
        owners=described.owners(contract),
        kinds={"duckdb", "sql"},
        tags={"layer": model.layer, "version": described.tag(contract.version)},
        code_version=model.hash[:16],
        metadata={
            "dagster/column_schema": described.table_schema(workshop.described(model.table)),
            **described.column_lineage(workshop.lineage(model.table)),
            **described.sources(*dict.fromkeys((model.path, contract.path))),
            "dagster/table_name": f"county.{model.table}",
        },
    )


def _checks(model: Model) -> list[dg.AssetCheckSpec]:
    key = described.asset_key(model.table)
    return [
        dg.AssetCheckSpec(
            step.CONTRACT, asset=key, blocking=True, description=step.CONTRACT_SENTENCE
        ),
        *(
            dg.AssetCheckSpec(
                rule.id, asset=key, blocking=rule.severity == "fail", description=rule.message
            )
            for rule in model.contract.rules
        ),
    ]
