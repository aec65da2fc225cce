"""The register of deaths: most of the persons registered as dead, and strangers who died here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from dagster_project.simulate.county import County
from dagster_project.simulate.identifiers import resident_ids
from dagster_project.simulate.names import names
from dagster_project.simulate.rng import Ints, span
from dagster_project.simulate.text import (
    Mask,
    compact_dates,
    dates,
    day_number,
    padded,
    pick,
    second_number,
    times,
)

_BURIED = 0.85  # share of the dead that the civil affairs office knows of
_STRANGERS = 300  # persons of other counties who died here, at scale 1
_AWAY = 140902  # where they were registered; nobody of the county was
_NUMBERED_FROM = 9 * 10**11


def death_rows(county: County, people: pl.DataFrame) -> pl.DataFrame:
    """Deaths of some of the county's persons, all text.

    Args:
        county: The county.
        people: Their rows.
    """
    dead = people.filter((pl.col("status") == "3") & pl.col("id_no").is_not_null())
    dead = dead.filter(pl.Series(_known(county, dead["person_no"])))
    number = dead["person_no"].str.slice(7).cast(pl.Int64).to_numpy()
    return _deaths(county, number, dead.select("id_no", "name", "sex", "death_date"))


def stranger_rows(county: County) -> pl.DataFrame:
    """Deaths of persons whom no other register of the county knows, all text."""
    number = span(0, county.sized(_STRANGERS, county.least("death")))
    draw = county.random.of("stranger")
    is_man = draw.of("sex").chance(number, 0.5)
    last = day_number(county.day)
    birth = last - 16_000 - draw.of("age").below(number, 18_000)
    sequence = 200 + number % 350 * 2 + is_man
    persons = {
        "id_no": resident_ids(np.full_like(number, _AWAY), compact_dates(birth), sequence),
        "name": names(draw.of("name"), number),
        "sex": pick(["2", "1"], is_man.astype(np.int64)),
        "death_date": dates(last - 1 - draw.of("died").below(number, 700)),
    }
    return _deaths(county, _NUMBERED_FROM + number, pl.DataFrame(persons))


def is_known_dead(county: County, person: Mapping[str, str | None]) -> bool:
    """Whether the register of deaths holds a person who is registered as dead."""
    number = pl.Series([str(person["person_no"])])
    return person["id_no"] is not None and bool(_known(county, number)[0])


def _known(county: County, person_no: pl.Series) -> Mask:
    number = person_no.str.slice(7).cast(pl.Int64).to_numpy()
    return county.random.of("death").of("known").chance(number, _BURIED)


def _deaths(county: County, number: Ints, dead: pl.DataFrame) -> pl.DataFrame:
    draw = county.random.of("death")
    died = dead["death_date"].str.to_date().cast(pl.Int32).cast(pl.Int64).to_numpy()
    buried = np.minimum(died + 1 + draw.of("days").below(number, 6), day_number(county.day))
    seen = np.minimum(buried * 86_400 + 30_000, second_number(county.day_end) - 3_600)
    return pl.DataFrame(
        {
            "death_no": f"D{county.code}" + padded(number, 12),
            **dead.to_dict(),
            "funeral_mode": pick(["1", "2", "9"], draw.of("mode").weighted(number, (7, 2, 1))),
            "funeral_date": dates(buried),
            "update_time": times(seen),
        }
    )
