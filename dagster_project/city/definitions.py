"""The city's front door: loads ``city/defs/``, nothing else."""

from __future__ import annotations

from importlib import import_module

import dagster as dg

from dagster_project.components.site import SiteResource, city_home
from dagster_project.paths import PROJECT


@dg.definitions
def defs() -> dg.Definitions:
    """Every instance below ``city/defs/``, with the site it works for."""
    folder = import_module("dagster_project.city.defs")
    tree = dg.ComponentTree(defs_module=folder, project_root=PROJECT)
    return dg.Definitions.merge(
        tree.build_defs(),
        dg.Definitions(
            resources={"site": SiteResource(home=city_home(), duty="receive")},
            executor=dg.in_process_executor,
        ),
    )
