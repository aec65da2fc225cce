"""A small county with contracts of its own, whose departments deliver small files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from dagster_project import clock
from dagster_project.components.steps.arriving.holds import Hold, holds
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import Home, sql_dir
from dagster_project.settings import Settings, Site

PERMIT = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.feeds.permit
name: 许可
version: 1.0.0
status: active
domain: services
servers:
  - {{server: inbox, type: local, path: '审批局/许可_*.csv', format: csv}}
  - {{server: books, type: local, path: '审批局/许可_*.xlsx', format: xlsx}}
slaProperties:
  - {{property: frequency, value: 1, unit: m}}
customProperties:
  - {{property: department, value: {{code: shenpi, name: 审批局}}}}
  - {{property: delivery, value: {delivery}}}
  - {{property: accepts, value: {{encodings: [utf-8, gb18030], formats: [csv, xlsx]}}}}
{words}
schema:
  - name: permit
    businessName: 许可
    logicalType: object
    properties:
      - name: permit_no
        businessName: 许可编号
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L2
      - name: holder
        businessName: 持有单位
        logicalType: string
        classification: L2
        customProperties:
          - {{property: textual, value: true}}
      - name: issued_date
        businessName: 发证日期
        logicalType: date
        classification: L1
"""
FOLDER = "审批局"
TITLES = ("许可编号", "持有单位", "发证日期")
Row = Sequence[object]


def rows(numbers: Iterable[int], day: str = "2023-05-31", holder: str = "一厂") -> list[Row]:
    """One row per number."""
    return [(f"P{number}", holder, day) for number in numbers]


@dataclass
class County:
    """The county's home, contracts and inbox."""

    root: Path
    words: Sequence[str] = ()
    delivery: str = "full"

    def __post_init__(self) -> None:
        home, schemas = self.root / "county", self.root / "schemas"
        found(Home(home), Site(code="140321", name="平定县", parent="140300", inbox="inbox"))
        self.inbox = home / "inbox"
        (self.inbox / FOLDER).mkdir(parents=True, exist_ok=True)
        (schemas / "feeds").mkdir(parents=True)
        lines = "\n".join(f"  - {{property: {word}}}" for word in self.words)
        text = PERMIT.format(delivery=self.delivery, words=lines)
        (schemas / "feeds" / "permit.yaml").write_text(text, encoding="utf-8")
        self.workshop = Workshop(Home(home), Settings(threads=1), "collect", schemas, sql_dir())
        assert not self.workshop.contracts.problems, self.workshop.contracts.problems

    def put(self, name: str, lines: Iterable[Row]) -> Path:
        """Deliver a CSV file; every file is older than the inbox asks to look at twice."""
        body = [",".join(str(cell) for cell in line) for line in [TITLES, *lines]]
        return self.put_bytes(name, ("\n".join(body) + "\n").encode())

    def put_bytes(self, name: str, data: bytes) -> Path:
        """Deliver any file."""
        path = self.inbox / FOLDER / name
        path.write_bytes(data)
        past = path.stat().st_mtime_ns - 60_000_000_000
        os.utime(path, ns=(past, past))
        return path

    def state(self, name: str, *files: Path, **more: object) -> Path:
        """Deliver a manifest of files."""
        lines = [
            {
                "path": path.name,
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                **more,
            }
            for path in files
        ]
        text = json.dumps({"files": lines}, ensure_ascii=False)
        return self.put_bytes(f"{name}.manifest.json", text.encode())

    def run(self) -> FeedOutcome:
        """Take what is new; a failure of the programme itself fails the test."""
        occasion = Occasion(run_id=f"test-{uuid4()}", day=clock.now().date())
        done = run_feed(self.workshop, "permit", occasion)
        assert "programme failed" not in done.error, done.error
        return done

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """A question to the lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query, list(values)).fetchall()

    def live(self) -> list[str]:
        """The numbers of the live records."""
        query = "SELECT permit_no FROM silver.permit WHERE NOT _is_deleted ORDER BY 1"
        return [str(number) for (number,) in self.ask(query)]

    def outcomes_of(self) -> list[str]:
        """What became of every delivery, in the order of reception."""
        query = "SELECT outcome FROM ops.delivery ORDER BY received_at"
        return [str(outcome) for (outcome,) in self.ask(query)]

    def holds(self, state: str = "open") -> list[Hold]:
        """The held deliveries."""
        with self.workshop.lake.reader() as con:
            return holds(con, state=state)  # type: ignore[arg-type]


def call(county: County, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``countylake`` for the county on a screen of 80 columns."""
    environment = {
        **os.environ,
        "COUNTYLAKE_HOME": str(county.workshop.home.root),
        "COUNTYLAKE_SCHEMAS": str(county.workshop.schemas),
        "COUNTYLAKE_THREADS": "1",
        "COLUMNS": "80",
    }
    return subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
