"""The instant up to which a run's models and reports look.

It is a function of the lake, so that every step of a run, and a retried step, decide the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import duckdb

from dagster_project.components.steps.occasion import Occasion
from dagster_project.contracts.report_period import period_at
from dagster_project.contracts.report_words import PeriodKind

_MOMENT = timedelta(microseconds=1)


def period_of(day_period: PeriodKind | Literal[""], occasion: Occasion) -> str:
    """The name of the reporting period that holds the run's day."""
    return period_at(day_period, occasion.day).name


def cut_off(con: duckdb.DuckDBPyConnection, occasion: Occasion, now: datetime) -> datetime:
    """Decide the run's cut-off.

    The caller's own comes first. A cut-off that was sealed for the run's day stays as long as no
    delivery came and no held one was decided after it, so that a second run changes nothing. Else
    it is the end of this run's last feed, the executions of which the reports then cover; without
    any, the present instant.
    """
    if occasion.cut_off_at is not None:
        return occasion.cut_off_at
    sealed = _one(
        con,
        "SELECT max(cut_off_at) FROM lake.ops.package WHERE period = ?",
        period_of("daily", occasion),
    )
    news = _one(
        con,
        "SELECT max(came_at) FROM (SELECT received_at AS came_at FROM lake.ops.delivery"
        " UNION ALL SELECT decided_at FROM lake.ops.hold) WHERE ?::VARCHAR <> ''",
        "x",
    )
    if sealed is not None and (news is None or news < sealed):
        return sealed
    ended = _one(
        con,
        "SELECT max(finished_at) FROM lake.ops.task_run WHERE kind = 'feed' AND run_id = ?",
        occasion.run_id,
    )
    return ended + _MOMENT if ended is not None else now


def _one(con: duckdb.DuckDBPyConnection, sql: str, argument: str) -> datetime | None:
    row = con.execute(sql, [argument]).fetchone()
    return row[0] if row else None
