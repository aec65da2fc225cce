"""Taking a reported period back, as a person decides; what it means is ``reporting``'s matter."""

from __future__ import annotations

from uuid import uuid4

from dagster_project import clock
from dagster_project.components.steps.told_up import withdrawing
from dagster_project.components.steps.workshop import Workshop
from dagster_project.reporting.identity import signer_of
from dagster_project.reporting.package import Package
from dagster_project.reporting.withdrawal import Taken, withdraw


def withdraw_package(workshop: Workshop, package_id: str, *, why: str, by: str) -> Package:
    """Seal a withdrawal of a package, next in the chain; delivery takes it up like any other.

    Raises:
        UsageError: No reason, no such package, one that was replaced, or one that is no report.
        PackageError: It cannot be written.
    """
    site, run_id, now = workshop.site, f"manual-{uuid4()}", clock.now()
    with (
        workshop.lake.writer(f"withdrawing {package_id}") as writer,
        withdrawing(workshop, package_id, run_id, now) as withdrawn,
    ):
        with writer.transaction(f"withdraw {package_id}", run_id=run_id) as tx:
            taken = Taken(package_id, why, by, now)
            made = withdraw(tx.con, workshop.home, site, signer_of(site), taken)
        withdrawn(made)
        return made
