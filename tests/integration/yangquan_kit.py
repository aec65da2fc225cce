"""Five simulated counties of 阳泉市 and their city, in processes whose clock the test sets.

Homes, lakes, keys, files, feeds, models, packages, servers and sticks are real; only the time is
told. What the city must say of it is the oracle's matter (``yangquan_oracle``).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from dagster_project import clock
from dagster_project.city.ledger import Entry
from dagster_project.city.register import register
from dagster_project.components.steps import city as city_step
from dagster_project.components.steps.arriving.holds import holds
from dagster_project.components.steps.arriving.release import replay
from dagster_project.components.steps.city_stick import visit
from dagster_project.components.steps.delivering import deliver, standing
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion, manual
from dagster_project.components.steps.rebuild import look_again
from dagster_project.components.steps.replica import publish
from dagster_project.components.steps.report import reports, seal_report
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import feed_order
from dagster_project.paths import PROJECT, Home
from dagster_project.reporting.identity import trust_parent
from dagster_project.reporting.sealed import sealed_packages
from dagster_project.settings import Pull, Site, load_site
from dagster_project.simulate import simulate
from tests.schemas_kit import SCHEMAS, copy_feeds

CITY = "140300"
COUNTIES: Mapping[str, str] = {
    "140302": "城区",
    "140303": "矿区",
    "140311": "郊区",
    "140321": "平定县",
    "140322": "盂县",
}
FEEDS = (
    *("division", "grid", "collective_org", "std_address", "building", "house", "population"),
    *("component", "hotline_order"),
)
"""What the contracts know; the departments deliver divisions and persons."""
REPORTS = ("aggregation_status", "population_by_town", "rectification", "task_execution")
UNUSED = (
    *("three_assets_by_town", "component_by_class_town"),
    *("hotline_by_month_town", "house_by_town_usage"),
)
OLDER = "older"
"""An older programme, whose SQL lacks a column of one report."""
FIRST, DAILY = 60, 8
"""So many persons are delivered on the first day, and on each one after it."""


def configure(root: Path) -> None:
    """Contracts and SQL with few feeds and reports, and the SQL of an older programme."""
    schemas, sql = copy_feeds(root, FEEDS), root / "sql"
    for name in ("city", "quality.yaml", "calendar.csv", "words.csv"):
        (schemas / name).symlink_to(SCHEMAS / name)
    shutil.copytree(PROJECT / "sql", sql)
    for layer in ("gold", "report"):
        shutil.copytree(SCHEMAS / layer, schemas / layer)
        for path in (*(schemas / layer).iterdir(), *(sql / layer).iterdir()):
            if path.stem in UNUSED or (layer == "report" and path.stem not in REPORTS):
                path.unlink()
    shutil.copytree(sql, root / OLDER)
    query = root / OLDER / "report" / "rectification.sql"
    query.write_text(query.read_text("utf-8").replace(",\n  median_day_cnt", ""), "utf-8")


class Person(NamedTuple):
    """A line of the police's file, and what it adds to the county's figures."""

    line: str
    is_resident: bool
    is_hukou: bool
    is_floating: bool


@dataclass
class Drawn:
    """What the simulator made of a county: its divisions' file and its persons, none of them odd.

    Attributes:
        division: The file's path below the inbox, and its bytes.
        path: The persons' file below the inbox, with ``{day}`` for its day.
        head: The persons' header.
        people: In the file's order.
        taken: Those that were delivered.
        refused: Those of them whose lines were broken.
    """

    division: tuple[str, bytes]
    path: str
    head: str
    people: list[Person]
    taken: list[Person] = field(default_factory=list)
    refused: list[Person] = field(default_factory=list)

    def counted(self) -> dict[str, int]:
        """The county's figures of everything that was delivered and could be used."""
        kept = [one for one in self.taken if one not in self.refused]
        return {
            "resident_cnt": sum(one.is_resident for one in kept),
            "hukou_cnt": sum(one.is_hukou for one in kept),
            "floating_cnt": sum(one.is_floating for one in kept),
        }

    def some(self, count: int) -> list[Person]:
        """The next persons."""
        done = len(self.taken)
        self.taken += self.people[done : done + count]
        return self.taken[done:]

    def file(self, day: date, people: Sequence[Person], mark: str = "") -> tuple[str, bytes]:
        """A file of persons."""
        lines = [self.head, *(one.line for one in people)]
        path = self.path.format(day=f"{day:%Y%m%d}{mark}")
        return path, ("\n".join(lines) + "\n").encode("gb18030")


def draw(root: Path, code: str, day: date) -> Drawn:
    """Let the simulator make a county."""
    out, rows = root / "drawn" / code, list[dict[str, Any]]()

    def observe(feed: str, truth: Any) -> None:
        if feed == "population":
            rows.extend(truth.select("is_resident", "pop_type", "status").to_dicts())

    simulate(
        code,
        0.001,
        out,
        7,
        day=day,
        faults=False,
        feeds=("division", "population"),
        observe=observe,
    )
    (division,), (people,) = (list(out.glob(name)) for name in ("*/行政区划_*", "*/实有人口_*"))
    head, *lines = people.read_text("gb18030").splitlines()
    assert len(lines) == len(rows)
    return Drawn(
        (str(division.relative_to(out)), division.read_bytes()),
        str(people.relative_to(out)).replace(f"{day:%Y%m%d}", "{day}"),
        head,
        [
            Person(
                line,
                row["status"] == "1" and row["is_resident"] == "1",
                row["status"] == "1" and row["pop_type"] == "01",
                row["status"] == "1" and row["pop_type"] == "02",
            )
            for line, row in zip(lines, rows, strict=True)
        ],
    )


# -- the processes and their clock --------------------------------------------------------------


def _begin(root: Path) -> None:
    os.environ["COUNTYLAKE_KEYS"] = str(root / "keys")
    os.environ["COUNTYLAKE_THREADS"] = "1"
    os.environ["COUNTYLAKE_SCHEMAS"] = str(root / "schemas")


def _at(
    instant: datetime, sql: Path, act: Callable[..., Any], home: Path, arguments: Sequence[Any]
) -> Any:
    """Act at an instant; time goes on from there as it does on the wall."""
    started = datetime.now(UTC)
    shift = instant - started
    clock.now = lambda: datetime.now(UTC) + shift
    os.environ["COUNTYLAKE_SQL"] = str(sql)
    before = _snapshots(home)
    try:
        return act(home, *arguments)
    finally:
        _date(home, before, shift)


def _snapshots(home: Path) -> int:
    """The newest snapshot of a home's lake."""
    catalog = Home(home).catalog
    if not catalog.exists():
        return -1
    with closing(sqlite3.connect(catalog)) as con:
        return int(con.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchone()[0])


def _date(home: Path, before: int, shift: timedelta) -> None:
    """Let a lake's new snapshots be of the told time, too: DuckLake asks the machine's clock."""
    catalog = Home(home).catalog
    if not catalog.exists():
        return
    with closing(sqlite3.connect(catalog)) as con, con:
        con.execute(
            "UPDATE ducklake_snapshot SET snapshot_time ="
            " replace(strftime('%Y-%m-%d %H:%M:%f', substr(snapshot_time, 1, 23), ?), 'T', ' ')"
            " || '+00' WHERE snapshot_id > ?",
            [f"{shift.total_seconds():+.3f} seconds", before],
        )


class Crew:
    """Processes that work for the sites, two at a time, each step at the instant it is told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pool = ProcessPoolExecutor(2, get_context("spawn"), _begin, (root,))

    def begin(
        self, at: datetime, act: Callable[..., Any], code: str, *given: Any, sql: str = "sql"
    ) -> Future[Any]:
        """Let a site act."""
        return self._pool.submit(_at, at, self.root / sql, act, self.root / code, given)

    def do(self, at: datetime, act: Callable[..., Any], code: str, *given: Any) -> Any:
        """Let a site act, and wait."""
        return self.begin(at, act, code, *given).result()

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()


# -- what sites do, in those processes ------------------------------------------------------------


def begin_county(home: Path, way: str, token: str) -> Path:
    """Make a county; gives what it shows of itself."""
    code = home.name
    site = Site(
        code=code,
        name=COUNTIES[code],
        parent=CITY,
        exchange=way,
        exchange_token=token,
    )
    found(Home(home), site)
    return Home(home).public_file


def begin_city(home: Path, pulls: Mapping[str, tuple[str, str]]) -> Path:
    """Make the city; gives what it shows of itself."""
    fetched = tuple(Pull(site=code, url=url, token=ref) for code, (url, ref) in pulls.items())
    wanted = Site(code=CITY, name="阳泉市", collects=False, receives=True, pulls=fetched)
    found(Home(home), wanted)
    return Home(home).public_file


def make_known(home: Path, card: Path) -> None:
    """Register a county at the city, or let a county trust the city."""
    if load_site(Home(home)).receives:
        register(Home(home), card)
    else:
        trust_parent(Home(home), card)


def county_day(home: Path, files: Mapping[str, bytes], way: Literal["up", ""]) -> list[str]:
    """A county's run: take what was delivered, build, seal, and go up if there is a line."""
    workshop, now = Workshop.at(home), clock.now()
    for name, data in files.items():
        path = workshop.site.folder(workshop.home, "inbox") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (now.timestamp() - 600,) * 2)
    occasion = Occasion(str(uuid4()), clock.local_day(now), trigger="schedule")
    is_first = not workshop.home.catalog.exists()
    for name in feed_order(workshop.contracts) if is_first else ("population",):
        outcome = run_feed(workshop, name, occasion)
        assert outcome.held or not outcome.error, outcome.error
    look_again(workshop, occasion)
    for model in workshop.graph.models.values():
        build_model(workshop, model, occasion)
    remarks = list[str]()
    for report in reports(workshop):
        remarks += seal_report(workshop, report.name, occasion).remarks
    if way:
        remarks += deliver(workshop).remarks
    return remarks


def meet(home: Path, stick: Path | None = None) -> list[str]:
    """A county goes up once more, or writes to a stick."""
    return deliver(Workshop.at(home), to=stick, is_urgent=True).remarks


def release(home: Path) -> str:
    """A person lets the one held delivery be merged after all; gives its feed."""
    workshop = Workshop.at(home)
    with workshop.lake.reader() as con:
        (one,) = holds(con, state="open")
    replay(workshop, one.hold_id, manual(), by="kit", why="the police sends no other file")
    return one.feed


def chain(home: Path) -> tuple[list[tuple[str, int, str]], tuple[str, ...]]:
    """A county's packages (id, number, hash) in order, and those without a final answer."""
    workshop = Workshop.at(home)
    with workshop.lake.reader() as con:
        found = [(one.package_id, one.package_no, one.package_hash) for one in sealed_packages(con)]
    return found, standing(workshop).waiting


def receive(home: Path, sticks: Sequence[Path] = ()) -> tuple[list[Entry], list[str]]:
    """The city takes in what came, and builds and publishes its view."""
    workshop = Workshop.at(home, "receive")
    made, remarks = list[Entry](), list[str]()
    for stick in sticks:
        seen = visit(workshop, stick)
        made += seen.received.decisions
        remarks += seen.remarks
    taken = city_step.take_in(workshop)
    occasion = Occasion(str(uuid4()), clock.local_day(clock.now()))
    for model in workshop.graph.models.values():
        build_model(workshop, model, occasion)
    publish(workshop)
    return [*made, *taken.decisions], [*remarks, *taken.remarks]
