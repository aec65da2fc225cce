"""The simulated county's ground: plots without overlap or gap, and what stands on them."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pytest

from dagster_project.simulate.county import County, counties
from dagster_project.simulate.ground import Ground
from dagster_project.simulate.rng import span

Corner = tuple[int, int]


@pytest.fixture(scope="module", params=sorted(counties()))
def county(request: pytest.FixtureRequest) -> County:
    """Every county of the registers; the ground does not depend on their scale."""
    return County(request.param, 0.01, 3, date(2023, 5, 31))


@pytest.fixture(scope="module")
def ground(county: County) -> Ground:
    """The county's ground."""
    return Ground(county)


def corners(wkt: str) -> list[Corner]:
    """A polygon's corners in millionths of a degree, the last one (the first again) left out."""
    found = re.findall(r"(\d+)\.(\d{6}) (\d+)\.(\d{6})", wkt)
    ring = [(int(a + b), int(c + d)) for a, b, c, d in found]
    assert ring[0] == ring[-1]
    return ring[:-1]


def twice_the_area(ring: list[Corner]) -> int:
    """By the shoelace formula, in whole numbers; positive when corners run counter-clockwise."""
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs)


def left_of_every_edge(ring: list[Corner], x: int, y: int) -> bool:
    """Whether a place lies inside a convex ring and on none of its edges."""
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return all((bx - ax) * (y - ay) > (by - ay) * (x - ax) for (ax, ay), (bx, by) in pairs)


def every_plot(county: County, ground: Ground) -> dict[int, list[list[Corner]]]:
    """The plots' corners by village."""
    plots: dict[int, list[list[Corner]]] = {}
    for village, count in enumerate(county.active_grids.tolist()):
        plot = ground.plot(np.full(count, village), 1 + span(0, count))
        plots[village] = [corners(wkt) for wkt in ground.boundaries(plot)]
    return plots


def test_built_up_areas_are_as_large_as_the_county_says(county: County, ground: Ground) -> None:
    """Every town with people has one; together they are the county's built-up square kilometres."""
    assert [area.town_code for area in ground.areas] == sorted(
        {village.town_code for village in county.villages}
    )
    assert sum(area.km2 for area in ground.areas) == pytest.approx(county.profile.built_up_km2)


def test_plots_fill_the_built_up_area_exactly(county: County, ground: Ground) -> None:
    """A town's communities share its built-up area without a gap: the parts add up to the whole."""
    plots = every_plot(county, ground)
    for area in ground.areas:
        inside = [
            ring
            for village, rings in plots.items()
            if county.villages[village].town_code == area.town_code
            for ring in rings
            if all(area.west <= x <= area.east and area.south <= y <= area.north for x, y in ring)
        ]
        assert all(twice_the_area(ring) > 0 for ring in inside)
        assert sum(map(twice_the_area, inside)) == twice_the_area(corners(area.wkt))


def test_no_plot_lies_in_another(county: County, ground: Ground) -> None:
    """Nowhere does the middle or a corner of a plot lie inside another plot."""
    rings = [ring for some in every_plot(county, ground).values() for ring in some]
    for number, ring in enumerate(rings):
        low, high = min(y for _, y in ring), max(y for _, y in ring)
        left, right = min(x for x, _ in ring), max(x for x, _ in ring)
        middle = (sum(x for x, _ in ring) // 4, sum(y for _, y in ring) // 4)
        assert left_of_every_edge(ring, *middle)
        for other in rings[:number]:
            near = (
                (x, y)
                for x, y in (*other, (sum(x for x, _ in other) // 4, sum(y for _, y in other) // 4))
                if left < x < right and low < y < high
            )
            assert not any(left_of_every_edge(ring, x, y) for x, y in near)


def test_what_stands_on_a_plot_lies_inside_it(county: County, ground: Ground) -> None:
    """Places are inside their plot's borders, on none of them."""
    index = span(0, 4_000)
    village = index % len(county.villages)
    number = 1 + index // len(county.villages) % county.active_grids[village]
    plot = ground.plot(village, number)
    lon, lat = ground.places(plot, county.random.of("anything"), index)
    rings = [corners(wkt) for wkt in ground.boundaries(plot)]
    for ring, x, y in zip(rings, lon, lat, strict=True):
        assert left_of_every_edge(ring, int(x.replace(".", "")), int(y.replace(".", "")))
