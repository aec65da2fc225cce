"""What a package says of held deliveries: sealed anew for it, kept and shown by the city."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exchange_kit import CityKit, CountyKit, make_city, make_county

from dagster_project.city.status import status
from dagster_project.protocol.held import HeldFeed, Holds, Reason, Settled

HOUSE = HeldFeed(
    feed="house",
    title="实有房屋",
    hold_id="house-1",
    kind="quality",
    since="2023-05-31T10:00:00Z",
    data_until="2023-05-30T10:00:00Z",
    rows=120,
    reasons=(Reason(rule="rejection_budget", checked=120, failed=24),),
)
SETTLED = Settled(
    feed="house",
    title="实有房屋",
    hold_id="house-1",
    outcome="released",
    since="2023-05-31T10:00:00Z",
    settled_at="2023-05-31T11:00:00Z",
)


class Foreign(Holds):
    """What another programme writes into ``status.json``."""

    said: dict[str, Any]

    def told(self) -> dict[str, Any]:
        """As that programme has it."""
        return self.said


@pytest.fixture
def city(tmp_path: Path) -> CityKit:
    """A city."""
    return make_city(tmp_path)


@pytest.fixture
def county(tmp_path: Path, city: CityKit) -> CountyKit:
    """A registered county with figures."""
    county = make_county(tmp_path, city)
    county.build()
    return county


def reasons(county: CountyKit) -> list[str]:
    """Why each revision was sealed."""
    with county.lake.reader() as con:
        rows = con.execute("SELECT reason FROM ops.package ORDER BY package_no").fetchall()
    return [str(reason) for (reason,) in rows]


def at_the_city(city: CityKit) -> dict[str, Any]:
    """The report as the city has it."""
    (county,) = status(city.lake)["counties"]
    found: dict[str, Any] = county["reports"][0]
    return found


def test_a_report_is_sealed_anew_when_its_held_feeds_change(
    city: CityKit, county: CountyKit
) -> None:
    """Though no figure did; another hold of the same feed is no news, its end is."""
    assert county.seal()
    assert county.seal(holds=Holds()) is None
    assert county.seal(holds=Holds(held=(HOUSE,)))
    later = HOUSE.model_copy(update={"hold_id": "house-2"})
    assert county.seal(holds=Holds(held=(HOUSE, later))) is None
    assert county.seal(holds=Holds(settled=(SETTLED,)))
    assert reasons(county) == [
        "",
        "house is held (house-1), its data are of 2023-05-30T10:00:00Z",
        "house is no longer held (house-1 released)",
    ]
    county.deliver()
    assert [one.outcome for one in city.receive().decisions] == ["accepted"] * 3
    assert at_the_city(city)["held"] == []
    assert at_the_city(city)["settled"][0]["outcome"] == "released"


def test_the_city_keeps_and_shows_what_is_held(city: CityKit, county: CountyKit) -> None:
    """As the county signed it: rules and counts, since when, and how old its data are."""
    county.seal(holds=Holds(held=(HOUSE,)))
    county.deliver()
    city.receive()
    assert at_the_city(city)["held"] == [HOUSE.model_dump(mode="json")]
    ((kept,),) = city.rows("SELECT held FROM ops.received")
    assert json.loads(str(kept))["held"][0]["reasons"][0]["failed"] == 24


def test_packages_of_older_and_newer_programmes_are_accepted(
    city: CityKit, county: CountyKit
) -> None:
    """Without the field, and with more in it than this one knows."""
    more = {"held": [{**HOUSE.model_dump(mode="json"), "mood": "calm"}], "settled": []}
    for day, said in (("20230530", {}), ("20230531", more)):
        assert county.seal(day, holds=Foreign(said=said))
    county.deliver()
    assert [one.outcome for one in city.receive().decisions] == ["accepted"] * 2
    assert at_the_city(city)["held"] == [HOUSE.model_dump(mode="json")]


@pytest.mark.parametrize(
    "said",
    [
        {"held": "house"},
        {"held": [{"feed": "house"}]},
        {"held": [{**HOUSE.model_dump(mode="json"), "since": "yesterday"}]},
        {"held": [{**HOUSE.model_dump(mode="json"), "hold_id": "<script>"}]},
        {"settled": [{**SETTLED.model_dump(mode="json"), "outcome": "forgotten"}]},
    ],
)
def test_another_form_is_refused(city: CityKit, county: CountyKit, said: dict[str, Any]) -> None:
    """Nothing that a county signed is believed before it has the agreed form."""
    county.seal(holds=Foreign(said=said))
    county.deliver()
    (decision,) = city.receive().decisions
    assert decision.outcome == "rejected"
    assert "which deliveries are held" in decision.reasons[0]


def test_a_lake_of_an_older_city_learns_the_column(city: CityKit, county: CountyKit) -> None:
    """Its decisions can be read before, and new ones tell what is held."""
    county.seal("20230530")
    county.deliver()
    city.receive()
    with city.lake.writer("older") as writer, writer.transaction("older") as tx:
        tx.con.execute("ALTER TABLE lake.ops.received DROP COLUMN held")
    assert at_the_city(city)["held"] == []
    county.seal(holds=Holds(held=(HOUSE,)))
    county.deliver()
    city.receive()
    assert at_the_city(city)["held"][0]["hold_id"] == "house-1"
