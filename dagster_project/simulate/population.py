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
from dagster_project.simulate.rng import Ints
from dagster_project.simulate.text import (
    Mask,
    compact_dates,
    dates,
    day_number,
    either,
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
    head_is_man = draw.of("head-sex").chance(home, 0.76)
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
    second = np.where(lot < 0.86, _SPOUSE, _CHILD)  # noqa: PLR2004
    fourth = np.where(lot < 0.35, _PARENT, np.where(lot < 0.5, _GRANDCHILD, _CHILD))  # noqa: PLR2004
    return np.select([place == 0, place == 1, place == 2], [_HEAD, second, _CHILD], fourth)  # noqa: PLR2004


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


def _rows(county: County, line: Stretch, people: _People, book: IdBook) -> pl.DataFrame:
    draw = county.random.of("person")
    number, home = people.number, people.home
    today, now = day_number(county.day), second_number(county.day_end)
    birth = today - people.age_days
    years = people.age_days / _YEAR
    floating = line.is_floating[home]
    foreign = draw.of("foreign").chance(number, 0.0015) & (people.role == _CHILD) & (years > 20)  # noqa: PLR2004
    away = draw.of("area").weighted(people.household, _AWAY_SHARES)
    area = np.where(floating, away, draw.of("born").weighted(number, _HOME_SHARES))
    newborn = (people.age_days < 60) & draw.of("late").chance(number, 0.4)  # noqa: PLR2004
    has_id = ~foreign & ~newborn
    ids = only(has_id, book.numbers(area, people.is_man, birth))

    seen = now - draw.of("seen").below(number, 86_400 * 900)
    collected = np.maximum(seen, (birth + 1) * 86_400 + 36_000)
    collected = np.minimum(collected, now - 7_200)
    updated = collected + 3_600 + draw.of("late-by").below(number, 86_400 * 200)
    updated = np.minimum(updated, now - draw.of("evening").below(number, 3_600))
    # A child without an id was registered within 90 days of birth.
    updated = np.where(newborn, now - draw.of("evening").below(number, 3_600), updated)

    left = ~people.is_here
    fate = draw.of("fate").weighted(number, (62.0, 22.0, 14.0, 2.0))
    fate = np.where(left & ~newborn, fate, 0)
    gone = np.maximum(birth, updated // 86_400 - 1 - draw.of("gone").below(number, 600))
    since = np.maximum(birth, today - 20 - draw.of("since").below(number, 3_000))

    nation = np.where(foreign, 4, draw.of("nation").weighted(number, (980, 12, 5, 3)))
    papers = draw.of("papers").below(number, 10**9)
    place = draw.of("whence").below(people.household, len(_AWAY_PLACES))
    here = line.address.gather(home)
    hukou_addr = either(floating, pick([p[0] for p in _AWAY_PLACES], place), here)
    hukou = either(
        floating, pick([p[1] for p in _AWAY_PLACES], place), line.village_code.gather(home)
    )
    is_resident = people.is_here
    married = (
        (people.role == _SPOUSE) | ((people.role == _HEAD) & draw.of("wed").chance(number, 0.8))
    ) | (
        (years > 30) & draw.of("wed").chance(number, 0.7)  # noqa: PLR2004
    )
    adult = years >= 22  # noqa: PLR2004
    return pl.DataFrame(
        {
            "person_no": f"P{county.code}" + padded(number, 12),
            "id_no": ids,
            "cert_type": pick(["111", "414", "117"], np.where(foreign, 1, np.where(newborn, 2, 0))),
            "cert_no": only(
                foreign | newborn, pick(["E", "T"], newborn.astype(np.int64)) + padded(papers, 9)
            ),
            "name": names(draw.of("name"), number),
            "sex": pick(["2", "1"], people.is_man.astype(np.int64)),
            "birth_date": dates(birth),
            "nation": pick(["01", "03", "11", "15", "97"], nation),
            "pop_type": pick(["01", "02", "03"], np.where(foreign, 2, floating.astype(np.int64))),
            "hukou_match": pick(["1", "2"], (floating | left).astype(np.int64)),
            "is_resident": pick(["0", "1"], is_resident.astype(np.int64)),
            "household_no": f"H{county.code}" + padded(people.household, 9),
            "kinship": _kinship(people),
            "hukou_division": only(~foreign, hukou),
            "hukou_addr": only(~foreign, hukou_addr),
            "addr_code": line.house_code.gather(home),
            "addr_text": here,
            "house_code": only(is_resident, line.house_code.gather(home)),
            "grid_code": line.grid_code.gather(home),
            "village_code": line.village_code.gather(home),
            "marital": pick(["10", "20"], (adult & married).astype(np.int64)),
            "edu": _education(years, draw.of("edu").unit(number)),
            "politics": pick(
                ["13", "03", "01"], _politics(years, draw.of("politics").unit(number))
            ),
            "occupation": only(years >= 16, pick(_JOBS, draw.of("work").below(number, len(_JOBS)))),  # noqa: PLR2004
            "phone": only(
                (years >= 12) & draw.of("phoned").chance(number, 0.86),
                phones(draw.of("phone"), number),
            ),  # noqa: PLR2004
            "inflow_date": only(floating & ~foreign, dates(since)),
            "inflow_reason": only(
                floating & ~foreign, pick(["10", "20"], draw.of("why").below(number, 2))
            ),
            "from_division": only(
                floating & ~foreign, pick([p[1][:6] for p in _AWAY_PLACES], place)
            ),
            "status": pick(["1", "2", "3", "4"], fate),
            "death_date": only(fate == 2, dates(gone)),  # noqa: PLR2004
            "out_date": only(fate == 1, dates(gone)),
            "collector": names(draw.of("collector"), line.village[home] % 97),
            "collect_time": times(collected),
            "update_time": times(updated),
        }
    )


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


def _education(years: np.ndarray, lot: np.ndarray) -> pl.Series:
    grown = np.select(
        [lot < 0.06, lot < 0.14, lot < 0.3, lot < 0.72, lot < 0.95], [1, 2, 4, 5, 6], 0
    )  # noqa: PLR2004
    at = np.select([years < 6, years < 12, years < 15, years < 19], [7, 6, 5, 4], grown)  # noqa: PLR2004
    return pick(["10", "20", "30", "40", "60", "70", "80", "90"], at)


def _politics(years: np.ndarray, lot: np.ndarray) -> Ints:
    return np.select(
        [(years >= 20) & (lot < 0.06), (years >= 14) & (years < 28) & (lot < 0.4)],
        [2, 1],
        0,  # noqa: PLR2004
    ).astype(np.int64)
