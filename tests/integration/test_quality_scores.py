"""One feed from its file to its score: what the report says, the command line says and opens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dagster_project import clock
from dagster_project.cli.main import app
from dagster_project.components.steps.correcting.decisions import confirm
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion, manual
from dagster_project.components.steps.rebuild import look_again
from dagster_project.components.steps.scoring.places import places
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.policy import DIMENSIONS
from dagster_project.paths import schemas_dir
from tests.integration import correction_kit
from tests.integration.correction_kit import OPEN, ROWS, Place, make_place

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("quality_scores")]
REPORT = "report.aggregation_summary"


ALIKE = """\
      - id: qty_differs
        type: custom
        engine: countylake
        dimension: accuracy
        severity: warn
        description: 数量不应重复
        implementation: {{unique: [qty]}}
"""


def site(root: Path) -> Path:
    """The contracts of scores and reports, without a feed."""
    shipped = schemas_dir()
    for layer in ("gold", "report", "codes"):
        shutil.copytree(shipped / layer, root / "schemas" / layer)
    shutil.copy(shipped / "quality.yaml", root / "schemas")
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A county whose department delivered rows, five of them wrong, and whose report is made."""
    root = site(tmp_path_factory.mktemp("scores"))
    with pytest.MonkeyPatch.context() as patch:
        for made in make_place("csv", "full", root, patch):
            build(made.workshop)
            yield made


def build(workshop: Workshop) -> None:
    """Make the report and everything it is made from, and what explains it."""
    occasion = Occasion("a-run", clock.local_day(clock.now()))
    graph = workshop.graph
    for name in (*graph.upstream(REPORT), REPORT, "gold.quality_rule"):
        build_model(workshop, graph.model(name), occasion)


def call(place: Place, *arguments: str) -> Any:
    """A command's answer; no cell of a person is in it."""
    home = str(place.workshop.home.root)
    shown = CliRunner().invoke(app, [*arguments, "--home", home])
    found = CliRunner().invoke(app, [*arguments, "--home", home, "--json"])
    assert (shown.exit_code, found.exit_code) == (0, 0), found.output
    assert not any(row[1] in shown.output + found.output for row in ROWS if row[1])
    return json.loads(found.stdout)


def test_the_report_and_the_command_say_the_same(place: Place) -> None:
    """Six dimensions, numerators, denominators and score: of the feed and of the whole county."""
    told = {one["feed"]: one for one in call(place, "quality", "show")["feeds"]}
    (alone,) = call(place, "quality", "show", place.name)["feeds"]
    assert alone == told[place.name]
    columns = [f"{name}_{what}" for name in DIMENSIONS for what in ("passed_cnt", "checked_cnt")]
    for table, feed in ((REPORT, "all"), ("report.aggregation_status", place.name)):
        where = "" if feed == "all" else f" WHERE feed = '{feed}'"
        (row,) = place.ask(f"SELECT score, grade, {', '.join(columns)} FROM lake.{table}{where}")
        shares = {one["dimension"]: one for one in told[feed]["dimensions"]}
        counts = [
            shares.get(name, {}).get(what) for name in DIMENSIONS for what in ("passed", "checked")
        ]
        assert [float(row[0]), *row[1:]] == [told[feed]["score"], told[feed]["grade"], *counts]
    assert {"normativity", "completeness", "consistency"} <= shares.keys()
    state = call(place, "status")
    assert state["quality"]["score"] == told["all"]["score"]
    (line,) = [one for one in state["feeds"] if one["feed"] == place.name]
    assert (line["score"], line["grade"]) == (alone["score"], alone["grade"])


def test_a_score_is_explained_down_to_the_rows(place: Place) -> None:
    """What the rules cost adds up; each failure has its file and its row, and its case."""
    found = call(place, "quality", "explain", place.name, "--all")
    lost = sum(Decimal(str(one["points"])) for one in found["costs"])
    assert lost == 100 - Decimal(str(found["score"]))
    cheap = call(place, "quality", "explain", place.name, "--dimension", "consistency")
    assert [one["rule_id"] for one in cheap["costs"]] == ["ends_after_it_begins"]
    rows, cases = set(), set()
    for one in found["costs"]:
        if not one["failed"]:
            continue
        told = places(place.workshop, place.name, one["rule_id"])
        assert len(told.places) == told.found == told.failed == one["failed"]
        rows |= {spot.row for spot in told.places}
        cases |= {spot.case_id for spot in told.places}
    told = call(place, "quality", "rows", place.name, "ends_after_it_begins")
    assert [spot["row"] for spot in told["places"]] == [5]
    assert rows == {3, 4, 5, 6, 7}
    assert len(cases) == OPEN


def test_another_day_is_no_day_of_the_score(place: Place) -> None:
    """A day that is not there yet, a day that is none, and a rule that is none are refused."""
    home = ["--home", str(place.workshop.home.root)]
    for arguments, why in (
        (["explain", place.name, "--day", "2999-01-01"], "the newest score is of"),
        (["explain", place.name, "--day", "yesterday"], "is no day"),
        (["explain", place.name, "--dimension", "beauty"], "is no dimension"),
        (["rows", place.name, "nothing"], "is not made of a rule"),
    ):
        answer = CliRunner().invoke(app, ["quality", *arguments, *home])
        assert why in str(answer.exception)
    earlier = call(place, "quality", "explain", place.name, "--day", "2024-01-01")
    assert (earlier["score"], earlier["costs"]) == (None, [])


@pytest.mark.thorough
def test_what_somebody_confirmed_costs_nothing_and_has_no_place(tmp_path: Path) -> None:
    """Two records break a rule of records together, one is confirmed: one is left, and shown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correction_kit, "CONTRACT", correction_kit.CONTRACT + ALIKE)
        for made in make_place("csv", "full", site(tmp_path), patch):
            look_again(made.workshop, manual())
            ((number,), _) = made.ask("SELECT case_id FROM lake.ops.finding ORDER BY case_id")
            confirm(made.workshop, number, by="王数据", why="已看过原件")
            look_again(made.workshop, manual())
            build(made.workshop)
            told = places(made.workshop, made.name, "qty_differs")
            assert (told.failed, told.found, len(told.places)) == (1, 1, 1)
            assert told.places[0].case_id != number
