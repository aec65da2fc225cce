"""Killed at any step, sites lose nothing and say nothing twice.

A forked child does one step under a line tracer that kills it (SIGKILL) at the n-th line of our
own code; afterwards the step is done again by the parent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from exchange_kit import CityKit, CountyKit, make_city, make_county
from line_kit import in_child

KILLS = 10


def killed_until_done(step: Callable[[], object], growth: float) -> int:
    """Kill the step later and later, each time going on from what was left; returns the kills."""
    kills, kill_at = 0, 15.0
    while in_child(step, int(kill_at)) < 0:
        kills += 1
        kill_at *= growth
    return kills


@pytest.fixture
def sites(tmp_path: Path) -> tuple[CityKit, CountyKit]:
    """A city and a county with one report built."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    county.build()
    return city, county


def sealed(county: CountyKit) -> list[tuple[int, str]]:
    """What ops.package says."""
    with county.lake.reader() as con:
        return con.execute(
            "SELECT package_no, package_id FROM lake.ops.package ORDER BY package_no"
        ).fetchall()


@pytest.mark.thorough
@pytest.mark.slow
def test_a_killed_seal_leaves_a_whole_chain(sites: tuple[CityKit, CountyKit]) -> None:
    """After each kill the outbox and the lake agree, or the next seal makes them agree."""
    _, county = sites
    chance = random.Random(7)  # noqa: S311
    periods = [f"202306{day:02d}" for day in range(1, KILLS + 2)]
    lines = in_child(lambda: county.seal(periods[0]), 0)
    for period in periods[1:]:
        in_child(lambda period=period: county.seal(period), chance.randint(1, lines))  # type: ignore[misc]
        for _, name in sealed(county):
            assert (county.home.outbox / name / "signature.json").exists()
        county.seal(period)
    rows = sealed(county)
    assert [number for number, _ in rows] == list(range(1, len(periods) + 1))
    assert {path.name for path in county.home.outbox.glob("*-r*")} == {name for _, name in rows}


@pytest.mark.thorough
@pytest.mark.slow
def test_killed_delivery_and_reception_end_in_one_of_each(
    sites: tuple[CityKit, CountyKit],
) -> None:
    """Each package is at the city exactly once, acknowledged and chained, whoever was killed."""
    city, county = sites
    ids = [county.report_day(day).package_id for day in range(1, 5)]
    kills = killed_until_done(county.deliver, 1.4)
    kills += killed_until_done(city.receive, 1.3)
    kills += killed_until_done(county.deliver, 1.4)
    assert kills >= 30
    result = county.deliver()
    assert (result.waiting, result.remarks) == ([], [])
    assert not list(county.up.glob(".*"))
    assert {path.name for path in county.up.iterdir()} == set(ids)
    merged = city.rows(
        "SELECT package_id, count(*) FROM lake.city.population_by_town GROUP BY ALL ORDER BY 1"
    )
    assert merged == [(name, 1) for name in sorted(ids)]
    assert city.rows(
        "SELECT count(*), count(DISTINCT package_no), max(package_no) FROM lake.ops.received"
        " WHERE outcome = 'accepted'"
    ) == [(4, 4, 4)]
    assert {p.name for p in (city.home.received / "140321").iterdir()} == set(ids)
    with county.lake.reader() as con:
        answers = con.execute(
            "SELECT package_id, count(*) FROM lake.ops.acknowledgement GROUP BY ALL ORDER BY 1"
        ).fetchall()
    assert answers == [(name, 1) for name in sorted(ids)]
