"""A batch with a fifth of its rows broken: held, told in the package, released, told again."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from drift_kit import AREA, FOLDER, HEADER, ROWS, USAGE
from exchange_kit import CityKit, make_city, make_county

from dagster_project import clock
from dagster_project.city.status import status as city_status
from dagster_project.components.steps import overview
from dagster_project.components.steps.arriving.history import Course, course_of
from dagster_project.components.steps.arriving.release import replay, send_back
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion, manual
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.packaging.held_feeds import feeds_behind
from dagster_project.components.steps.report import deliver, seal_report
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts import feed_order
from dagster_project.paths import SAMPLES, Home, schemas_dir, sql_dir
from dagster_project.settings import Settings

pytestmark = pytest.mark.slow
REPORT = "house_by_town"
DAY = date(2026, 11, 2)
DATA = sum(any(row) for row in ROWS)
"""Rows that hold data: the sample has a blank one."""
Edit = Callable[[int, list[str]], list[str]]


def doubled(number: int, row: list[str]) -> list[str]:
    """A valid change: the areas of ten houses."""
    changed = list(row)
    if 20 <= number < 30 and changed[AREA]:
        changed[AREA] = str(float(changed[AREA]) * 2)
    return changed


def broken(number: int, row: list[str]) -> list[str]:
    """Two rows in ten with one fault or another, beside the valid change."""
    changed = doubled(number, row)
    if number % 10 == 0:
        changed[AREA] = "很大"
    if number % 10 == 5:
        changed[USAGE] = f"用途{number}"
    return changed


@dataclass
class Site:
    """A county of three feeds that reports to a city."""

    root: Path
    city: CityKit
    workshop: Workshop

    def put(self, name: str, edit: Edit = lambda _, row: row) -> None:
        """The department of houses delivers its whole table, edited."""
        made = io.StringIO()
        edited = (edit(number, list(row)) for number, row in enumerate(ROWS))
        csv.writer(made, lineterminator="\n").writerows([HEADER, *edited])
        self._write(Path(FOLDER) / f"实有房屋_{name}.csv", made.getvalue().encode())

    def put_parents(self) -> None:
        """The divisions and grids of the sample."""
        for one in ("民政局/行政区划_20230531.csv", "政法委/网格_20230531.csv"):
            self._write(Path(one), (SAMPLES / "inbox" / "140321" / one).read_bytes())

    def _write(self, name: Path, data: bytes) -> None:
        path = self.workshop.home.root / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        past = path.stat().st_mtime_ns - 60_000_000_000
        os.utime(path, ns=(past, past))

    def day(self, feeds: tuple[str, ...] = ("house",)) -> tuple[FeedOutcome, dict[str, Any]]:
        """A run as the job does it: feeds, models, package, city; returns the newest package."""
        occasion = Occasion(f"test-{uuid4()}", DAY)
        done = {feed: run_feed(self.workshop, feed, occasion) for feed in feeds}["house"]
        graph = self.workshop.graph
        for name in (*graph.upstream(f"report.{REPORT}"), f"report.{REPORT}"):
            build_model(self.workshop, graph.models[name], occasion)
        sealed = seal_report(self.workshop, REPORT, occasion).current
        deliver(self.workshop)
        decisions = self.city.receive(at=clock.now()).decisions
        assert [one.outcome for one in decisions] == ["accepted"] * sealed.is_new, decisions
        deliver(self.workshop)
        folder = self.workshop.home.outbox / sealed.package_id
        told: dict[str, Any] = json.loads((folder / "status.json").read_text("utf-8"))
        (row,) = self.ask(
            "SELECT revision, reason, content_hash FROM ops.package WHERE package_id = ?",
            sealed.package_id,
        )
        names = ("revision", "reason", "content_hash")
        return done, {**told, **dict(zip(names, row, strict=True)), "is_new": sealed.is_new}

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """A question to the county's lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query, list(values)).fetchall()

    def figures(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that a held delivery must not touch."""
        made = ("gold.house_by_town_usage", f"report.{REPORT}", "silver.house", "bronze.house")
        told = ("ops.batch", "ops.quarantine", "ops.rectification", "ops.repair")
        with self.workshop.lake.reader() as con:
            return {
                table: con.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
                for table in (*made, *told)
            }

    def course(self, hold_id: str) -> Course:
        """The history of one hold."""
        with self.workshop.lake.reader() as con:
            return course_of(con, hold_id)

    def line(self) -> dict[str, Any]:
        """The line of ``countylake status``."""
        feeds = overview.status(self.workshop)["feeds"]
        return next(one for one in feeds if one["feed"] == "house")

    def at_the_city(self) -> dict[str, Any]:
        """What the city knows of the report."""
        (county,) = city_status(self.city.lake)["counties"]
        (report,) = county["reports"]
        found: dict[str, Any] = report
        return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Day 1: everything is good, sealed and received."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys-140321"))
    home = Home(county.home.root)
    workshop = Workshop(home, Settings(threads=1), "collect", schemas_dir(), sql_dir())
    site = Site(tmp_path, city, workshop)
    site.put_parents()
    site.put("20261101")
    behind = feeds_behind(workshop, f"report.{REPORT}")
    done, package = site.day(tuple(one for one in feed_order(workshop.contracts) if one in behind))
    assert done.status == "success", done.error
    assert (package["revision"], package["held"], package["settled"]) == (1, [], [])
    return site


def test_a_broken_batch_is_held_told_released_and_told_again(site: Site) -> None:
    """Day 2 brings a fifth of broken rows: yesterday's figures stay, and every side says so."""
    before = site.figures()
    (hash_before,) = {row for (row,) in site.ask("SELECT content_hash FROM ops.package")}
    site.put("20261102", broken)
    done, package = site.day()
    assert (done.status, len(done.held)) == ("failed", 1)
    assert site.figures() == before
    held = package["held"]
    assert [(one["feed"], one["hold_id"], one["kind"]) for one in held] == [
        ("house", "house-1", "quality")
    ]
    assert held[0]["rows"] == DATA
    assert held[0]["data_until"] < held[0]["since"]
    assert held[0]["reasons"][0]["rule"] == "rejection_budget"
    assert (package["revision"], package["content_hash"]) == (2, hash_before)
    assert package["reason"].startswith("house is held (house-1), its data are of ")
    assert site.at_the_city()["held"] == held
    line = site.line()
    assert (line["holds"][0]["rows"], line["data_age_days"]) == (DATA, 0)
    course = site.course("house-1")
    assert (course.outcome, course.batch, course.rows_held) == ("held", None, DATA)

    replay(site.workshop, "house-1", manual(), by="李工", why="住建局确认")
    done, package = site.day()
    assert (package["revision"], package["held"]) == (3, [])
    assert [(one["hold_id"], one["outcome"]) for one in package["settled"]] == [
        ("house-1", "released")
    ]
    assert package["content_hash"] != hash_before
    assert package["reason"] == (
        "figures changed since the revision before; house is no longer held (house-1 released)"
    )
    assert "李工" not in json.dumps(package, ensure_ascii=False)
    assert site.at_the_city()["held"] == []
    assert site.ask("SELECT count(*) FROM ops.batch WHERE feed = 'house'") == [(2,)]
    course = site.course("house-1")
    assert [(one.event, one.by) for one in course.events] == [
        ("held", "countylake"),
        ("released", "李工"),
        ("merged", "countylake"),
    ]
    assert course.batch is not None
    assert course.batch["read"] == sum(course.batch.values()) - course.batch["read"]
    assert (course.outcome, course.rows_held) == ("merged", 0)
    assert site.line()["holds"] == []
    _, again = site.day()
    assert (again["is_new"], again["revision"]) == (False, 3)

    _refused(site)


def _refused(site: Site) -> None:
    """Another broken batch is sent back: no figure ever moved, and the package says so."""
    before = site.figures()
    site.put("20261103", lambda number, row: broken(number + 1, row))
    assert site.day()[1]["held"][0]["hold_id"] == "house-2"
    send_back(site.workshop, "house-2", manual(), by="李工", why="请更正后重报")
    _, package = site.day()
    assert site.figures() == before
    assert (package["revision"], package["held"]) == (5, [])
    assert package["reason"] == "house is no longer held (house-2 refused)"
    course = site.course("house-2")
    assert [(one.event, one.told) for one in course.events[1:]] == [("refused", "请更正后重报")]
    assert (course.outcome, course.batch, course.rows_held) == ("refused", None, 0)
