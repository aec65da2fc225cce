"""Who is registered where: units in buildings, and the market entities behind them.

Both are made with the stretch of houses in which they are, so that departments speak of the same
things. The dead are in ``deaths``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.county import County
from dagster_project.simulate.house import Stretch, short_name
from dagster_project.simulate.identifiers import credit_code, organ_body
from dagster_project.simulate.rng import Ints
from dagster_project.simulate.text import (
    Mask,
    dates,
    day_number,
    decimals,
    either,
    flags,
    none,
    only,
    padded,
    pick,
    second_number,
    times,
)

_BUSINESS = ("20", "30", "40", "50", "60")  # usages of houses that hold units
_TAKEN = 0.5  # share of those that do
_SEATED = 0.055  # share of all houses that come to hold units, and a little less
_AT_HOME = 0.01  # share of the homes in which a market entity is registered that is no unit
_TYPES = ("1", "2", "3", "4", "5", "6", "7")
_TYPE_SHARES = (26.0, 54.0, 2.0, 5.0, 3.0, 3.0, 7.0)
_HEADS = ("91", "92", "11", "12", "51", "52", "93")
_ENTITIES = {0: "1", 1: "2", 6: "3"}  # unit types that are market entities, and their types
_OLD_NUMBER = 0.04  # share of individual businesses that still have a number of 15 digits
_TRADES = (
    "商贸",
    "餐饮",
    "建材",
    "物流",
    "养殖",
    "机械",
    "服装",
    "粮油",
    "药店",
    "汽修",
    "文化",
    "农资",
)
_INDUSTRIES = ("F", "H", "C", "G", "A", "O")
_TAILS = ("有限公司", "经营部", "办公室", "服务中心", "协会", "服务社", "专业合作社")


@dataclass(frozen=True)
class _Seats:
    """Who sits in which houses of a stretch: ``at`` holds positions in it, ``kind`` in ``_TYPES``.

    ``number`` is the seat's own in the county; several may sit in a house.
    ``status`` is the market entity's (or what it would be): 0 existing, 1 revoked, 2 cancelled,
    3 moved away.
    """

    at: Ints
    number: Ints
    is_unit: Mask
    kind: Ints
    is_entity: Mask
    status: Ints
    uscc: pl.Series
    reg_no: pl.Series
    name: pl.Series
    heads: pl.DataFrame
    founded: Ints
    closed: Ints
    changed: Ints


def unit_rows(county: County, line: Stretch, seats: _Seats) -> pl.DataFrame:
    """The units that the police know, all text."""
    draw = county.random.of("unit")
    at, number = seats.at, seats.number
    resting = draw.of("resting").chance(number, 0.05)
    status = np.where(seats.status == 0, np.where(resting, 1, 0), np.where(seats.status == 1, 3, 2))
    rows = pl.DataFrame(
        {
            "unit_no": f"U{county.code}" + padded(number, 9),
            "uscc": seats.uscc,
            "reg_no": seats.reg_no,
            "unit_name": seats.name,
            "unit_type": pick(_TYPES, seats.kind),
            "industry": _industry(county, seats),
            **_people(seats),
            "addr_code": line.house_code.gather(at),
            "building_code": line.building_code.gather(at),
            "grid_code": line.grid_code.gather(at),
            "village_code": line.village_code.gather(at),
            "staff_count": pl.Series(1 + draw.of("staff").below(number, 30)).cast(pl.String),
            "status": pick(["1", "2", "3", "4"], status),
            "is_fire_key": flags(draw.of("fire").chance(number, 0.03)),
            "is_9small": flags(draw.of("small").chance(number, 0.3)),
            "party_org_no": none(len(at)),
            "found_date": dates(seats.founded),
            "cancel_date": only(status == 2, dates(seats.closed)),
            "update_time": times(seats.changed),
        }
    )
    return rows.filter(pl.Series(seats.is_unit))


def entity_rows(county: County, line: Stretch, seats: _Seats) -> pl.DataFrame:
    """The market entities, all text; those at home are no unit of the police's register."""
    draw = county.random.of("entity")
    at, number = seats.at, seats.number
    kinds = pl.Series([_ENTITIES.get(n, "1") for n in range(len(_TYPES))])
    capital = (1 + draw.of("capital").below(number, 500)) * 1_000_000
    ends = seats.founded + 7_300 + draw.of("ends").below(number, 3_650)
    rows = pl.DataFrame(
        {
            "uscc": seats.uscc,
            "name": seats.name,
            "entity_type": kinds.gather(seats.kind),
            **_people(seats),
            "reg_capital": only(seats.kind != 1, decimals(capital, 2)),
            "scope": pick(_TRADES, seats.number % len(_TRADES)) + "经营",
            "industry": _industry(county, seats),
            "address": line.address.gather(at),
            "addr_code": line.house_code.gather(at),
            "village_code": line.village_code.gather(at),
            "grid_code": line.grid_code.gather(at),
            "found_date": dates(seats.founded),
            "approve_date": dates(seats.founded),
            "valid_to": only(draw.of("bounded").chance(number, 0.3), dates(ends)),
            "status": pick(["1", "2", "3", "4"], seats.status),
            "cancel_date": only(seats.status == 2, dates(seats.closed)),
            "registrar_code": pick([county.code], number * 0),
            "via_smart": flags(draw.of("smart").chance(number, 0.02)),
            "update_time": times(seats.changed),
        }
    )
    return rows.filter(pl.Series(seats.is_entity))


def seated(county: County, line: Stretch, houses: pl.DataFrame, heads: pl.DataFrame) -> _Seats:
    """Who sits where in a stretch.

    Args:
        county: The county.
        line: The stretch of houses.
        houses: Their rows.
        heads: One row per house: ``id_no``, ``name``, ``phone`` of the household's head.
    """
    draw = county.random.of("seat")
    business = houses["usage"].is_in(_BUSINESS).to_numpy() & ~line.lived_in
    taken = business & draw.of("taken").chance(line.house, _TAKEN)
    home = line.lived_in & draw.of("home").chance(line.house, _AT_HOME)
    at, number = _seats(county, line, taken, home)
    is_unit = taken[at]
    kind = np.where(is_unit, draw.of("kind").weighted(number, _TYPE_SHARES), 1)
    may_be_old = (kind == 1) & is_unit
    is_old = may_be_old & draw.of("old").chance(number, _OLD_NUMBER)
    is_entity = np.isin(kind, list(_ENTITIES)) & ~is_old
    status = np.where(is_entity, draw.of("status").weighted(number, (90, 4, 5, 1)), 0)
    living = np.flatnonzero(line.lived_in)
    boss = living[draw.of("boss").below(number, max(len(living), 1))] if len(living) else at
    last = day_number(county.day)
    founded = last - 900 - draw.of("founded").below(number, 6_000)
    closed = founded + 100 + draw.of("closed").below(number, 700)
    changed = second_number(county.day_end) - draw.of("changed").below(number, 86_400 * 90)
    numbers = [
        credit_code(f"{_HEADS[k]}{county.code}", organ_body(h, "MB"))
        for k, h in _pairs(kind, number)
    ]
    return _Seats(
        at=at,
        number=number,
        is_unit=is_unit,
        kind=kind,
        is_entity=is_entity,
        status=status,
        uscc=only(~is_old, pl.Series(numbers, dtype=pl.String)),
        reg_no=only(is_old, _old_numbers(county, number)),
        name=_names(county, line, at, number, kind),
        heads=heads[boss],
        founded=founded,
        closed=closed,
        changed=changed,
    )


def _seats(county: County, line: Stretch, taken: Mask, home: Mask) -> tuple[Ints, Ints]:
    """The position and number of each seat: one in a home, several in a house if they are few."""
    most = math.ceil(county.least("unit", "market_entity") / (county.houses * _SEATED))
    at = np.flatnonzero(taken | home)
    each = np.where(taken[at], most, 1)
    nth = np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
    many = np.repeat(at, each)
    return many, line.house[many] * most + nth


def _pairs(kind: Ints, number: Ints) -> zip[tuple[int, int]]:
    return zip(kind.tolist(), number.tolist(), strict=True)


def _names(county: County, line: Stretch, at: Ints, number: Ints, kind: Ints) -> pl.Series:
    villages = pl.Series([short_name(v.name) for v in county.villages]).gather(line.village[at])
    trade = pick(_TRADES, number % len(_TRADES))
    return villages + trade + pl.Series(number).cast(pl.String) + "号" + pick(_TAILS, kind)


def _people(seats: _Seats) -> dict[str, pl.Series]:
    heads = seats.heads
    return {"legal_rep": heads["name"], "legal_id": heads["id_no"], "phone": heads["phone"]}


def _industry(county: County, seats: _Seats) -> pl.Series:
    drawn = county.random.of("industry").below(seats.number, len(_INDUSTRIES))
    public = np.isin(seats.kind, (2, 3, 4, 5))
    return either(public, pick(["S"], drawn * 0), pick(_INDUSTRIES, drawn))


def _old_numbers(county: County, number: Ints) -> pl.Series:
    """Registration numbers of 15 digits: GS 15-2006, check digit by ISO 7064 MOD 11,10."""
    bodies = [f"{county.code}6{h % 10**7:07d}" for h in number.tolist()]
    return pl.Series([body + _check_digit(body) for body in bodies], dtype=pl.String)


def _check_digit(body: str) -> str:
    rest = 10
    for digit in body:
        rest = ((int(digit) + rest) % 10 or 10) * 2 % 11
    return str((11 - rest) % 10)
