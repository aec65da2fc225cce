"""Publishing what was committed: the read replica, also after a run that failed.

What the replica shows of each column is ``privacy``'s decision.
"""

from __future__ import annotations

from pathlib import Path

from dagster_project import clock
from dagster_project.components.steps import city as received
from dagster_project.components.steps.told_up import publishing
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column, Layer
from dagster_project.lake import maintenance, sums
from dagster_project.lake import publish as replica
from dagster_project.lake.plan import PublishTable
from dagster_project.lake.publish import Replica
from dagster_project.paths import keys_dir
from dagster_project.privacy import replica as privacy
from dagster_project.privacy.pseudonym import Secret, load_secret


def _secret(workshop: Workshop) -> Secret | None:
    name = workshop.site.pseudonym_key
    return load_secret(keys_dir(), name) if name else None


def _made(workshop: Workshop) -> dict[tuple[Layer, str], tuple[Column, ...]]:
    """Every column of the models' tables with what it inherits along lineage."""
    return {
        (model.layer, model.name): tuple(workshop.described(model.table))
        for model in workshop.graph.models.values()
    }


def _plan(workshop: Workshop) -> tuple[PublishTable, ...]:
    """Everything the site shows: one that collects and receives has one replica of both."""
    duties = {duty: Workshop.at(workshop.home.root, duty) for duty in workshop.site.duties}
    tables: list[PublishTable] = []
    if "collect" in duties:
        tables += privacy.plan(workshop.contracts, _made(duties["collect"]))
    if "receive" in duties:
        tables += received.plan(duties["receive"])
    return tuple({(table.schema, table.name): table for table in tables}.values())


def publish(workshop: Workshop) -> tuple[Replica, bool]:
    """Publish the newest snapshot, remove replicas older than a week, note files' hashes.

    Returns:
        The current replica, and whether it was made now.
    """
    secret = _secret(workshop)
    now = clock.now()
    plan = _plan(workshop)
    with publishing(workshop, now, plan) as (begin, published):
        done = replica.publish(
            workshop.lake,
            plan,
            at=now,
            parameters=secret.parameters if secret else None,
            key_id=secret.key_id if secret else "",
            begun=begin,
        )
        published(done[0].snapshot)
    maintenance.gc(workshop.lake, at=now)
    sums.note(workshop.lake)
    return done


def export(workshop: Workshop, folder: Path) -> Path:
    """Write one self-contained replica file into a folder."""
    secret = _secret(workshop)
    return replica.export(
        workshop.lake,
        _plan(workshop),
        folder,
        parameters=secret.parameters if secret else None,
    )
