"""Why a report is late: a county of five departments of which four are behind, each differently."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from dagster_project import clock
from dagster_project.cli.main import app
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.founding import found
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.tasks.pausing import decide
from dagster_project.components.steps.tasks.why import Link, Why, why
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import Settings, Site
from tests.departments_kit import Department, departments

SENT, MISSING, HELD, FAILED, PAUSED = range(5)
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.{layer}.{name}
name: {title}
version: 1.0.0
status: active
description: {{purpose: 各局事项数。}}
{words}
schema:
  - name: {name}
    businessName: {title}
    logicalType: object
    properties:
      - name: bureau
        businessName: 局
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L1
      - name: affair_cnt
        businessName: 事项数
        logicalType: integer
        classification: L1
        customProperties:
          - {{property: unit, value: 件}}
"""
DAILY = "customProperties: [{property: period, value: daily}]"


class Narrow(Department):
    """A department whose files are small."""

    @property
    def width(self) -> int:
        """Three columns."""
        return 3


class Bureaus:
    """A county with a gold table of all departments' affairs, and a daily report of it."""

    fine: Why
    """The chain as it was while all was well."""

    def __init__(self, root: Path) -> None:
        schemas, sql = root / "schemas", root / "sql"
        self.made = departments(5, schemas, Narrow)
        for layer, name, title, words in (
            ("gold", "affair_by_bureau", "各局事项", ""),
            ("report", "affair", "事项表", DAILY),
        ):
            for folder in (schemas / layer, sql / layer):
                folder.mkdir(parents=True)
            text = CONTRACT.format(layer=layer, name=name, title=title, words=words)
            (schemas / layer / f"{name}.yaml").write_text(text, "utf-8")
        counts = [
            f"SELECT '{one.feed}' AS bureau, COUNT(*) AS affair_cnt FROM silver.{one.feed}"
            " WHERE NOT _is_deleted"
            for one in self.made
        ]
        gold = "\nUNION ALL\n".join(counts)
        (sql / "gold" / "affair_by_bureau.sql").write_text(gold, "utf-8")
        report = "SELECT bureau, affair_cnt FROM gold.affair_by_bureau ORDER BY bureau"
        (sql / "report" / "affair.sql").write_text(report, "utf-8")
        self.home = Home(root / "county")
        found(self.home, Site(code="140321", name="平定县", parent="140300", inbox="inbox"))
        self.workshop = Workshop(self.home, Settings(threads=1), "collect", schemas, sql)
        assert not self.workshop.contracts.problems, self.workshop.contracts.problems
        assert not self.workshop.graph.problems, self.workshop.graph.problems

    def take(self, one: Department, rows: int, name: str) -> None:
        """A department's file, taken."""
        one.deliver(self.home.root / "inbox", rows, name)
        self.run(one)

    def run(self, one: Department) -> None:
        """Its task, now."""
        run_feed(self.workshop, one.feed, self.occasion())

    def build(self) -> None:
        """The tables above the feeds."""
        occasion = self.occasion()
        for model in self.workshop.graph.models.values():
            build_model(self.workshop, model, occasion)

    def occasion(self) -> Occasion:
        """A run."""
        return Occasion(f"test-{uuid4()}", clock.local_day(clock.now()))


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Bureaus:
    """On its first day everybody sent; on the second only one did, as it should."""
    made = Bureaus(tmp_path_factory.mktemp("bureaus"))
    for one in made.made:
        made.take(one, 40, "20261122")
    made.build()
    made.fine = why(made.workshop, "affair")
    made.take(made.made[HELD], 3, "20261123")
    broken = made.home.root / "inbox" / made.made[FAILED].folder / "事项_20261123.csv"
    broken.write_bytes(b"PK\x03\x04 no archive")
    made.run(made.made[FAILED])
    decide(made.workshop, [made.made[PAUSED].feed], "pause", by="李工", why="moving")
    return made


def chain(county: Bureaus, days: float = 0) -> tuple[str, dict[str, Link]]:
    """The verdict on the report, and each link by its task, some days later."""
    said = why(county.workshop, "report.affair", clock.now() + timedelta(days=days))
    return said.verdict, {link.task: link for link in said.chain.every()}


def test_the_chain_ends_at_every_department_that_is_behind(county: Bureaus) -> None:
    """Held, failed, paused: each with what happened, what to do and whom to call."""
    verdict, links = chain(county)
    behind = [link.task for link in links["report.affair"].causes()]
    assert sorted(behind) == ["affair_02", "affair_03", "affair_04"]
    assert "第02局: 第02局事项 (held)" in verdict
    held, failed, paused = (links[f"affair_0{number}"] for number in (HELD, FAILED, PAUSED))
    assert "事项_20261123.csv came" in held.sentence
    assert held.todo == "countylake hold show affair_02-1"
    assert (held.department, held.channel) == ("第02局", "inbox 第02局/事项_*.csv")
    assert failed.sentence.startswith("failed: ")
    assert failed.sent is not None
    assert (failed.sent.path, failed.todo) == (
        "第03局/事项_20261123.csv",
        "countylake tasks show affair_03",
    )
    assert "by 李工: moving" in paused.sentence
    assert paused.todo.startswith("countylake tasks resume affair_04")
    assert links["affair_00"].todo == ""
    assert links["affair_00"].sentence.startswith("on time for ")


def test_a_department_that_sent_nothing_is_asked_for_it(county: Bureaus) -> None:
    """Two days later all are behind; who merely sent nothing is to be asked, by its channel."""
    verdict, links = chain(county, 2)
    missing = links["affair_01"]
    assert (missing.state, missing.is_cause) == ("late", True)
    assert "has not come; last sent " in missing.sentence
    assert missing.todo == "ask 第01局 for it, by inbox 第01局/事项_*.csv"
    assert missing.missed_at is not None
    assert "第01局: 第01局事项 (late)" in verdict
    gold = links["gold.affair_by_bureau"]
    assert gold.data_at == min(link.data_at for link in gold.reads if link.data_at)
    assert len(gold.reads) == 5


def test_a_feed_and_a_model_have_chains_too(county: Bureaus) -> None:
    """The same facts, from wherever one asks."""
    feed = why(county.workshop, "affair_02")
    assert feed.chain.causes() == [feed.chain]
    assert "waits for a decision" in feed.verdict
    model = why(county.workshop, "affair_by_bureau")
    assert len(model.chain.feeds()) == 5
    with pytest.raises(UsageError, match="no feed nowhere"):
        why(county.workshop, "nowhere")


def test_a_report_that_is_fine_says_what_it_rests_on(county: Bureaus) -> None:
    """All had sent: the oldest data are named, and nothing is to be done."""
    assert "It rests on 5 feeds; the oldest data are those of 第00局事项" in county.fine.verdict
    assert county.fine.chain.causes() == []
    assert all(link.todo == "" for link in county.fine.chain.every())


def test_the_command_draws_the_tree_and_prints_json(
    county: Bureaus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fine is left out of the drawing until it is asked for; JSON has everything."""
    monkeypatch.setenv("COUNTYLAKE_SCHEMAS", str(county.workshop.schemas))
    monkeypatch.setenv("COUNTYLAKE_SQL", str(county.workshop.sql))
    monkeypatch.setenv("COLUMNS", "160")
    asked = ["tasks", "why", "report.affair", "--home", str(county.home.root)]
    drawn = CliRunner().invoke(app, asked)
    assert drawn.exit_code == 0, drawn.output
    assert "→ countylake hold show affair_02-1" in drawn.output
    assert "2 more as they should be (--all)" in drawn.output
    assert "affair_00" not in drawn.output
    assert "affair_00" in CliRunner().invoke(app, [*asked, "--all"]).output
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert told["waits_for"] == ["affair_02", "affair_03", "affair_04"]
    (gold,) = told["chain"]["reads"]
    assert [link["task"] for link in gold["reads"]] == [f"affair_0{n}" for n in range(5)]
