"""Commands of the web: serve a site's health and metrics, or write the metrics once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.shared import COUNTY_HOME, HomeOption, note, opened

PORT = 8140
PATIENCE_S = 10.0
"""How long the command waits for the lake; what is written later is more than nothing."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (serve, metrics):
        app.command()(command)


def serve(
    home: HomeOption = COUNTY_HOME,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = PORT,
) -> None:
    """Answer /metrics (OpenMetrics, for Prometheus) and /health, on this machine only."""
    from dagster_project.components.steps.journal import open_journal
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.web import server

    county = opened(home)
    open_journal(county)
    where = f"http://{server.LOOPBACK}"
    server.serve(
        Workshop.at(county.root),
        port,
        lambda taken: note(f"{where}:{taken}/metrics and {where}:{taken}/health; Ctrl-C ends it"),
    )


def metrics(
    home: HomeOption = COUNTY_HOME,
    textfile: Annotated[
        Path | None, typer.Option(help="a .prom file for the node exporter; else to stdout")
    ] = None,
) -> None:
    """Write the site's figures: as OpenMetrics to stdout, or for the node exporter into a file.

    They are written also when the lake is busy or empty; `countylake_up` says so.
    """
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.web.metrics.exposition import openmetrics, write_textfile
    from dagster_project.web.site import ShownSite

    workshop = Workshop.at(opened(home).root)
    site = ShownSite(workshop, scrape_s=6 * PATIENCE_S, patience_s=PATIENCE_S)
    if textfile is None:
        sys.stdout.write(openmetrics(site.registry).decode())
    else:
        write_textfile(site.registry, textfile.expanduser().resolve())
        note(f"written to {textfile}")
    site.keeper.close()
