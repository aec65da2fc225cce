"""The way up: which reports are sealed for which period, their delivery, the answers.

The package's form, the chain and the exchange are ``reporting``'s work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from dagster_project import clock
from dagster_project.components.steps.correcting.asked import meet
from dagster_project.components.steps.cutoff import period_of
from dagster_project.components.steps.held_feeds import holds_behind
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.tasks.execution import made, record_made
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Table
from dagster_project.errors import UsageError
from dagster_project.lineage.events import upstream
from dagster_project.reporting.identity import signer_of
from dagster_project.reporting.outbox import Exchange
from dagster_project.reporting.outbox import deliver as exchange
from dagster_project.reporting.package import Draft, seal


@dataclass(frozen=True)
class Sealed:
    """The package of a report and period as it stands; ``is_new`` when it was sealed now."""

    report: str
    package_id: str
    package_no: int
    package_hash: str
    cut_off_at: datetime
    is_new: bool


@dataclass
class WayUp:
    """What sealing and delivering by hand brought."""

    sealed: list[str] = field(default_factory=list)
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


def seal_report(workshop: Workshop, name: str, occasion: Occasion) -> Sealed:
    """Seal a report for the period of the run's day, unless it was sealed and says the same.

    A package says which feeds behind it are held, so that it is sealed anew when one is or no
    longer is, though no figure changed.

    Raises:
        UsageError: No such report.
        PackageError: It cannot be sealed.
    """
    model = workshop.graph.models.get(f"report.{name}")
    if model is None or not model.contract.period:
        known = ", ".join(table.name for table in reports(workshop))
        raise UsageError(f"there is no report {name}", todo=f"Known reports: {known}")
    period = period_of(model.contract.period, occasion)
    site = workshop.site
    with (
        made(workshop, model.contract, occasion) as started,
        workshop.lake.writer(f"sealing {name}") as writer,
    ):
        snapshot, content, built_for = _built(writer.con, model.table)
        cut_off_at = workshop.cut_off(writer.con, occasion)
        if occasion.is_manual and built_for:
            cut_off_at = built_for
        draft = Draft(
            contract=model.contract,
            columns=workshop.described(model.table),
            period=period,
            cut_off_at=cut_off_at,
            sealed_at=clock.now(),
            sql_hash=model.hash,
            snapshot=snapshot,
            lineage=upstream(workshop.home, model.table),
            status={"run_id": occasion.run_id, "content_hash": content},
            holds=holds_behind(workshop, writer.con, model.table, cut_off_at),
        )
        with writer.transaction(
            f"seal {name} {period}", run_id=occasion.run_id, report=name, period=period
        ) as tx:
            sealed = seal(tx.con, workshop.home, site, signer_of(site), draft)
            if sealed is not None:
                record_made(tx.con, model.contract, occasion, started)
        return _newest(writer.con, name, period, is_new=sealed is not None)


def _built(con: duckdb.DuckDBPyConnection, table: str) -> tuple[int, str, datetime | None]:
    """The snapshot at which the table's inputs were read, its content, and its cut-off."""
    row = con.execute(
        "SELECT snapshot, content_hash, cut_off_at FROM lake.ops.model_build WHERE table_name = ?"
        " ORDER BY built_at DESC LIMIT 1",
        [table],
    ).fetchone()
    return (int(row[0]), str(row[1]), row[2]) if row else (0, "", None)


def _newest(con: duckdb.DuckDBPyConnection, name: str, period: str, *, is_new: bool) -> Sealed:
    row = con.execute(
        "SELECT package_id, package_no, package_hash, cut_off_at FROM lake.ops.package"
        " WHERE report = ? AND period = ? ORDER BY revision DESC LIMIT 1",
        [name, period],
    ).fetchone()
    assert row is not None  # noqa: S101 - sealed now, or equal to what was sealed
    return Sealed(name, str(row[0]), int(row[1]), str(row[2]), row[3], is_new)


def deliver(workshop: Workshop) -> Exchange:
    """Take every package that is not accepted yet up, and bring the answers down.

    What the parent asks for comes down, too, and what the departments answered goes up.
    """
    done = exchange(workshop.lake, workshop.site)
    done.remarks += meet(workshop)
    return done


def seal_and_deliver(workshop: Workshop, occasion: Occasion, name: str = "") -> WayUp:
    """Seal one report or all, then deliver: the same steps as a run's last ones."""
    done = WayUp()
    for report in [name] if name else [table.name for table in reports(workshop)]:
        sealed = seal_report(workshop, report, occasion)
        if sealed.is_new:
            done.sealed.append(sealed.package_id)
    sent = deliver(workshop)
    done.delivered, done.waiting, done.remarks = sent.delivered, sent.waiting, sent.remarks
    done.answered = [f"{one.package_id}: {one.outcome}" for one in sent.answers]
    return done
