"""The city's published view, held against the oracle's word: every table, and the command.

Nothing is computed here but by ``yangquan_oracle``; what happens in the week is the test's matter.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb

from dagster_project.clock import SHANGHAI
from tests.integration.yangquan_kit import COUNTIES, REPORTS
from tests.integration.yangquan_oracle import RATES, County, Row, day_of, ranks, rated, tier

FIGURES = ("resident_cnt", "hukou_cnt", "floating_cnt")
Truth = Mapping[str, County]


def asked(con: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    """Rows by their columns' names."""
    found = con.execute(query)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def view_is_right(con: duckdb.DuckDBPyConnection, truth: Truth, now: datetime) -> None:
    """Every table of the view says what follows from what was carried and taken."""
    for report in REPORTS:
        rows_are_there_once(con, report, truth)
    for code, county in truth.items():
        owed = asked(con, f"FROM city.report_by_site WHERE site_code = '{code}'")
        wanted = county.periods(now)
        key = ("report", "period")
        assert by(owed, key, wanted[0]) == by(wanted, key, wanted[0]), code
        feeds_are_right(con, county, truth, now)
        figures_are_right(con, county, now)
    sums_are_right(con, truth)


def by(rows: Sequence[Row], key: Sequence[str], columns: Row) -> dict[Any, Row]:
    """Rows by their key, with some columns only."""
    return {tuple(one[name] for name in key): {name: one[name] for name in columns} for one in rows}


def rows_are_there_once(con: duckdb.DuckDBPyConnection, report: str, truth: Truth) -> None:
    """Every taken package's rows, exactly once, and the newest revision is the current one."""
    found: dict[tuple[str, str, int, bool], Counter[str]] = {}
    for row in asked(con, f"FROM city.{report}"):
        place = (row["site_code"], row["period"], row["revision"], row["is_current"])
        found.setdefault(place, Counter())[row["package_id"]] += 1
    wanted = {
        (code, one.period, one.revision, county.standing(report)[one.period] == one): Counter(
            {one.package_id: len(one.rows)}
        )
        for code, county in truth.items()
        for one in (county.sealed[name] for name in county.accepted)
        if one.report == report and one.rows
    }
    assert found == wanted


def feeds_are_right(
    con: duckdb.DuckDBPyConnection, county: County, truth: Truth, now: datetime
) -> None:
    """The unified view tells each feed as the site's newest taken package does."""
    shown = asked(con, f"FROM city.feed_by_site WHERE site_code = '{county.code}'")
    told, items = county.newest("aggregation_status"), set[str]()
    for one in truth.values():
        newest = one.newest("aggregation_status")
        items |= {row["feed"] for row in newest.rows} if newest else set()
    assert {row["feed"] for row in shown} == items
    assert len(shown) == len(items)
    mine = {row["feed"]: row for row in told.rows} if told else {}
    for row in shown:
        if not told:
            assert (row["state"], row["period"]) == ("unreported", None)
            continue
        assert row["period"] == told.period
        wanted = mine[row["feed"]]
        columns = wanted.keys() & row.keys()
        assert {name: row[name] for name in columns} == {name: wanted[name] for name in columns}
        behind = now.astimezone(SHANGHAI).date() - day_of(told.period)
        assert row["days_behind"] == behind.days


def figures_are_right(con: duckdb.DuckDBPyConnection, county: County, now: datetime) -> None:
    """Indicators, score and what is missing of one site."""
    counted = county.counted(now)
    shown = asked(con, f"FROM city.assessment WHERE site_code = '{county.code}'")
    for row in shown:
        name = row["indicator"]
        up, base = counted.get(name, (None, None))
        assert (row["numerator_cnt"], row["denominator_cnt"]) == (up, base), (county.code, name)
        if name in RATES:
            assert (row["value"], row["state"]) == rated(counted.get(name)), (county.code, name)
    assert {row["indicator"] for row in shown} >= RATES.keys()


def overview_of(truth: Truth, now: datetime) -> dict[str, Row]:
    """One row per site, as the city must tell it."""
    today, rows = now.astimezone(SHANGHAI).date(), dict[str, Row]()
    places = ranks({code: one.score(now) for code, one in truth.items()})
    for code, county in truth.items():
        owed, newest = county.periods(now), county.newest_day()
        told = county.newest("aggregation_status")
        feeds = told.rows if told else ()
        missing = [one["first_day"] for one in owed if one["is_missing"]]
        rows[code] = {
            "site_name": COUNTIES[code],
            "newest_day": newest,
            "days_behind": (today - newest).days if newest else None,
            "is_never_reported": not county.accepted,
            "missing_since_day": county.registered
            if newest is None
            else (newest + timedelta(1) if newest < today else None),
            "due_cnt": sum(one["is_due"] for one in owed),
            "on_time_cnt": sum(one["state"] == "on_time" for one in owed),
            "late_cnt": sum(one["state"] == "late" for one in owed),
            "missing_cnt": len(missing),
            "report_missing_since_day": min(missing, default=None),
            "waiting_cnt": sum(one["pending"] == "held" for one in owed),
            "rejected_cnt": sum(one["pending"] == "rejected" for one in owed),
            "item_cnt": len(feeds),
            "mounted_cnt": sum(bool(one["is_mounted"]) for one in feeds),
            "lagging_cnt": sum(
                one["is_update_promised"] and not one["is_on_time"] for one in feeds
            ),
            "held_cnt": sum(bool(one["is_held"]) for one in feeds),
            "score": county.score(now),
            "rank": places[code],
            "tier": tier(county.score(now)),
        }
    return rows


def sums_are_right(con: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """Each site's own totals, and the sum of those that have one."""
    shown = {row["site_code"]: row for row in asked(con, "FROM city.population_by_site")}
    totals: dict[str, Row] = {}
    for code, county in truth.items():
        newest = county.newest("population_by_town")
        whole = [
            row
            for row in (newest.rows if newest else ())
            if (row["town_code"], row["sex"], row["age_band"]) == (f"{code}000000", "all", "all")
        ]
        totals[code] = {name: whole[0][name] if whole else None for name in FIGURES}
        assert {name: shown[code][name] for name in FIGURES} == totals[code]
        assert shown[code]["period"] == (newest.period if newest else None)
    for name in FIGURES:
        known = [one[name] for one in totals.values() if one[name] is not None]
        assert shown["all"][name] == (sum(known) if known else None)
    assert shown["all"]["counted_cnt"] == sum(
        one["resident_cnt"] is not None for one in totals.values()
    )


def command_is_right(told: Row, truth: Truth, now: datetime) -> None:
    """``city view`` tells one row per site."""
    wanted = overview_of(truth, now)
    assert len(told["sites"]) == len(wanted)
    for row in told["sites"]:
        mine = json.loads(json.dumps(wanted[row["site_code"]], default=str))
        shown = {name: str(row[name]) if name == "score" else row[name] for name in mine}
        mine["score"] = str(mine["score"])
        assert shown == mine, row["site_code"]
