"""Random histories of packages against a second opinion in Python: what came, what is missing.

The second opinion reads the ledger row by row, as a clerk would; the SQL reads it as sets.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from dagster_project.city import ledger
from dagster_project.contracts.reader import load
from dagster_project.lake.ops.receiving import RECEIVING
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.transform.models import Parameters, load_models

FIRST = date(2026, 11, 2)
REPORTS = ("one", "two")
SITES = ("140302", "140303", "140311", "140321", "140322")
GRAPH = load_models(sql_dir(), load(schemas_dir()), duty="receive")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the empty tables that the models read."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'; CREATE SCHEMA ops; CREATE SCHEMA city")
        for name, table in RECEIVING.items():
            body = ", ".join(f"{column} {kind}" for column, kind, _ in table.columns)
            con.execute(f"CREATE TABLE ops.{name} ({body})")
        body = ", ".join(
            f"{one.name} {'TIMESTAMPTZ' if one.type == 'timestamp' else one.duck_type}"
            for one in ledger.columns()
        )
        con.execute(f"CREATE TABLE ops.received ({body})")
        yield con


def moment(day: int, minute: int) -> datetime:
    """An instant some minutes into a day of the story."""
    return datetime(2026, 11, 2, tzinfo=UTC) + timedelta(days=day, minutes=minute)


def history(chance: random.Random) -> dict[str, list[Row]]:
    """Children, the periods they owe, and every decision on what they sent, in any order."""
    children = [
        {
            "site_code": code,
            "site_name": code,
            "via": "",
            "registered_at": (at := moment(chance.randrange(-3, 6), 60)),
            "registered_day": at.date(),
            "removed_at": moment(7, 0) if chance.random() < 0.1 else None,
        }
        for code in SITES
    ]
    days = [FIRST + timedelta(n) for n in range(9)]
    periods = [
        {
            "report": report,
            "title": report,
            "every": "daily",
            "period": f"{day:%Y%m%d}",
            "first_day": day,
            "last_day": day,
            "due_at": moment(number, 1470),
            "shown_until": day + timedelta(5),
        }
        for report in REPORTS
        for number, day in enumerate(days)
    ]
    minutes = iter(chance.sample(range(60, 13_000), 1_000))
    decisions = []
    for code in SITES[: chance.randrange(1, 6)]:
        for one in periods:
            for revision in range(1, chance.choice((1, 1, 2, 2, 2, 3, 4))):
                outcome = chance.choice(("accepted", "accepted", "accepted", "held", "rejected"))
                kind = (
                    chance.choice(("report", "report", "withdrawal")) if revision > 1 else "report"
                )
                decisions.append(
                    {
                        "site_code": code,
                        "package_id": f"{code}-{one['report']}-{one['period']}-r{revision}",
                        "outcome": outcome,
                        "kind": kind,
                        "report": one["report"],
                        "period": one["period"],
                        "revision": revision,
                        "received_at": moment(0, next(minutes)),
                    }
                )
    chance.shuffle(decisions)
    return {"child": children, "owed_period": periods, "received": decisions}


def second_opinion(told: dict[str, list[Row]], day: date, cut_off_at: datetime) -> list[Row]:
    """What stands of each period that is owed, and since when a missing one is missing."""
    found: list[Row] = []
    for child in (one for one in told["child"] if one["removed_at"] is None):
        for report in REPORTS:
            mine = [
                one
                for one in told["received"]
                if (one["site_code"], one["report"]) == (child["site_code"], report)
            ]
            shown = [
                one
                for one in told["owed_period"]
                if one["report"] == report and one["first_day"] <= day <= one["shown_until"]
            ]
            came = {one["period"] for one in mine if one["outcome"] == "accepted"}
            begun = [one["first_day"] for one in shown if one["period"] in came]
            since = min([child["registered_day"], *begun])
            missing_since = None
            for one in (one for one in shown if one["last_day"] >= since):
                state = state_of(one, mine, child["registered_at"], cut_off_at)
                received = state in {"on_time", "late"}
                missing = not received and one["due_at"] < cut_off_at
                missing_since = None if received else missing_since
                if missing and missing_since is None:
                    missing_since = one["first_day"]
                found.append(
                    {
                        "site_code": child["site_code"],
                        "report": report,
                        "period": one["period"],
                        "state": state,
                        "is_missing": missing,
                        "missing_since_day": missing_since if missing else None,
                    }
                )
    return found


def state_of(period: Row, mine: list[Row], registered_at: datetime, cut_off_at: datetime) -> str:
    """One period's state, from all that was ever decided on it."""
    about = [one for one in mine if one["period"] == period["period"]]
    accepted = [one for one in about if one["outcome"] == "accepted"]
    standing = max(accepted, key=lambda one: one["revision"], default=None)
    if standing and standing["kind"] == "report":
        first = min(one["received_at"] for one in accepted)
        in_time = first <= period["due_at"] or period["due_at"] < registered_at
        return "on_time" if in_time else "late"
    refused = [
        one
        for one in about
        if one["outcome"] != "accepted"
        and (standing is None or one["received_at"] > standing["received_at"])
    ]
    if refused:
        newest = max(refused, key=lambda one: one["received_at"])
        return "waiting" if newest["outcome"] == "held" else "rejected"
    if standing:
        return "withdrawn"
    return "missing" if period["due_at"] < cut_off_at else "open"


def fill(con: duckdb.DuckDBPyConnection, told: dict[str, list[Row]]) -> None:
    """Put a history in place of the one before."""
    for table, rows in told.items():
        con.execute(f"DELETE FROM ops.{table}")
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            cells = [list(row.values()) for row in rows]
            con.executemany(
                f"INSERT INTO ops.{table} ({', '.join(rows[0])}) VALUES ({marks})", cells
            )


@pytest.mark.parametrize("seed", range(8))
def test_any_history_gives_the_same_states(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Late, twice, out of order, refused, taken back, removed: SQL and second opinion agree."""
    chance = random.Random(seed)  # noqa: S311 - a story, not a secret
    told = history(chance)
    fill(con, told)
    number = chance.randrange(3, 9)
    day, cut_off_at = FIRST + timedelta(number), moment(number, chance.randrange(1440))
    for table in ("city.site", "city.report_by_site"):
        sql = GRAPH.model(table).sql(Parameters(cut_off_at, day, "140300"))
        con.execute(f"CREATE OR REPLACE TABLE {table} AS {sql}")
    expected = second_opinion(told, day, cut_off_at)
    names = ("site_code", "report", "period", "state", "is_missing", "missing_since_day")
    found = con.execute(f"SELECT {', '.join(names)} FROM city.report_by_site ORDER BY 1, 2, 3")
    assert [dict(zip(names, row, strict=True)) for row in found.fetchall()] == expected
    assert expected
