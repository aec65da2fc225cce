"""What the models of a receiving site read besides packages: children, periods owed, assessment.

The tables are written by ``transform.models``; who is registered is told by ``city``. Taking in
packages is ``steps.city``'s work.
"""

from __future__ import annotations

from datetime import timedelta

import duckdb

from dagster_project import clock
from dagster_project.city import ledger, merge
from dagster_project.city.register import cards
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.transform.models.register_receiving import (
    Child,
    register_assessment,
    register_children,
    register_owed,
)


def prepare(con: duckdb.DuckDBPyConnection, workshop: Workshop, occasion: Occasion) -> None:
    """Bring up to date what city models read, once for each run; call it inside a transaction.

    Raises:
        PackageError: The register of children is damaged.
    """
    mark = f"{occasion.run_id} {workshop.duty}"
    if mark in workshop.registered:
        return
    now, policy = clock.now(), workshop.contracts.policy.assessment
    ledger.ensure(con)
    merge.prepare(con, workshop.reports)
    known = cards(workshop.home).values()
    register_children(con, [Child(card.code, card.name) for card in known], now)
    reports = [workshop.contracts.tables["report", name] for name in workshop.reports]
    register_owed(con, reports, timedelta(hours=policy.grace_hours), occasion.day, now)
    register_assessment(con, policy)
    workshop.registered.add(mark)
