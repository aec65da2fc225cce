"""Serving a site on this machine: loopback only, nothing logged of who asked what."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.web.app import build
from dagster_project.web.site import ShownSite

LOOPBACK = "127.0.0.1"


def serve(workshop: Workshop, port: int, ready: Callable[[int], None]) -> None:
    """Serve until a signal ends it.

    Args:
        workshop: The site.
        port: Where; 0 takes a free one.
        ready: Called with the port once requests are taken.

    Raises:
        UsageError: The port is taken.
    """
    listening = _listen(port)
    site = ShownSite(workshop)
    config = uvicorn.Config(
        build(site),
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    with listening:
        ready(listening.getsockname()[1])
        site.keeper.newest(0.0)  # the first look loads contracts and engine: begin it at once
        uvicorn.Server(config).run(sockets=[listening])
    site.keeper.close()


def _listen(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((LOOPBACK, port))
    except OSError:
        made.close()
        raise UsageError(
            f"port {port} of this machine is taken",
            where=f"{LOOPBACK}:{port}",
            todo="Name another with --port",
        ) from None
    made.listen(64)
    return made
