"""County, city and the city's web are killed at random points; each package arrives exactly once.

Every step runs in a process of its own, which is killed (SIGKILL) at a line that chance chooses;
the next one goes on from what was left, over a folder that both see, or over HTTP.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from exchange_kit import LATER, CityKit, CountyKit, make_city, make_county
from line_kit import in_child
from web_process_kit import Web

from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import read_acknowledgement
from dagster_project.protocol.site_card import read_card
from dagster_project.reporting.answers import contradictions, signed_file
from dagster_project.reporting.links import link_of
from dagster_project.reporting.links.http import HttpLink, Patience
from dagster_project.reporting.links.link import Link
from dagster_project.reporting.meeting import Exchange
from dagster_project.reporting.outbox import deliver
from dagster_project.settings import Site
from dagster_project.web.access.tokens import CHILD, Tokens

pytestmark = [pytest.mark.thorough, pytest.mark.slow]
KILLS = 30
DAYS = 20


def quick(home: Home, site: Site) -> Link:
    """The site's own link, which does not wait between two tries."""
    link = link_of(home, site)
    if isinstance(link, HttpLink):
        link.patience = Patience(tries=2, pause=0.0, connect=5.0, silence=20.0)
    return link


@dataclass
class Sites:
    """A county, its city, and the city's web where they meet over HTTP."""

    city: CityKit
    county: CountyKit
    web: Web | None = None
    ids: list[str] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(20230601))  # noqa: S311
    lines: dict[str, int] = field(default_factory=dict)

    def meet(self) -> Exchange:
        """The county's side of delivery."""
        county = self.county
        return deliver(county.lake, county.site, at=LATER, opener=quick, is_urgent=True)

    def killed(self, side: str) -> bool:
        """Do one side's step with a kill at a random line; whether it came to that."""
        at = self.chance.randint(1, self.lines[side])
        self.seal()
        if side == "city":
            self.meet()
        if side != "web":
            step = self.meet if side == "county" else self.city.receive
            return in_child(step, at) < 0
        assert self.web is not None
        self.web.stop()
        self.web.start(at)
        self.meet()
        died = self.web.was_killed()
        self.web.start()
        return died

    def seal(self) -> None:
        """One more package."""
        if len(self.ids) < DAYS:
            self.ids.append(self.county.report_day(len(self.ids) + 1).package_id)


@pytest.fixture(params=["folder", "http"])
def sites(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sites]:
    """A county with a first package that arrived, and how many lines each side's step has."""
    city = make_city(tmp_path)
    made = Sites(city, make_county(tmp_path, city))
    if request.param == "http":
        token = Tokens(city.home).make(
            "140321", CHILD, days=9, at=datetime.now(UTC), by="kit", why="a test"
        )
        monkeypatch.setenv("CITY_TOKEN", token.secret)
        made.web = Web(str(city.home.root))
        made.web.start()
        words = {"exchange": made.web.url, "exchange_token": "env:CITY"}
        made.county.site = made.county.site.model_copy(update=words)
    made.seal()
    made.lines["county"] = in_child(made.meet, 0)
    made.lines["city"] = in_child(city.receive, 0)
    made.lines["web"] = 1500
    yield made
    if made.web:
        made.web.stop()


def test_thirty_kills_lose_and_double_nothing(sites: Sites) -> None:
    """Afterwards each package is there once, acknowledged, and in the chain of both sides."""
    sides = ["county", "city", *(["web"] if sites.web else [])]
    kills = dict.fromkeys(sides, 0)
    for _ in range(150):
        side = min(sides, key=lambda side: (kills[side], sites.chance.random()))
        kills[side] += sites.killed(side)
        if sum(kills.values()) >= KILLS:
            break
    assert min(kills.values()) >= KILLS // len(sides), kills
    for _ in range(4):
        done = sites.meet()
        assert done.fault == ""
        sites.city.receive()
    assert (done.waiting, done.remarks) == ([], [])
    _city_has_each_once(sites)
    _county_has_each_answer(sites)


def _city_has_each_once(sites: Sites) -> None:
    city, ids = sites.city, sites.ids
    merged = city.rows(
        "SELECT package_id, count(*) FROM lake.city.population_by_town GROUP BY ALL ORDER BY 1"
    )
    assert merged == [(name, 1) for name in sorted(ids)]
    used = city.rows(
        "SELECT package_no, package_id FROM lake.ops.received WHERE outcome = 'accepted' ORDER BY 1"
    )
    assert used == list(enumerate(ids, 1))
    chain = city.rows(
        "SELECT package_hash FROM lake.ops.received WHERE outcome = 'accepted' ORDER BY package_no"
    )
    with sites.county.lake.reader() as con:
        ours = con.execute("SELECT package_hash FROM ops.package ORDER BY package_no").fetchall()
    assert chain == ours
    assert {path.name for path in (city.home.received / "140321").iterdir()} == set(ids)
    assert not list(city.home.scratch.glob("receive-*"))


def _county_has_each_answer(sites: Sites) -> None:
    county, ids = sites.county, sites.ids
    with county.lake.reader() as con:
        answers = con.execute(
            "SELECT package_id, signed_hash FROM ops.acknowledgement WHERE outcome = 'accepted'"
            " ORDER BY 1"
        ).fetchall()
        assert contradictions(con) == []
    assert [name for name, _ in answers] == sorted(ids)
    keys = read_card(sites.city.home.public_file).every_key
    for name, signed_hash in answers:
        data = signed_file(county.home, name, signed_hash).read_bytes()
        assert read_acknowledgement(data, keys, name).package_id == name
