"""Members of the collectives, their shares and their officers: residents of the same village.

A county's registers hold every member; the simulated ones hold the first few households of each
village, at every scale, so that a sample stays small.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from dagster_project.simulate.collective import Collectives
from dagster_project.simulate.identifiers import bank_card
from dagster_project.simulate.rng import span
from dagster_project.simulate.text import day_number, padded, pick

_HOUSEHOLDS = 3
_SINCE = "2019-06-30"  # when the members were confirmed
_POSTS = ("01", "03", "06")
_IN, _OUT, _DEAD = "1", "2", "3"
_PLACES = 12
_KEPT = ("id_no", "name", "phone", "birth_date", "household_no", "village_code")
_STATE = ("status", "death_date", "out_date")


class Roster:
    """The first households of each village, noted while the population is made."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []
        self._seen: set[str] = set()

    def note(self, people: pl.DataFrame) -> None:
        """Take in a chunk of the population; a village that was begun is not taken up again."""
        registered = people.filter(
            (pl.col("pop_type") == "01")
            & pl.col("id_no").is_not_null()
            & ~pl.col("village_code").is_in(list(self._seen))
        )
        self._seen |= set(people["village_code"])
        nth = pl.col("household_no").rank("dense").over("village_code")
        self._parts.append(registered.filter(nth <= _HOUSEHOLDS).select(*_KEPT, *_STATE))

    def of(self, orgs: Collectives) -> pl.DataFrame:
        """Those who live in a village with a collective, by collective, with its ``org_code``."""
        villages = pl.DataFrame(
            {
                "village_code": [v.code for v in orgs.villages],
                "org_code": orgs.codes,
                "org": span(0, len(orgs.villages)),
            }
        )
        people = pl.concat(self._parts).join(villages, on="village_code")
        return people.sort("org", "household_no", "id_no")


def member_rows(orgs: Collectives, roster: Roster) -> pl.DataFrame:
    """The rows of ``member``; who left or died before members were confirmed never was one."""
    people = roster.of(orgs)
    left = pl.coalesce("death_date", "out_date")
    since = pl.max_horizontal("birth_date", pl.lit(_SINCE))
    return (
        people.with_columns(
            exit_date=left,
            identity_date=since,
            status=pl.col("status").replace_strict({"1": _IN, "2": _OUT, "3": _DEAD}, default=None),
        )
        .filter(pl.col("status").is_not_null())
        .filter((pl.col("status") == _IN) | (pl.col("exit_date") >= pl.col("identity_date")))
        .select("org_code", "id_no", "name", "household_no", "identity_date", "exit_date", "status")
    )


def equity_rows(orgs: Collectives, roster: Roster) -> pl.DataFrame:
    """The rows of ``equity``: one share a member, the last dividend at the end of last year."""
    members = member_rows(orgs, roster)
    row = span(0, members.height)
    draw = orgs.county.random.of("equity")
    shares = 10 + draw.of("shares").below(row, 20)
    year = orgs.county.day.year - 1
    paid = (pl.col("status") == _IN) & (pl.col("identity_date") <= f"{year}-12-01")
    amount = pl.col("shares") * 30
    whole = pl.col("shares").sum().over("org_code")
    share = pl.col("shares") * 10**_PLACES // whole
    # The first of each collective gets what rounding down left over.
    rest = 10**_PLACES - share.sum().over("org_code")
    first = pl.int_range(pl.len()).over("org_code") == 0
    made = members.with_columns(shares=pl.Series(shares)).with_columns(
        ratio=share + pl.when(first).then(rest).otherwise(0)
    )
    return made.select(
        "org_code",
        "id_no",
        pl.lit("1").alias("equity_type"),
        pl.col("shares").cast(pl.String).alias("shares"),
        _decimal(pl.col("ratio")).alias("ratio"),
        pl.Series(f"GQ{orgs.county.code}" + padded(row, 7)).alias("cert_no"),
        pl.when(paid).then(pl.lit(str(year))).alias("dividend_year"),
        pl.when(paid).then(amount.cast(pl.String) + ".00").alias("dividend_amount"),
        pl.when(paid).then(pl.lit(f"{year}-12-20")).alias("dividend_date"),
    )


def _decimal(units: pl.Expr) -> pl.Expr:
    """A share of one, from units of its last place."""
    whole, rest = units // 10**_PLACES, units % 10**_PLACES
    return pl.concat_str(
        whole.cast(pl.String), pl.lit("."), rest.cast(pl.String).str.zfill(_PLACES)
    )


def officer_rows(orgs: Collectives, roster: Roster) -> pl.DataFrame:
    """The rows of ``org_officer``: a grown member of each noted household has a post."""
    grown = f"{orgs.county.day.year - 20}-01-01"
    people = roster.of(orgs).filter((pl.col("status") == _IN) & (pl.col("birth_date") < grown))
    heads = people.unique(["org", "household_no"], keep="first", maintain_order=True)
    nth = heads.select(pl.int_range(pl.len()).over("org")).to_series().to_numpy()
    since = np.asarray(orgs.online_days[heads["org"].to_numpy()]) - 400
    draw = orgs.county.random.of("officer")
    started = pl.Series(np.minimum(since, day_number(orgs.county.day) - 30).astype(np.int32))
    return heads.select(
        "org_code",
        "id_no",
        "name",
        pick(_POSTS, nth % len(_POSTS)).alias("post"),
        "phone",
        pl.Series([bank_card(draw, n) for n in range(heads.height)], dtype=pl.String).alias(
            "account_no"
        ),
        started.cast(pl.Date).dt.strftime("%Y-%m-%d").alias("start_date"),
        pl.lit(None, pl.String).alias("end_date"),
    )
