"""A county with one feed of permits and three reports: by month, of the state, and of the day."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from dagster_project import clock
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.packaging.sealing import Sealing
from dagster_project.components.steps.report import seal_report
from dagster_project.components.steps.workshop import Workshop
from dagster_project.reporting.identity import give_key
from tests.delivery_kit import County, Row

BY_MONTH, STATE, DAY = "permit_by_month", "permit_state", "permit_of_day"
HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.{layer}.{name}
name: 许可{name}
version: 1.0.0
status: active
{words}
schema:
  - name: {name}
    businessName: 许可{name}
    logicalType: object
    properties:
      - name: {key}
        businessName: 键
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L1
      - name: permit_cnt
        businessName: 许可数
        logicalType: integer
        classification: L1
        customProperties:
          - {{property: unit, value: 件}}
"""
OF_STATE = """\
SELECT
  'all' AS kind,
  CAST(COALESCE(SUM(permit_cnt), 0) AS BIGINT) AS permit_cnt
FROM gold.permit_month
ORDER BY kind
"""
OF_DAY = """\
SELECT
  CAST(:day AS VARCHAR) AS kind,
  COUNT(*) AS permit_cnt
FROM ops.delivery
WHERE received_at < :cut_off_at
ORDER BY kind
"""
MONTHLY = """\
customProperties:
  - {property: period, value: monthly}
  - {property: periodColumn, value: month}"""
DAILY = "customProperties: [{property: period, value: daily}, {property: mayBeEmpty, value: true}]"
GOLD = """\
SELECT
  strftime(issued_date, '%Y%m') AS month,
  COUNT(*) AS permit_cnt
FROM silver.permit
WHERE NOT _is_deleted
GROUP BY 1
"""
OF_MONTHS = "SELECT month, permit_cnt FROM gold.permit_month ORDER BY month"
TABLES = (
    ("gold", "permit_month", "month", "", GOLD),
    ("report", BY_MONTH, "month", MONTHLY, OF_MONTHS),
    ("report", STATE, "kind", DAILY, OF_STATE),
    ("report", DAY, "kind", DAILY, OF_DAY),
)


class Periods(County):
    """The county, with SQL of its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        schemas, self.sql = root / "schemas", root / "sql"
        for layer, name, key, words, query in TABLES:
            for folder in (schemas / layer, self.sql / layer):
                folder.mkdir(parents=True, exist_ok=True)
            text = HEAD.format(layer=layer, name=name, key=key, words=words)
            (schemas / layer / f"{name}.yaml").write_text(text, "utf-8")
            (self.sql / layer / f"{name}.sql").write_text(query, "utf-8")
        self.renew()
        give_key(self.workshop.home)

    def renew(self) -> None:
        """Read contracts and SQL again."""
        old = self.workshop.renewed()
        self.workshop = Workshop(old.home, old.settings, "collect", old.schemas, self.sql)
        assert not self.workshop.contracts.problems, self.workshop.contracts.problems
        assert not self.workshop.graph.problems, self.workshop.graph.problems

    def due_time(self, name: str, due_time: str) -> None:
        """Let a report be due at another hour."""
        path = self.workshop.schemas / "report" / f"{name}.yaml"
        word = f"value: daily}}, {{property: dueTime, value: '{due_time}'}}"
        path.write_text(path.read_text("utf-8").replace("value: daily}", word), "utf-8")
        self.renew()

    def take(self, name: str, lines: Iterable[Row]) -> None:
        """The department's whole list, taken."""
        self.put(name, lines)
        self.run()

    def occasion(self, day: date | None = None) -> Occasion:
        """A run, today or on another day."""
        return Occasion(f"test-{uuid4()}", day or today())

    def build(self, occasion: Occasion) -> None:
        """Every table above the feed."""
        for model in self.workshop.graph.models.values():
            build_model(self.workshop, model, occasion)

    def report(self, name: str, day: date | None = None) -> Sealing:
        """Build everything, then seal one report, as a run does."""
        occasion = self.occasion(day)
        self.build(occasion)
        return seal_report(self.workshop, name, occasion)

    def packages(self, name: str) -> list[tuple[str, int, str]]:
        """Period, revision and reason of every package of a report, as they were sealed."""
        return [
            (str(period), int(revision), str(reason))
            for period, revision, reason in self.ask(
                "SELECT period, revision, reason FROM ops.package WHERE report = ?"
                " ORDER BY package_no",
                name,
            )
        ]

    def status(self, package_id: str) -> dict[str, Any]:
        """What a package says of itself besides its figures."""
        path = self.workshop.home.outbox / package_id / "status.json"
        told: dict[str, Any] = json.loads(path.read_bytes())
        return told

    def age(self, days: int) -> None:
        """Everything that happened until now, was so many days ago."""
        with self.workshop.lake.writer("age") as writer:
            writer.con.execute(
                "UPDATE lake.ops.package SET sealed_at = sealed_at - to_days(?::INT),"
                " cut_off_at = cut_off_at - to_days(?::INT)",
                [days, days],
            )
        with sqlite3.connect(self.workshop.home.catalog) as catalog:
            catalog.execute(
                "UPDATE ducklake_snapshot SET snapshot_time ="
                " replace(datetime(substr(snapshot_time, 1, 19), ?), 'T', ' ') || '+00'",
                [f"-{days} days"],
            )


def today() -> date:
    """The county's calendar day."""
    return clock.local_day(clock.now())


def days_ago(days: int) -> date:
    """A day before it."""
    return today() - timedelta(days=days)
