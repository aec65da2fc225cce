"""A county that has taken a day, and new files of its departments in another shape."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from dagster_project import clock
from dagster_project.components.steps.arriving import amending
from dagster_project.components.steps.arriving.holds import Hold
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import SAMPLES, Home, sql_dir
from dagster_project.settings import Settings

FOLDER = "住房和城乡建设局"
(SAMPLE,) = (SAMPLES / "inbox" / "140321" / FOLDER).glob("实有房屋_*.csv")
LINES = list(csv.reader(io.StringIO(SAMPLE.read_text("utf-8-sig"))))[:121]
HEADER, ROWS = LINES[0], LINES[1:]
AREA, USAGE = HEADER.index("建筑面积（㎡）"), HEADER.index("房屋用途")
Row = Sequence[str]
Edit = Callable[[list[str]], list[str]]


@dataclass
class County:
    """A county whose house department delivers small files, with contracts of its own."""

    root: Path
    known: dict[bytes, Workshop] = field(default_factory=dict)

    @property
    def workshop(self) -> Workshop:
        """The site with its contracts as they are now; unchanged ones are not read again."""
        codes = (self.schemas / "codes" / "house_usage.csv").read_bytes()
        now = self.contract.read_bytes() + codes
        if now not in self.known:
            home = Home(self.root / "county")
            made = Workshop(home, Settings(threads=1), "collect", self.schemas, sql_dir())
            self.known[now] = made.renewed()
        return self.known[now]

    @property
    def schemas(self) -> Path:
        """The county's own contracts."""
        return self.root / "schemas"

    @property
    def contract(self) -> Path:
        """The contract of the feed."""
        return self.schemas / "feeds" / "house.yaml"

    def word(self, word: str) -> None:
        """Add a word to the feed's contract."""
        text = self.contract.read_text("utf-8")
        place = "  - {property: delivery, value: full}\n"
        self.contract.write_text(text.replace(place, f"{place}  - {word}\n"), "utf-8")

    def put(self, name: str, header: Row = HEADER, edit: Edit = list) -> Path:
        """Deliver the houses, each row edited."""
        made = io.StringIO()
        csv.writer(made, lineterminator="\n").writerows([header, *(edit(list(r)) for r in ROWS)])
        path = self.root / "county" / "inbox" / FOLDER / f"实有房屋_{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made.getvalue(), "utf-8")
        past = path.stat().st_mtime_ns - 60_000_000_000
        os.utime(path, ns=(past, past))
        return path

    def run(self) -> FeedOutcome:
        """Take what is new."""
        occasion = Occasion(run_id=f"test-{uuid4()}", day=clock.now().date())
        return run_feed(self.workshop, "house", occasion)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """A question to the lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query).fetchall()

    def drift(self) -> Hold:
        """The one changed structure that waits."""
        (hold,) = amending.drifts(self.workshop)
        return hold

    def accept(self, hold_id: str, **choices: str) -> amending.Decision:
        """Accept a changed structure."""
        workshop = self.workshop
        proposal = amending.prepare(workshop, hold_id, choices)
        return amending.accept(workshop, hold_id, proposal, by="李工", why="住建局来函")

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``countylake`` for this county."""
        environment = {
            **os.environ,
            "COUNTYLAKE_HOME": str(self.root / "county"),
            "COUNTYLAKE_SCHEMAS": str(self.schemas),
            "COUNTYLAKE_THREADS": "1",
        }
        return subprocess.run(
            [sys.executable, "-m", "dagster_project.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
        )


def titled(column: int, title: str) -> list[str]:
    """The header with another title in one place."""
    return [*HEADER[:column], title, *HEADER[column + 1 :]]


def cell(column: int, change: Callable[[str], str]) -> Edit:
    """Rows with one cell changed."""
    return lambda row: [*row[:column], change(row[column]), *row[column + 1 :]]
