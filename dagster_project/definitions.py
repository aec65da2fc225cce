"""The county's front door: loads ``defs/``, nothing else."""

from __future__ import annotations

import dagster as dg

from dagster_project.components.site import SiteResource, county_home
from dagster_project.paths import PROJECT


@dg.definitions
def defs() -> dg.Definitions:
    """Every instance below ``defs/``, with the site it works for."""
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=PROJECT),
        dg.Definitions(
            resources={"site": SiteResource(home=county_home())},
            executor=dg.in_process_executor,
        ),
    )
