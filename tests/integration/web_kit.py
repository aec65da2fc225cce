"""Small real sites behind their interfaces: apps, tokens, clients, and real servers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from dagster_project.city.register import register
from dagster_project.components.steps.workshop import Workshop
from dagster_project.protocol.archive import pack
from dagster_project.settings import Duty
from dagster_project.web.access.audit import accesses
from dagster_project.web.access.bounds import Bounds
from dagster_project.web.access.tokens import CHILD, PARENT, Scope, Tokens
from dagster_project.web.app import Face, build, close
from dagster_project.web.patience import PatientProtocol
from dagster_project.web.site import ShownSite
from tests.integration.exchange_kit import CITY, CityKit, CountyKit, SiteKit, make_city, make_county

FREE = Bounds(per_s=1e6, burst=10**6, strange_per_s=1e6, strange_burst=10**6)
"""So much that nobody is kept waiting; what is told of bounds is tested apart."""


@dataclass
class Served:
    """A site's app with the tokens that were made for it."""

    kit: SiteKit
    app: FastAPI
    secrets: dict[str, str] = field(default_factory=dict)

    def client(self, site: str = "", **headers: str) -> TestClient:
        """Somebody who asks, with the token of a site or without one."""
        shown = {"Authorization": f"Bearer {self.secrets[site]}"} if site else {}
        return TestClient(
            self.app,
            base_url="http://127.0.0.1",
            headers={**shown, **headers},
            raise_server_exceptions=False,
        )

    def grant(self, site: str, *scopes: Scope, days: int = 90, named: str = "") -> str:
        """Make a token for another site."""
        kind = PARENT if site == self.kit.site.parent else CHILD
        made = Tokens(self.kit.home).make(
            site, scopes or kind, days=days, at=datetime.now(UTC), by="kit", why="a test"
        )
        self.secrets[named or site] = made.secret
        return made.token.token_id

    def log(self) -> list[dict[str, Any]]:
        """The lines of the access log."""
        return list(accesses(self.kit.home))


def served(kit: SiteKit, bounds: Bounds = FREE, *, is_local: bool = True) -> Served:
    """The app of a site."""
    duty: Duty = kit.site.duties[0]
    shown = ShownSite(Workshop.at(kit.home.root, duty))
    face = Face(is_local=is_local, bounds=bounds)
    return Served(kit, build(shown, face))


@dataclass
class Pair:
    """A city and its counties, each behind its interface."""

    city: Served
    counties: dict[str, Served]

    def close(self) -> None:
        """End what the apps keep open."""
        for one in (self.city, *self.counties.values()):
            close(one.app)


def make_pair(root: Path, codes: Mapping[str, str] | None = None, bounds: Bounds = FREE) -> Pair:
    """A city with counties: each has a token of the other, and two packages that were sealed."""
    city = make_city(root)
    made = [
        make_county(root, city, code, name)
        for code, name in (codes or {"140321": "平定县", "140322": "盂县"}).items()
    ]
    for kit in made:
        kit.report_day(1)
        kit.report_day(2)
    return paired(city, made, bounds)


@lru_cache(maxsize=1)
def shared_pair(root: Path) -> Pair:
    """Sites that tests of several modules ask, made once; whoever changes them mends them."""
    return make_pair(root / "web")


def paired(city: CityKit, counties: Iterable[CountyKit], bounds: Bounds = FREE) -> Pair:
    """The apps of sites that know each other, and tokens."""
    apps = {kit.site.code: served(kit, bounds) for kit in counties}
    pair = Pair(served(city, bounds), apps)
    for code, county in pair.counties.items():
        pair.city.grant(code)
        county.grant(CITY)
    return pair


def with_new_city(root: Path, pair: Pair) -> Pair:
    """The same counties with their sealed packages, at a city that knows nothing of them yet."""
    city = make_city(root)
    kits = []
    for one in pair.counties.values():
        register(city.home, one.kit.home.public_file)
        folder = str(city.home.exchange / one.kit.site.code)
        site = one.kit.site.model_copy(update={"exchange": folder})
        kits.append(replace(kit_of(one), site=site))
    return paired(city, kits)


def archived(kit: SiteKit, package_id: str) -> bytes:
    """A sealed package as it is sent."""
    return b"".join(pack(kit.home.outbox / package_id).chunks())


def sealed_ids(kit: SiteKit) -> list[str]:
    """The packages of a site by their numbers."""
    with kit.lake.reader() as con:
        found = con.execute("SELECT package_id FROM ops.package ORDER BY package_no").fetchall()
    return [str(name) for (name,) in found]


def kit_of(one: Served) -> CountyKit:
    """A served county's kit."""
    assert isinstance(one.kit, CountyKit)
    return one.kit


def city_of(one: Served) -> CityKit:
    """A served city's kit."""
    assert isinstance(one.kit, CityKit)
    return one.kit


@contextmanager
def listening(app: FastAPI, **options: Any) -> Iterator[int]:
    """A real server of an app on a free port of this machine."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="error",
        h11_max_incomplete_event_size=16 << 10,
        timeout_graceful_shutdown=1,
        **options,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [made]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    try:
        yield made.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        made.close()
