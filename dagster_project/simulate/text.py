"""Small bricks for building columns of text: dates, times, choices, padded numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dagster_project.simulate.rng import Floats, Ints

Mask = NDArray[np.bool_]
_EPOCH = date(1970, 1, 1)
_EPOCH_TIME = datetime(1970, 1, 1)  # noqa: DTZ001 - wall clock of the county, without zone


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def month_end(day: date) -> date:
    """The last day of a month that is over at the end of ``day``."""
    tomorrow = day + timedelta(days=1)
    return tomorrow.replace(day=1) - timedelta(days=1)


def second_number(moment: datetime) -> int:
    """Seconds since 1970-01-01 00:00 on the same wall clock."""
    return int((moment - _EPOCH_TIME).total_seconds())


def dates(days: Ints) -> pl.Series:
    """``YYYY-MM-DD`` from days since 1970-01-01."""
    return pl.Series(days.astype(np.int32)).cast(pl.Date).dt.strftime("%Y-%m-%d")


def compact_dates(days: Ints) -> Ints:
    """YYYYMMDD as a number, from days since 1970-01-01."""
    day = pl.Series(days.astype(np.int32)).cast(pl.Date)
    year, month = day.dt.year().cast(pl.Int64), day.dt.month().cast(pl.Int64)
    return (year * 10_000 + month * 100 + day.dt.day().cast(pl.Int64)).to_numpy()


def times(seconds: Ints) -> pl.Series:
    """``YYYY-MM-DD HH:MM:SS`` from seconds since 1970-01-01."""
    moment = pl.Series(seconds * 1000).cast(pl.Datetime("ms"))
    return moment.dt.strftime("%Y-%m-%d %H:%M:%S")


def pick(choices: Sequence[str | None], at: Ints) -> pl.Series:
    """The choice at each position."""
    return pl.Series(list(choices), dtype=pl.String).gather(at)


def padded(number: Ints, width: int) -> pl.Series:
    """Numbers with leading zeros."""
    return pl.Series(number).cast(pl.String).str.zfill(width)


def decimals(value: Floats | Ints, places: int) -> pl.Series:
    """Numbers with a fixed count of decimals; integers are taken as units of the last place."""
    if not np.issubdtype(value.dtype, np.integer):
        value = np.round(np.asarray(value) * 10**places).astype(np.int64)
    sign = pl.Series(np.where(value < 0, "-", "").tolist(), dtype=pl.String)
    size = np.abs(value)
    whole = pl.Series(size // 10**places).cast(pl.String)
    return sign + whole + "." + padded(np.asarray(size % 10**places), places)


def flags(mask: Mask) -> pl.Series:
    """1 or 0."""
    return pick(["0", "1"], mask.astype(np.int64))


def only(mask: Mask, text: pl.Series) -> pl.Series:
    """The text where the mask holds, nothing elsewhere."""
    return pl.select(pl.when(pl.Series(mask)).then(text).otherwise(None)).to_series()


def either(mask: Mask, then: pl.Series, other: pl.Series) -> pl.Series:
    """One text where the mask holds, the other elsewhere."""
    return pl.select(pl.when(pl.Series(mask)).then(then).otherwise(other)).to_series()


def same(text: str, count: int) -> pl.Series:
    """The same text in every row."""
    return pl.Series([text], dtype=pl.String).gather(np.zeros(count, dtype=np.int64))


def none(count: int) -> pl.Series:
    """Nothing in every row."""
    return pl.Series([None], dtype=pl.String).gather(np.zeros(count, dtype=np.int64))
