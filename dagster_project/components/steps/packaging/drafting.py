"""The draft of one package: what this site knows of a report's rows before they are sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property, partial
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.certifying import certifier
from dagster_project.components.steps.packaging.feed_standings import standings_behind
from dagster_project.components.steps.packaging.replaying import State
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.report_period import Period
from dagster_project.lineage.events import events
from dagster_project.lineage.events.events import Work
from dagster_project.lineage.events.facets import Dataset
from dagster_project.protocol.held import Holds
from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import Receipt
from dagster_project.protocol.standing import Standings
from dagster_project.reporting.package import Draft
from dagster_project.transform.models import Model
from dagster_project.transform.models.replay import READ


@dataclass(frozen=True)
class Will:
    """A person's decision on what is sealed: ``again`` seals what says the same once more."""

    why: str = ""
    by: str = ""
    again: bool = False


@dataclass(frozen=True)
class Making:
    """What the packages of one sealing have in common."""

    workshop: Workshop
    con: duckdb.DuckDBPyConnection
    model: Model
    occasion: Occasion
    state: State
    cut_off_at: datetime
    holds: Holds
    will: Will = field(default_factory=Will)

    def draft(
        self,
        period: Period,
        rows: pa.Table,
        *,
        reason: str,
        lineage: Iterable[str],
        is_past: bool = False,
        more: Mapping[str, Any] | None = None,
    ) -> Draft:
        """The draft of one period's package.

        Args:
            period: Which.
            rows: Its rows.
            reason: What is known before comparing; a person's own reason comes first.
            lineage: OpenLineage events.
            is_past: Whether the period had ended on the run's day.
            more: What ``status.json`` says besides.
        """
        contract = self.model.contract
        said = "; ".join(one for one in (self.will.why.strip(), reason) if one)
        return Draft(
            contract=contract,
            columns=self.workshop.described(self.model.table),
            period=period.name,
            cut_off_at=self.cut_off_at,
            sealed_at=clock.now(),
            sql_hash=self.model.hash,
            snapshot=self.state.snapshot,
            day=self.state.parameters.day,
            rows=rows,
            reason=said,
            lineage=lineage,
            status={"run_id": self.occasion.run_id, **(more or {})},
            holds=self.holds,
            certify=self.certify,
            standings=self.standings,
            recipe_hash=recipe_hash(self.workshop, self.model.table),
            is_past=is_past,
            again=self.will.again,
            by=self.will.by,
        )

    @cached_property
    def certify(self) -> Callable[[Header, pa.Table], Receipt]:
        """Makes the receipts of all of them."""
        return certifier(self.workshop, self.con, self.state.parameters, self.holds)

    @cached_property
    def standings(self) -> Callable[[], Standings]:
        """How the feeds behind them stand; looked up once, and only if one is sealed."""
        parameters = self.state.parameters
        return cache(
            partial(standings_behind, self.workshop, self.con, self.model.table, parameters)
        )


def recipe_hash(workshop: Workshop, table: str) -> str:
    """SHA-256 over the SQL and contracts of a report and of every model below it."""
    models = [workshop.graph.models[one] for one in (*workshop.graph.upstream(table), table)]
    told = [[one.table, one.hash, one.contract.hash] for one in models]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def replayed_lineage(
    workshop: Workshop, table: str, state: State, occasion: Occasion
) -> Iterable[str]:
    """The events of an evaluation from a past state; the lake's own tables were not touched."""
    version = f"snapshot {state.snapshot}"
    for name in (table, *reversed(workshop.graph.upstream(table))):
        model = workshop.graph.models[name]
        if model.layer in READ:
            continue
        work = Work(
            site=workshop.site.code,
            job=model.table,
            run_id=f"{occasion.run_id}/{version}",
            nominal_at=state.parameters.cut_off_at,
            inputs=tuple(Dataset(one, version) for one in model.inputs),
            outputs=(
                Dataset(
                    model.table,
                    version,
                    workshop.described(model.table),
                    workshop.lineage(model.table).edges,
                ),
            ),
            sql=model.sql(state.parameters),
        )
        yield events.completed(work, clock.now())
