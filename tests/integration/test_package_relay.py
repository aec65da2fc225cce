"""Tiers are configuration: a town's figure goes through county and city up to the province."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from exchange_kit import LATER, SETTINGS, CityKit, CountyKit

from dagster_project.city.agreed import Agreed
from dagster_project.city.receive import Reception, receive
from dagster_project.city.register import register
from dagster_project.components.steps.delivering import deliver
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.reporting.identity import give_key, signer_of, trust_parent
from dagster_project.settings import Site, load_site, save_site

TOWN, COUNTY, CITY, PROVINCE = "140321100", "140321", "140300", "140000"
NAMES = {TOWN: "冠山镇", COUNTY: "平定县", CITY: "阳泉市", PROVINCE: "山西省"}
PARENTS = {TOWN: COUNTY, COUNTY: CITY, CITY: PROVINCE, PROVINCE: ""}


@dataclass
class Tier(CountyKit, CityKit):
    """A site that may have departments, a parent and children: all four are of this one kind."""

    @property
    def workshop(self) -> Workshop:
        """Its workshop, with which steps work."""
        return Workshop.at(self.home.root)

    def rows_of(self, columns: str) -> list[tuple[object, ...]]:
        """What its received table says, in order."""
        return self.rows(f"SELECT {columns} FROM lake.city.population_by_town ORDER BY ALL")


@pytest.fixture
def tiers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tier]:
    """Town, county, city and province, each registered where its packages come through."""
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys"))
    made: dict[str, Tier] = {}
    for code in (PROVINCE, CITY, COUNTY, TOWN):
        home, parent = Home(tmp_path / code), PARENTS[code]
        exchange = str(made[parent].home.exchange / code) if parent else "exchange"
        site = Site(code=code, name=NAMES[code], parent=parent, exchange=exchange, receives=True)
        save_site(home, site)
        site = give_key(home)
        made[code] = Tier(home, load_site(home), Lake(home, SETTINGS), signer_of(site))
        if parent:
            trust_parent(home, made[parent].home.public_file)
    for above, below, via in (
        (COUNTY, TOWN, ""),
        (CITY, COUNTY, ""),
        (CITY, TOWN, COUNTY),
        (PROVINCE, CITY, ""),
        (PROVINCE, COUNTY, CITY),
        (PROVINCE, TOWN, CITY),
    ):
        register(made[above].home, made[below].home.public_file, via=via)
    return made


def climb(tiers: dict[str, Tier]) -> dict[str, Reception]:
    """Each delivers to its parent, which receives; then answers come down."""
    found = {}
    for code in (TOWN, COUNTY, CITY):
        done = deliver(tiers[code].workshop, at=LATER)
        assert (done.fault, done.remarks) == ("", [])
        found[PARENTS[code]] = tiers[PARENTS[code]].receive()
    for code in (CITY, COUNTY, TOWN):
        assert deliver(tiers[code].workshop, at=LATER).remarks == []
    return found


def test_a_towns_figure_stands_in_the_province(tiers: dict[str, Tier]) -> None:
    """The original package arrives at each tier once, under the town's name and signature."""
    sealed = {}
    for code in (TOWN, COUNTY):
        tiers[code].build(((f"{code:0<12}", NAMES[code], 120, "1.00", False),))
        package = tiers[code].seal()
        assert package is not None
        sealed[code] = package.package_id
    for found in climb(tiers).values():
        assert {one.outcome for one in found.decisions} == {"accepted"}
        assert found.remarks == []
    for above in (CITY, PROVINCE):
        assert tiers[above].rows_of("site_code, site_name, package_id, person_cnt, is_current") == [
            (COUNTY, NAMES[COUNTY], sealed[COUNTY], 120, True),
            (TOWN, NAMES[TOWN], sealed[TOWN], 120, True),
        ]
    assert tiers[COUNTY].rows_of("package_id") == [(sealed[TOWN],)]
    assert tiers[PROVINCE].rows("SELECT site_code, via FROM lake.ops.received ORDER BY ALL") == [
        (COUNTY, CITY),
        (TOWN, CITY),
    ]
    original = tiers[TOWN].home.outbox / sealed[TOWN]
    for path in (path for path in original.rglob("*") if path.is_file()):
        received = tiers[PROVINCE].home.received / TOWN / sealed[TOWN]
        assert (received / path.relative_to(original)).read_bytes() == path.read_bytes()
    for found in climb(tiers).values():
        assert found.decisions == []


def test_a_number_that_was_refused_between_is_shown_above(tiers: dict[str, Tier]) -> None:
    """The county refuses number 1: above, its signed refusal stands for it, and 2 is accepted."""
    town, county = tiers[TOWN], tiers[COUNTY]
    first = town.report_day(1)
    deliver(town.workshop, at=LATER)
    other = {"population_by_town": Agreed((Column("x", "x", "date"),))}
    refused = receive(county.lake, county.site, county.signer, at=LATER, agreement=other)
    assert [one.outcome for one in refused.decisions] == ["rejected"]
    second = town.report_day(2)
    climb(tiers)
    for above in (CITY, PROVINCE):
        decided = tiers[above].rows(
            "SELECT package_id, outcome, consumed, reasons[1] FROM lake.ops.received"
            " ORDER BY package_no"
        )
        assert [one[:3] for one in decided] == [
            (first.package_id, "rejected", True),
            (second.package_id, "accepted", True),
        ]
        assert f"site {COUNTY} refused it: " in str(decided[0][3])
        assert tiers[above].rows_of("package_id") == [(second.package_id,)]


def test_only_the_agreed_way_is_believed(tiers: dict[str, Tier]) -> None:
    """A town's package in another child's folder is refused: it comes through the county alone."""
    town, city = tiers[TOWN], tiers[CITY]
    town.report_day(1)
    deliver(town.workshop, at=LATER)
    stranger = Home(city.home.root.parent / "140322")
    save_site(stranger, Site(code="140322", name="盂县", parent=CITY))
    give_key(stranger)
    register(city.home, stranger.public_file)
    up = city.home.exchange / "140322" / "up"
    (package,) = (tiers[COUNTY].home.exchange / TOWN / "up").iterdir()
    package.rename(up / package.name)
    (entry,) = city.receive().decisions
    assert (entry.site_code, entry.outcome, entry.consumed) == ("140322", "rejected", False)
