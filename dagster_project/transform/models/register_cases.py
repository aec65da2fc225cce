"""Calendar and policy -> ``ops.workday`` and ``ops.case_deadline``, as SQL models read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import duckdb

from dagster_project.contracts.model import Contracts

SINCE = date(2020, 1, 1)
"""The first day of ``ops.workday``; no lake is older."""
AHEAD = 2
"""Years behind the present one that the calendar still holds."""


def register_case_terms(con: duckdb.DuckDBPyConnection, contracts: Contracts, today: date) -> None:
    """Make both tables say what the contracts say; write nothing when they already do.

    The caller holds the writer's lock and an open transaction.
    """
    terms = sorted(contracts.policy.deadlines.items())
    _become(con, "ops.case_deadline", "kind", terms)
    calendar, days, number = contracts.calendar, [], 0
    day, last = SINCE, date(today.year + AHEAD, 12, 31)
    while day <= last:
        is_workday = calendar.is_workday(day)
        number += is_workday
        days.append((day, is_workday, number))
        day += timedelta(days=1)
    _become(con, "ops.workday", "day", days)


def _become(
    con: duckdb.DuckDBPyConnection, table: str, key: str, wanted: Sequence[tuple[object, ...]]
) -> None:
    if con.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall() == list(wanted):
        return
    con.execute(f"DELETE FROM {table}")
    line = f"({', '.join('?' * len(wanted[0]))})"
    cells = [cell for row in wanted for cell in row]
    con.execute(f"INSERT INTO {table} VALUES {', '.join([line] * len(wanted))}", cells)
