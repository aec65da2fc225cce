"""The collectives' assets, resources and contracts."""

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
    only,
    padded,
    pick,
)

_ASSETS, _RESOURCES, _CONTRACTS = 6_000, 5_200, 3_200
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
_ASSET, _RESOURCE = 0, 1
_YEAR = 365


def asset_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``asset``, by town."""
    county = orgs.county
    row = span(0, county.sized(_ASSETS, 160))
    draw = county.random.of("asset")
    org = _owners(orgs, row, len(row))
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
            "lon": only(row < 0, pick([""], row * 0)),
            "lat": only(row < 0, pick([""], row * 0)),
        }
    )


def resource_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``resource``, by town."""
    county = orgs.county
    row = span(0, county.sized(_RESOURCES, 160))
    draw = county.random.of("resource")
    area = 50 + (draw.of("area").unit(row) ** 2 * 60_000).astype(np.int64)
    return pl.DataFrame(
        {
            "parcel_no": parcel_numbers(county.code, row),
            "org_code": orgs.codes.gather(_owners(orgs, row, len(row))),
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


def contract_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``contract``; leases name an asset or a parcel of the same collective."""
    county = orgs.county
    row = span(0, county.sized(_CONTRACTS, 120))
    draw = county.random.of("contract")
    kind = draw.of("kind").weighted(row, (40, 38, 12, 10))
    assets, parcels = county.sized(_ASSETS, 160), county.sized(_RESOURCES, 160)
    object_at = np.where(
        kind == _ASSET, draw.of("object").below(row, assets), draw.of("object").below(row, parcels)
    )
    leased_org = np.where(
        kind == _ASSET, _owners(orgs, object_at, assets), _owners(orgs, object_at, parcels)
    )
    org = np.where(
        kind <= _RESOURCE, leased_org, orgs.online[draw.of("org").below(row, len(orgs.online))]
    )
    object_no = pl.DataFrame(
        {
            "a": asset_numbers(county.code, object_at),
            "p": parcel_numbers(county.code, object_at),
            "k": kind,
        }
    )
    named = object_no.select(
        pl.when(pl.col("k") == _ASSET).then("a").when(pl.col("k") == _RESOURCE).then("p")
    ).to_series()
    payee = orgs.payee(row + 500_000)
    signed = day_number(county.day) - 10 - draw.of("signed").below(row, 2_200)
    start = signed + 1 + draw.of("start").below(row, 30)
    years = 1 + draw.of("years").below(row, np.where(kind <= _RESOURCE, 15, 2))
    rent = 120_000 + (draw.of("rent").unit(row) ** 3 * 6_000_000).astype(np.int64)
    end = start + years * _YEAR
    leased = kind <= _RESOURCE
    return pl.DataFrame(
        {
            "contract_no": f"HT{county.code}" + padded(row, 7),
            "org_code": orgs.codes.gather(org),
            "contract_type": pick(["1", "2", "3", "4"], kind),
            "object_type": only(leased, pick(["1", "2", "9", "9"], kind)),
            "object_no": named,
            "party_b_name": orgs.payees.name.gather(payee),
            "party_b_id_no": orgs.payees.id_no.gather(payee),
            "party_b_uscc": orgs.payees.uscc.gather(payee),
            "sign_date": dates(signed),
            "start_date": dates(start),
            "end_date": dates(end),
            "area": only(kind == _RESOURCE, decimals(100 + draw.of("area").below(row, 40_000), 2)),
            "price_mode": only(
                leased, pick(["1", "2", "3"], draw.of("price").weighted(row, (80, 14, 6)))
            ),
            "annual_rent": only(leased, decimals(rent, 2)),
            "total_amount": decimals(rent * years, 2),
            "appraisal_amount": only(
                draw.of("appraised").chance(row, 0.4), decimals(rent * years, 2)
            ),
            "deposit": decimals(rent // 10, 2),
            "pay_cycle": only(
                leased, pick(["1", "2", "3"], draw.of("cycle").weighted(row, (2, 7, 1)))
            ),
            "tendered": flags(draw.of("tendered").chance(row, 0.5)),
            "transaction_no": only(
                draw.of("traded").chance(row, 0.3), f"CQ{county.code}" + padded(row, 6)
            ),
            "meeting_record": flags(draw.of("meeting").chance(row, 0.9)),
            "status": pick(["1", "2"], (end < day_number(county.day)).astype(np.int64)),
            "e_contract": flags(draw.of("electronic").chance(row, 0.4)),
        }
    )


def asset_numbers(code: str, row: Ints) -> pl.Series:
    """Asset numbers."""
    return f"ZC{code}" + padded(row, 7)


def parcel_numbers(code: str, row: Ints) -> pl.Series:
    """Parcel numbers."""
    return f"DK{code}" + padded(row, 7)


def _owners(orgs: Collectives, row: Ints, total: int) -> Ints:
    """Things are spread evenly over the collectives, in their order, so that towns stay together."""
    return row * len(orgs.villages) // total


def _place(orgs: Collectives, at: int) -> str:
    village = orgs.villages[at]
    return f"{orgs.county.name}{village.town_name}{short_name(village.name)}"
