"""Standard buildings and standard addresses: what houses stand in and are found by.

A building's first house begins it, so a stretch of houses makes the buildings that begin in it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from dagster_project.simulate.county import PER_BUILDING, County
from dagster_project.simulate.ground import Ground
from dagster_project.simulate.house import Stretch, short_name, town_address
from dagster_project.simulate.rng import Ints
from dagster_project.simulate.text import (
    dates,
    day_number,
    decimals,
    either,
    none,
    only,
    pick,
    second_number,
    times,
)

_FLOORS, _UNITS = 6, 3
_WHOLE = "000000"  # a building's own address: no entrance, no floor, no room


def building_rows(county: County, ground: Ground, line: Stretch) -> pl.DataFrame:
    """The buildings that begin in a stretch of houses, all text."""
    at = _begun(line)
    house, urban = line.house[at], line.is_urban[at]
    draw = county.random.of("building")
    floors = np.where(urban, _FLOORS, 1 + draw.of("floors").below(house, 2))
    lon, lat = ground.places(_plots(ground, line)[at], draw.of("place"), house)
    code = line.building_code.gather(at)
    seen = second_number(county.day_end) - draw.of("seen").below(house, 86_400 * 700)
    number = code.str.slice(12).cast(pl.Int64).cast(pl.String)
    return pl.DataFrame(
        {
            "building_code": code,
            "name": only(urban, number + "幢"),
            "addr_code": either(urban, code + _WHOLE, line.house_code.gather(at)),
            "kind": pick(["7", "1"], urban.astype(np.int64)),
            "floors_up": pl.Series(floors).cast(pl.String),
            "floors_down": pick(["0", "1"], (urban & draw.of("cellar").chance(house, 0.5)) * 1),
            "units_count": pick(["1", str(_UNITS)], urban.astype(np.int64)),
            "height_m": decimals(floors * 300 + draw.of("height").below(house, 90), 2),
            "footprint_wkt": none(len(at)),
            "lon": lon,
            "lat": lat,
            "built_year": pl.Series(1960 + draw.of("year").below(house, 62)).cast(pl.String),
            "grid_code": line.grid_code.gather(at),
            "village_code": line.village_code.gather(at),
            "status": pick(["1"], house * 0),
            "update_time": times(seen),
        }
    )


def address_rows(county: County, ground: Ground, line: Stretch) -> pl.DataFrame:
    """The addresses of a stretch of houses, and of the buildings of several that begin in it."""
    every = np.arange(len(line.house))
    begun = _begun(line)
    blocks = begun[line.is_urban[begun]]
    rows = _addresses(county, ground, line, np.concatenate([blocks, every]), len(blocks))
    return rows.sort("addr_code")


def _begun(line: Stretch) -> Ints:
    """The positions of the houses that are their buildings' first."""
    first = ~line.is_urban | ((line.unit == 1) & (line.floor == 1) & (line.room == 1))
    return np.flatnonzero(first)


def _plots(ground: Ground, line: Stretch) -> Ints:
    return ground.plot(line.village, line.grid)


def _addresses(
    county: County, ground: Ground, line: Stretch, at: Ints, blocks: int
) -> pl.DataFrame:
    is_block = np.arange(len(at)) < blocks
    house, urban = line.house[at], line.is_urban[at]
    is_flat = urban & ~is_block
    draw = county.random.of("address")
    villages = county.villages
    village = line.village[at]
    names = pl.Series([short_name(v.name) for v in villages]).gather(village)
    towns = pl.Series([v.town_name for v in villages]).gather(village)
    code = line.building_code.gather(at)
    number = code.str.slice(12).cast(pl.Int64).cast(pl.String)
    # Everything in a building is where the building is.
    first = np.where(urban, house - line.place[at] % PER_BUILDING, house)
    lon, lat = ground.places(
        _plots(ground, line)[at], county.random.of("building").of("place"), first
    )
    begun = day_number(county.day) - 400 - draw.of("begun").below(house, 4_000)
    seen = second_number(county.day_end) - draw.of("seen").below(house, 86_400 * 390)
    whole = town_address(county).gather(village) + number + "幢"
    return pl.DataFrame(
        {
            "addr_code": either(is_block, code + _WHOLE, line.house_code.gather(at)),
            "full_addr": either(is_block, whole, line.address.gather(at)),
            "province": pick(["山西省"], house * 0),
            "city": pick(["阳泉市"], house * 0),
            "county": pick([county.name], house * 0),
            "town": towns,
            "village": names,
            "street": none(len(at)),
            "natural_village": none(len(at)),
            "door_no": only(~urban, number + "号"),
            "compound": none(len(at)),
            "building": only(urban, number + "幢"),
            "unit_no": only(is_flat, pl.Series(line.unit[at]).cast(pl.String)),
            "floor": only(~is_block, pl.Series(line.floor[at]).cast(pl.String)),
            "room_no": only(
                is_flat, pl.Series(line.floor[at] * 100 + line.room[at]).cast(pl.String)
            ),
            "element_type": pick(["50", "60"], is_flat.astype(np.int64)),
            "lon": lon,
            "lat": lat,
            "status": pick(["1"], house * 0),
            "alias": only(draw.of("alias").chance(house, 0.03), names + "原" + number + "号"),
            "valid_from": dates(begun),
            "valid_to": none(len(at)),
            "village_code": line.village_code.gather(at),
            "update_time": times(seen),
        }
    )
