"""The collectives' assets and resources, spread evenly over them in their order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.county import County
from dagster_project.simulate.house import short_name
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    dates,
    day_number,
    decimals,
    flags,
    none,
    only,
    padded,
    pick,
    same,
)

_ASSETS, _RESOURCES = 6_000, 5_200
_ASSET_NAMES = (
    ("1", "村委会办公楼", "幢"),
    ("1", "村集体厂房", "幢"),
    ("2", "拖拉机", "台"),
    ("2", "抽水机组", "套"),
    ("3", "机电井", "眼"),
    ("3", "蓄水池", "座"),
    ("4", "经济林木", "株"),
    ("6", "太阳能路灯", "盏"),
)
_IDLE = 2
_FARMLAND, _RESERVED, _OTHER = 0, 7, 8
_RIGHT_UNTIL = "2057-12-31"
_TYPES = ("01", "02", "03", "04", "05", "06", "07", "08", "09")
_TYPE_SHARES = (40.0, 8.0, 22.0, 6.0, 1.0, 9.0, 8.0, 4.0, 2.0)


def asset_rows(orgs: Collectives, let: Ints) -> pl.DataFrame:
    """The rows of ``asset``, by town; ``let`` are those under a contract that runs."""
    county = orgs.county
    row = span(0, asset_count(county))
    draw = county.random.of("asset")
    org = owners(orgs, row, len(row))
    kind = draw.of("kind").below(row, len(_ASSET_NAMES))
    value = 300_000 + (draw.of("value").unit(row) ** 4 * 260_000_000).astype(np.int64)
    state = draw.of("state").weighted(row, (78, 12, 8, 2))
    state = np.where(np.isin(row, let), 1, np.where(state == 1, 0, state))
    today = day_number(county.day)
    acquired = today - 40 - draw.of("day").below(row, 6_000)
    idle = np.maximum(acquired, today - 10 - draw.of("idle").below(row, 300))
    worn = (value * draw.of("worn").unit(row) * 0.8).astype(np.int64)
    return pl.DataFrame(
        {
            "asset_no": asset_numbers(county.code, row),
            "org_code": orgs.codes.gather(org),
            "name": pick([n[1] for n in _ASSET_NAMES], kind),
            "asset_class": pick([n[0] for n in _ASSET_NAMES], kind),
            "is_operating": flags(draw.of("operating").chance(row, 0.3)),
            "qty": decimals((1 + draw.of("qty").below(row, 40)) * 100, 2),
            "unit": pick([n[2] for n in _ASSET_NAMES], kind),
            "original_value": decimals(value, 2),
            "dep": decimals(worn, 2),
            "net": decimals(value - worn, 2),
            "acquire_date": dates(acquired),
            "state": pick(["1", "2", "3", "4"], state),
            "idle_since": only(state == _IDLE, dates(idle)),
            "location": pl.Series([_place(orgs, n) for n in range(len(orgs.villages))]).gather(org),
            "lon": none(len(row)),
            "lat": none(len(row)),
            "photo": f"ZP{county.code}" + padded(row, 7),
        }
    )


@dataclass(frozen=True)
class Parcels:
    """Every parcel: its collective, its type, and its areas in hundredths of a mu."""

    row: Ints
    org: Ints
    kind: Ints
    area: Ints
    confirmed: Ints


def parcels(orgs: Collectives) -> Parcels:
    """Draw the parcels; reserved land is at most a twentieth of a collective's farmland."""
    county = orgs.county
    row = span(0, parcel_count(county))
    draw = county.random.of("resource")
    org = owners(orgs, row, len(row))
    kind = draw.of("type").weighted(row, _TYPE_SHARES)
    area = 50 + (draw.of("area").unit(row) ** 2 * 60_000).astype(np.int64)
    farmland = np.bincount(org, weights=area * (kind == _FARMLAND), minlength=len(orgs.villages))
    reserved = np.bincount(org, weights=kind == _RESERVED, minlength=len(orgs.villages))
    most = (farmland / 25 / np.maximum(reserved, 1)).astype(np.int64)[org]
    kind = np.where((kind == _RESERVED) & (most < 1), _OTHER, kind)
    area = np.where(kind == _RESERVED, np.minimum(area, most), area)
    return Parcels(row, org, kind, area, area + draw.of("more").below(row, 60))


def org_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``collective_org``: each one's confirmed land is more than its parcels."""
    made = parcels(orgs)
    land = np.bincount(made.org, weights=made.confirmed, minlength=len(orgs.villages))
    more = orgs.county.random.of("confirmed").below(span(0, len(land)), 50_000)
    return orgs.orgs().with_columns(confirmed_area=decimals(land.astype(np.int64) + more, 2))


def resource_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``resource``, by town."""
    county, made = orgs.county, parcels(orgs)
    row = made.row
    mode = county.random.of("resource").of("mode").weighted(row, (60, 14, 14, 8, 4))
    return pl.DataFrame(
        {
            "parcel_no": parcel_numbers(county.code, row),
            "org_code": orgs.codes.gather(made.org),
            "resource_type": pick(_TYPES, made.kind),
            "area_mu": decimals(made.area, 2),
            "confirmed_area": decimals(made.confirmed, 2),
            "four_bounds": pick(
                ["东至路，西至沟，南至地界，北至渠", "东至崖，西至路，南至河，北至林"], row % 2
            ),
            "use_mode": pick(["1", "2", "3", "4", "5"], mode),
            "right_until": only(mode == 0, same(_RIGHT_UNTIL, len(row))),
        }
    )


def asset_count(county: County) -> int:
    """How many assets there are: enough for every contract to let one of its own."""
    return county.sized(_ASSETS, county.least("asset", "contract"))


def parcel_count(county: County) -> int:
    """How many parcels there are: enough for every contract to let one of its own."""
    return county.sized(_RESOURCES, county.least("resource", "contract"))


def asset_numbers(code: str, row: Ints) -> pl.Series:
    """Asset numbers."""
    return f"ZC{code}" + padded(row, 7)


def parcel_numbers(code: str, row: Ints) -> pl.Series:
    """Parcel numbers."""
    return f"DK{code}" + padded(row, 7)


def owners(orgs: Collectives, row: Ints, total: int) -> Ints:
    """Things are spread evenly over the collectives, in their order: towns stay together."""
    return row * len(orgs.villages) // total


def _place(orgs: Collectives, at: int) -> str:
    village = orgs.villages[at]
    return f"{orgs.county.name}{village.town_name}{short_name(village.name)}"
