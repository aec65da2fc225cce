"""What the lake says of a report's periods: which were sealed, from which state, which are owed.

A period is owed when it was due after the report's first package and was never sealed: before
that, nobody had promised it. Nothing is sealed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from dagster_project.clock import local_day
from dagster_project.contracts.model import Table
from dagster_project.contracts.report_period import Period, period_called, periods_between
from dagster_project.errors import PackageError
from dagster_project.reporting.answers import newest_answers

_LEDGER = """
SELECT
  period,
  MIN(sealed_at),
  ARG_MAX(package_id, revision),
  COALESCE(ARG_MAX(kind, revision), 'report'),
  ARG_MAX(COALESCE(recipe_hash, ''), revision),
  ARG_MAX(COALESCE(outcome, ''), revision),
  ARG_MAX(snapshot, revision) FILTER (content_hash <> ''),
  ARG_MAX(cut_off_at, revision) FILTER (content_hash <> ''),
  NULLIF(ARG_MAX(COALESCE(day, DATE '0001-01-01'), revision) FILTER (content_hash <> ''),
    DATE '0001-01-01')
FROM lake.ops.package
LEFT JOIN ({answers}) USING (package_id)
WHERE report = ?
GROUP BY period
ORDER BY period
"""


@dataclass(frozen=True)
class Known:
    """What was sealed of one period, and the state that its newest figures were made of.

    ``day`` is None in packages of an older programme.
    """

    first_at: datetime
    package_id: str
    kind: str
    recipe_hash: str
    outcome: str
    snapshot: int
    cut_off_at: datetime
    day: date | None


def sealed_periods(con: duckdb.DuckDBPyConnection, contract: Table) -> dict[Period, Known]:
    """Every period of which a package was sealed, in order."""
    found = {}
    query = _LEDGER.format(answers=newest_answers(con))
    for row in con.execute(query, [contract.name]).fetchall():
        period = period_called(contract.period, row[0])
        if period is not None:  # the contract may have had periods of another length
            found[period] = Known(*row[1:9])
    return dict(sorted(found.items()))


def owed(
    contract: Table, sealed: Mapping[Period, Known], recipe_hash: str, now: datetime
) -> list[Period]:
    """Past periods that have to be sealed without anybody asking for it, in order.

    Those that were never sealed, and those whose package the parent rejected when SQL or contracts
    are others now.

    Args:
        contract: The report's contract.
        sealed: What was sealed.
        recipe_hash: What the figures would be made by now.
        now: The present instant.
    """
    if not sealed:
        return []
    today = local_day(now)
    since = min(one.first_at for one in sealed.values())
    missed = [
        one
        for one in periods_between(contract.period, local_day(since), today)
        if one.last < today and one.due_at(contract) >= since and one not in sealed
    ]
    rejected = [
        period
        for period, one in sealed.items()
        if period.last < today
        and (one.kind, one.outcome) == ("report", "rejected")
        and one.recipe_hash not in {"", recipe_hash}
    ]
    return sorted({*missed, *rejected})


def snapshot_at(con: duckdb.DuckDBPyConnection, instant: datetime, what: str) -> int:
    """The lake's snapshot that was current at an instant.

    Args:
        con: A reader, or the writer outside of a transaction.
        instant: With a zone.
        what: What it is needed for, to begin a sentence with.

    Raises:
        PackageError: The lake did not exist yet, or its state of then was given up.
    """
    row = con.execute(
        "SELECT max(snapshot_id) FILTER (snapshot_time <= ?), min(snapshot_id) FILTER"
        " (snapshot_time > ?) FROM lake.snapshots()",
        [instant, instant],
    ).fetchone()
    current, after = row or (None, None)
    if current is None:
        raise PackageError(
            f"{what} ended before the lake's first snapshot",
            todo="Nothing is known of that time; report from a later period on",
        )
    if after is not None and after != current + 1:
        raise PackageError(
            f"the lake's state at the end of {what} was given up",
            todo="Its snapshots are gone; report what was sealed, or a later period",
        )
    return int(current)
