"""Houses: codes, addresses, usage, owners, and how many persons live in each.

A house's residents are made in ``population`` from the same stretch of the county's line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.county import PER_BUILDING, County
from dagster_project.simulate.identifiers import phones
from dagster_project.simulate.names import names
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    Mask,
    decimals,
    either,
    flags,
    only,
    padded,
    pick,
    second_number,
    times,
)

_OTHER_USES = ("10", "20", "30", "40", "50", "60", "90")
_OTHER_SHARES = (55.0, 24.0, 6.0, 4.0, 4.0, 5.0, 2.0)
_FLOATING_SHARE = 0.08


@dataclass(frozen=True)
class Stretch:
    """What houses and persons of one stretch of the county's line have in common.

    Arrays hold one entry per house; ``place`` is its number in its village, ``household`` is -1
    where nobody lives.
    """

    house: Ints
    village: Ints
    place: Ints
    household: Ints
    grid: Ints
    is_urban: Mask
    is_floating: Mask
    building_code: pl.Series
    house_code: pl.Series
    grid_code: pl.Series
    village_code: pl.Series
    address: pl.Series
    unit: Ints
    floor: Ints
    room: Ints

    @property
    def lived_in(self) -> Mask:
        """Houses that hold a household."""
        return np.asarray(self.household >= 0)


def stretch(county: County, start: int, stop: int) -> Stretch:
    """Lay out the houses from ``start`` to ``stop``."""
    house = span(start, stop)
    village = np.searchsorted(county.house_edges, house, side="right") - 1
    place = house - county.house_edges[village]
    urban = np.array([v.is_urban for v in county.villages])[village]
    size = np.diff(county.house_edges)[village]
    grid = county.grid_of(village, place, size)
    inside = place % PER_BUILDING
    building = np.where(urban, place // PER_BUILDING, place) + 1
    unit = np.where(urban, inside // 12 + 1, 0)
    floor = np.where(urban, inside % 12 // 2 + 1, 1)
    room = np.where(urban, inside % 2 + 1, 1)
    codes = pl.Series([v.code for v in county.villages]).gather(village)
    building_code = codes + padded(building, 5)
    in_building = padded(unit * 10_000 + floor * 100 + room, 6)
    household = county.household_of(house)
    floating = county.random.of("floating").chance(household, _FLOATING_SHARE)
    return Stretch(
        house=house,
        village=village,
        place=place,
        household=household,
        grid=grid,
        is_urban=urban,
        is_floating=floating & (household >= 0),
        building_code=building_code,
        house_code=building_code + in_building,
        grid_code=codes + padded(grid, 3),
        village_code=codes,
        address=_addresses(
            county, village, urban=urban, building=building, unit=unit, room=floor * 100 + room
        ),
        unit=unit,
        floor=floor,
        room=room,
    )


def _addresses(
    county: County, village: Ints, *, urban: Mask, building: Ints, unit: Ints, room: Ints
) -> pl.Series:
    town = town_address(county).gather(village)
    number = pl.Series(building).cast(pl.String)
    flat = town + number + "幢" + pl.Series(unit).cast(pl.String) + "单元"
    flat = flat + pl.Series(room).cast(pl.String) + "室"
    return either(urban, flat, town + number + "号")


def town_address(county: County) -> pl.Series:
    """Addresses begin with their village's part, by the village's position."""
    return pl.Series(
        [f"山西省阳泉市{county.name}{v.town_name}{short_name(v.name)}" for v in county.villages]
    )


def short_name(name: str) -> str:
    """A village's or community's name as it stands in addresses."""
    for tail in ("居民委员会", "村民委员会", "居委会", "委会"):
        if name.endswith(tail):
            return name.removesuffix(tail)
    return name


def residents_in(county: County, line: Stretch) -> Ints:
    """Residents of each house."""
    first = county.first_resident(line.household)
    after = county.first_resident(line.household + 1)
    return np.where(line.lived_in, after - first, 0)


def house_rows(county: County, line: Stretch, heads: pl.DataFrame) -> pl.DataFrame:
    """The houses' rows, all text.

    Args:
        county: The county.
        line: The stretch of houses.
        heads: One row per house: ``id_no``, ``name``, ``phone`` of the household's head, nulls
            where nobody lives.
    """
    draw = county.random.of("house")
    house = line.house
    lived, floating = line.lived_in, line.is_floating
    usage = np.where(lived, 0, draw.of("usage").weighted(house, _OTHER_SHARES))
    people = residents_in(county, line)
    owned = lived & ~floating
    other = names(draw.of("owner"), house)
    year = 1960 + draw.of("year").below(house, 62)
    grade = draw.of("grade").weighted(house, (70.0, 22.0, 7.0, 1.0))
    grade = np.where((grade == 3) & (people > 0), 2, grade)
    rent = np.where(floating, 1, np.where(lived, 0, np.where(usage == 0, 2, 4)))
    area = 4200 + draw.of("area").below(house, 11_000) + np.where(usage > 0, 20_000, 0)
    structure = np.where(line.is_urban, draw.of("st").weighted(house, (1, 6, 3)), 2)
    changed = second_number(county.day_end) - draw.of("changed").below(house, 86_400 * 700)
    has_owner_id = owned | draw.of("knows").chance(house, 0.5)
    return pl.DataFrame(
        {
            "house_code": line.house_code,
            "building_code": line.building_code,
            "addr_code": line.house_code,
            "unit_no": only(line.is_urban, pl.Series(line.unit).cast(pl.String)),
            "floor": pl.Series(line.floor).cast(pl.String),
            "room_no": pl.Series(line.floor * 100 + line.room).cast(pl.String),
            "usage": pick(_OTHER_USES, usage),
            "structure": pick(["1", "2", "3", "4", "5"], structure),
            "area_m2": decimals(area, 2),
            "rooms": pl.Series(1 + draw.of("rooms").below(house, 6)).cast(pl.String),
            "ownership": pick(
                ["1", "2", "3", "9"],
                np.where(owned, 0, draw.of("own").weighted(house, (5, 2, 2, 1))),
            ),
            "rent_status": pick(["0", "1", "2", "3", "4"], rent),
            "owner_cert_no": only(
                has_owner_id, either(owned, heads["id_no"], _owner_ids(county, house))
            ),
            "owner_name": either(owned, heads["name"], other),
            "owner_phone": either(owned, heads["phone"], phones(draw.of("phone"), house)),
            "lease_filed": flags(floating & draw.of("filed").chance(house, 0.6)),
            "safety_grade": pick(["A", "B", "C", "D"], grade),
            "built_year": pl.Series(year).cast(pl.String),
            "realty_unit_no": line.building_code + "F" + padded(house % 10**10, 10),
            "residents_count": pl.Series(people).cast(pl.String),
            "grid_code": line.grid_code,
            "village_code": line.village_code,
            "update_time": times(changed),
        }
    )


def _owner_ids(county: County, house: Ints) -> pl.Series:
    """Passports of owners who live elsewhere (their resident ids are not ours to invent twice)."""
    return "E" + padded(county.random.of("owner-cert").below(house, 10**8), 8)
