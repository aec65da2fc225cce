"""The collectives' assets and resources, spread evenly over them in their order."""

from __future__ import annotations

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.house import short_name
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    dates,
    day_number,
    decimals,
    flags,
    none,
    padded,
    pick,
)

ASSETS, RESOURCES = 6_000, 5_200
LEAST = 160
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
_TYPES = ("01", "02", "03", "04", "05", "06", "07", "08", "09")
_TYPE_SHARES = (40.0, 8.0, 22.0, 6.0, 1.0, 9.0, 8.0, 4.0, 2.0)


def asset_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``asset``, by town."""
    county = orgs.county
    row = span(0, county.sized(ASSETS, LEAST))
    draw = county.random.of("asset")
    org = owners(orgs, row, len(row))
    kind = draw.of("kind").below(row, len(_ASSET_NAMES))
    value = 300_000 + (draw.of("value").unit(row) ** 4 * 260_000_000).astype(np.int64)
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
            "acquire_date": dates(day_number(county.day) - 40 - draw.of("day").below(row, 6_000)),
            "state": pick(["1", "2", "3", "4"], draw.of("state").weighted(row, (78, 12, 8, 2))),
            "location": pl.Series([_place(orgs, n) for n in range(len(orgs.villages))]).gather(org),
            "lon": none(len(row)),
            "lat": none(len(row)),
        }
    )


def resource_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``resource``, by town."""
    county = orgs.county
    row = span(0, county.sized(RESOURCES, LEAST))
    draw = county.random.of("resource")
    area = 50 + (draw.of("area").unit(row) ** 2 * 60_000).astype(np.int64)
    return pl.DataFrame(
        {
            "parcel_no": parcel_numbers(county.code, row),
            "org_code": orgs.codes.gather(owners(orgs, row, len(row))),
            "resource_type": pick(_TYPES, draw.of("type").weighted(row, _TYPE_SHARES)),
            "area_mu": decimals(area, 2),
            "confirmed_area": decimals(area + draw.of("more").below(row, 60), 2),
            "four_bounds": pick(
                ["东至路，西至沟，南至地界，北至渠", "东至崖，西至路，南至河，北至林"], row % 2
            ),
            "use_mode": pick(
                ["1", "2", "3", "4", "5"], draw.of("mode").weighted(row, (60, 14, 14, 8, 4))
            ),
        }
    )


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
