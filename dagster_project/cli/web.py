"""Commands of the web: serve a site, write its metrics once, list who asked for what."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.shared import (
    COUNTY_HOME,
    HomeOption,
    JsonOption,
    console,
    emit,
    note,
    standing,
)

PORT = 8140
PATIENCE_S = 10.0
"""How long the command waits for the lake; what is written later is more than nothing."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (serve, metrics, audit):
        app.command()(command)


def serve(  # noqa: PLR0917 - options of a command
    home: HomeOption = COUNTY_HOME,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = PORT,
    host: Annotated[
        str, typer.Option(help="another address of this machine: the interface alone is there")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="a name under which others know it, repeatable")
    ] = None,
    cert: Annotated[Path | None, typer.Option(help="TLS certificate chain, PEM")] = None,
    key: Annotated[Path | None, typer.Option(help="the certificate's key, PEM")] = None,
    *,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="a reverse proxy here speaks TLS for it")
    ] = False,
) -> None:
    """Serve the exchange interface (/v1), and on this machine alone /metrics and /health.

    Whoever asks needs a token (`countylake token create`); every access is a line of
    `countylake audit`. The interface describes itself at /v1/openapi.json.
    """
    from dagster_project.components.steps.journal import open_journal
    from dagster_project.components.steps.workshop import Workshop
    from dagster_project.web import server

    site, found = standing(home)
    open_journal(found)
    place = server.Place(
        port, host, tuple(name or ()), certificate=cert, key=key, behind_proxy=behind_proxy
    )
    place.check()
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if cert else "http"

    def ready(taken: int) -> None:
        where = f"{scheme}://{shown}:{taken}"
        own = f"{where}/metrics, {where}/health and " if place.is_local else ""
        note(f"{own}{where}/v1; Ctrl-C ends it")

    workshop = Workshop.at(found.root, "collect" if site.collects else "receive")
    server.serve(workshop, place, ready)


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

    about, found = standing(home)
    workshop = Workshop.at(found.root, "collect" if about.collects else "receive")
    site = ShownSite(workshop, scrape_s=6 * PATIENCE_S, patience_s=PATIENCE_S)
    if textfile is None:
        sys.stdout.write(openmetrics(site.registry).decode())
    else:
        write_textfile(site.registry, textfile.expanduser().resolve())
        note(f"written to {textfile}")
    site.keeper.close()


def audit(
    home: HomeOption = COUNTY_HOME,
    since: Annotated[
        datetime | None, typer.Option(help="the first day or instant, Asia/Shanghai")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Every access to the interface: who, when, what, how much; also refused ones."""
    from dagster_project.cli.tables import local
    from dagster_project.clock import SHANGHAI
    from dagster_project.web.access.audit import accesses

    _, found = standing(home)
    first = since.replace(tzinfo=SHANGHAI) if since and since.tzinfo is None else since
    lines = accesses(found, first)
    if as_json:
        emit({"accesses": list(lines)})
        return
    for one in lines:
        who = f"{one['token']} of {one['site']}" if one["token"] else "no valid token"
        what = f"{one['method']} {one['route'] or '(no address of ours)'} {one['of']}".rstrip()
        told = f"{local(datetime.fromisoformat(one['at']))}  {one['status']}  {who}  {what}"
        size = f"{one['received']:,} bytes in, {one['sent']:,} out"
        console().print(f"{told}  {size}  from {one['address']}", markup=False, soft_wrap=True)
