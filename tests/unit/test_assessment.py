"""What a receiving site decides about its assessment, and which periods it expects of reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts.assessment import RATES, TIERS, Assessment, assessment_of
from dagster_project.contracts.model import Problem, Table
from dagster_project.contracts.policy_file import read_policy
from dagster_project.contracts.report_words import PeriodKind
from dagster_project.lake.ops.receiving import RECEIVING
from dagster_project.transform.models.register_receiving import (
    Child,
    owed,
    register_assessment,
    register_children,
    register_owed,
)

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
DAY = date(2026, 11, 22)
GRACE = timedelta(hours=12)
DAILY = Table(
    name="status", layer="report", title="情况", version="1.0.0", key=("a",), period="daily"
)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that is named as a lake is, with the tables of a receiving site."""
    with duckdb.connect() as con:
        con.execute("ATTACH ':memory:' AS lake; CREATE SCHEMA lake.ops; SET TimeZone = 'UTC'")
        for name, table in RECEIVING.items():
            body = ", ".join(f"{column} {kind}" for column, kind, _ in table.columns)
            con.execute(f"CREATE TABLE lake.ops.{name} ({body})")
        yield con


def test_what_is_left_out_is_as_usual() -> None:
    """An empty section is the usual one; a weight may be given alone."""
    assert assessment_of({}) == Assessment()
    assert set(Assessment().weights) == set(RATES)
    found = assessment_of({"weights": {"valid": 50}, "sample": 9})
    assert (found.weights["valid"], found.weights["mounted"], found.sample) == (50, 20, 9)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"weights": dict.fromkeys(RATES, 0)}, "every weight is 0"),
        (
            {"tiers": {name: {"from": 60, "coefficient": 1} for name in TIERS}},
            "must begin at falling scores",
        ),
        (
            {
                "tiers": {
                    name: {"from": 90 - 10 * place, "coefficient": 1}
                    for place, name in enumerate(TIERS)
                }
            },
            "red at 0",
        ),
    ],
)
def test_a_policy_that_cannot_hold_is_refused(said: dict[str, object], sentence: str) -> None:
    """Weights of nothing, and tiers that do not fall to 0, are told of."""
    with pytest.raises(ValueError, match=sentence):
        assessment_of(said)


def test_a_wrong_file_is_named_with_its_line(tmp_path: Path) -> None:
    """The line of the section is told, and what holds without it holds."""
    wrong = "gate: {share: 0.2}\nassessment:\n  weights: {WEIGHTS}\n".replace(
        "{WEIGHTS}", "{" + ", ".join(f"{name}: 0" for name in RATES) + "}"
    )
    (tmp_path / "quality.yaml").write_text(wrong, encoding="utf-8")
    problems: list[Problem] = []
    assert read_policy(tmp_path, problems).assessment == Assessment()
    assert [(one.line, one.sentence) for one in problems] == [
        (2, "every weight is 0; give one a number")
    ]


def test_every_score_has_exactly_one_tier(con: duckdb.DuckDBPyConnection) -> None:
    """From 0.00 to 100.00 each hundredth belongs to one colour; a border to the better one."""
    register_assessment(con, Assessment())
    found = con.execute(
        "SELECT score, COUNT(*), MIN(tier) FROM (SELECT CAST(i * 0.01 AS DECIMAL(5, 2)) AS score"
        " FROM range(10001) AS t(i)) LEFT JOIN lake.ops.tier ON score >= from_score"
        " AND score < below_score GROUP BY score"
    ).fetchall()
    assert {count for _, count, _ in found} == {1}
    tier = {score: name for score, _, name in found}
    borders = [Decimal(text) for text in ("100", "90", "89.99", "80", "70", "60", "59.99", "0")]
    assert [tier[score] for score in borders] == [
        *("green", "green", "blue", "blue", "yellow", "orange", "red", "red"),
    ]


def test_nothing_is_written_that_is_there_already(con: duckdb.DuckDBPyConnection) -> None:
    """The tables follow the policy, and are left alone while it is the same."""
    register_assessment(con, Assessment())
    con.execute("CREATE TABLE lake.ops.kept AS SELECT rowid AS id FROM lake.ops.tier")
    register_assessment(con, Assessment())
    assert con.execute(
        "SELECT COUNT(*) FROM lake.ops.kept JOIN lake.ops.tier AS t ON t.rowid = id"
    ).fetchone() == (5,)
    register_assessment(con, replace(Assessment(), sample=7))
    assert con.execute(
        "SELECT DISTINCT sample FROM lake.ops.assessment_indicator WHERE is_rate"
    ).fetchall() == [(7,)]


@pytest.mark.parametrize(
    ("every", "first", "last", "count"),
    [
        ("daily", "20261023", "20261122", 31),
        ("monthly", "202512", "202611", 12),
        ("quarterly", "2026Q1", "2026Q4", 4),
        ("yearly", "2025", "2026", 2),
    ],
)
def test_the_periods_in_sight(every: PeriodKind, first: str, last: str, count: int) -> None:
    """A month of days, a year of months and quarters, two years; the present one included."""
    found = owed(replace(DAILY, period=every), GRACE, DAY)
    assert [one.period for one in (found[0], found[-1])] == [first, last]
    assert len(found) == len({one.period for one in found}) == count
    assert all(one.first_day <= DAY <= one.shown_until for one in found)
    assert all(a.last_day + timedelta(1) == b.first_day for a, b in pairwise(found))


def test_a_report_is_due_at_its_time_and_the_grace(con: duckdb.DuckDBPyConnection) -> None:
    """Half past eight in the evening of the last day, and twelve hours for the way up."""
    register_owed(con, [DAILY], GRACE, DAY, NOW)
    assert con.execute(
        "SELECT due_at FROM lake.ops.owed_period WHERE period = '20261121'"
    ).fetchall() == [(datetime(2026, 11, 22, 0, 30, tzinfo=UTC),)]


def test_what_is_past_stays_and_what_lies_ahead_follows(con: duckdb.DuckDBPyConnection) -> None:
    """Another due time holds from now on; a report that is owed no longer is not expected."""
    monthly = replace(DAILY, name="month", period="monthly")
    register_owed(con, [DAILY, monthly], GRACE, DAY, NOW)
    register_owed(con, [replace(DAILY, due_time="10:00")], GRACE, DAY, NOW)
    due = "SELECT due_at FROM lake.ops.owed_period WHERE report = 'status' AND period = ?"
    assert con.execute(due, ["20261121"]).fetchall() == [(NOW.replace(hour=0, minute=30),)]
    assert con.execute(due, ["20261122"]).fetchall() == [(NOW.replace(hour=14),)]
    left = con.execute("SELECT MAX(period) FROM lake.ops.owed_period WHERE report = 'month'")
    assert left.fetchall() == [("202610",)]
    register_owed(con, [DAILY], GRACE, DAY + timedelta(1), NOW + timedelta(1))
    counted = con.execute("SELECT COUNT(*) FROM lake.ops.owed_period WHERE report = 'status'")
    assert counted.fetchall() == [(32,)]


def test_children_come_and_go(con: duckdb.DuckDBPyConnection) -> None:
    """Who leaves the register is kept as removed; who comes back is registered since then."""
    first, second = Child("140321", "平定县"), Child("140322", "盂县", "", NOW - timedelta(3))
    register_children(con, [first, second], NOW)
    later = NOW + timedelta(2)
    register_children(con, [replace(second, name="盂", since=None)], later)
    query = "SELECT site_code, site_name, registered_day, removed_at FROM lake.ops.child ORDER BY 1"
    assert con.execute(query).fetchall() == [
        ("140321", "平定县", date(2026, 11, 22), later),
        ("140322", "盂", date(2026, 11, 19), None),
    ]
    register_children(con, [replace(first, since=later), second], later)
    assert con.execute(query).fetchall()[0] == ("140321", "平定县", date(2026, 11, 24), None)
