"""The reference registers: divisions, grids, built-up areas."""

from __future__ import annotations

import csv

import numpy as np
import polars as pl

from dagster_project.paths import schemas_dir
from dagster_project.simulate.county import County
from dagster_project.simulate.ground import Ground
from dagster_project.simulate.house import short_name
from dagster_project.simulate.identifiers import phones
from dagster_project.simulate.names import names
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import decimals, only, padded, pick, same


def division_rows(county: County) -> pl.DataFrame:
    """The division register with its types as codes."""
    path = schemas_dir() / "codes" / "division_type.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in file if not line.startswith("#")]
    codes = {row["title"]: row["code"] for row in csv.DictReader(lines)}
    codes = {title.replace("（", "(").replace("）", ")"): code for title, code in codes.items()}
    rows = [
        {
            **{name: text or None for name, text in row.items()},
            "type": codes[row["type"]],
            "parent_code": None if row["parent_code"] == "0" else row["parent_code"],
        }
        for row in county.register
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(county.register[0], pl.String))


def grid_rows(county: County) -> pl.DataFrame:
    """Today's grids and the former ones that were merged into them."""
    active, merged = county.active_grids, county.merged_grids
    every = active + merged
    village = np.repeat(np.arange(len(every)), every)
    number = np.arange(len(village)) - np.repeat(np.cumsum(every) - every, every) + 1
    is_active = number <= active[village]
    into = np.where(is_active, 0, (number - active[village] - 1) % active[village] + 1)
    code = pl.Series([v.code for v in county.villages]).gather(village)
    name = pl.Series([short_name(v.name) for v in county.villages]).gather(village)
    row = span(0, len(village))
    households, persons = _inhabitants(county, village, number, is_active)
    draw = county.random.of("grid")
    area = 20_000 + draw.of("area").below(row, 900_000)
    ground = Ground(county)
    plot = ground.plot(village, np.where(is_active, number, 1))
    return pl.DataFrame(
        {
            "grid_code": code + padded(number, 3),
            "grid_name": name + "第" + pl.Series(number).cast(pl.String) + "网格",
            "grid_type": pick(["1"], row * 0),
            "level": pick(["4"], row * 0),
            "village_code": code,
            "leader_name": names(draw.of("leader"), village),
            "leader_phone": phones(draw.of("leader-phone"), village),
            "worker_name": names(draw.of("worker"), row),
            "worker_phone": phones(draw.of("worker-phone"), row),
            "assistant_name": only(row % 3 == 0, names(draw.of("assistant"), row)),
            "assistant_phone": only(row % 3 == 0, phones(draw.of("assistant-phone"), row)),
            "households": pl.Series(households).cast(pl.String),
            "persons": pl.Series(persons).cast(pl.String),
            "units": pl.Series(draw.of("units").below(row, 30)).cast(pl.String),
            "area_m2": pl.Series(area).cast(pl.String) + ".00",
            "boundary_wkt": only(is_active, ground.boundaries(plot)),
            "patrol_per_day": pick(["2"], row * 0),
            "status": pick(["0", "1"], is_active.astype(np.int64)),
            "valid_from": pick(["2021-07-01", "2022-11-01"], is_active.astype(np.int64)),
            "valid_to": only(~is_active, pick(["2022-10-31"], row * 0)),
            "merged_into": only(~is_active, code + padded(into, 3)),
        }
    )


def built_up_rows(county: County) -> pl.DataFrame:
    """The built-up areas, all text."""
    areas = Ground(county).areas
    return pl.DataFrame(
        {
            "area_code": [f"B{area.town_code[:9]}" for area in areas],
            "name": [f"{county.towns[area.town_code]}建成区" for area in areas],
            "town_code": [area.town_code for area in areas],
            "area_km2": decimals(np.array([area.km2 for area in areas]), 4),
            "boundary_wkt": [area.wkt for area in areas],
            "basis": same("国土空间总体规划（2021—2035年）", len(areas)),
            "valid_from": same("2022-01-01", len(areas)),
        }
    )


def _inhabitants(
    county: County, village: Ints, number: Ints, is_active: np.ndarray
) -> tuple[Ints, Ints]:
    """Households and residents of each grid; a former grid has none."""
    houses = np.arange(county.houses, dtype=np.int64)
    at = np.searchsorted(county.house_edges, houses, side="right") - 1
    size = np.diff(county.house_edges)[at]
    grid = county.grid_of(at, houses - county.house_edges[at], size)
    household = county.household_of(houses)
    lived = household >= 0
    people = county.first_resident(household + 1) - county.first_resident(household)
    slot = at * 1_000 + grid
    top = len(county.villages) * 1_000
    homes = np.bincount(slot[lived], minlength=top)
    persons = np.bincount(slot[lived], weights=people[lived], minlength=top).astype(np.int64)
    mine = village * 1_000 + number
    return np.where(is_active, homes[mine], 0), np.where(is_active, persons[mine], 0)
