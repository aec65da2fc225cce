"""The ways to the parent site: a folder, or its web. Which one a site has, its ``site.yaml`` says.

When to meet and what to send is ``reporting.outbox``'s matter.
"""

from __future__ import annotations

from dagster_project.credentials import credential
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.reporting.links.folder import FolderLink
from dagster_project.reporting.links.http import HttpLink
from dagster_project.reporting.links.link import Link
from dagster_project.settings import Site


def link_of(home: Home, site: Site) -> Link:
    """The link that a site's description names.

    Raises:
        UsageError: The token is not told, or its reference stands for nothing.
    """
    if not site.has_address:
        return FolderLink(site.folder(home, "exchange"))
    token = credential(site.exchange_token).token
    if not token:
        raise UsageError(
            "the parent's web is shown no token",
            where="site.yaml",
            todo="Ask the parent for one, and name it as `exchange_token`: env:NAME (the variable"
            " NAME_TOKEN), or file:name (a line token=…)",
        )
    authorities = (home.root / site.exchange_ca).resolve() if site.exchange_ca else None
    return HttpLink(site.exchange, site.code, token, authorities)
