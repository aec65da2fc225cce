"""The way up: which reports are sealed for which period, their delivery, the answers.

The package's form, the chain and the exchange are ``reporting``'s work.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dagster_project import clock
from dagster_project.components.steps.delivering import deliver
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.building import Wanted, build_periods
from dagster_project.components.steps.packaging.drafting import Will
from dagster_project.components.steps.packaging.past import catch_up
from dagster_project.components.steps.packaging.sealing import Sealing, seal_table
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Table
from dagster_project.errors import ModelError, PackageError


@dataclass
class WayUp:
    """What sealing and delivering by hand brought.

    ``kept`` are packages that say the same already, ``refused`` sentences about periods that cannot
    be sealed.
    """

    sealed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def reports(workshop: Workshop) -> list[Table]:
    """The reports that go up: those whose contract has a period and whose model exists."""
    return [
        model.contract
        for model in workshop.graph.models.values()
        if model.layer == "report" and model.contract.period
    ]


def seal_report(
    workshop: Workshop, name: str, occasion: Occasion, will: Will | None = None
) -> Sealing:
    """Seal a report as a run does: first the past periods that are owed, then the current one.

    A package says which feeds behind it are held, so that it is sealed anew when one is or no
    longer is, though no figure changed. Nothing is owed in a run that works for another day than
    today.

    Raises:
        UsageError: No such report.
        ModelError: It was never built.
        PackageError: It cannot be sealed.
    """
    late = Sealing(name, ())
    if occasion.day == clock.local_day(clock.now()):
        late = catch_up(workshop, name, occasion)
    done = seal_table(workshop, name, occasion, will=will)
    return Sealing(name, (*late.packages, *done.packages), (*late.remarks, *done.remarks))


def seal_and_deliver(
    workshop: Workshop,
    occasion: Occasion,
    name: str = "",
    will: Will | None = None,
    wanted: Wanted | None = None,
) -> WayUp:
    """Seal one report or all, then deliver: the same steps as a run's last ones.

    Args:
        workshop: The site.
        occasion: The step by hand.
        name: One report; all if empty.
        will: Why it is sealed, if a person says so.
        wanted: Which periods; as a run does, if left out.
    """
    done = WayUp()
    for report in [name] if name else [table.name for table in reports(workshop)]:
        try:
            if wanted is None:
                sealing = seal_report(workshop, report, occasion, will)
            else:
                sealing = build_periods(workshop, report, wanted, occasion, will)
        except (PackageError, ModelError) as error:
            done.refused.append(str(error))
            continue
        done.sealed += [one.package_id for one in sealing.new]
        done.kept += [one.package_id for one in sealing.packages if not one.is_new]
        done.refused += sealing.refused
        done.remarks += sealing.remarks
    sent = deliver(workshop)
    done.delivered, done.waiting = sent.delivered, sent.waiting
    done.remarks += sent.remarks
    done.answered = [f"{one.package_id}: {one.outcome}" for one in sent.answers]
    return done
