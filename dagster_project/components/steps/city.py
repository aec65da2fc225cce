"""A receiving site's steps: take in what its children sent, show it, answer.

Verifying, merging and answering are ``city``'s work; no other site's home is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import uuid4

from dagster_project import clock
from dagster_project.city import corrections, ledger, quarantine
from dagster_project.city.agreed import Agreed, agreed
from dagster_project.city.arrivals import clear
from dagster_project.city.ledger import Entry
from dagster_project.city.merge import received_columns
from dagster_project.city.pull import Pulled, Puller
from dagster_project.city.quarantine import Refused
from dagster_project.city.receive import Reception, receive
from dagster_project.city.register import children
from dagster_project.city.status import status
from dagster_project.components.steps.told_up import merging_packages
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column
from dagster_project.errors import UsageError
from dagster_project.lake.engine import quoted
from dagster_project.lake.plan import PublishColumn, PublishTable, ops_tables
from dagster_project.reporting.identity import signer_of


def take_in(workshop: Workshop, run_id: str = "") -> Reception:
    """Receive every package that is new, and answer it; ask and hear about corrections.

    Children that do not deliver are asked before, and handed their answers afterwards.
    """
    site, run_id = workshop.site, run_id or f"manual-{uuid4()}"
    signer, puller = signer_of(site), Puller(workshop.lake, site)
    fetched = puller.fetch(puller.chosen())
    done = receive(
        workshop.lake,
        site,
        signer,
        at=clock.now(),
        agreement=agreement(workshop),
        merging=partial(merging_packages, workshop, run_id),
    )
    done.remarks += corrections.collect(workshop.lake, site, signer)
    clear(workshop.home, list(children(workshop.home)), clock.now())
    handed = puller.hand_back(puller.chosen())
    done.remarks += [remark for one in (*fetched, *handed) for remark in one.remarks]
    return done


def fetch(workshop: Workshop, code: str = "") -> list[Pulled]:
    """Fetch what children show that do not deliver, and hand them the answers that lie ready.

    Raises:
        UsageError: Nothing says where that child is.
    """
    puller = Puller(workshop.lake, workshop.site)
    chosen = puller.chosen(code)
    return [*puller.fetch(chosen), *puller.hand_back(chosen)]


def agreement(workshop: Workshop) -> dict[str, Agreed]:
    """The receiver's contracts of the reports that are owed to it."""
    contracts = workshop.contracts
    return {
        name: agreed(
            contracts.tables["report", name],
            columns,
            contracts.codes,
            contracts.policy.plausibility,
        )
        for name, columns in report_shapes(workshop).items()
    }


def report_shapes(workshop: Workshop) -> dict[str, tuple[Column, ...]]:
    """The reports that a child owes, by name, with all their columns."""
    return workshop.reports


def plan(workshop: Workshop) -> tuple[PublishTable, ...]:
    """What the read replica shows of what was received; nothing in it is personal."""
    titles = {
        table.name: table.title
        for (layer, _), table in workshop.contracts.tables.items()
        if layer == "report"
    }
    unified = tuple(
        PublishTable(
            schema="city",
            name=name,
            comment=titles[name],
            columns=_described(received_columns(columns)),
            others=True,
        )
        for name, columns in report_shapes(workshop).items()
    )
    own = tuple(
        PublishTable(
            schema="city",
            name=model.name,
            comment=model.contract.title,
            columns=_described(workshop.described(model.table)),
            others=True,
        )
        for model in workshop.graph.models.values()
    )
    received = PublishTable(
        schema="ops",
        name="received",
        comment="报送包接收登记",
        columns=_described(ledger.columns()),
        others=True,
    )
    return (*unified, *own, received, *ops_tables())


def _described(columns: Iterable[Column]) -> tuple[PublishColumn, ...]:
    """Columns as they are, with their titles and units for whoever opens the replica."""
    return tuple(
        PublishColumn(
            column.name,
            quoted(column.name),
            column.name,
            column.title + (f"（{column.unit}）" if column.unit else ""),
        )
        for column in columns
    )


def overview(workshop: Workshop) -> dict[str, Any]:
    """What the site knows of each child."""
    site = workshop.site
    told = {"site": {"code": site.code, "name": site.name, "home": str(workshop.home.root)}}
    return {**told, **status(workshop.lake)}


def refused(workshop: Workshop, package_id: str = "") -> list[Refused]:
    """The refused packages that are kept, newest first; those of one id only, if one is given.

    Raises:
        UsageError: None of that id is kept.
    """
    kept = quarantine.refused(workshop.home)
    found = [one for one in kept if package_id in {"", one.told.get("package_id"), one.folder.name}]
    if package_id and not found:
        raise UsageError(
            f"no refused package {package_id} is kept", todo="`countylake city rejected` lists them"
        )
    return found


def chain(workshop: Workshop, code: str, most: int) -> list[Entry]:
    """The newest decisions on packages of one site, oldest first.

    Raises:
        UsageError: Nothing was received of that site.
    """
    found = list[Entry]()
    if workshop.home.catalog.exists():
        with workshop.lake.reader() as con:
            found = ledger.entries(con, "site_code = ?", [code], most)
    if not found:
        raise UsageError(
            f"nothing was received of site {code}", todo="`countylake city status` lists the sites"
        )
    return found
