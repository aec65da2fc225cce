"""Everything that is wrong with a site, at once: what each part finds, in the order of groups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dagster_project.components.steps.configuration.fault import GROUPS, Fault
from dagster_project.components.steps.configuration.own import (
    folder_faults,
    key_faults,
    machine_faults,
)
from dagster_project.components.steps.configuration.schemas import (
    contract_faults,
    model_faults,
    version_faults,
)
from dagster_project.components.steps.configuration.sources import (
    connection_faults,
    source_faults,
    variables_referred,
)
from dagster_project.components.steps.configuration.written_down import (
    settings_in_force,
    site_in_force,
    written_faults,
)
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import Home, schemas_dir, sql_dir
from dagster_project.settings import Site

SECONDS = 15.0
"""So long a server may take to answer."""
PATIENCE_S = 10.0
"""So long a run that holds the lake is waited for: then versions are not compared."""


@dataclass(frozen=True)
class Place:
    """A site as far as it can be read, whatever is wrong with it."""

    workshop: Workshop
    site: Site


def place_of(root: Path) -> Place:
    """The site at a folder; wrong settings and words are as if they were not written."""
    home = Home(root.expanduser().resolve())
    site = site_in_force(home)
    settings = settings_in_force(home)
    patience = min(settings.lock_timeout_s, PATIENCE_S)
    settings = settings.model_copy(update={"lock_timeout_s": patience})
    made = Workshop(home, settings, next(iter(site.duties), "collect"), schemas_dir(), sql_dir())
    return Place(made.renewed(), site)


def check(place: Place, *, connect: bool = False, seconds: float = SECONDS) -> list[Fault]:
    """Every fault of a site; one part that is wrong keeps no other from being looked at.

    Args:
        place: The site.
        connect: Whether to ask the servers that feeds are fetched from; nothing is kept.
        seconds: How long each of them may take.
    """
    workshop, site = place.workshop, place.site
    home, contracts = workshop.home, workshop.contracts
    faults = list(written_faults(home, variables_referred(contracts, site)))
    if home.site_file.exists():
        faults += [*folder_faults(home, site), *key_faults(home, site)]
        faults += source_faults(workshop, site)
    faults += machine_faults(home, workshop.settings)
    faults += [*contract_faults(workshop), *version_faults(workshop), *model_faults(workshop)]
    if connect:
        faults += connection_faults(workshop, site, seconds)
    order = list(GROUPS)
    return sorted(dict.fromkeys(faults), key=lambda one: (order.index(one.group), one.is_warning))
