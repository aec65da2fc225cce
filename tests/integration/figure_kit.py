"""A county run twice over files that the oracle reads too, and its packages beside the oracle's.

The county is run by its own steps, in the order of a run; what it says of instants is taken from
its ledgers and held against the test's own clock.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.rebuild import look_again
from dagster_project.components.steps.report import seal_report
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import feed_order
from dagster_project.paths import Home
from dagster_project.settings import Settings, Site
from tests.oracle.asked import Answer, answers
from tests.oracle.book import Book
from tests.oracle.cases import rectification
from tests.oracle.packages import Package, packages
from tests.oracle.second_day import aged
from tests.oracle.towns import (
    County,
    Support,
    Table,
    components,
    hotline,
    houses,
    population,
    three_assets,
)
from tests.oracle.work import Brought, Span, Work, aggregation, executions, summary

CODE = "140321"
SHANGHAI = ZoneInfo("Asia/Shanghai")
KEYS = {
    "aggregation_status": ("feed",),
    "aggregation_summary": ("division_code",),
    "component_by_town": ("town_code", "component_class"),
    "hotline_by_month": ("month", "town_code"),
    "house_by_town": ("town_code", "usage"),
    "population_by_town": ("town_code", "sex", "age_band"),
    "rectification": ("department_code", "kind"),
    "task_execution": ("task",),
    "three_assets": ("town_code",),
}
BY_TOWN = {
    "component_by_town": components,
    "hotline_by_month": hotline,
    "house_by_town": houses,
    "population_by_town": population,
    "three_assets": three_assets,
}


@dataclass(frozen=True)
class Said:
    """What the oracle says of every report at one moment, and of which records by town."""

    tables: Mapping[str, Table]
    support: Mapping[str, Support]
    whole: str

    def row(self, package: Package, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """The oracle's row for a package's."""
        return self.tables[package.report].get(key_of(package.report, row))


def key_of(report: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row's key."""
    return tuple(row[name] for name in KEYS[report])


@dataclass
class FigureCounty:
    """The county and the oracle's book of it."""

    root: Path
    feeds: Sequence[str] = ()
    runs: int = 0
    brought: list[Brought] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    asked: list[list[Answer]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = self.root / "inbox"
        self.inbox.mkdir(parents=True, exist_ok=True)
        site = Site(code=CODE, name="平定县", parent="140300", inbox=str(self.inbox))
        found(Home(self.root / "county"), site)
        county = Workshop.at(self.root / "county")
        self.workshop = replace(county, settings=Settings(threads=1))
        self.book = Book(self.inbox)
        self.day = datetime.now(SHANGHAI).date()

    def bring(self, source: Path, files: Iterable[str]) -> None:
        """Copy files of an inbox."""
        for file in files:
            (self.inbox / file).parent.mkdir(exist_ok=True)
            shutil.copy(source / file, self.inbox / file)
            aged(self.inbox / file)

    def run(self, files: Iterable[tuple[str, str, str]], reports: Sequence[str]) -> None:
        """Run the county on (feed, file, fate), and the oracle beside it."""
        began = datetime.now(UTC)
        self.runs += 1
        occasion = Occasion(run_id=str(uuid4()), day=self.day)
        for name in feed_order(self.workshop.contracts):
            if not self.feeds or name in self.feeds:
                run_feed(self.workshop, name, occasion)
        look_again(self.workshop, occasion)
        graph = self.workshop.graph
        wanted = {f"report.{one}" for one in reports}
        wanted |= {name for one in wanted for name in graph.upstream(one)}
        for name, model in graph.models.items():
            if name in wanted or (model.layer == "silver" and not self.feeds):
                build_model(self.workshop, model, occasion)
        for report in reports:
            seal_report(self.workshop, report, occasion)
        self._note(list(files), occasion, began)

    def _note(self, files: list[tuple[str, str, str]], occasion: Occasion, began: datetime) -> None:
        """Take in what the ledgers say of instants, and read the same files."""
        ended = datetime.now(UTC)
        came = {
            (feed, path): at
            for feed, path, at in self.ask(
                "SELECT feed, path, received_at FROM ops.delivery WHERE run_id = ?", occasion.run_id
            )
        }
        held = {
            (feed, path): at
            for feed, path, at in self.ask("SELECT feed, path, opened_at FROM ops.hold")
        }
        assert {(feed, file) for feed, file, _ in files} == came.keys()
        assert all(began <= at <= ended for at in came.values())
        for feed, file, fate in files:
            at = came[feed, file]
            self.brought.append(Brought(self.runs, feed, file, fate, at, held.get((feed, file))))
        for feed, start, end in self.ask(
            "SELECT task, started_at, finished_at FROM ops.task_run"
            " WHERE kind = 'feed' AND run_id = ? ORDER BY finished_at",
            occasion.run_id,
        ):
            assert began <= start <= end <= ended
            self.spans.append(Span(self.runs, feed, start, end))
        order = list(feed_order(self.workshop.contracts))
        for feed, file, fate in sorted(files, key=lambda one: order.index(one[0])):
            if fate == "merged":
                self.book.take(
                    feed, file, came[feed, file].astimezone(SHANGHAI).replace(tzinfo=None)
                )
        self.asked.append(answers(self.book, self.day))

    def said(self) -> Said:
        """The oracle's reports as of the last run; those about the work need every feed."""
        county = County(self.book, CODE, self.day)
        made = {name: make(county) for name, make in BY_TOWN.items()}
        (cut_off,) = self.ask("SELECT max(cut_off_at) FROM ops.package")[0]
        found = self.asked[-2] if self.runs > 1 else []
        work = Work(self.book, self.brought, self.spans, self.asked[-1], found, self.day, cut_off)
        tables = {name: table for name, (table, _) in made.items()}
        tables |= {"task_execution": executions(work), "rectification": rectification(work)}
        if not self.feeds:
            tables |= {
                "aggregation_status": aggregation(work),
                "aggregation_summary": summary(work, CODE),
            }
        return Said(tables, {name: one for name, (_, one) in made.items()}, county.whole)

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """A question to the lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query, list(values)).fetchall()

    def packages(self) -> list[Package]:
        """Every sealed package."""
        return packages(self.workshop.home.outbox)


def differences(said: Said, package: Package) -> list[str]:
    """Where a package and the oracle differ; cells that may be withheld are ``blanks``' matter."""
    table, report = said.tables[package.report], package.report
    wanted = {key for key in table if report != "hotline_by_month" or key[0] == package.period}
    rows = {key_of(report, row): row for row in package.rows}
    told = [f"{package.name}: the row {key} is lacking" for key in sorted(wanted - rows.keys())]
    told += [f"{package.name}: the row {key} is too many" for key in sorted(rows.keys() - wanted)]
    for key in rows.keys() & wanted:
        for column in package.columns:
            found, right = rows[key][column], table[key].get(column, "nothing")
            may_lack = report == "population_by_town" and (found is None or column == "suppressed")
            if not may_lack and found != right:
                told.append(f"{package.name} {key} {column}: {found}, by the files {right}")
    return told
