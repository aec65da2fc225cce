"""What table rules must find, counted by the simulator itself from the rows that it meant.

A planted contradiction is one row; the rules that look at records together name every record of
it. Which records red flags name is told by ``suspicions``; what is planted row by row is counted in
the manifest; here are the rules whose findings are neither.
"""

from __future__ import annotations

from collections import Counter

import polars as pl

HEAD = "02"


class Findings:
    """Counts the records of the truth that break a rule, chunk by chunk."""

    def __init__(self) -> None:
        self._heads: list[pl.DataFrame] = []
        self._addresses: list[pl.DataFrame] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def observe(self, feed: str, truth: pl.DataFrame) -> None:
        """Take in a chunk of a feed's true rows."""
        if feed == "population":
            here = truth.filter((pl.col("status") == "1") & pl.col("household_no").is_not_null())
            heads = (pl.col("kinship") == HEAD).sum().alias("heads")
            self._heads.append(here.group_by("household_no").agg(heads, n=pl.len()))
        elif feed == "std_address":
            used = truth.filter(pl.col("status") == "1").select(pl.col("full_addr").hash())
            self._addresses.append(used)
        elif feed == "house":
            lived_in = pl.col("residents_count") != "0"
            dangerous = truth.filter((pl.col("safety_grade") == "D") & lived_in)
            self._add(feed, "dangerous_is_vacated", dangerous.height)
        elif feed == "collective_org":
            mixed = (pl.col("status") == "1") & (pl.col("books_separated") == "0")
            self._add(feed, "books_not_separated", truth.filter(mixed).height)

    def _add(self, feed: str, rule: str, count: int) -> None:
        self._counts[feed, rule] += count

    def of(self, feed: str) -> dict[str, int]:
        """How many records of a feed break each of the rules that are counted here."""
        if feed == "population" and self._heads:
            homes = pl.concat(self._heads).group_by("household_no").sum()
            odd = homes.filter(pl.col("heads") != 1)
            self._counts[feed, "one_head_per_household"] = int(odd["n"].sum())
        if feed == "std_address" and self._addresses:
            every = pl.concat(self._addresses).to_series()
            self._counts[feed, "one_code_per_address"] = int(every.is_duplicated().sum())
        return {rule: count for (of, rule), count in self._counts.items() if of == feed and count}
