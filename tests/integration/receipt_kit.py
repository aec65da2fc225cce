"""Small real counties that report their population, with a few persons of the samples each."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.report import seal_report
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import SAMPLES, Home
from dagster_project.settings import Site

FEEDS = ("division", "collective_org", "house", "population", "component", "hotline_order")
REPORT = "population_by_town"
TABLE = f"report.{REPORT}"
DAY = date(2023, 6, 1)
PERSONS = 60


@dataclass
class PeopleCounty:
    """A county: its home below ``root``, its inbox, and how many persons it delivered."""

    root: Path
    code: str = "140321"
    name: str = "平定县"
    exchange: str = "exchange"
    workshop: Workshop = field(init=False)
    inbox: Path = field(init=False)
    lines: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        home, self.inbox = Home(self.root / self.code), self.root / f"inbox-{self.code}"
        site = Site(code=self.code, name=self.name, parent="140300", inbox=str(self.inbox))
        found(home, site.model_copy(update={"exchange": self.exchange}))
        samples = SAMPLES / "inbox" / self.code
        self._put(next(samples.glob("*/行政区划_*")), None)
        people = next(samples.glob("*/实有人口_*"))
        self.lines = people.read_bytes().splitlines(keepends=True)
        self._put(people, b"".join(self.lines[: PERSONS + 1]))
        self.workshop = Workshop.at(home.root)

    @property
    def people(self) -> Path:
        """The delivered file of persons."""
        return next(self.inbox.glob("*/实有人口_*"))

    def deliver(self, persons: int) -> Path:
        """Deliver more persons of the samples: a new full snapshot."""
        path = self.people
        path.write_bytes(b"".join(self.lines[: persons + 1]))
        _age(path)
        return path

    def run(self, *tables: str) -> list[str]:
        """Take what was delivered, build and seal; the new packages."""
        occasion = Occasion(run_id=str(uuid4()), day=DAY)
        for name in FEEDS:
            outcome = run_feed(self.workshop, name, occasion)
            assert not outcome.error, f"{name}: {outcome.error}"
        new: list[str] = []
        for table in tables or (TABLE,):
            for name in (*self.workshop.graph.upstream(table), table):
                build_model(self.workshop, self.workshop.graph.models[name], occasion)
            sealing = seal_report(self.workshop, table.partition(".")[2], occasion)
            new += [one.package_id for one in sealing.new]
        return new

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the county's lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query, list(values)).fetchall()

    def file(self, package_id: str, name: str) -> bytes:
        """A file of a sealed package."""
        return (self.workshop.home.outbox / package_id / name).read_bytes()

    def receipt(self, package_id: str) -> dict[str, Any]:
        """The one receipt of a package, as plain JSON."""
        (receipt,) = json.loads(self.file(package_id, "receipts.json"))["receipts"]
        return dict(receipt)

    def header(self, package_id: str) -> dict[str, Any]:
        """The signed header of a package, as plain JSON."""
        envelope = json.loads(self.file(package_id, "signature.json"))
        return dict(json.loads(base64.b64decode(envelope["payload"]))["header"])

    def _put(self, source: Path, data: bytes | None) -> None:
        folder = self.inbox / source.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / source.name).write_bytes(source.read_bytes() if data is None else data)
        _age(folder / source.name)


def _age(path: Path) -> None:
    """A file that was written a minute ago is complete."""
    past = path.stat().st_mtime_ns - 60_000_000_000
    os.utime(path, ns=(past, past))
