"""What makes a delivery doubtful by its numbers and its name: rows, period, vanished keys.

Each holds it for a person's decision. What is only told because it is unusual stands in ``shifts``;
a changed structure is ``drift``'s matter, single rows are conform's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from dagster_project.components.steps.arriving.deliveries import Arrival
from dagster_project.components.steps.arriving.holds import Held
from dagster_project.contracts.model import Feed
from dagster_project.contracts.periods import PATTERNS, periods_in
from dagster_project.ingest.readers import ReadResult
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform import BatchCounts, Plan
from dagster_project.transform.conform.column import count_values

FEWEST_VANISHED = 5
"""Fewer records may always vanish, unless nothing is left: one in ten rows is no alarm."""
OUTSIDE = 0.5
"""A delivery is of another period when more than this share of its dates is."""
DECIDE = "`countylake hold list` shows it; `hold release` merges it, `hold refuse` sends it back."


def judge_rows(arrival: Arrival, results: Sequence[ReadResult]) -> None:
    """Compare the rows that a manifest states with those that were read.

    Raises:
        Held: They differ.
    """
    findings: list[dict[str, Any]] = [
        {"path": part.path, "stated": part.stated_rows, "read": result.rows}
        for part, result in zip(arrival.candidate.files, results, strict=True)
        if part.stated_rows not in {-1, result.rows}
    ]
    if findings:
        told = "; ".join(
            f"{one['path']} holds {one['read']:,} rows in place of {one['stated']:,}"
            for one in findings
        )
        path = arrival.candidate.path
        raise Held("rows", findings, f"{path}: the manifest states other rows: {told}. {DECIDE}")


def judge_period(con: duckdb.DuckDBPyConnection, plan: Plan, arrival: Arrival, rows: Path) -> str:
    """Compare the period in the file's name with the dates of its rows.

    Returns:
        A remark where the name states none, or several.

    Raises:
        Held: More than half of the dates lie in other periods.
    """
    said = plan.feed.period
    if said is None or arrival.candidate.origin.is_extract:
        return ""  # an extract's name only says when it was made
    path = arrival.candidate.path
    names = (path, *(part.path for part in arrival.candidate.parts))
    stated = {one for name in names for one in periods_in(PurePosixPath(name).name, said.pattern)}
    if len(stated) != 1:
        found = f"states {len(stated)} periods" if stated else "states no period"
        return (
            f"{path}: the file's name {found}, so that its month could not be checked."
            f" Name it as the contract says ({said.pattern})."
        )
    (period,) = stated
    counted = _periods(con, plan, rows, arrival.received_at)
    outside = sum(count for one, count in counted.items() if one != period)
    if outside <= OUTSIDE * sum(counted.values()):
        return ""
    other = max((one for one in counted if one != period), key=lambda one: (counted[one], one))
    finding = {
        "column": said.column,
        "stated": period,
        "found": other,
        "inside": counted[period],
        "outside": outside,
    }
    title = plan.feed.column(said.column).title
    raise Held(
        "period",
        [finding],
        f"{path}: the name says {period}, but {outside:,} of {sum(counted.values()):,} rows lie"
        f" outside it by {title} ({said.column}), most of them in {other}. {DECIDE}",
    )


def _periods(
    con: duckdb.DuckDBPyConnection, plan: Plan, rows: Path, delivered_at: datetime
) -> Counter[str]:
    """How many rows lie in each period, in canonical form."""
    said = plan.feed.period
    assert said is not None  # noqa: S101 - asked by the caller
    dated = plan.feed.column(said.column).type in {"date", "timestamp"}
    # Quarters have no format of their own: months are counted and summed up.
    written = (PATTERNS[said.pattern].written or "%Y-%m") if dated else ""
    values = count_values(con, plan, said.column, rows, delivered_at=delivered_at, written=written)
    counted: Counter[str] = Counter()
    for value, count in values.items():
        counted[_period(value, said.pattern, dated=dated)] += count
    return counted


def _period(value: str, pattern: str, *, dated: bool) -> str:
    """The period of one value; a text that states none is in none."""
    if not dated:
        return next(iter(periods_in(value, pattern)), "no period")
    if PATTERNS[pattern].written:
        return value
    year, month = value.split("-")
    return f"{year}-Q{(int(month) + 2) // 3}"


def live(con: duckdb.DuckDBPyConnection, feed: Feed) -> int:
    """How many records of the feed are live."""
    row = con.execute(
        f"SELECT count(*) FROM lake.silver.{quoted(feed.name)} WHERE NOT _is_deleted"
    ).fetchone()
    return int(row[0]) if row else 0


def judge_vanished(feed: Feed, path: str, before: int, counts: BatchCounts) -> None:
    """Ask whether too many live records lack in a full snapshot; call it before the commit.

    A record whose row was rejected is there. Fewer than five may always vanish, unless
    none is left.

    Raises:
        Held: Too many; roll back.
    """
    gone = counts.deleted
    enough = gone >= FEWEST_VANISHED or gone == before
    if feed.delivery != "full" or not enough or gone <= feed.vanishing * before:
        return
    finding = {"vanished": gone, "live": before, "share": round(gone / before, 4)}
    raise Held(
        "vanished",
        [{**finding, "allowed": feed.vanishing, "rows": counts.read - counts.dropped}],
        f"{path}: {gone:,} of {before:,} live records ({gone / before:.1%}) are not in this full"
        f" snapshot, and the contract lets {feed.vanishing:.1%} vanish at once. {DECIDE}",
    )
