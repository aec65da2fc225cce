"""Serving a site: on this machine alone, or its interface to other sites as well.

What is this machine's (health, metrics) never leaves it. The interface leaves it under TLS, its own
or a reverse proxy's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import uvicorn

from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.web.access.bounds import Bounds
from dagster_project.web.app import HOSTS, Face, build, close
from dagster_project.web.patience import PatientProtocol
from dagster_project.web.site import ShownSite

LOOPBACK = "127.0.0.1"
HEAD_BYTES = 16 << 10
CONNECTIONS = 256
KEEP_ALIVE_S = 15


@dataclass(frozen=True)
class Place:
    """Where a site is served.

    ``port`` 0 takes a free one. ``names`` are those under which others know it; any if empty.
    ``behind_proxy`` says that a reverse proxy on this machine speaks TLS with them.
    """

    port: int
    host: str = LOOPBACK
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can ask, and nobody through it."""
        return ip_address(self.host).is_loopback and not self.behind_proxy

    @property
    def face(self) -> Face:
        """What is shown there."""
        hosts = HOSTS if self.is_local else self.names or ("*",)
        return Face(hosts, self.is_local, self.bounds)

    def check(self) -> None:
        """Make sure that nothing leaves this machine in the open.

        Raises:
            UsageError: It would, or an option does not fit the others.
        """
        try:
            away = not ip_address(self.host).is_loopback
        except ValueError:
            raise UsageError(
                f"{self.host} is no address of a machine", todo="Write it in numbers: 192.0.2.7"
            ) from None
        if (self.certificate is None) != (self.key is None):
            raise UsageError("a certificate needs its key", todo="Name both, --cert and --key")
        if away and self.certificate is None and not self.behind_proxy:
            raise UsageError(
                "tokens would leave this machine in the open",
                where=self.host,
                todo="Name --cert and --key, or put a reverse proxy with TLS before it and say"
                " --behind-proxy",
            )
        for file in (self.certificate, self.key):
            if file is not None and not file.is_file():
                raise UsageError("there is no such file", where=str(file), todo="Name another")


def serve(workshop: Workshop, place: Place, ready: Callable[[int], None]) -> None:
    """Serve until a signal ends it.

    Args:
        workshop: The site.
        place: Where.
        ready: Called with the port once requests are taken.

    Raises:
        UsageError: The port is taken, or the place is not safe.
    """
    place.check()
    listening = _listen(place)
    site = ShownSite(workshop)
    app = build(site, place.face)
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        h11_max_incomplete_event_size=HEAD_BYTES,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        access_log=False,
        server_header=False,
        proxy_headers=place.behind_proxy,
        forwarded_allow_ips=LOOPBACK,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
        lifespan="off",
        log_level="error",
        timeout_graceful_shutdown=2,
    )
    with listening:
        ready(listening.getsockname()[1])
        if place.is_local:
            site.keeper.newest(0.0)  # the first look loads contracts and engine: begin it at once
        uvicorn.Server(config).run(sockets=[listening])
    site.keeper.close()
    close(app)


def _listen(place: Place) -> socket.socket:
    address = ip_address(place.host)
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((place.host, place.port))
    except OSError as error:
        made.close()
        raise UsageError(
            f"port {place.port} of this machine is taken or may not be used ({error.strerror})",
            where=f"{place.host}:{place.port}",
            todo="Name another with --port",
        ) from None
    made.listen(64)
    return made
