"""What the models of a receiving site read besides packages: children, periods owed, assessment.

The tables are written by ``transform.models``; who is registered is told by ``city``. Taking in
packages is ``steps.city``'s work.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dagster_project import clock
from dagster_project.city import ledger, merge
from dagster_project.city.register import children
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake import Writer
from dagster_project.transform.models.register_receiving import (
    Child,
    register_assessment,
    register_children,
    register_owed,
)


def prepare(writer: Writer, workshop: Workshop, occasion: Occasion) -> None:
    """Bring up to date what city models read, once for each run, in a transaction of its own.

    What a model reads must be committed before it is built: a table's version is its snapshot.

    Raises:
        PackageError: The register of children is damaged.
    """
    mark = f"{occasion.run_id} {workshop.duty}"
    if mark in workshop.registered:
        return
    now, policy = clock.now(), workshop.contracts.policy.assessment
    known = [
        Child(
            one.code,
            one.card.name,
            one.via,
            datetime.fromisoformat(one.notes[0].at) if one.notes and one.notes[0].at else None,
        )
        for one in children(workshop.home).values()
    ]
    reports = [workshop.contracts.tables["report", name] for name in workshop.reports]
    with writer.transaction("what the view reads besides packages", run_id=occasion.run_id) as tx:
        ledger.ensure(tx.con)
        merge.prepare(tx.con, workshop.reports)
        register_children(tx.con, known, now)
        grace = timedelta(hours=policy.grace_hours)
        register_owed(tx.con, reports, grace, occasion.day, now)
        register_assessment(tx.con, policy)
    workshop.registered.add(mark)
