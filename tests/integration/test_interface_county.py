"""From an interface into the lake: what the source holds is what silver holds, run after run."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dagster_project import clock
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import Home, sql_dir
from dagster_project.settings import Settings, Site
from tests.interface_kit import Interface, records, serving

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.feeds.people
name: 人员
version: 1.0.0
status: active
domain: services
servers:
  - server: interface
    type: api
    location: '{url}'
    customProperties:
      - property: request
        value: {{records: data.items, total: data.total,
                 paging: {{style: page, page: pageNo, size: pageSize, rows: 7}}}}
{watermark}
slaProperties:
  - {{property: frequency, value: 1, unit: d}}
customProperties:
  - {{property: department, value: {{code: gongan, name: 公安局}}}}
  - {{property: delivery, value: {delivery}}}
  - {{property: accepts, value: {{encodings: [utf-8], formats: [json]}}}}
schema:
  - name: people
    businessName: 人员
    logicalType: object
    properties:
      - name: id
        businessName: 编号
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L2
      - name: amount
        businessName: 金额
        logicalType: number
        physicalType: DECIMAL(12, 2)
        classification: L1
      - name: person_name
        businessName: 姓名
        logicalType: string
        classification: L2
        customProperties:
          - {{property: aliases, value: [person.name]}}
      - name: updated_at
        businessName: 更新时间
        logicalType: timestamp
        classification: L1
"""
WATERMARK = (
    "      - {property: watermark, value: {column: updated_at, parameter: since, overlap: 3}}"
)


class County:
    """A county whose only feed is fetched from an interface."""

    def __init__(self, root: Path, interface: Interface, delivery: str) -> None:
        home, schemas = Home(root / "county"), root / "schemas"
        found(home, Site(code="140321", name="平定县", parent="140300", inbox="inbox"))
        (schemas / "feeds").mkdir(parents=True)
        words = WATERMARK if delivery == "incremental" else ""
        text = CONTRACT.format(url=interface.url, delivery=delivery, watermark=words)
        (schemas / "feeds" / "people.yaml").write_text(text, encoding="utf-8")
        self.workshop = Workshop(home, Settings(threads=1), "collect", schemas, sql_dir())
        assert not self.workshop.contracts.problems, self.workshop.contracts.problems

    def run(self) -> FeedOutcome:
        """Take what is new."""
        occasion = Occasion(run_id=f"test-{uuid4()}", day=clock.now().date())
        return run_feed(self.workshop, "people", occasion)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """A question to the lake."""
        with self.workshop.lake.reader() as con:
            return con.execute(query).fetchall()

    def live(self) -> list[tuple[str, str, str]]:
        """The live records."""
        query = (
            "SELECT id, amount::VARCHAR, person_name FROM silver.people"
            " WHERE NOT _is_deleted ORDER BY 1"
        )
        return self.ask(query)


def expected(interface: Interface) -> list[tuple[str, str, str]]:
    """What silver should hold."""
    return [(row["id"], row["amount"], row["person"]["name"]) for row in interface.rows]


@pytest.mark.parametrize(
    "delivery", ["incremental", pytest.param("full", marks=pytest.mark.thorough)]
)
def test_silver_follows_the_source(tmp_path: Path, delivery: str) -> None:
    """New and changed records arrive once; a fault takes nothing; the watermark moves."""
    with serving(Interface(records(30))) as interface:
        county = County(tmp_path, interface, delivery)
        done = county.run()
        assert (done.status, done.error) == ("success", "")
        assert county.live() == expected(interface)
        interface.rows = [*records(28), *records(9, 28)]
        interface.rows[-1]["amount"] = "7.00"
        interface.faults = dict.fromkeys(range(len(interface.asked), 999), "400")
        assert county.run().status == "failed"
        assert len(county.live()) == 30
        interface.faults = {len(interface.asked): "cut", len(interface.asked) + 2: "503"}
        assert county.run().error == ""
        assert county.live() == expected(interface)
        county.run()
        assert county.live() == expected(interface)
        if delivery == "incremental":
            reached = "SELECT max(until) FROM ops.delivery WHERE server = 'interface'"
            assert county.ask(reached) == [(interface.rows[-1]["updated_at"],)]
            assert interface.asked[-1]["since"] == "2026-11-22T00:00:33+08:00"
        assert list((county.workshop.home.spool / "people" / "interface").iterdir()) == []
