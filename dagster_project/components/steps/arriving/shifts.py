"""Has a feed changed its shape? A merged delivery against the feed's own last deliveries.

Three things are compared: the number of rows with the median of the last deliveries, the share of
empty cells of each column, and the shares of the codes of each coded column. What is unusual is
flagged (``ops.check_result``, warn) and told to the department; nothing is ever rejected for it.

Shares are compared by total variation distance: half the sum of the absolute differences, which is
the share of cells that would have to change. Two samples of the same whole differ by chance, too:
by at most ``noise``, with a chance of one in a million beyond it. A share is unusual when it is
farther away than what the contract allows and that noise together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import fmean, median

import duckdb

from dagster_project import clock
from dagster_project.components.steps.checks import NULL_RATE, SHARES, VOLUME
from dagster_project.contracts.model import Column, Contracts, Feed

USUAL = 5
"""What is usual is the median of the rows of the last five deliveries."""
PAST = 8
"""Shares are compared with those of so many deliveries at most."""
USUAL_FROM = 3
"""Two deliveries say nothing yet."""
ONE_IN = 1_000_000
"""So seldom chance alone goes beyond the noise."""
NAMED = 3
"""So many columns stand in the remark; the others in the checks."""


@dataclass(frozen=True)
class Profile:
    """One delivery: its rows, filled cells by column, and cells by column and code."""

    rows: int
    filled: Mapping[str, int]
    codes: Mapping[str, Mapping[str, int]]

    def empty(self, column: str) -> float:
        """The share of empty cells of a column."""
        return 1 - self.filled[column] / self.rows

    def shares(self, column: str) -> dict[str, float]:
        """The share of each code among the column's coded cells."""
        found = self.codes.get(column, {})
        total = sum(found.values())
        return {code: cells / total for code, cells in found.items()}


@dataclass(frozen=True)
class Shift:
    """One comparison: how far a delivery is from what is usual, and how far it may be.

    ``amount`` are the rows or cells that make the difference; ``told`` is the sentence.
    """

    rule_id: str
    column: str
    checked: int
    away: float
    allowed: float
    amount: int
    told: str

    @property
    def is_usual(self) -> bool:
        """Whether it is within what is allowed; exactly at the limit it is."""
        return self.away <= self.allowed


def noise(shares: Mapping[str, float], here: int, before: int) -> float:
    """How far two samples of one whole differ by chance alone, as a total variation distance.

    The expected distance is at most half the sum of the standard deviations of the shares, and by
    McDiarmid's inequality the distance of two samples exceeds its expectation by ``t`` with a
    chance of at most ``exp(-2 n t²)``, where ``1/n`` is the sum of both sizes' reciprocals.

    Args:
        shares: The share of each value in the whole.
        here: Cells of one sample.
        before: Cells of the other.
    """
    spread = 1 / here + 1 / before
    expected = sum(sqrt(max(p * (1 - p), 0) * spread) for p in shares.values()) / 2
    return expected + sqrt(log(ONE_IN) * spread / 2)


def compare(
    feed: Feed, now: Profile, past: Sequence[Profile], contracts: Contracts
) -> Iterator[Shift]:
    """Every comparison that the past allows.

    Args:
        feed: The contract; it says how much may differ.
        now: The merged delivery.
        past: Earlier deliveries, the newest first.
        contracts: Titles of codes are looked up in them.
    """
    if len(past) >= USUAL_FROM:
        yield _volume(feed, now.rows, [one.rows for one in past[:USUAL]])
    if not now.rows:
        return
    for column in feed.columns:
        same = [one for one in past if one.rows and column.name in one.filled]
        if len(same) >= USUAL_FROM and column.name in now.filled:
            yield _nulls(feed, column, now, same)
        coded = [one for one in same if sum(one.codes.get(column.name, {}).values())]
        if len(coded) >= USUAL_FROM and now.codes.get(column.name):
            yield _shares(feed, column, now, coded, contracts)


def _volume(feed: Feed, rows: int, before: Sequence[int]) -> Shift:
    usual = median(before)
    return Shift(
        VOLUME,
        "",
        rows,
        abs(rows - usual),
        feed.volume * usual,
        round(abs(rows - usual)),
        f"{rows:,} rows are {'more' if rows > usual else 'fewer'} than usual: the median of the"
        f" last {len(before)} deliveries is {usual:,.0f} and the contract expects at most"
        f" {feed.volume:.0%} more or fewer",
    )


def _nulls(feed: Feed, column: Column, now: Profile, past: Sequence[Profile]) -> Shift:
    here, usual = now.empty(column.name), median(one.empty(column.name) for one in past)
    pooled = (here + usual) / 2
    chance = noise({"empty": pooled, "filled": 1 - pooled}, now.rows, sum(p.rows for p in past))
    return Shift(
        f"{column.name}.{NULL_RATE}",
        column.name,
        now.rows,
        abs(here - usual),
        feed.shifts.nulls + chance,
        round(abs(here - usual) * now.rows),
        f"{here:.1%} of {column.title} ({column.name}) are empty, usually {usual:.1%}",
    )


def _shares(
    feed: Feed, column: Column, now: Profile, past: Sequence[Profile], contracts: Contracts
) -> Shift:
    here = now.shares(column.name)
    each = [one.shares(column.name) for one in past]
    codes = sorted({*here, *(code for one in each for code in one)})
    usual = {code: fmean(one.get(code, 0.0) for one in each) for code in codes}
    away = {code: here.get(code, 0.0) - usual[code] for code in codes}
    distance = sum(abs(one) for one in away.values()) / 2
    cells = sum(now.codes[column.name].values())
    pooled = {code: (here.get(code, 0.0) + usual[code]) / 2 for code in codes}
    before = sum(sum(one.codes[column.name].values()) for one in past)
    most = max(codes, key=lambda code: (abs(away[code]), code))
    return Shift(
        f"{column.name}.{SHARES}",
        column.name,
        cells,
        distance,
        feed.shifts.shares + noise(pooled, cells, before),
        round(distance * cells),
        f"{distance:.1%} of {column.title} ({column.name}) are of other codes than usual, most of"
        f" all {_titled(column, most, contracts)}: {here.get(most, 0.0):.1%}, usually"
        f" {usual[most]:.1%}",
    )


def _titled(column: Column, code: str, contracts: Contracts) -> str:
    listed = contracts.codes.get(column.codes)
    titles = {entry.code: entry.title for entry in listed.entries} if listed else {}
    if column.type == "boolean":
        return titles.get("1" if code == "true" else "0", code)
    return " ".join(dict.fromkeys((code, titles.get(code, code))))


def judge_shifts(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    run_id: str,
    batch: tuple[str, str],
    contracts: Contracts,
) -> str:
    """Compare a merged delivery with the feed's last ones and note each answer as a check.

    Args:
        con: The merge's transaction, after the batch and its profile were written.
        feed: The contract.
        run_id: The run.
        batch: The batch's id, and how the delivery is called.
        contracts: Titles of codes are looked up in them.

    Returns:
        A remark where something is unusual.
    """
    batch_id, path = batch
    now, *past = _profiles(con, feed.name, batch_id)
    found = list(compare(feed, now, past, contracts))
    if found:
        _note(con, feed, run_id, batch_id, found)
    unusual = sorted(
        (one for one in found if not one.is_usual),
        key=lambda one: (one.rule_id != VOLUME, one.allowed - one.away, one.rule_id),
    )
    if not unusual:
        return ""
    told = "; ".join(one.told for one in unusual[:NAMED])
    rest = len(unusual) - NAMED
    more = f"; and {rest} more, see the checks of {feed.name}" if rest > 0 else ""
    return f"{path}: {told}{more}. It was merged; ask the department if that is right."


def _profiles(con: duckdb.DuckDBPyConnection, feed: str, batch_id: str) -> list[Profile]:
    """The batch's own profile, then those of the last deliveries, the newest first."""
    batches = con.execute(
        "SELECT batch_id, read - dropped FROM lake.ops.batch"
        " WHERE feed = ? AND source_batch_id IS NULL"
        " ORDER BY batch_id = ? DESC, delivered_at DESC, batch_id DESC LIMIT ?",
        [feed, batch_id, 1 + PAST],
    ).fetchall()
    among = ", ".join("?" * len(batches))
    cells = con.execute(
        "SELECT batch_id, column_name, value, cells FROM lake.ops.batch_profile"
        f" WHERE feed = ? AND batch_id IN ({among})",
        [feed, *(one for one, _ in batches)],
    ).fetchall()
    filled: dict[str, dict[str, int]] = {one: {} for one, _ in batches}
    codes: dict[str, dict[str, dict[str, int]]] = {one: {} for one, _ in batches}
    for one, column, value, count in cells:
        if value:
            codes[one].setdefault(column, {})[value] = count
        else:
            filled[one][column] = count
    return [Profile(int(rows), filled[one], codes[one]) for one, rows in batches]


def _note(
    con: duckdb.DuckDBPyConnection,
    feed: Feed,
    run_id: str,
    batch_id: str,
    found: Sequence[Shift],
) -> None:
    at = clock.now()
    con.execute(
        "INSERT INTO lake.ops.check_result (run_id, batch_id, table_name, suite, rule_id,"
        " column_name, severity, success, checked, failed, sampled, checked_at, dimension)"
        " SELECT ?, ?, ?, 'countylake', unnest(?), unnest(?), 'warn', unnest(?), unnest(?),"
        " unnest(?), false, ?::TIMESTAMPTZ, ''",
        [
            run_id,
            batch_id,
            f"silver.{feed.name}",
            [one.rule_id for one in found],
            [one.column for one in found],
            [one.is_usual for one in found],
            [one.checked for one in found],
            [0 if one.is_usual else one.amount for one in found],
            at,
        ],
    )
