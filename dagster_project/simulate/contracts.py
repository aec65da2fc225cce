"""The collectives' contracts: leases of assets and parcels, works, purchases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.ledgers import (
    ASSETS,
    LEAST,
    RESOURCES,
    asset_numbers,
    owners,
    parcel_numbers,
)
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import dates, day_number, decimals, flags, only, padded, pick

_CONTRACTS = 3_200
_ASSET, _RESOURCE = 0, 1
_YEAR = 365


@dataclass(frozen=True)
class Deals:
    """Every contract: its kind, what it is about, and whose it is."""

    row: Ints
    kind: Ints
    org: Ints
    object_no: pl.Series


def deals(orgs: Collectives) -> Deals:
    """Draw the contracts; a lease's object belongs to the collective that leases it out."""
    county = orgs.county
    row = span(0, county.sized(_CONTRACTS, 120))
    draw = county.random.of("contract")
    kind = draw.of("kind").weighted(row, (40, 38, 12, 10))
    lot = draw.of("object")
    assets, parcels = county.sized(ASSETS, LEAST), county.sized(RESOURCES, LEAST)
    asset, parcel = lot.below(row, assets), lot.below(row, parcels)
    org = np.select(
        [kind == _ASSET, kind == _RESOURCE],
        [owners(orgs, asset, assets), owners(orgs, parcel, parcels)],
        orgs.online[draw.of("org").below(row, len(orgs.online))],
    )
    objects = pl.DataFrame(
        {
            "kind": kind,
            "asset": asset_numbers(county.code, asset),
            "parcel": parcel_numbers(county.code, parcel),
        }
    )
    is_asset, is_parcel = pl.col("kind") == _ASSET, pl.col("kind") == _RESOURCE
    number = pl.when(is_asset).then("asset").when(is_parcel).then("parcel").otherwise(None)
    return Deals(row, kind, org, objects.select(number).to_series())


def contract_numbers(code: str, row: Ints) -> pl.Series:
    """Contract numbers."""
    return f"HT{code}" + padded(row, 7)


def contract_rows(orgs: Collectives) -> pl.DataFrame:
    """The rows of ``contract``."""
    made = deals(orgs)
    code, row, kind = orgs.county.code, made.row, made.kind
    draw = orgs.county.random.of("contract")
    payee = orgs.payee(row + 500_000)
    leased = kind <= _RESOURCE
    area = 100 + draw.of("area").below(row, 40_000)
    return pl.DataFrame(
        {
            "contract_no": contract_numbers(code, row),
            "org_code": orgs.codes.gather(made.org),
            "contract_type": pick(["1", "2", "3", "4"], kind),
            "object_type": only(leased, pick(["1", "2", "9", "9"], kind)),
            "object_no": made.object_no,
            "party_b_name": orgs.payees.name.gather(payee),
            "party_b_id_no": orgs.payees.id_no.gather(payee),
            "party_b_uscc": orgs.payees.uscc.gather(payee),
            "area": only(kind == _RESOURCE, decimals(area, 2)),
            "tendered": flags(draw.of("tendered").chance(row, 0.5)),
            "transaction_no": only(
                draw.of("traded").chance(row, 0.3), f"CQ{code}" + padded(row, 6)
            ),
            "meeting_record": flags(draw.of("meeting").chance(row, 0.9)),
            "e_contract": flags(draw.of("electronic").chance(row, 0.4)),
            **_terms(orgs, row, leased),
        }
    )


def _terms(orgs: Collectives, row: Ints, leased: np.ndarray) -> dict[str, pl.Series]:
    """When a contract runs and what it costs."""
    today = day_number(orgs.county.day)
    draw = orgs.county.random.of("contract")
    signed = today - 10 - draw.of("signed").below(row, 2_200)
    start = signed + 1 + draw.of("start").below(row, 30)
    years = 1 + draw.of("years").below(row, np.where(leased, 15, 2))
    end = start + years * _YEAR
    rent = 120_000 + (draw.of("rent").unit(row) ** 3 * 6_000_000).astype(np.int64)
    # One in eight that ran out is still booked as in force: what the overdue list is for.
    closed = (end < today) & ~draw.of("forgotten").chance(row, 0.125)
    cycle = draw.of("cycle").weighted(row, (2, 7, 1))
    price = draw.of("price").weighted(row, (80, 14, 6))
    return {
        "sign_date": dates(signed),
        "start_date": dates(start),
        "end_date": dates(end),
        "price_mode": only(leased, pick(["1", "2", "3"], price)),
        "annual_rent": only(leased, decimals(rent, 2)),
        "total_amount": decimals(rent * years, 2),
        "appraisal_amount": only(draw.of("appraised").chance(row, 0.4), decimals(rent * years, 2)),
        "deposit": decimals(rent // 10, 2),
        "pay_cycle": only(leased, pick(["1", "2", "3"], cycle)),
        "status": pick(["1", "2"], closed.astype(np.int64)),
    }
