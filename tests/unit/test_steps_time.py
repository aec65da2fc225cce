"""Periods, due times and cut-offs of the run's steps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from dagster_project.components.steps.cutoff import cut_off, period_of
from dagster_project.components.steps.occasion import Occasion, manual
from dagster_project.contracts.due import due_at
from dagster_project.contracts.model import Sla
from dagster_project.errors import UsageError
from dagster_project.lake import ops

DAY = Occasion("run-2", date(2026, 11, 22))
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "last"),
    [
        ("d", date(2026, 11, 22)),
        ("w", date(2026, 11, 22)),
        ("m", date(2026, 11, 30)),
        ("q", date(2026, 12, 31)),
        ("y", date(2026, 12, 31)),
    ],
)
def test_a_feed_is_due_at_the_end_of_its_period(unit: str, last: date) -> None:
    """A delivery is due on the last day of its period, at its hour in the county."""
    due = due_at(Sla(unit=unit, due_time="20:30"), DAY.day)  # type: ignore[arg-type]
    assert due == datetime(last.year, last.month, last.day, 12, 30, tzinfo=UTC)


def test_a_week_ends_on_sunday() -> None:
    """A weekly feed is due on the Sunday of the week that holds the day."""
    assert due_at(Sla(unit="w"), date(2026, 11, 23)).date() == date(2026, 11, 29)


def test_periods_are_named_by_their_length() -> None:
    """Days, months and quarters have the names that packages carry."""
    names = [period_of(kind, DAY) for kind in ("daily", "monthly", "quarterly")]
    assert names == ["20261122", "202611", "2026Q4"]


@pytest.fixture
def lake() -> duckdb.DuckDBPyConnection:
    """The ops tables in a plain DuckDB, named as the lake is."""
    con = duckdb.connect()
    con.execute("ATTACH ':memory:' AS lake")
    con.execute("USE lake")
    ops.ensure(con)
    return con


def _ran(con: duckdb.DuckDBPyConnection, run_id: str, ended: datetime) -> None:
    con.execute(
        "INSERT INTO ops.task_run BY NAME SELECT ? AS run_id, 'feed' AS kind, ? AS finished_at",
        [run_id, ended],
    )


def _sealed(con: duckdb.DuckDBPyConnection, at: datetime) -> None:
    con.execute(
        "INSERT INTO ops.package BY NAME SELECT '20261122' AS period, ? AS cut_off_at", [at]
    )


def _delivered(con: duckdb.DuckDBPyConnection, at: datetime) -> None:
    con.execute("INSERT INTO ops.delivery BY NAME SELECT ? AS received_at", [at])


def test_the_cut_off_follows_the_runs_last_feed(lake: duckdb.DuckDBPyConnection) -> None:
    """Reports of a run cover the executions of its own feeds, and nothing after them."""
    _ran(lake, "run-2", NOON)
    _ran(lake, "run-3", NOON + timedelta(hours=1))
    decided = cut_off(lake, DAY, NOON + timedelta(hours=2))
    assert NOON < decided < NOON + timedelta(seconds=1)


def test_a_sealed_cut_off_stays_while_nothing_is_new(lake: duckdb.DuckDBPyConnection) -> None:
    """A second run without deliveries reports up to the same instant."""
    _delivered(lake, NOON - timedelta(minutes=1))
    _sealed(lake, NOON)
    _ran(lake, "run-2", NOON + timedelta(hours=1))
    assert cut_off(lake, DAY, NOON + timedelta(hours=2)) == NOON


def test_a_delivery_moves_the_cut_off(lake: duckdb.DuckDBPyConnection) -> None:
    """A delivery after the sealed cut-off makes the run look up to its own feeds' end."""
    _sealed(lake, NOON)
    _delivered(lake, NOON + timedelta(minutes=1))
    _ran(lake, "run-2", NOON + timedelta(hours=1))
    assert cut_off(lake, DAY, NOON + timedelta(hours=2)) > NOON + timedelta(minutes=59)


def test_the_callers_cut_off_comes_first(lake: duckdb.DuckDBPyConnection) -> None:
    """Whoever names a cut-off gets it."""
    _sealed(lake, NOON)
    named = Occasion("run-2", DAY.day, NOON - timedelta(days=1))
    assert cut_off(lake, named, NOON) == NOON - timedelta(days=1)


def test_a_day_that_is_none_is_refused() -> None:
    """A day that cannot be read is a usage error with a sentence."""
    with pytest.raises(UsageError, match="2026-11-22"):
        manual("yesterday")
