"""A stick at the city: what it brought is taken in and received, and the answers go onto it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dagster_project.city import ledger
from dagster_project.city.receive import Reception
from dagster_project.city.stick import Carried, give, take
from dagster_project.components.steps.city import take_in
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError


@dataclass(frozen=True)
class Visit:
    """What a stick brought, what was decided, and what it carries home."""

    brought: Carried
    received: Reception
    given: Carried

    @property
    def remarks(self) -> list[str]:
        """Every sentence for whoever must act."""
        return [*self.brought.remarks, *self.received.remarks, *self.given.remarks]


def visit(workshop: Workshop, stick: Path) -> Visit:
    """Take in what a stick brought, receive it, and give the answers to the stick.

    Raises:
        UsageError: There is no such folder.
        PackageError: The register is damaged.
        LakeError, LakeBusyError: The lake cannot be opened.
    """
    if not stick.is_dir():
        raise UsageError(
            "there is no such folder", where=str(stick), todo="Mount the stick, or name another"
        )
    brought = take(workshop.home, stick, _heads(workshop))
    received = take_in(workshop)
    return Visit(brought, received, give(workshop.home, stick))


def _heads(workshop: Workshop) -> dict[str, int]:
    """The last number that the ledger knows of each sender."""
    if not workshop.home.catalog.exists():
        return {}
    with workshop.lake.reader() as con:
        if not ledger.complete(con):
            return {}
        rows = con.execute(
            "SELECT split_part(package_id, '-', 1), max(package_no)"
            f" FROM {ledger.TABLE} WHERE consumed GROUP BY 1"
        ).fetchall()
    return {str(code): int(number) for code, number in rows}
