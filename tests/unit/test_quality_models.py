"""The models of the six dimensions against plain counting, over random histories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import duckdb
import pytest

from dagster_project.clock import SHANGHAI
from dagster_project.contracts.reader import load
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.quality.score import Checked, grade, points, score, shares
from dagster_project.transform.models import Parameters, load_models
from tests.quality_kit import START, WEIGHTS, Oracle, history

CONTRACTS = load(schemas_dir())
GRAPH = load_models(sql_dir(), CONTRACTS)
FEEDS = ("asked", "full", "news")
CUT_OFF = START + timedelta(days=44, hours=12, minutes=30)
LAST = date(2026, 5, 15)
DAY = timedelta(days=1)
SEEDS = [1, 2, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(3, 24))]


def build(con: duckdb.DuckDBPyConnection, table: str, parameters: Parameters) -> None:
    """Build a table and what it needs."""
    for name in (*GRAPH.upstream(table), table):
        con.execute(f"CREATE OR REPLACE TABLE {name} AS {GRAPH.model(name).sql(parameters)}")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database."""
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        yield made


@pytest.mark.parametrize("seed", SEEDS)
def test_the_models_count_what_plain_counting_counts(
    con: duckdb.DuckDBPyConnection, seed: int
) -> None:
    """Every feed, day and dimension; the county's sums; the score, its grade and its trend."""
    made = history(seed)
    made.write(con, CONTRACTS)
    build(con, "gold.quality_trend", Parameters(CUT_OFF, LAST, "140321"))
    oracle = Oracle(made.rows, CUT_OFF, LAST)
    wanted: dict[tuple[str, date, str], tuple[int, int]] = {}
    scores: dict[tuple[str, date], Decimal | None] = {}
    for number in range(60):
        day = LAST - number * DAY
        everything: list[Checked] = []
        for feed in FEEDS:
            checks = [one for _, one in oracle.checks(feed, day)]
            everything += checks
            wanted |= {(feed, day, name): share for name, share in shares(checks).items()}
            scores[feed, day] = score(checks, WEIGHTS)
        wanted |= {("all", day, name): share for name, share in shares(everything).items()}
        scores["all", day] = score(everything, WEIGHTS)
    rows = con.execute("SELECT * FROM gold.quality_by_feed_day").fetchall()
    assert {(feed, day, name): (p, c) for feed, day, name, _, p, c, _ in rows} == wanted
    for row in con.execute("SELECT * FROM gold.quality_trend").fetchall():
        feed, day, value, code, *moved = row
        assert (value, code) == (scores[feed, day], grade(value))
        for days, points_moved in zip((1, 7, 30), moved, strict=True):
            before = scores.get((feed, day - days * DAY))
            assert points_moved == (None if before is None else value - before)
    told = con.execute("SELECT count(*) FROM gold.quality_trend").fetchone()
    assert told == (sum(one is not None for one in scores.values()),)


@pytest.mark.parametrize("seed", SEEDS)
def test_rules_add_up_to_the_dimensions_of_any_day(
    con: duckdb.DuckDBPyConnection, seed: int
) -> None:
    """Asked for a past day, the rules are those that counted then; their points make the score."""
    made = history(seed)
    made.write(con, CONTRACTS)
    build(con, "gold.quality_trend", Parameters(CUT_OFF, LAST, "140321"))
    dimensions: dict[tuple[str, date], dict[str, tuple[int, int]]] = defaultdict(dict)
    for feed, day, name, _, passed, checked, _ in con.execute(
        "SELECT * FROM gold.quality_by_feed_day"
    ).fetchall():
        dimensions[feed, day][name] = (passed, checked)
    known = con.execute("SELECT feed, day, score FROM gold.quality_trend").fetchall()
    scores = {(feed, day): value for feed, day, value in known}
    for day in (LAST, LAST - 9 * DAY, LAST - 31 * DAY):
        end = datetime.combine(day + DAY, time(), SHANGHAI).astimezone(UTC)
        cut_off_at = min(end, CUT_OFF)
        build(con, "gold.quality_rule", Parameters(cut_off_at, day, "140321"))
        oracle = Oracle(made.rows, cut_off_at, day)
        for feed in FEEDS:
            rows = con.execute(
                "SELECT rule_id, dimension, checked_cnt, failed_cnt, check_weight"
                " FROM gold.quality_rule WHERE feed = ? ORDER BY ALL",
                [feed],
            ).fetchall()
            plain: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
            for rule, one in oracle.checks(feed, day):
                plain[rule, one.dimension][0] += one.checked
                plain[rule, one.dimension][1] += one.failed
            assert {(r, d): [c, f] for r, d, c, f, _ in rows} == {
                rule: counts for rule, counts in plain.items() if counts[0]
            }
            checks = [Checked(*row[1:]) for row in rows]
            assert shares(checks) == dimensions[feed, day]
            value = scores.get((feed, day))
            assert score(checks, WEIGHTS) == value
            lost = sum(points(checks, WEIGHTS), Decimal(0))
            assert lost == (0 if value is None else 100 - value)
