"""Where the simulated county's grids lie: disjoint plots of ground, and the built-up areas.

Each town has a square of its own around its centre. Its communities (where there are none, its
first village) share the built-up core, its other villages what lies north and south of it. A piece
of ground is cut into bands from west to east and each band into plots by slanting lines, one for
each grid in use: borders are shared, nothing overlaps. Coordinates are whole millionths of a
degree, so a plot is exactly what its text says. What stands on a plot is made elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.county import County
from dagster_project.simulate.rng import Ints, Stream, span
from dagster_project.simulate.text import decimals

_SQUARE = 0.45  # of the way to the next town's centre, so that no two squares meet
_CORE = (22_000, 17_500)  # half the width and height of 15 km² here, in millionths of a degree
_CORE_KM2 = 15
_VILLAGE = 0.2  # a village has this much of the built-up area that a community has
_SLANT = 0.5  # how far a cut may stray, as a share of a plot's width
_MARGIN = 0.05  # what stands on a plot keeps this share away from its borders


@dataclass(frozen=True)
class Area:
    """A built-up area: its town, its corners in millionths of a degree, its size."""

    town_code: str
    west: int
    east: int
    south: int
    north: int
    km2: float

    @property
    def wkt(self) -> str:
        """The area as well-known text."""
        corners = [(self.west, self.south), (self.east, self.south)]
        corners += [(self.east, self.north), (self.west, self.north)]
        return _polygon(corners)


class Ground:
    """The county's plots; they depend on its registers and its seed, not on its scale."""

    def __init__(self, county: County) -> None:
        self._county = county
        self._first = np.concatenate([[0], np.cumsum(county.active_grids)])
        count = int(self._first[-1])
        self._south, self._north = np.zeros(count, np.int64), np.zeros(count, np.int64)
        # West and east border of each plot where it begins (south) and where it ends (north).
        self._west, self._east = np.zeros((2, count), np.int64), np.zeros((2, count), np.int64)
        self._draw = county.random.of("ground")
        self.areas = tuple(self._towns())

    def plot(self, village: Ints, number: Ints) -> Ints:
        """The plots of grids: village positions and running numbers (from 1) of grids in use."""
        return np.asarray(self._first[village] + number - 1, dtype=np.int64)

    def boundaries(self, plot: Ints) -> pl.Series:
        """The plots as well-known text."""
        corners = (
            (self._west[0], self._south),
            (self._east[0], self._south),
            (self._east[1], self._north),
            (self._west[1], self._north),
        )
        return pl.Series(
            [_polygon([(int(x[n]), int(y[n])) for x, y in corners]) for n in plot.tolist()],
            dtype=pl.String,
        )

    def places(self, plot: Ints, draw: Stream, index: Ints) -> tuple[pl.Series, pl.Series]:
        """Longitude and latitude of something on each plot, somewhere within its borders."""
        up = _MARGIN + (1 - 2 * _MARGIN) * draw.of("up").unit(index)
        along = _MARGIN + (1 - 2 * _MARGIN) * draw.of("along").unit(index)
        west = self._west[0][plot] * (1 - up) + self._west[1][plot] * up
        east = self._east[0][plot] * (1 - up) + self._east[1][plot] * up
        lon = np.round(west * (1 - along) + east * along).astype(np.int64)
        lat = np.round(self._south[plot] * (1 - up) + self._north[plot] * up).astype(np.int64)
        return decimals(lon, 6), decimals(lat, 6)

    def _towns(self) -> Iterator[Area]:
        """Lay out every town around its built-up area."""
        centres, cores = self._county.centres, _cores(self._county)
        weights = {town: _weight(self._county, core) for town, core in cores.items()}
        km2 = self._county.profile.built_up_km2
        for town in cores:
            x, y = centres[town]
            others = (c for t, c in centres.items() if t != town)
            half = round(_SQUARE * min(max(abs(x - a), abs(y - b)) for a, b in others))
            size = km2 * weights[town] / sum(weights.values())
            wide, high = (round(side * (size / _CORE_KM2) ** 0.5) for side in _CORE)
            self._lay(cores[town], x - wide, x + wide, y - high, y + high)
            every = enumerate(self._county.villages)
            outside = [n for n, v in every if v.town_code == town and n not in cores[town]]
            north = len(outside) // 2
            self._lay(outside[:north], x - half, x + half, y + high, y + half)
            self._lay(outside[north:], x - half, x + half, y - half, y - high)
            yield Area(town, x - wide, x + wide, y - high, y + high, size)

    def _lay(self, villages: list[int], west: int, east: int, south: int, north: int) -> None:
        """Cut a rectangle into plots for the grids of some villages."""
        plots = np.concatenate(
            [np.zeros(0, np.int64), *(span(*self._first[[n, n + 1]].tolist()) for n in villages)]
        )
        if not len(plots):
            return
        bands = max(1, round((len(plots) * (north - south) / (east - west)) ** 0.5))
        lines = np.linspace(south, north, bands + 1).round().astype(np.int64)
        for number, band in enumerate(np.array_split(plots, bands)):
            self._south[band], self._north[band] = lines[number], lines[number + 1]
            for side, name in enumerate(("south", "north")):
                cuts = self._cuts(self._draw.of(name), band, west, east)
                self._west[side][band], self._east[side][band] = cuts[:-1], cuts[1:]

    def _cuts(self, draw: Stream, band: Ints, west: int, east: int) -> Ints:
        """Where the plots of a band meet on one of its lines, from west to east."""
        stray = (draw.unit(band[1:]) - 0.5) * _SLANT
        at = np.concatenate([[0.0], np.arange(1, len(band)) + stray, [float(len(band))]])
        return np.asarray(np.round(west + at * (east - west) / len(band)), dtype=np.int64)


def _cores(county: County) -> dict[str, list[int]]:
    """The positions of the villages in each town's built-up area; not of a town without any."""
    cores: dict[str, list[int]] = {}
    for town in county.towns:
        mine = [n for n, village in enumerate(county.villages) if village.town_code == town]
        if mine:
            cores[town] = [n for n in mine if county.villages[n].is_urban] or mine[:1]
    return cores


def _weight(county: County, core: list[int]) -> float:
    """How much built-up area a core has, as a number of communities."""
    return sum(1 if county.villages[n].is_urban else _VILLAGE for n in core)


def _polygon(corners: list[tuple[int, int]]) -> str:
    """Well-known text of a ring, closed."""
    told = (f"{x // 10**6}.{x % 10**6:06d} {y // 10**6}.{y % 10**6:06d}" for x, y in corners)
    ring = list(told)
    return f"POLYGON (({', '.join([*ring, ring[0]])}))"
