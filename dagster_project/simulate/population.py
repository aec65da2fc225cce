"""Persons: households with a head, spouse, children and parents, and those who left or died.

Exactly the county's number of residents have ``is_resident`` = 1. Resident ids are numbered per
birthday, sex and area of first registration, in the order in which chunks are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from dagster_project.simulate.county import County
from dagster_project.simulate.house import Stretch
from dagster_project.simulate.identifiers import phones, resident_ids
from dagster_project.simulate.names import names
from dagster_project.simulate.rng import Floats, Ints
from dagster_project.simulate.text import (
    Mask,
    compact_dates,
    dates,
    day_number,
    either,
    flags,
    only,
    padded,
    pick,
    second_number,
    times,
)

_HEAD, _SPOUSE, _CHILD, _GRANDCHILD, _PARENT = range(5)
_MAX_HOME = 8  # places in a household, residents and others; a person's number is built from it
_AREAS = (140321, 140322, 140302, 140311, 130121, 410102, 370102, 510104)
_HOME_SHARES = (88.0, 4.0, 3.0, 3.0, 1.0, 0.4, 0.4, 0.2)
_AWAY_SHARES = (0.0, 6.0, 4.0, 5.0, 40.0, 22.0, 12.0, 11.0)
_AWAY_PLACES = (
    ("河北省石家庄市井陉县微水镇", "130121100000"),
    ("河南省郑州市中原区林山寨街道", "410102001000"),
    ("山东省济南市历下区解放路街道", "370102001000"),
    ("四川省成都市锦江区督院街街道", "510104017000"),
)
_SEQUENCES = 480  # per birthday, sex and area; above them 960..999 stay free for planted rows
_JOBS = ("27", "24", "17", "13", "54", "51", "70", "80", "31", "11")
_YEAR = 365.2425
_MEN_LEAD = 0.76
_OLDEST = 108 * 366


@dataclass
class IdBook:
    """How many ids were given out per area, sex and birthday."""

    county: County

    def __post_init__(self) -> None:
        self.last_day = day_number(self.county.day)
        self._given = np.zeros(len(_AREAS) * 2 * (_OLDEST + 1), dtype=np.int32)

    def numbers(self, area: Ints, is_man: Mask, birth: Ints) -> pl.Series:
        """The next free resident ids."""
        slot = (area * 2 + is_man) * (_OLDEST + 1) + (self.last_day - birth)
        order = np.argsort(slot, kind="stable")
        ordered = slot[order]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(ordered)) + 1])
        runs = np.diff(np.concatenate([starts, [len(ordered)]]))
        rank = np.empty_like(slot)
        rank[order] = np.arange(len(slot)) - np.repeat(starts, runs) + self._given[ordered]
        self._given[ordered[starts]] += runs.astype(np.int32)
        base = np.array(_AREAS)[area] + rank // _SEQUENCES * 2
        sequence = rank % _SEQUENCES * 2 + is_man
        return resident_ids(base, compact_dates(birth), sequence)


@dataclass(frozen=True)
class _People:
    """One entry per person; ``home`` is the position of the person's house in the stretch."""

    number: Ints
    home: Ints
    household: Ints
    place: Ints
    is_here: Mask
    role: Ints
    age_days: Ints
    is_man: Mask


def persons(county: County, line: Stretch, book: IdBook) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The persons of a stretch, and the heads of its houses.

    Returns:
        The rows of the feed, all text; and one row per house with its head's ``id_no``, ``name``
        and ``phone``.
    """
    people = _people(county, line)
    rows = _rows(county, line, people, book)
    is_head = people.place == 0
    heads = rows.filter(pl.Series(is_head)).select("id_no", "name", "phone")
    at = pl.DataFrame({"home": people.home[is_head]}).with_columns(heads)
    every = pl.DataFrame({"home": np.arange(len(line.house))})
    return rows, every.join(at, on="home", how="left", maintain_order="left").drop("home")


def _people(county: County, line: Stretch) -> _People:
    lived = np.flatnonzero(line.lived_in)
    household = line.household[lived]
    first = county.first_resident(household)
    size = county.first_resident(household + 1) - first
    draw = county.random.of("person")
    others = draw.of("others").weighted(household, (80.0, 16.0, 4.0))
    total = size + others
    owner = np.repeat(np.arange(len(lived)), total)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(total) - total, total)
    home = household[owner]
    number = home * _MAX_HOME + place
    role = _roles(county, home, place)
    age = _ages(county, home, number, role)
    head_is_man = draw.of("head-sex").chance(home, _MEN_LEAD)
    coin = draw.of("sex").chance(number, 0.51)
    is_man = np.where(role == _HEAD, head_is_man, np.where(role == _SPOUSE, ~head_is_man, coin))
    return _People(
        number=number,
        home=lived[owner],
        household=home,
        place=place,
        is_here=np.asarray(place < size[owner]),
        role=role,
        age_days=age,
        is_man=np.asarray(is_man, dtype=np.bool_),
    )


def _roles(county: County, home: Ints, place: Ints) -> Ints:
    lot = county.random.of("role").unit(home * _MAX_HOME + place)
    second = np.where(lot < 0.86, _SPOUSE, _CHILD)
    fourth = np.where(lot < 0.35, _PARENT, np.where(lot < 0.5, _GRANDCHILD, _CHILD))
    return np.select([place == 0, place == 1, place == 2], [_HEAD, second, _CHILD], fourth)


def _ages(county: County, home: Ints, number: Ints, role: Ints) -> Ints:
    """Ages in days on the simulated day, in step with the head's."""
    draw = county.random.of("age")
    head = 24 + 62 * draw.of("head").unit(home) ** 1.15
    gap = draw.of("gap").unit(number)
    years = np.select(
        [role == _HEAD, role == _SPOUSE, role == _CHILD, role == _GRANDCHILD],
        [head, np.maximum(head - 5 + 9 * gap, 21), head - 22 - 14 * gap, head - 46 - 20 * gap],
        np.minimum(head + 21 + 12 * gap, 103),
    )
    born_lately = gap * 2.5
    return np.floor(np.where(years < 0, born_lately, years) * _YEAR).astype(np.int64)


@dataclass(frozen=True)
class _Traits:
    """What several columns of a person depend on; ``birth`` is in days since 1970-01-01."""

    birth: Ints
    years: Floats
    is_floating: Mask
    is_foreign: Mask
    is_newborn: Mask


def _traits(county: County, line: Stretch, people: _People) -> _Traits:
    draw, number = county.random.of("person"), people.number
    years = people.age_days / _YEAR
    foreign = draw.of("foreign").chance(number, 0.0015) & (people.role == _CHILD) & (years > 20)
    return _Traits(
        birth=day_number(county.day) - people.age_days,
        years=years,
        is_floating=line.is_floating[people.home] & ~foreign,
        is_foreign=foreign,
        is_newborn=(people.age_days < 60) & draw.of("late").chance(number, 0.4),
    )


def _rows(county: County, line: Stretch, people: _People, book: IdBook) -> pl.DataFrame:
    traits = _traits(county, line, people)
    return pl.DataFrame(
        {
            **_identity(county, people, traits, book),
            **_home(county, line, people, traits),
            **_social(county, people, traits),
            **_history(county, line, people, traits),
        }
    )


def _identity(
    county: County, people: _People, traits: _Traits, book: IdBook
) -> dict[str, pl.Series]:
    draw, number = county.random.of("person"), people.number
    away = draw.of("area").weighted(people.household, _AWAY_SHARES)
    born = draw.of("born").weighted(number, _HOME_SHARES)
    area = np.where(traits.is_floating, away, born)
    ids = book.numbers(area, people.is_man, traits.birth)
    no_id = traits.is_foreign | traits.is_newborn
    kind = np.where(traits.is_foreign, 1, np.where(traits.is_newborn, 2, 0))
    nation = draw.of("nation").weighted(number, (980, 12, 5, 3))
    papers = padded(draw.of("papers").below(number, 10**9), 9)
    return {
        "person_no": f"P{county.code}" + padded(number, 12),
        "id_no": only(~no_id, ids),
        "cert_type": pick(["111", "414", "117"], kind),
        "cert_no": only(no_id, pick(["", "E", "T"], kind) + papers),
        "name": names(draw.of("name"), number),
        "sex": pick(["2", "1"], people.is_man.astype(np.int64)),
        "birth_date": dates(traits.birth),
        "nation": pick(["01", "03", "11", "15", "97"], np.where(traits.is_foreign, 4, nation)),
        "phone": only(
            (traits.years >= 12) & draw.of("phoned").chance(number, 0.86),
            phones(draw.of("phone"), number),
        ),
    }


def _home(county: County, line: Stretch, people: _People, traits: _Traits) -> dict[str, pl.Series]:
    draw, home = county.random.of("person"), people.home
    floating = traits.is_floating
    whence = draw.of("whence").below(people.household, len(_AWAY_PLACES))
    here, village = line.address.gather(home), line.village_code.gather(home)
    from_addr = pick([place[0] for place in _AWAY_PLACES], whence)
    from_code = pick([place[1] for place in _AWAY_PLACES], whence)
    since = day_number(county.day) - 20 - draw.of("since").below(people.number, 3_000)
    kind = np.where(traits.is_foreign, 2, floating.astype(np.int64))
    return {
        "pop_type": pick(["01", "02", "03"], kind),
        "hukou_match": pick(["1", "2"], (floating | ~people.is_here).astype(np.int64)),
        "is_resident": flags(people.is_here),
        "household_no": f"H{county.code}" + padded(people.household, 9),
        "kinship": _kinship(people),
        "hukou_division": only(~traits.is_foreign, either(floating, from_code, village)),
        "hukou_addr": only(~traits.is_foreign, either(floating, from_addr, here)),
        "addr_code": line.house_code.gather(home),
        "addr_text": here,
        "house_code": only(people.is_here, line.house_code.gather(home)),
        "grid_code": line.grid_code.gather(home),
        "village_code": village,
        "inflow_date": only(floating, dates(np.maximum(traits.birth, since))),
        "inflow_reason": only(floating, pick(["10", "20"], draw.of("why").below(people.number, 2))),
        "from_division": only(floating, from_code.str.slice(0, 6)),
    }


def _social(county: County, people: _People, traits: _Traits) -> dict[str, pl.Series]:
    draw, number, years = county.random.of("person"), people.number, traits.years
    coupled = (people.role == _SPOUSE) | ((years > 30) & draw.of("wed").chance(number, 0.75))
    return {
        "marital": pick(["10", "20"], ((years >= 22) & coupled).astype(np.int64)),
        "edu": _education(years, draw.of("edu").unit(number)),
        "politics": pick(["13", "03", "01"], _politics(years, draw.of("politics").unit(number))),
        "occupation": only(years >= 16, pick(_JOBS, draw.of("work").below(number, len(_JOBS)))),
    }


def _history(
    county: County, line: Stretch, people: _People, traits: _Traits
) -> dict[str, pl.Series]:
    draw, number = county.random.of("person"), people.number
    now = second_number(county.day_end)
    evening = now - draw.of("evening").below(number, 3_600)
    seen = now - draw.of("seen").below(number, 86_400 * 900)
    collected = np.minimum(np.maximum(seen, (traits.birth + 1) * 86_400 + 36_000), now - 7_200)
    updated = collected + 3_600 + draw.of("late-by").below(number, 86_400 * 200)
    # A child without an id is registered within 90 days of birth.
    updated = np.where(traits.is_newborn, evening, np.minimum(updated, evening))
    fate = draw.of("fate").weighted(number, (62, 22, 14, 2))
    fate = np.where(~people.is_here & ~traits.is_newborn, fate, 0)
    gone = updated // 86_400 - 1 - draw.of("gone").below(number, 600)
    gone = np.maximum(traits.birth, gone)
    return {
        "status": pick(["1", "2", "3", "4"], fate),
        "death_date": only(fate == 2, dates(gone)),
        "out_date": only(fate == 1, dates(gone)),
        "collector": names(draw.of("collector"), line.village[people.home] % 97),
        "collect_time": times(collected),
        "update_time": times(updated),
    }


def contacts(county: County, household: Ints) -> tuple[pl.Series, pl.Series, Mask]:
    """Name, phone and sex (True for men) of the households' heads, as their rows have them."""
    draw, number = county.random.of("person"), household * _MAX_HOME
    is_man = draw.of("head-sex").chance(household, _MEN_LEAD)
    return names(draw.of("name"), number), phones(draw.of("phone"), number), is_man


def _kinship(people: _People) -> pl.Series:
    child = np.where(people.is_man, 2, 3)
    at = np.select(
        [
            people.role == _HEAD,
            people.role == _SPOUSE,
            people.role == _CHILD,
            people.role == _GRANDCHILD,
        ],
        [np.zeros_like(child), np.ones_like(child), child, np.full_like(child, 4)],
        5,
    )
    return pick(["02", "10", "20", "30", "40", "50"], at)


def _education(years: Floats, lot: Floats) -> pl.Series:
    grown = np.select(
        [lot < 0.06, lot < 0.14, lot < 0.3, lot < 0.72, lot < 0.95], [1, 2, 4, 5, 6], 0
    )
    at = np.select([years < 6, years < 12, years < 15, years < 19], [7, 6, 5, 4], grown)
    return pick(["10", "20", "30", "40", "60", "70", "80", "90"], at)


def _politics(years: Floats, lot: Floats) -> Ints:
    return np.select(
        [(years >= 20) & (lot < 0.06), (years >= 14) & (years < 28) & (lot < 0.4)],
        [2, 1],
        0,
    ).astype(np.int64)
