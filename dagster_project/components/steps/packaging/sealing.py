"""Sealing a report on an occasion: its current period, and each past one whose figures changed.

A report with a ``periodColumn`` is one table with the rows of many periods: every period that the
table holds, or that was ever reported, is compared, and those that changed are sealed. A report
without one tells of the state at the run's cut-off: it is sealed for the period of the run's day
only, and a period that has ended is not touched (see ``past``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import duckdb
import pyarrow as pa

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.drafting import Making, Will, recipe_hash
from dagster_project.components.steps.packaging.held_feeds import holds_behind
from dagster_project.components.steps.packaging.periods import owed, sealed_periods, snapshot_at
from dagster_project.components.steps.packaging.replaying import one_state
from dagster_project.components.steps.packaging.splitting import Parts, divided
from dagster_project.components.steps.tasks.execution import made, record_made
from dagster_project.components.steps.told_up import sealing as telling_of
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Table
from dagster_project.contracts.report_period import Period, period_at
from dagster_project.errors import PackageError, UsageError
from dagster_project.lake import Writer
from dagster_project.lineage.events.log import upstream
from dagster_project.reporting.identity import signer_of
from dagster_project.reporting.package import Draft, seal_each, standing
from dagster_project.transform.models import Model


@dataclass(frozen=True)
class Sealed:
    """The package of a report and period as it stands; ``is_new`` when it was sealed now."""

    report: str
    period: str
    package_id: str
    package_no: int
    package_hash: str
    cut_off_at: datetime
    rows: int
    reason: str
    is_new: bool


@dataclass(frozen=True)
class Sealing:
    """What sealing a report brought: the packages of its periods in order, the current one last.

    ``remarks`` are sentences about rows that could not be reported, ``refused`` about whole
    periods that a person asked for.
    """

    report: str
    packages: tuple[Sealed, ...]
    remarks: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def current(self) -> Sealed:
        """The package of the period that was asked for."""
        return self.packages[-1]

    @property
    def new(self) -> list[Sealed]:
        """The packages that were sealed now."""
        return [one for one in self.packages if one.is_new]


def report_model(workshop: Workshop, name: str) -> Model:
    """The model of a report that goes up.

    Raises:
        UsageError: No such report.
    """
    model = workshop.graph.models.get(f"report.{name}")
    if model is None or not model.contract.period:
        models = workshop.graph.models.values()
        known = ", ".join(
            one.name for one in models if one.layer == "report" and one.contract.period
        )
        raise UsageError(f"there is no report {name[:200]}", todo=f"Known reports: {known}")
    return model


def seal_table(
    workshop: Workshop,
    name: str,
    occasion: Occasion,
    *,
    will: Will | None = None,
    only: Period | None = None,
) -> Sealing:
    """Seal a report from its table as it stands, unless it was sealed and says the same.

    Args:
        workshop: The site.
        name: The report.
        occasion: The run; its day's period is the current one.
        will: A person's decision, if it is one.
        only: Of a report with a ``periodColumn``: this period only, though it may have no rows.

    Raises:
        UsageError: No such report.
        ModelError: It was never built.
        PackageError: It cannot be sealed, or the lake knows nothing of the wanted period.
    """
    model = report_model(workshop, name)
    contract = model.contract
    current = period_at(contract.period, occasion.day)
    with (
        made(workshop, contract, occasion) as started,
        workshop.lake.writer(f"sealing {name}") as writer,
    ):
        state = one_state(workshop, model.table, occasion)
        _refuse_other(contract, state.parameters.day, current)
        cut_off_at = workshop.cut_off(writer.con, occasion)
        if occasion.is_manual:
            cut_off_at = state.parameters.cut_off_at
        holds = holds_behind(workshop, writer.con, model.table, cut_off_at)
        making = Making(
            workshop, writer.con, model, occasion, state, cut_off_at, holds, will or Will()
        )
        table = standing(writer.con, contract)
        parts = divided(contract, table) if contract.period_column else Parts(table, {})
        remarks = parts.refused(contract, current)
        drafts = [
            (period, draft)
            for period, draft in _drafts(making, parts, current, remarks, only)
            if only in {None, period}
        ]
        packages = seal_all(writer, making, [draft for _, draft in drafts], started)
    return Sealing(name, packages, tuple(remarks))


def _refuse_other(contract: Table, built_for: date, current: Period) -> None:
    """A table that was built for another day must not be called this period's."""
    of = period_at(contract.period, built_for)
    if not contract.period_column and of != current:
        raise PackageError(
            f"report.{contract.name} was last built for {of.name} and not for {current.name}",
            todo="Run `countylake run` for that day first",
        )


def seal_all(
    writer: Writer, making: Making, drafts: list[Draft], started: datetime
) -> tuple[Sealed, ...]:
    """Seal drafts of one report in one transaction; the execution is recorded if one was new."""
    workshop, occasion, contract = making.workshop, making.occasion, making.model.contract
    site, signer = workshop.site, signer_of(workshop.site)
    with telling_of(workshop, making.model, occasion) as told:
        drafts = [replace(one, certify=told.noting(one.certify)) for one in drafts]
        with writer.transaction(
            f"seal {contract.name} {drafts[-1].period}",
            run_id=occasion.run_id,
            report=contract.name,
        ) as tx:
            sealed = seal_each(tx.con, workshop.home, site, signer, drafts)
            made = zip(drafts, sealed, strict=True)
            new = {draft.period: one for draft, one in made if one is not None}
            if new:
                record_made(tx.con, contract, occasion, started)
        for one in new.values():
            told.committed(one.package_id, one.package_hash)
    known = newest(writer.con, contract.name)
    return tuple(
        replace(known[one.period], is_new=one.period in new)
        for one in drafts
        if one.period in known
    )


def _drafts(
    making: Making, parts: Parts, current: Period, remarks: list[str], only: Period | None
) -> Iterator[tuple[Period, Draft]]:
    """A draft for every period that is looked at, in order."""
    contract = making.model.contract
    told = {"not_reported": remarks} if remarks else {}
    if not contract.period_column:
        yield current, _draft(making, parts.whole, current, reason="", is_past=False, told=told)
        return
    sealed = sealed_periods(making.con, contract)
    recipe = recipe_hash(making.workshop, making.model.table)
    due = owed(contract, sealed, recipe, clock.now())
    looked = {one for one in {*parts.rows, *sealed, *due} if one < current}
    if only is not None and only < current and only not in looked:
        what = f"period {only.name} of report {contract.name}"
        snapshot_at(making.con, only.due_at(contract), what)
        looked.add(only)
    for period in sorted(looked):
        reason = "" if period in sealed else first_told_late(period)
        yield period, _draft(making, parts.of(period), period, reason=reason, is_past=True, told={})
    yield current, _draft(making, parts.of(current), current, reason="", is_past=False, told=told)


def _draft(
    making: Making,
    rows: pa.Table,
    period: Period,
    *,
    reason: str,
    is_past: bool,
    told: Mapping[str, object],
) -> Draft:
    return making.draft(
        period,
        rows,
        reason=reason,
        lineage=upstream(making.workshop.home, making.model.table),
        is_past=is_past,
        more={**told, **({"backfilled": reason} if reason else {})},
    )


def first_told_late(period: Period) -> str:
    """What the first package of a period says that was sealed after its end."""
    return f"back-filled on {_today()}: the period ended on {period.last} and was never sealed"


def _today() -> date:
    return clock.local_day(clock.now())


def newest(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, Sealed]:
    """The newest package of each period of a report."""
    rows = con.execute(
        "SELECT report, period, package_id, package_no, package_hash, cut_off_at,"
        " coalesce(row_count, 0), coalesce(reason, ''), false FROM lake.ops.package"
        " WHERE report = ?"
        " QUALIFY row_number() OVER (PARTITION BY period ORDER BY revision DESC) = 1",
        [name],
    ).fetchall()
    return {row[1]: Sealed(*row) for row in rows}
