"""Sixty departments of 10 to 60 columns: loaded fast, taken in a day, none in another's way.

The whole day through the command line is a long campaign; what is quick of it runs always.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.clock import local_day, now
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.tasks.look import tasks
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import Home
from dagster_project.settings import Site
from tests.departments_kit import Department, departments

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sixty")]
SIXTY, PARTIAL = 60, 9
POISONED = (2, 5, 7, 11)
DEFINITIONS_S = 3.0
"""CPU seconds in which the definitions of sixty feeds must load; imports of Dagster come first."""
DAY_S, DAY_MIB = 300, 2048
"""CPU seconds and memory of a day of sixty deliveries: generous, for machines are not alike."""
RUN = """\
import atexit, runpy, sys
from pathlib import Path
from tests.fuzz.victim import peak_mib
told = Path(sys.argv.pop())
atexit.register(lambda: told.write_text(str(peak_mib())))
runpy.run_module("dagster_project.cli", run_name="__main__", alter_sys=True)
"""
LOAD = """\
import json, time
import dagster, dagster_project.components.county_day, dagster_project.components.department_feed
began = time.process_time()
from dagster_project.definitions import defs
made = defs()
job = made.resolve_job_def("county_day")
took = time.process_time() - began
steps = [node.name for node in job.nodes]
schedules = sorted(one.name for one in made.schedules or [])
print(json.dumps({"took": took, "steps": steps, "schedules": schedules}))
"""


def tell(measured: str) -> None:
    """Show what was measured (``pytest -s``)."""
    sys.stdout.write(f"\n{measured}\n")


@dataclass(frozen=True)
class Sixty:
    """A county of many departments, with contracts, home and keys of its own."""

    root: Path
    made: tuple[Department, ...]

    @property
    def home(self) -> Path:
        """The county's home."""
        return self.root / "home"

    @property
    def inbox(self) -> Path:
        """What departments deliver."""
        return self.home / "inbox"

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are told."""
        return {
            "COUNTYLAKE_HOME": str(self.home),
            "COUNTYLAKE_SCHEMAS": str(self.root / "schemas"),
            "COUNTYLAKE_SQL": str(self.root / "sql"),
            "COUNTYLAKE_KEYS": str(self.root / "keys"),
            "CIVIL_USER": "reader",
            "CIVIL_PASSWORD": "nobody answers",
        }

    def contract(self, one: Department) -> Path:
        """Where a department's contract lies."""
        return self.root / "schemas" / "feeds" / f"{one.feed}.yaml"

    def amend(self, one: Department, **changes: Any) -> None:
        """Change words of a department's contract."""
        path = self.contract(one)
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump({**document, **changes}, allow_unicode=True), "utf-8")

    def call(self, *arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
        """A process of this county, and its CPU seconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def run(self, expected: int = 0) -> dict[str, Any]:
        """A day through the command line; its answer, the CPU seconds and the MiB that it took."""
        told = self.root / "peak.txt"
        done, took = self.call("-c", RUN, "run", "--json", str(told))
        assert done.returncode == expected, done.stderr[-2000:]
        answer: dict[str, Any] = json.loads(done.stdout)
        return {**answer, "took": took, "peak": int(told.read_text("ascii"))}


def county(root: Path, count: int) -> Sixty:
    """A new county of so many departments; its own models are none."""
    made = tuple(departments(count, root / "schemas"))
    (root / "sql").mkdir()
    place = Sixty(root, made)
    home = Home(place.home)
    before = os.environ.get("COUNTYLAKE_KEYS")
    os.environ["COUNTYLAKE_KEYS"] = place.environment["COUNTYLAKE_KEYS"]
    try:
        found(home, Site(code="140321", name="平定县", parent="140300", inbox="inbox"))
    finally:
        os.environ.pop("COUNTYLAKE_KEYS")
        if before is not None:
            os.environ["COUNTYLAKE_KEYS"] = before
    return place


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sixty:
    """Sixty departments whose workshop is this process's."""
    place = county(tmp_path, SIXTY)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    return place


def test_the_definitions_of_sixty_feeds_load_in_three_seconds(tmp_path: Path) -> None:
    """Contracts are read and become steps, assets, checks and one job in less than 3 s of CPU."""
    place = county(tmp_path, SIXTY)
    done, whole = place.call("-c", LOAD)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = json.loads(done.stdout)
    tell(f"definitions of {SIXTY} feeds: {loaded['took']:.2f} s CPU, process {whole:.2f} s")
    assert {f"feed_{one.feed}" for one in place.made} <= set(loaded["steps"])
    assert loaded["schedules"] == ["daily_reports", "lake_keeping"]
    assert loaded["took"] < DEFINITIONS_S


def test_one_unreadable_file_leaves_five_other_feeds_fresh(here: Sixty) -> None:
    """Each feed's step is its own; the task list of all sixty names the one that failed."""
    chosen, poisoned = here.made[:6], here.made[3]
    for one in chosen:
        one.deliver(here.inbox, 50)
    bad = here.inbox / poisoned.folder / "事项_20261122.csv"
    bad.write_bytes(b"\x00\x01\x02 no table")
    os.utime(bad, (bad.stat().st_mtime - 60, bad.stat().st_mtime - 60))
    workshop = Workshop.at(here.home).renewed()
    occasion = Occasion("one-day", local_day(now()))
    outcomes = {one.feed: run_feed(workshop, one.feed, occasion) for one in chosen}
    assert {name for name, done in outcomes.items() if done.error} == {poisoned.feed}
    assert bad.name in outcomes[poisoned.feed].error
    assert all(
        (done.status, done.silver_rows) == ("success", 50)
        for name, done in outcomes.items()
        if name != poisoned.feed
    )
    began = time.process_time()
    listed = {one.task: one for one in tasks(workshop)}
    tell(f"tasks of {SIXTY} feeds: {time.process_time() - began:.2f} s CPU")
    states = {one.feed: listed[one.feed].state for one in here.made}
    assert states.pop(poisoned.feed) == "failed"
    assert {states[one.feed] for one in chosen if one is not poisoned} == {"ok"}
    assert len(states) == SIXTY - 1


def poison(place: Sixty) -> dict[str, str]:
    """Four departments with a fault of their own each, and a word of what must be said of it."""
    contract, file, channel, disk = (place.made[number] for number in POISONED)
    place.amend(contract, schema=[{"name": contract.feed, "logicalType": "nonsense"}])
    (place.inbox / file.folder / "事项_20261122.csv").write_bytes(b"\x00\x01\x02 no table")
    source = {"server": "civil", "type": "postgresql", "host": "127.0.0.1", "port": 1}
    more = {"database": "civil", "schema": "public"}
    words = {"table": "people", "credentials": "env:CIVIL"}
    custom = [{"property": word, "value": value} for word, value in words.items()]
    place.amend(channel, servers=[{**source, **more, "customProperties": custom}])
    folder = Home(place.home).data / "bronze"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / disk.feed).write_text("where its rows belong lies a file")
    return {
        contract.feed: contract.feed,
        file.feed: "事项_20261122.csv",
        channel.feed: "cannot be reached",
        disk.feed: " ",
    }


@pytest.mark.thorough
def test_a_day_of_sixty_departments_with_four_poisoned(tmp_path: Path) -> None:
    """Four faults stop four feeds; fifty-six are fresh, in one process of bounded time and memory.

    When the faults are mended, the next run takes what was left, and nothing else.
    """
    place = county(tmp_path, SIXTY)
    rows = 500
    for one in place.made:
        one.deliver(place.inbox, rows)
    faults = poison(place)
    day = place.run(expected=PARTIAL)
    tell(f"a day of {SIXTY} feeds: {day['took']:.0f} s CPU, peak {day['peak']} MiB")
    feeds = {feed["feed"]: feed for feed in day["feeds"]}
    for one in place.made:
        if one.feed not in faults:
            told = feeds[one.feed]
            found = told["last_status"], told["read"], told["accepted"]
            assert found == ("success", rows, rows), one.feed
    well = [one for one in place.made if one.feed not in faults]
    assert silver(place, well) == [rows] * len(well)
    listed, _ = place.call("-m", "dagster_project.cli", "tasks", "--json")
    states = {task["task"]: task for task in json.loads(listed.stdout)["tasks"]}
    for name, word in faults.items():
        why = feeds[name]["error"] if name in feeds else " ".join(map(str, day["problems"]))
        assert word in why, (name, why)
        assert name not in states or states[name]["state"] == "failed"
    assert all(one["state"] == "ok" for name, one in states.items() if name not in faults)
    assert day["took"] < DAY_S
    assert day["peak"] < DAY_MIB
    mend(place)
    after = {feed["feed"]: feed for feed in place.run()["feeds"]}
    assert {after[name]["last_status"] for name in faults} == {"success"}
    assert {feed["last_status"] for name, feed in after.items() if name not in faults} == {
        "skipped"
    }
    assert silver(place, place.made) == [rows] * SIXTY


def silver(place: Sixty, asked: Sequence[Department]) -> list[int]:
    """How many records the published copy holds of some feeds."""
    counts = ", ".join(f"(SELECT count(*) FROM silver.{one.feed})" for one in asked)
    done, _ = place.call("-m", "dagster_project.cli", "sql", f"SELECT {counts}", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    return [int(count) for count in json.loads(done.stdout)["rows"][0]]


def mend(place: Sixty) -> None:
    """Take the four faults away."""
    for number in POISONED:
        one = place.made[number]
        place.contract(one).write_text(one.contract(), encoding="utf-8")
    place.made[POISONED[1]].deliver(place.inbox, 500)
    (Home(place.home).data / "bronze" / place.made[POISONED[3]].feed).unlink()
