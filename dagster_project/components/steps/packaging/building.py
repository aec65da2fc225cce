"""Chosen periods of a report, sealed in order; done twice, it changes nothing.

What can be known of a past period is decided in ``past`` and ``sealing``; here is only which
periods were meant, and by which of the two they are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.drafting import Will
from dagster_project.components.steps.packaging.past import seal_past
from dagster_project.components.steps.packaging.sealing import (
    Sealed,
    Sealing,
    report_model,
    seal_table,
)
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Table
from dagster_project.contracts.report_period import (
    SPELLED,
    Period,
    period_at,
    period_called,
    periods_between,
)
from dagster_project.errors import LakeError, ModelError, PackageError, UsageError


@dataclass(frozen=True)
class Wanted:
    """The periods that somebody asks for: one by its name, or those of a range of days."""

    period: str = ""
    since: date | None = None
    until: date | None = None

    def periods(self, contract: Table, today: date) -> list[Period]:
        """The periods of a report that are meant, in order.

        Raises:
            UsageError: The name is none of the report's periods, the range is empty, or what is
                asked for has not begun.
        """
        if self.period:
            one = period_called(contract.period, self.period)
            if one is None:
                raise UsageError(
                    f"{self.period[:40]!r} is no period of report {contract.name}",
                    todo=f"It is {contract.period}: write {SPELLED[contract.period]}",
                )
            found = [one]
        else:
            since, until = self.since or today, self.until or today
            if since > until:
                raise UsageError(
                    f"the range from {since} to {until} is empty",
                    todo="Name its first day before its last one",
                )
            found = list(periods_between(contract.period, since, min(until, today)))
        if not found or found[0].first > today:
            raise UsageError(
                f"{self.period or self.since} of report {contract.name} has not begun",
                todo=f"Today is {today}",
            )
        return found


def build_periods(
    workshop: Workshop, name: str, wanted: Wanted, occasion: Occasion, will: Will | None = None
) -> Sealing:
    """Seal the wanted periods of a report that were never sealed, in order.

    One that was sealed is left as it is, unless ``will`` says why it is to be made again. A period
    that cannot be sealed is told, and the others are sealed.

    Raises:
        UsageError: No such report, or no such periods.
    """
    contract = report_model(workshop, name).contract
    current = period_at(contract.period, occasion.day)
    packages: list[Sealed] = []
    refused: list[str] = []
    remarks: list[str] = []
    for period in wanted.periods(contract, occasion.day):
        try:
            if contract.period_column or period == current:
                done = seal_table(workshop, name, occasion, will=will, only=period)
            else:
                done = seal_past(workshop, name, period, occasion, will)
        except (PackageError, ModelError) as error:
            refused.append(str(error))
        except LakeError as error:
            # The disk is full or the lake is damaged: the next period would fare no better.
            refused.append(str(error))
            break
        else:
            packages += done.packages
            remarks += [one for one in done.remarks if one not in remarks]
    return Sealing(name, tuple(packages), tuple(remarks), tuple(refused))
