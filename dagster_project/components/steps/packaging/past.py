"""A past period of a report that tells of a state: made from the state that the lake was in then.

What is known today must not slip into a period that has ended. So a period that was sealed is made
again from the very state that its figures were made of, and differs only if SQL or contracts do;
one that was never sealed is made from the state that was current when it was due.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from dagster_project import clock
from dagster_project.clock import utc_text
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.drafting import (
    Making,
    Will,
    recipe_hash,
    replayed_lineage,
)
from dagster_project.components.steps.packaging.held_feeds import holds_behind
from dagster_project.components.steps.packaging.periods import (
    Known,
    owed,
    sealed_periods,
    snapshot_at,
)
from dagster_project.components.steps.packaging.replaying import State, as_of, built_state
from dagster_project.components.steps.packaging.sealing import (
    Sealed,
    Sealing,
    first_told_late,
    newest,
    report_model,
    seal_all,
)
from dagster_project.components.steps.tasks.running import running
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.report_period import Period
from dagster_project.errors import ModelError, PackageError
from dagster_project.lake import Writer
from dagster_project.transform.models import Model, Parameters

AGAIN = "made again from the state that it was sealed from"
_log = structlog.get_logger(__name__)


def seal_past(
    workshop: Workshop, name: str, period: Period, occasion: Occasion, will: Will | None = None
) -> Sealing:
    """Seal a past period of a report without a ``periodColumn``, unless it says the same.

    Args:
        workshop: The site.
        name: The report.
        period: Which; it has ended.
        occasion: The run that seals.
        will: A person's decision. Without one, a period that was sealed is left as it is, unless
            its package was rejected.

    Raises:
        UsageError: No such report.
        PackageError: The lake knows nothing of that time, or the package cannot be written.
        ModelError: A table that the report reads was not there then.
    """
    model = report_model(workshop, name)
    at = replace(occasion, day=period.last)
    started, patience = clock.now(), workshop.settings.lock_timeout_s
    with (
        running(workshop.home, model.table, occasion.run_id, patience_s=patience),
        workshop.lake.writer(f"sealing {name} {period.name}") as writer,
    ):
        known = sealed_periods(writer.con, model.contract).get(period)
        if known is not None and will is None and known.outcome != "rejected":
            return Sealing(name, (newest(writer.con, name)[period.name],))
        state = _state(workshop, writer, model, period, known)
        rows = as_of(workshop, writer.con, model.table, state)
        cut_off_at = known.cut_off_at if known else state.parameters.cut_off_at
        holds = holds_behind(workshop, writer.con, model.table, cut_off_at)
        holds = holds.model_copy(update={"settled": ()})
        making = Making(workshop, writer.con, model, at, state, cut_off_at, holds, will or Will())
        reason = AGAIN if known else first_told_late(period)
        told = {"snapshot": state.snapshot, "as_of": utc_text(cut_off_at), "why": reason}
        draft = making.draft(
            period,
            rows,
            reason=reason,
            lineage=replayed_lineage(workshop, model.table, state, at),
            more={"backfilled": told},
        )
        return Sealing(name, seal_all(writer, making, [draft], started))


def catch_up(workshop: Workshop, name: str, occasion: Occasion) -> Sealing:
    """Seal the past periods that are owed, in order; one that cannot be is told and left.

    A report with a ``periodColumn`` is none of it: its past is in its table.
    """
    contract = report_model(workshop, name).contract
    if contract.period_column or not workshop.home.catalog.exists():
        return Sealing(name, ())
    with workshop.lake.writer(f"looking what is owed of {name}") as writer:
        sealed = sealed_periods(writer.con, contract)
    recipe = recipe_hash(workshop, f"report.{name}")
    packages: list[Sealed] = []
    remarks: list[str] = []
    for period in owed(contract, sealed, recipe, clock.now()):
        try:
            packages += seal_past(workshop, name, period, occasion).packages
        except (PackageError, ModelError) as error:
            remarks.append(str(error))
            _log.warning("period not back-filled", report=name, period=period.name)
    return Sealing(name, tuple(packages), tuple(remarks))


def _state(
    workshop: Workshop, writer: Writer, model: Model, period: Period, known: Known | None
) -> State:
    """The state that a past period is made of."""
    code = workshop.site.code
    if known is None:
        due = period.due_at(model.contract)
        snapshot = snapshot_at(writer.con, due, f"period {period.name} of report {model.name}")
        return State(snapshot, Parameters(due, period.last, code))
    if known.day is not None:
        return State(known.snapshot, Parameters(known.cut_off_at, known.day, code))
    otherwise = Parameters(known.cut_off_at, period.last, code)
    return built_state(workshop, writer.con, model.table, known.snapshot, otherwise)
