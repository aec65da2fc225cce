"""The unified view of a large receiving site: how fast it is made anew, how fast a figure is read.

The tables are written straight into a lake, as 90 sites with 20 reports a day would have left them
after 30 days: 60 feeds per site and day in 数据归集情况 and 任务执行情况, one commit per day, some
periods with a second revision, a site that is offline, one that never reported. Beside the lake
the same SELECTs run over the same rows in bare Parquet, in the same process, after the first pass.

Usage: ``python -m tests.bench.city_view [--sites 90] [--days 30] [--feeds 60] [--reports 20]
[--commits 1]``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import duckdb

from dagster_project.city.register import register
from dagster_project.components.steps import receiving
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import told
from dagster_project.components.steps.replica import publish
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.due import at_hour
from dagster_project.contracts.model import Column
from dagster_project.lake import Writer
from dagster_project.lake.engine import literal, quoted
from dagster_project.lake.publish import connect
from dagster_project.paths import PROJECT, Home
from dagster_project.reporting.identity import give_key
from dagster_project.settings import Site, save_site
from dagster_project.transform.models import Parameters

FOLDER = PROJECT / "var" / "bench" / "city_view"
DAY = date(2026, 11, 22)
NAMED = ("aggregation_status", "task_execution", "rectification", "population_by_town")
KINDS = ("normativity", "completeness", "accuracy", "consistency", "timeliness", "accessibility")
FIGURES = {
    "a site's score": "SELECT score, tier FROM city.site_overview WHERE site_code = '140345'",
    "a site's indicator with its rank": (
        "SELECT value, rank FROM city.assessment"
        " WHERE site_code = '140345' AND indicator = 'mounted'"
    ),
    "a feed's rows": (
        "SELECT row_cnt FROM city.feed_by_site WHERE site_code = '140345' AND feed = 'feed_07'"
    ),
    "the city's population": "SELECT resident_cnt FROM city.population_by_site"
    " WHERE site_code = 'all'",
    "what is missing of a site": (
        "SELECT report, COUNT(*), MIN(missing_since_day) FROM city.report_by_site"
        " WHERE site_code = '140345' AND is_missing GROUP BY report ORDER BY report"
    ),
    "a figure of a report, over all sites and days": (
        "SELECT site_code, SUM(row_cnt) FROM city.aggregation_status"
        " WHERE is_current AND feed = 'feed_07' GROUP BY site_code ORDER BY site_code"
    ),
}

FURTHER = """
INSERT INTO lake.ops.owed_period
SELECT further.report, further.report, owed.* EXCLUDE (report, title)
FROM lake.ops.owed_period AS owed,
  (SELECT DISTINCT report FROM sent WHERE report LIKE 'further%') AS further
WHERE owed.report = 'aggregation_status'
"""
SENT = """
CREATE OR REPLACE TEMP TABLE sent AS
WITH periods AS (
  SELECT s, d, report, (140300 + s)::VARCHAR AS site_code, '报送单位' || s AS site_name,
    DATE {first} + d::INTEGER AS day, CASE WHEN (s * d) % 50 = 0 THEN 2 ELSE 1 END AS revisions
  FROM range(1, $1) AS sites(s), range(1, $2 + 1) AS days(d), (VALUES {reports}) AS owed(report)
  WHERE s <> 2 OR d <= $2 - 3
)
SELECT *, strftime(day, '%Y%m%d') AS period,
  printf('%s-%s-%s-r%d', site_code, report, strftime(day, '%Y%m%d'), revision) AS package_id,
  day + to_hours((CASE WHEN (s + d) % 17 = 0 THEN 60 ELSE 13 END + revision)::BIGINT)
    AS received_at
FROM periods, range(1, 3) AS each_one(revision)
WHERE revision <= revisions
"""


RUN = told("bench", DAY.isoformat(), at_hour(DAY, "18:00").isoformat())


@dataclass(frozen=True)
class Size:
    """How much is generated; ``commits`` are those of one day's reception."""

    sites: int = 90
    days: int = 30
    feeds: int = 60
    reports: int = 20
    commits: int = 1


@dataclass
class Spent:
    """Seconds on the clock, and of CPU in all threads."""

    wall: float = 0.0
    cpu: float = 0.0

    def __str__(self) -> str:
        """Both, at a fixed width."""
        return f"{self.wall:6.2f} s ({self.cpu:5.2f} s CPU)"


@contextmanager
def stopwatch() -> Iterator[Spent]:
    """What the body takes."""
    spent, wall, cpu = Spent(), time.monotonic(), time.process_time()
    yield spent
    spent.wall, spent.cpu = time.monotonic() - wall, time.process_time() - cpu


def total(spent: Iterable[Spent]) -> Spent:
    """All of them together."""
    listed = list(spent)
    return Spent(sum(one.wall for one in listed), sum(one.cpu for one in listed))


def cells(report: str) -> Mapping[str, str]:
    """SQL of the columns that matter; s is the site's number, d the day's, f the feed's."""
    checked = "(1000 + f * 37)"
    rows = {
        "feed": "printf('feed_%02d', f)",
        "title": "'归集数据项' || f",
        "is_mounted": "(s + f) % 11 <> 0",
        "is_required": "f % 7 <> 0",
        "is_collected": "(s + f) % 11 <> 0 AND f % 7 <> 0",
        "is_update_promised": "f % 5 <> 0",
        "is_on_time": "(s * f + d) % 9 <> 0",
        "is_zombie": "(s + f) % 60 = 1",
        "is_held": "(s + f + d) % 70 = 1",
        "row_cnt": "1000 * f + d",
        "period_row_cnt": "d",
        "checked_cnt": checked,
        "valid_cnt": f"{checked} - (s + f) % 90",
        **{f"{kind}_checked_cnt": checked for kind in KINDS},
        **{f"{kind}_passed_cnt": f"{checked} - s % 80" for kind in KINDS},
        "task": "CASE WHEN f = 0 THEN 'all' ELSE printf('feed_%02d', f) END",
        "status": "CASE WHEN (s + f + d) % 20 = 0 THEN 'failed' ELSE 'success' END",
        "execution_cnt": "2",
        "success_cnt": "CASE WHEN (s + f + d) % 20 = 0 THEN 1 ELSE 2 END",
        "on_time_cnt": "CASE WHEN (s + f + d) % 13 = 0 THEN 1 ELSE 2 END",
        "department_code": "CASE WHEN f = 0 THEN 'all' ELSE 'department' || f END",
        "kind": "'all'",
        "issued_cnt": "40 + s",
        "rectified_cnt": "38 + s",
        "town_code": "CASE WHEN f = 0 THEN site_code || '000000'"
        " ELSE site_code || printf('%06d', 1000 * f) END",
        "sex": "'all'",
        "age_band": "'all'",
        "resident_cnt": "1000 + s + f",
    }
    if report == "task_execution":
        rows |= {"title": "'任务' || f"}
    return rows


def lay_out(con: duckdb.DuckDBPyConnection, size: Size, reports: tuple[str, ...]) -> None:
    """``sent``: every package. One site is offline for three days, one never reported."""
    listed = ", ".join(f"({literal(name)})" for name in reports)
    first = literal(str(DAY - timedelta(size.days)))
    con.execute(SENT.format(first=first, reports=listed), [size.sites, size.days])
    each = f"SELECT * FROM range({size.feeds} + 1) AS t(f)"
    con.execute(f"CREATE OR REPLACE TEMP TABLE feeds AS {each}")


def fill(
    con: duckdb.DuckDBPyConnection, report: str, columns: tuple[Column, ...], d: int, part: str
) -> None:
    """One day of one report, of every site that reported then."""
    made = cells(report)
    names = [column.name for column in columns if column.name in made]
    listed = ", ".join(f"{made[name]} AS {quoted(name)}" for name in names)
    con.execute(
        f"INSERT INTO lake.city.{quoted(report)} BY NAME SELECT site_code, site_name, period,"
        f" revision, package_id, revision = revisions AS is_current, {listed}"
        f" FROM sent, feeds WHERE report = ? AND d = ? AND {part}",
        [report, d],
    )


def received(con: duckdb.DuckDBPyConnection, d: int, part: str) -> None:
    """The ledger's rows of a day."""
    con.execute(
        "INSERT INTO lake.ops.received BY NAME SELECT site_code, package_id, 'accepted' AS outcome,"
        " true AS consumed, received_at::TIMESTAMPTZ AS received_at, report, period, revision,"
        f" 'report' AS kind, 60 AS row_count FROM sent WHERE d = ? AND {part}",
        [d],
    )


def site_of(root: Path, sites: int) -> Workshop:
    """A receiving site with so many registered."""
    home, keys = Home(root / "home"), Path(tempfile.gettempdir()) / "countylake-bench-keys"
    save_site(home, Site(code="140300", name="阳泉市", collects=False, receives=True))
    give_key(home, keys)
    for number in range(1, sites + 1):
        child = Home(root / "child")
        shutil.rmtree(child.root, ignore_errors=True)
        site = Site(code=str(140300 + number), name=f"报送单位{number}", parent="140300")
        save_site(child, site)
        give_key(child, keys)
        register(home, child.public_file)
    return Workshop.at(home.root, "receive")


def build(workshop: Workshop) -> list[tuple[str, Spent, int]]:
    """Make every model anew: seconds and rows of each."""
    done = []
    for model in workshop.graph.models.values():
        with stopwatch() as spent:
            built = build_model(workshop, model, RUN)
        done.append((model.table, spent, built.result.rows))
    return done


def bare(workshop: Workshop) -> list[tuple[str, Spent, int]]:
    """The same SELECTs over the same rows in one Parquet file per table, with bare DuckDB."""
    folder = FOLDER / "bare"
    folder.mkdir(parents=True, exist_ok=True)
    models = workshop.graph.models
    inputs = sorted({name for model in models.values() for name in model.inputs} - models.keys())
    with workshop.lake.reader() as con:
        for name in inputs:
            con.execute(f"COPY lake.{name} TO {literal(str(folder / name))} (FORMAT parquet)")
    assert RUN.cut_off_at is not None
    parameters = Parameters(RUN.cut_off_at, RUN.day, workshop.site.code)
    done = []
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute("SET TimeZone = 'UTC'; CREATE SCHEMA city; CREATE SCHEMA ops")
        for name in inputs:
            path = literal(str(folder / name))
            con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({path})")
        for model in models.values():
            with stopwatch() as spent:
                con.execute(f"CREATE TABLE {model.table} AS {model.sql(parameters)}")
            done.append((model.table, spent, 0))
    return done


def milliseconds(ask: Callable[[], object], rounds: int = 15) -> float:
    """The median of an action, in milliseconds."""
    taken = []
    for _ in range(rounds):
        start = time.monotonic()
        ask()
        taken.append(1000 * (time.monotonic() - start))
    return median(taken)


def generate(workshop: Workshop, size: Size) -> None:
    """Everything but the last day."""
    with workshop.lake.writer("generate") as writer:
        lay_out(writer.con, size, names_of(workshop, size))
        receiving.prepare(writer, workshop, RUN)
        with writer.transaction("of one month") as tx:
            since = DAY - timedelta(size.days - 1)
            tx.con.execute("UPDATE lake.ops.child SET registered_day = ?", [since])
            tx.con.execute(FURTHER)
        for d in range(1, size.days):
            take_day(writer, workshop, size, d)


def take_last_day(workshop: Workshop, size: Size) -> None:
    """The day that comes between the two refreshes, so that all figures move."""
    with workshop.lake.writer("the last day") as writer:
        lay_out(writer.con, size, names_of(workshop, size))
        take_day(writer, workshop, size, size.days)


def take_day(writer: Writer, workshop: Workshop, size: Size, d: int) -> None:
    """A day's packages of every site, in so many commits."""
    for number in range(size.commits):
        part = f"s % {size.commits} = {number}"
        with writer.transaction(f"day {d}, {part}") as tx:
            for report in NAMED:
                fill(tx.con, report, workshop.reports[report], d, part)
            received(tx.con, d, part)


def names_of(workshop: Workshop, size: Size) -> tuple[str, ...]:
    """The reports of the contracts, and as many further ones as are wanted."""
    shapes = workshop.reports
    return (*shapes, *(f"further_{number}" for number in range(size.reports - len(shapes))))


def measure(size: Size) -> None:
    """Generate, build twice, publish, ask; print what each took."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    workshop = site_of(FOLDER, size.sites)
    with stopwatch() as spent:
        generate(workshop, size)
    lines = [
        f"the view of {size.sites} sites, {size.reports} reports a day, after {size.days} days:",
        f"generated in {spent}",
    ]
    first = build(workshop)
    take_last_day(workshop, size)
    again = build(workshop)
    plain = bare(workshop)
    lines.append("first refresh, refresh after one more day, the same SQL over bare Parquet:")
    for one, (_, second, rows), (_, by_hand, _) in zip(first, again, plain, strict=True):
        lines.append(f"{one[0]:24} {rows:7,} rows {one[1]} {second} {by_hand}")
    totals = [total(one[1] for one in part) for part in (first, again, plain)]
    lines.append(f"{'refresh':37} " + " ".join(map(str, totals)))
    lines.append(
        f"ratio to bare Parquet: {totals[1].wall / totals[2].wall:.1f} on the clock,"
        f" {totals[1].cpu / totals[2].cpu:.1f} of CPU"
    )
    with stopwatch() as spent:
        publish(workshop)
    lines.append(f"published in {spent}")
    lines += ask_all(workshop)
    sys.stdout.write("\n".join(lines) + "\n")


def _ask(con: duckdb.DuckDBPyConnection, query: str) -> None:
    con.execute(query).fetchall()


def ask_all(workshop: Workshop) -> list[str]:
    """Each figure: over an open connection to the replica, and with opening it."""
    with connect(workshop.home) as con:
        told_in = {name: milliseconds(partial(_ask, con, query)) for name, query in FIGURES.items()}

    def anew(query: str) -> None:
        with connect(workshop.home) as own:
            _ask(own, query)

    lines = []
    for name, query in FIGURES.items():
        opened = milliseconds(partial(anew, query), 5)
        lines.append(f"{name:46} {told_in[name]:6.1f} ms {opened:6.1f} ms with opening")
    return lines


def main() -> None:
    """Measure once and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    for one in fields(Size):
        parser.add_argument(f"--{one.name}", type=int, default=one.default)
    measure(Size(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
