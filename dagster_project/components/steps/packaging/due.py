"""Which reports are to be sealed now: whose hour has come, and which past periods are owed.

Whoever asks starts it: Dagster's sensor, or a person. Nothing is sealed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dagster_project.clock import local_day
from dagster_project.components.steps.packaging.drafting import recipe_hash
from dagster_project.components.steps.packaging.periods import owed, sealed_periods
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.report_period import period_at

LEAD = timedelta(minutes=10)
"""So long before its due time a report is made: what comes later is the next run's."""


@dataclass(frozen=True, order=True)
class DueReport:
    """One period of a report that is to be sealed, and by when it is or was due.

    A present period ``is_sealed`` by an earlier run of it, which its due time looks at once more.
    """

    due_at: datetime
    report: str
    period: str
    is_past: bool
    is_sealed: bool


def due_reports(workshop: Workshop, now: datetime) -> list[DueReport]:
    """The periods of reports that are to be sealed now, the longest due first."""
    if not workshop.home.catalog.exists():
        return []
    found = []
    with workshop.lake.reader() as con:
        for model in workshop.graph.models.values():
            contract = model.contract
            if model.layer != "report" or not contract.period:
                continue
            sealed = sealed_periods(con, contract)
            recipe = recipe_hash(workshop, model.table)
            found += [
                DueReport(
                    one.due_at(contract),
                    model.name,
                    one.name,
                    is_past=True,
                    is_sealed=one in sealed,
                )
                for one in owed(contract, sealed, recipe, now)
            ]
            present = period_at(contract.period, local_day(now))
            due_at = present.due_at(contract)
            if due_at - LEAD <= now:
                found.append(
                    DueReport(
                        due_at, model.name, present.name, is_past=False, is_sealed=present in sealed
                    )
                )
    return sorted(found)
