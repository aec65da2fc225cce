"""The simulated county: its size, its towns, villages and grids, and who lives where.

Every place is laid out in one line, village after village: households, houses and grids of a
village are neighbours in it, so a stretch of the line is a chunk that can be made alone. Rows of
feeds are made elsewhere.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache, cached_property
from itertools import count

import numpy as np

from dagster_project.errors import UsageError
from dagster_project.paths import SAMPLES
from dagster_project.simulate.rng import Floats, Ints, Stream, span

_REGISTERS = ("pingding_divisions.csv", "yangquan_divisions.csv")
_LIVED_IN = 0.72  # share of the houses that hold a household
PER_BUILDING = 36  # flats in a town building: 3 units x 6 floors x 2 rooms
_FEW = 120  # rows of a feed for which nobody asks for more
_APART = 15_000  # millionths of a degree between towns whose places no register tells
_SPREAD = 0.8  # households are at most this much larger or smaller than the county's mean


@dataclass(frozen=True)
class Profile:
    """How large a county is at scale 1, and how its grids were redrawn."""

    residents: int
    houses: int
    components: int
    orders: int
    payments: int
    paid_yuan: int
    orgs: int
    orgs_online: int
    grids: int
    grids_before: int
    built_up_km2: int


# 平定县: the programme documents' figures. 盂县: invented, of the same kind. Others: see derived.
PROFILES: Mapping[str, Profile] = {
    "140321": Profile(
        303_600, 150_000, 74_173, 120_000, 5_285, 171_000_000, 317, 302, 452, 574, 15
    ),
    "140322": Profile(271_800, 138_000, 58_420, 96_000, 4_310, 128_600_000, 443, 421, 611, 655, 12),
}


def derived(communities: int, villages: int) -> Profile:
    """The size of a county of which only the register is known: so much for each committee.

    Args:
        communities: Residents' committees, in towns.
        villages: Villagers' committees; each has a collective organisation.
    """
    residents = 4_200 * communities + 650 * villages
    grids = 3 * communities + villages
    return Profile(
        residents=residents,
        houses=residents // 2,
        components=residents // 4,
        orders=residents * 2 // 5,
        payments=16 * villages,
        paid_yuan=520_000 * villages,
        orgs=villages,
        orgs_online=villages * 19 // 20,
        grids=grids,
        grids_before=grids + grids // 5,
        built_up_km2=max(2, residents // 60_000),
    )


@cache
def _registered() -> tuple[dict[str, str], ...]:
    """The rows of all registers by code; of a code that stands in two, the first one's."""
    rows: dict[str, dict[str, str]] = {}
    for name in _REGISTERS:
        with (SAMPLES / "register" / name).open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                rows.setdefault(row["code"], row)
    return tuple(rows[code] for code in sorted(rows))


def counties() -> dict[str, str]:
    """The counties that can be simulated: code (six digits) and name."""
    return {row["code"][:6]: row["name"] for row in _registered() if row["level"] == "county"}


def _point(row: Mapping[str, str]) -> tuple[int, int]:
    """A register's row's place in millionths of a degree."""
    return round(float(row["lon"]) * 1_000_000), round(float(row["lat"]) * 1_000_000)


def _around(size: int) -> range:
    return range(-size, size + 1)


@dataclass(frozen=True)
class Village:
    """A residents' or villagers' committee that exists today."""

    code: str
    name: str
    town_code: str
    town_name: str
    is_urban: bool
    vintage: str


class County:
    """The truth that all feeds share.

    Args:
        code: Division code, six digits, of a county whose divisions are in a register.
        scale: 1 is the county's own size; registers (divisions, grids, village collectives) do
            not shrink with it.
        seed: Any integer; another seed is another county of the same size.
        day: The day whose files are written.
        least: Rows that a feed has at every scale, by feed: see ``sizes``.
    """

    def __init__(
        self,
        code: str,
        scale: float,
        seed: int,
        day: date,
        *,
        least: Mapping[str, int] | None = None,
    ) -> None:
        if code not in counties():
            raise UsageError(
                f"no simulated county {code} is known",
                todo=f"Choose one of {', '.join(sorted(counties()))}",
            )
        if not scale > 0:
            raise UsageError("the scale must be greater than zero", todo="Try --scale 0.01")
        self.code, self.scale, self.seed, self.day = code, scale, seed, day
        self.random = Stream(code, seed)
        self._least = least or {}

    def sized(self, at_scale_one: int, least: int = 0) -> int:
        """A number of rows at this scale."""
        return max(least, round(at_scale_one * self.scale))

    def least(self, *feeds: str) -> int:
        """How many rows the feed has at least at every scale; of several feeds, the most."""
        return max(self._least.get(feed, _FEW) for feed in feeds)

    @property
    def day_end(self) -> datetime:
        """The last second of the simulated day, Asia/Shanghai wall clock."""
        return datetime.combine(self.day, time(23, 59, 59))

    @cached_property
    def profile(self) -> Profile:
        """The county's size at scale 1."""
        if self.code in PROFILES:
            return PROFILES[self.code]
        urban = sum(village.is_urban for village in self.villages)
        return derived(urban, len(self.villages) - urban)

    # -- places ---------------------------------------------------------------------------------

    @cached_property
    def register(self) -> tuple[dict[str, str], ...]:
        """The division register's rows of this county, with its city and province above it."""
        return tuple(
            row
            for row in _registered()
            if row["level"] in {"province", "city"} or row["code"].startswith(self.code)
        )

    @cached_property
    def name(self) -> str:
        """The county's name."""
        return next(row["name"] for row in self.register if row["level"] == "county")

    @cached_property
    def towns(self) -> dict[str, str]:
        """Town codes and names, those that were not abolished."""
        return {
            row["code"]: row["name"]
            for row in self.register
            if row["level"] == "town" and "撤销" not in row["name"]
        }

    @cached_property
    def centres(self) -> dict[str, tuple[int, int]]:
        """The towns' centres in millionths of a degree.

        A town of which the register tells none is laid beside the county's, away from the others.
        """
        told = {row["code"]: row for row in self.register}
        seat = _point(told[f"{self.code}000000"])
        found = {code: _point(told[code]) for code in self.towns if told[code]["lon"]}
        steps = ((x, y) for size in count(1) for x in _around(size) for y in _around(size))
        for code in self.towns:
            while code not in found:
                x, y = next(steps)
                place = (seat[0] + x * _APART, seat[1] + y * _APART)
                others = found.values()
                if all(max(abs(place[0] - a), abs(place[1] - b)) >= _APART for a, b in others):
                    found[code] = place
        return {code: found[code] for code in self.towns}

    @cached_property
    def villages(self) -> tuple[Village, ...]:
        """Villages and communities that exist today, by code."""
        gone = {row["code"] for row in self.register if "并入" in row["note"]}
        return tuple(
            Village(
                row["code"],
                row["name"],
                row["parent_code"],
                self.towns[row["parent_code"]],
                row["type"] == "居民委员会",
                row["status"],
            )
            for row in self.register
            if row["level"] == "village"
            and row["code"] not in gone
            and row["parent_code"] in self.towns
        )

    @cached_property
    def weights(self) -> Floats:
        """Each village's share of the households; communities are larger, the seat's town too."""
        index = span(0, len(self.villages))
        base = 0.4 + self.random.of("village").unit(index)
        urban = np.array([9.0 if v.is_urban else 1.0 for v in self.villages])
        seat = next(iter(self.towns))
        seated = np.array([1.5 if v.town_code == seat else 1.0 for v in self.villages])
        weight = base * urban * seated
        return np.asarray(weight / weight.sum(), dtype=np.float64)

    def edges(self, total: int) -> Ints:
        """Where each village's share of ``total`` begins; one more entry than villages."""
        cumulative = np.concatenate([[0.0], np.cumsum(self.weights)])
        return np.asarray(np.round(cumulative / cumulative[-1] * total), dtype=np.int64)

    # -- houses and households ------------------------------------------------------------------

    @cached_property
    def houses(self) -> int:
        """Houses of every usage."""
        return self.sized(self.profile.houses, len(self.villages))

    @cached_property
    def residents(self) -> int:
        """Persons who live here (常住人口)."""
        return self.sized(self.profile.residents, 3 * len(self.villages))

    @cached_property
    def households(self) -> int:
        """Households, each in one house."""
        return int(self.household_edges[-1])

    @cached_property
    def house_edges(self) -> Ints:
        """Where each village's houses begin."""
        return self.edges(self.houses)

    @cached_property
    def household_edges(self) -> Ints:
        """Where each village's households begin."""
        return np.asarray(np.round(self.house_edges * _LIVED_IN), dtype=np.int64)

    def household_of(self, house: Ints) -> Ints:
        """The household that lives in each house, or -1.

        Households are spread evenly over their village's houses.
        """
        village = np.searchsorted(self.house_edges, house, side="right") - 1
        houses = np.diff(self.house_edges)[village]
        households = np.diff(self.household_edges)[village]
        place = house - self.house_edges[village]
        nearest = -(-place * households // houses)
        lived = (nearest < households) & (nearest * houses // np.maximum(households, 1) == place)
        return np.where(lived, self.household_edges[village] + nearest, -1)

    def first_resident(self, household: Ints) -> Ints:
        """How many residents live in the households before each; the county's mean is exact."""
        mean = self.residents / self.households
        shift = (self.random.of("size").unit(household) - 0.5) * 2 * _SPREAD
        inner = np.floor(household * mean + shift).astype(np.int64)
        inner = np.where(household <= 0, 0, inner)
        return np.where(household >= self.households, self.residents, inner)

    # -- grids ----------------------------------------------------------------------------------

    @cached_property
    def active_grids(self) -> Ints:
        """How many grids each village has today; at least one."""
        return self._shared_out(self.profile.grids, 1)

    @cached_property
    def merged_grids(self) -> Ints:
        """How many former grids of each village were merged into today's."""
        return self._shared_out(self.profile.grids_before - self.profile.grids, 0)

    def _shared_out(self, total: int, least: int) -> Ints:
        spare = total - least * len(self.villages)
        share = self.weights * spare
        whole = np.floor(share).astype(np.int64)
        rest = int(spare - whole.sum())
        whole[np.argsort(whole - share, kind="stable")[:rest]] += 1
        return np.asarray(whole + least, dtype=np.int64)

    def grid_of(self, village: Ints, place: Ints, size: Ints) -> Ints:
        """The running number (from 1) of the grid that holds a place of its village.

        A grid never cuts through a building.
        """
        urban = np.array([v.is_urban for v in self.villages])[village]
        place = np.where(urban, place - place % PER_BUILDING, place)
        count = self.active_grids[village]
        number = np.minimum(place * count // np.maximum(size, 1), count - 1)
        return np.asarray(number + 1, dtype=np.int64)
