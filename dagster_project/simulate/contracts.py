"""The collectives' contracts: leases of assets and parcels, works, purchases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.ledgers import (
    asset_count,
    asset_numbers,
    owners,
    parcel_count,
    parcel_numbers,
    parcels,
)
from dagster_project.simulate.rng import Ints, Stream, span
from dagster_project.simulate.text import (
    Mask,
    dates,
    day_number,
    decimals,
    flags,
    only,
    padded,
    pick,
)

LARGE = 5_000_000  # cents; from here on a contract is appraised, tendered and traded
_CONTRACTS = 3_200
_ASSET, _RESOURCE = 0, 1
_YEAR = 365
_SOON = 120  # days; no contract runs out so soon
_PLATFORM_DAYS = 150  # the trading platform is so old
_TXNS, _DEALS = 180, 103  # of the platform; the programme document's figures


@dataclass(frozen=True)
class Deals:
    """Every contract: its kind, what it is about, whose it is, when it runs, what it costs.

    Days are since 1970-01-01, amounts in cents. ``txn`` is the transaction by which it came
    about, or -1.
    """

    row: Ints
    kind: Ints
    org: Ints
    thing: Ints
    payee: Ints
    signed: Ints
    start: Ints
    years: Ints
    rent: Ints
    txn: Ints

    @property
    def end(self) -> Ints:
        """The last days."""
        return self.start + self.years * _YEAR

    @property
    def total(self) -> Ints:
        """The whole amounts."""
        return self.rent * self.years

    @property
    def is_let(self) -> Mask:
        """Leases of assets and parcels."""
        return np.asarray(self.kind <= _RESOURCE)

    def let_assets(self, today: int) -> Ints:
        """The assets under a contract that runs."""
        runs = (self.kind == _ASSET) & (self.end >= today)
        return np.asarray(self.thing[runs], dtype=np.int64)


def txn_count(orgs: Collectives) -> int:
    """How many transactions the platform knows."""
    return orgs.county.sized(_TXNS, orgs.county.least("property_txn"))


def done_deals(orgs: Collectives) -> int:
    """How many transactions of the platform came about."""
    return txn_count(orgs) * _DEALS // _TXNS


def deals(orgs: Collectives) -> Deals:
    """Draw the contracts; a lease's object belongs to the collective that leases it out."""
    county = orgs.county
    row = span(0, county.sized(_CONTRACTS, county.least("contract")))
    draw = county.random.of("contract")
    kind = draw.of("kind").weighted(row, (40, 38, 12, 10))
    assets, land = asset_count(county), parcel_count(county)
    asset = _each_once(draw.of("asset"), kind == _ASSET, assets)
    parcel = _each_once(draw.of("parcel"), kind == _RESOURCE, land)
    org = np.select(
        [kind == _ASSET, kind == _RESOURCE],
        [owners(orgs, asset, assets), owners(orgs, parcel, land)],
        orgs.online[draw.of("org").below(row, len(orgs.online))],
    )
    today = day_number(county.day)
    signed = today - 10 - draw.of("signed").below(row, 2_200)
    start = signed + 1 + draw.of("start").below(row, 30)
    years = 1 + draw.of("years").below(row, np.where(kind <= _RESOURCE, 15, 2))
    left = start + years * _YEAR - today
    years += (left >= 0) & (left <= _SOON)
    rent = 120_000 + (draw.of("rent").unit(row) ** 3 * 6_000_000).astype(np.int64)
    # What is large and young came about on the platform, as far as it had deals to give.
    young = (rent * years >= LARGE) & (signed >= today - _PLATFORM_DAYS)
    rank = np.cumsum(young) - 1
    traded = young & (rank < done_deals(orgs))
    rent = np.where(young & ~traded, np.minimum(rent, (LARGE - 100) // years), rent)
    return Deals(
        row=row,
        kind=kind,
        org=org,
        thing=np.where(kind == _ASSET, asset, np.where(kind == _RESOURCE, parcel, -1)),
        payee=orgs.payee(row + 500_000),
        signed=signed,
        start=start,
        years=years,
        rent=rent,
        txn=np.where(traded, rank, -1),
    )


def _each_once(draw: Stream, chosen: Mask, things: int) -> Ints:
    """A thing for each chosen row, none twice while there are enough."""
    order = np.argsort(draw.unit(span(0, things)), kind="stable")
    return np.asarray(order[np.maximum(np.cumsum(chosen) - 1, 0) % things], dtype=np.int64)


def contract_numbers(code: str, row: Ints) -> pl.Series:
    """Contract numbers."""
    return f"HT{code}" + padded(row, 7)


def txn_numbers(code: str, row: Ints) -> pl.Series:
    """Numbers of the platform's transactions."""
    return f"CQ{code}" + padded(row, 6)


def object_numbers(orgs: Collectives, made: Deals) -> pl.Series:
    """The number of each contract's asset or parcel; nothing where it has none."""
    frame = pl.DataFrame(
        {
            "kind": made.kind,
            "asset": asset_numbers(orgs.county.code, made.thing),
            "parcel": parcel_numbers(orgs.county.code, made.thing),
        }
    )
    is_asset, is_parcel = pl.col("kind") == _ASSET, pl.col("kind") == _RESOURCE
    number = pl.when(is_asset).then("asset").when(is_parcel).then("parcel").otherwise(None)
    return frame.select(number).to_series()


def contract_rows(orgs: Collectives, made: Deals) -> pl.DataFrame:
    """The rows of ``contract``."""
    code, row, kind, leased = orgs.county.code, made.row, made.kind, made.is_let
    draw = orgs.county.random.of("contract")
    today = day_number(orgs.county.day)
    large = made.total >= LARGE
    area = parcels(orgs).area[np.where(kind == _RESOURCE, made.thing, 0)]
    cycle, price = pay_cycles(orgs, made), draw.of("price").weighted(row, (80, 14, 6))
    appraised = draw.of("appraised").chance(row, 0.4) | (large & leased)
    return pl.DataFrame(
        {
            "contract_no": contract_numbers(code, row),
            "org_code": orgs.codes.gather(made.org),
            "contract_type": pick(["1", "2", "3", "4"], kind),
            "object_type": only(leased, pick(["1", "2", "9", "9"], kind)),
            "object_no": object_numbers(orgs, made),
            "party_b_name": orgs.payees.name.gather(made.payee),
            "party_b_id_no": orgs.payees.id_no.gather(made.payee),
            "party_b_uscc": orgs.payees.uscc.gather(made.payee),
            "area": only(kind == _RESOURCE, decimals(area, 2)),
            "tendered": flags(draw.of("tendered").chance(row, 0.5) | large),
            "transaction_no": only(made.txn >= 0, txn_numbers(code, made.txn)),
            "meeting_record": flags(draw.of("meeting").chance(row, 0.9)),
            "e_contract": flags(draw.of("electronic").chance(row, 0.4)),
            "sign_date": dates(made.signed),
            "start_date": dates(made.start),
            "end_date": dates(made.end),
            "price_mode": only(leased, pick(["1", "2", "3"], price)),
            "annual_rent": only(leased, decimals(made.rent, 2)),
            "total_amount": decimals(made.total, 2),
            "appraisal_amount": only(appraised, decimals(made.total, 2)),
            "deposit": decimals(made.rent // 10, 2),
            "pay_cycle": only(leased, pick(["1", "2", "3"], cycle)),
            "status": pick(["1", "2"], (made.end < today).astype(np.int64)),
        }
    )


def pay_cycles(orgs: Collectives, made: Deals) -> Ints:
    """How each is paid: 0 at once, 1 every year, 2 every half year."""
    return orgs.county.random.of("contract").of("cycle").weighted(made.row, (2, 7, 1))
