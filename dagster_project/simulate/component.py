"""City components: numbered street furniture inside the built-up area."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import numpy as np
import polars as pl

from dagster_project.paths import schemas_dir
from dagster_project.simulate.county import County
from dagster_project.simulate.ground import Ground
from dagster_project.simulate.identifiers import credit_code
from dagster_project.simulate.rng import span
from dagster_project.simulate.text import (
    compact_dates,
    dates,
    day_number,
    flags,
    only,
    padded,
    pick,
    second_number,
    times,
)

CHUNK = 100_000
REMOVED_SHARE = 0.012  # scrapped and removed components stay in the register above those in use
_ROADS = ("评梅街", "冠山路", "府新街", "东大街", "滨河路", "学府街", "建设路", "南坪路", "站前街")
_MATERIALS = ("铸铁", "复合材料", "钢", "混凝土", "铝合金", "塑料", "木", "石材")
_SIZES = ("Φ700", "Φ800", "600×600", "1000×500", "H=8m", "H=3m", "通用")
_SHARES = {"01": 62.0, "02": 16.0, "03": 9.0, "04": 11.0, "05": 1.0, "06": 1.0}
_PER_CODE = 999_999


def component_rows(county: County) -> Iterator[pl.DataFrame]:
    """The component register in chunks, all text; exactly the county's number is in use."""
    in_use = county.sized(county.profile.components, county.least("component"))
    total = in_use + max(8, round(in_use * REMOVED_SHARE))
    book = _Register(county, total)
    for start in range(0, total, CHUNK):
        yield book.rows(start, min(start + CHUNK, total), in_use)


def departments(county: County) -> tuple[str, ...]:
    """Credit codes of the county's offices that own or keep components; invented."""
    return tuple(credit_code(f"11{county.code}", f"0{n:07d}") for n in range(1_110_021, 1_110_027))


class _Register:
    """Where components stand and how they are numbered.

    A class's running numbers grow through the register; beyond 999,999 of a class the next class
    of the same kind is used, as the standard's six digits end there.
    """

    def __init__(self, county: County, total: int) -> None:
        self.county = county
        path = schemas_dir() / "codes" / "component_subclass.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in file if not line.startswith("#")]
        found = {r["code"]: r["title"] for r in csv.DictReader(lines) if r["code"][:2] in _SHARES}
        self.codes, self.titles = tuple(found), tuple(found.values())
        heads = [code[:2] for code in self.codes]
        draw = county.random.of("component-mix")
        lean = 0.15 + draw.unit(span(0, len(heads))) ** 2
        share = np.array([_SHARES[h] / heads.count(h) for h in heads]) * lean
        self.edges = np.round(np.cumsum(share / share.sum()) * total).astype(np.int64)
        self.urban = np.flatnonzero([v.is_urban for v in county.villages])
        self.offices = departments(county)
        self.ground = Ground(county)
        self.stride = _coprime(total)
        self.total = total

    def rows(self, start: int, stop: int, in_use: int) -> pl.DataFrame:
        """The rows from ``start`` to ``stop``."""
        county, draw = self.county, self.county.random.of("component")
        row = span(start, stop)
        # Classes are mixed through the register; each class counts its own running numbers.
        rank = row * self.stride % self.total
        kind = np.searchsorted(self.edges, rank, side="right")
        before = np.concatenate([[0], self.edges])[kind]
        sequence = (rank - before) % _PER_CODE + 1
        codes, titles = pl.Series(self.codes).gather(kind), pl.Series(self.titles).gather(kind)
        village = self.urban[draw.of("village").below(row, len(self.urban))]
        village_code = pl.Series([v.code for v in county.villages]).gather(village)
        grid = 1 + draw.of("grid").below(row, county.active_grids[village])
        unit_grid = 1 + draw.of("unit-grid").below(row, 40)
        scrapped = 3 + draw.of("scrapped").below(row, 2)
        state = np.where(row < in_use, draw.of("state").weighted(row, (955, 39, 6)), scrapped)
        today = day_number(county.day)
        installed = today - 30 - draw.of("installed").below(row, 5_000)
        changed = installed + draw.of("changed").below(row, 3_000) % np.maximum(
            today - installed, 1
        )
        has_change = draw.of("has-change").chance(row, 0.3) | (state > 0)
        lon, lat = self.ground.places(self.ground.plot(village, grid), draw.of("point"), row)
        seconds = second_number(county.day_end) - draw.of("seen").below(row, 86_400 * 360)
        return pl.DataFrame(
            {
                "component_code": county.code + codes + padded(sequence, 6),
                "class2": codes.str.slice(0, 2),
                "subclass4": codes,
                "name": titles,
                "dept_owner": pick(self.offices, draw.of("owner").below(row, 2)),
                "dept_right": pick(self.offices, 2 + draw.of("right").below(row, 2)),
                "dept_maint": pick(self.offices, 4 + draw.of("maint").below(row, 2)),
                "unit_grid_code": village_code + padded(unit_grid, 3),
                "grid_code": village_code + padded(grid, 3),
                "village_code": village_code,
                "road": pick(_ROADS, draw.of("road").below(row, len(_ROADS))),
                "lon": lon,
                "lat": lat,
                "state": pick(["1", "2", "3", "4", "5"], state),
                "material": pick(_MATERIALS, draw.of("material").below(row, len(_MATERIALS))),
                "size": pick(_SIZES, draw.of("size").below(row, len(_SIZES))),
                "install_date": dates(installed),
                "change_date": only(has_change, dates(changed)),
                "data_source": pick(["1", "2", "9"], draw.of("source").weighted(row, (8, 2, 0.2))),
                "is_smart": flags(draw.of("smart").chance(row, 0.06)),
                "photo": only(
                    draw.of("photo").chance(row, 0.7),
                    "photo/"
                    + pl.Series(compact_dates(installed)).cast(pl.String)
                    + "/"
                    + padded(row, 8)
                    + ".jpg",
                ),
                "update_time": times(seconds),
            }
        )


def _coprime(total: int) -> int:
    """A stride that visits every row once, and mixes."""
    stride = int(total * 0.618) | 1
    while np.gcd(stride, total) != 1:
        stride += 2
    return stride
