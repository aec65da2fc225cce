"""Figures of the truth, counted by the simulator itself, for comparing with the SQL models.

They are counts by town (first nine digits of the village code and ``000``) of the rows that must
be accepted; rates are given by their counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from dagster_project.simulate.county import County

_TOWN = (pl.col("village_code").str.slice(0, 9) + "000").alias("town_code")
_SUMS: Mapping[str, tuple[str, ...]] = {
    "population_by_town_sex_age": ("town_code", "sex", "age_band"),
    "house_by_town_usage": ("town_code", "usage"),
    "component_by_class_town": ("component_class", "town_code"),
    "hotline_by_month_town": ("month", "town_code"),
    "three_assets_by_town": ("town_code",),
}
_OPEN = "999000"


class Figures:
    """Adds up chunks of truth."""

    def __init__(self, county: County) -> None:
        self._county = county
        self._parts: dict[str, list[pl.DataFrame]] = {name: [] for name in _SUMS}
        self._towns = pl.DataFrame(schema={"org_code": pl.String, "town_code": pl.String})

    def observe(self, feed: str, truth: pl.DataFrame) -> None:
        """Take in a chunk of a feed's true rows; organisations come before what is theirs."""
        handlers = {
            "population": self._population,
            "house": self._house,
            "component": self._component,
            "hotline_order": self._hotline,
            "collective_org": self._org,
            "payment": self._payment,
            "asset": self._asset,
            "resource": self._resource,
        }
        if feed in handlers and truth.height:
            handlers[feed](truth)

    def as_json(self) -> dict[str, list[dict[str, Any]]]:
        """The figures by the name of the gold table they belong to."""
        return {name: self._summed(name) for name in _SUMS}

    def _summed(self, name: str) -> list[dict[str, Any]]:
        parts = self._parts[name]
        if not parts:
            return []
        keys = list(_SUMS[name])
        whole = pl.concat(parts, how="diagonal_relaxed")
        sums = [pl.col(c).sum() for c in whole.columns if c not in keys]
        rows = whole.group_by(keys).agg(sums).sort(keys).to_dicts()
        return [{k: v if isinstance(v, (int, str)) else str(v) for k, v in r.items()} for r in rows]

    def _add(self, name: str, frame: pl.DataFrame, **counts: pl.Expr) -> None:
        made = frame.group_by(_SUMS[name]).agg(
            **{key: expression.cast(pl.Int64) for key, expression in counts.items()}
        )
        self._parts[name].append(made)

    def _population(self, truth: pl.DataFrame) -> None:
        day = self._county.day

        def years_before(years: int) -> str:
            return _same_day(day, years).isoformat()

        birth = pl.col("birth_date")
        band = (
            pl.when(birth > years_before(15))
            .then(pl.lit("0-14"))
            .when(birth > years_before(60))
            .then(pl.lit("15-59"))
            .when(birth > years_before(65))
            .then(pl.lit("60-64"))
            .otherwise(pl.lit("65+"))
        )
        self._add(
            "population_by_town_sex_age",
            truth.filter(pl.col("status") == "1").with_columns(_TOWN, band.alias("age_band")),
            resident_cnt=(pl.col("is_resident") == "1").sum(),
            hukou_cnt=(pl.col("pop_type") == "01").sum(),
            floating_cnt=(pl.col("pop_type") == "02").sum(),
        )

    def _house(self, truth: pl.DataFrame) -> None:
        self._add(
            "house_by_town_usage",
            truth.with_columns(_TOWN),
            house_cnt=pl.len(),
            rented_cnt=(pl.col("rent_status") == "1").sum(),
            vacant_cnt=(pl.col("rent_status") == "2").sum(),
        )

    def _component(self, truth: pl.DataFrame) -> None:
        self._add(
            "component_by_class_town",
            truth.with_columns(_TOWN, pl.col("class2").alias("component_class")),
            component_cnt=pl.len(),
            in_use_cnt=(~pl.col("state").is_in(["4", "5"])).sum(),
            good_cnt=(pl.col("state") == "1").sum(),
        )

    def _hotline(self, truth: pl.DataFrame) -> None:
        town = pl.coalesce(_TOWN, pl.lit(self._county.code + _OPEN)).alias("town_code")
        month = pl.col("accept_time").str.slice(0, 7).str.replace("-", "").alias("month")
        counts = (pl.col("excluded") != "1").fill_null(value=True)
        due = counts & (pl.col("handle_mode") == "2")
        visited = counts & (pl.col("visit_valid") == "1").fill_null(value=False)
        content = pl.col("satisfaction").is_in(["3", "4", "5"])
        self._add(
            "hotline_by_month_town",
            truth.filter(pl.col("status") != "90").with_columns(town, month),
            order_cnt=pl.len(),
            direct_cnt=(pl.col("handle_mode") == "1").sum(),
            excluded_cnt=(~counts).sum(),
            due_response_cnt=due.sum(),
            responded_cnt=(due & (pl.col("is_responded") == "1")).sum(),
            visited_cnt=visited.sum(),
            solved_cnt=(visited & (pl.col("is_solved") == "1")).sum(),
            satisfied_cnt=(visited & content).sum(),
        )

    def _org(self, truth: pl.DataFrame) -> None:
        self._towns = truth.select("org_code", "town_code")
        in_force = pl.col("status") == "1"
        self._add(
            "three_assets_by_town",
            truth,
            org_cnt=in_force.sum(),
            online_cnt=(in_force & (pl.col("books_separated") == "1")).sum(),
        )

    def _payment(self, truth: pl.DataFrame) -> None:
        cash = pl.col("pay_method") == "4"
        cents = pl.col("amount").cast(pl.Decimal(18, 2)) * 100
        self._add(
            "three_assets_by_town",
            truth.filter(pl.col("status") == "50").join(self._towns, on="org_code"),
            payment_cnt=pl.len(),
            payment_cents=cents.sum(),
            cash_payment_cnt=cash.sum(),
            cash_cents=cents.filter(cash).sum(),
        )

    def _asset(self, truth: pl.DataFrame) -> None:
        self._add(
            "three_assets_by_town", truth.join(self._towns, on="org_code"), asset_cnt=pl.len()
        )

    def _resource(self, truth: pl.DataFrame) -> None:
        self._add(
            "three_assets_by_town", truth.join(self._towns, on="org_code"), parcel_cnt=pl.len()
        )


def _same_day(day: date, years: int) -> date:
    """The same day so many years earlier; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
