"""Cases as people act on them: listed with owner and deadline, decided on, with a whole history."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.components.steps.correcting.returns import return_feed
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.rebuild import look_again
from dagster_project.paths import PROJECT
from tests.integration.correction_kit import CONTRACT, ROWS, Place, make_place, read

RULE = """\
      - id: one_holder
        type: custom
        engine: countylake
        dimension: accuracy
        severity: warn
        description: 同一持有人有多张证照，请核实
        implementation: {{unique: [holder]}}
"""
MODELS = ("feed_period", "rectification_case")
TWICE = [["B1", "张三", "1", "2023-01-01", "2024-01-01"], ["B2", "张三", "2", "2023-01-01", ""]]
WHY = ["--why", "已看过原件", "--by", "王数据"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A county whose department delivered wrong rows, and a holder with two certificates."""
    root = tmp_path_factory.mktemp("cases")
    with pytest.MonkeyPatch.context() as patch:
        sql, gold = root / "sql" / "gold", root / "schemas" / "gold"
        sql.mkdir(parents=True)
        gold.mkdir(parents=True)
        for name in MODELS:
            shutil.copy(PROJECT / "sql" / "gold" / f"{name}.sql", sql)
            shutil.copy(PROJECT / "schemas" / "gold" / f"{name}.yaml", gold)
        patch.setenv("COUNTYLAKE_SQL", str(sql.parent))
        patch.setattr("tests.integration.correction_kit.CONTRACT", CONTRACT + RULE)
        for made in make_place("csv", "incremental", root, patch, begins=False):
            made.put([*ROWS, *TWICE], "20260501")
            made.take()
            look_again(made.workshop, manual())
            yield made


def told(place: Place, *words: str, code: int = 0) -> Any:
    """What a command answers as JSON; its sentence where it fails."""
    home = ["--home", str(place.workshop.home.root)]
    done = CliRunner().invoke(app, ["case", *words, *home, "--json"])
    if code:
        assert done.exit_code != 0
        return str(done.exception)
    assert done.exit_code == 0, done.output + str(done.exception)
    return json.loads(done.stdout)


def test_every_open_case_has_an_owner_and_a_day(place: Place) -> None:
    """Rejected rows and records that break a rule are in one list; what is due first is first."""
    found = told(place, "list")["cases"]
    assert {one["kind"] for one in found} == {"fail", "warn"}
    assert sum(one["kind"] == "warn" for one in found) == 3
    assert all(one["owner"] == "行政审批服务管理局" for one in found)
    days = [one["due_day"] for one in found]
    assert all(days)
    assert days == sorted(days)
    assert told(place, "list", "--kind", "held")["cases"] == []
    assert "there is no kind wrong" in told(place, "list", "--kind", "wrong", code=2)


def test_a_finding_is_assigned_extended_and_confirmed(place: Place) -> None:
    """Each decision asks for a reason; the history tells who decided what, when and why."""
    number = told(place, "list", "--kind", "warn")["cases"][0]["case_id"]
    before = told(place, "show", number)["case"]["due_day"]
    assert "reason" in told(place, "assign", number, "--to", "李科长", "--why", " ", code=2)
    assert told(place, "assign", number, "--to", "李科长", *WHY)["owner"] == "李科长"
    assert told(place, "extend", number, "--workdays", "5", *WHY)["due_day"] > before
    assert "1 to 250" in told(place, "extend", number, "--workdays", "0", *WHY, code=2)
    assert told(place, "confirm", number, *WHY)["state"] == "confirmed"
    assert "confirmed already" in told(place, "confirm", number, *WHY, code=2)
    look_again(place.workshop, manual())
    with place.workshop.lake.reader() as con:
        failed = con.execute(
            "SELECT failed FROM lake.ops.check_result WHERE rule_id = 'one_holder'"
            " ORDER BY checked_at"
        ).fetchall()
    assert failed == [(3,), (2,)]
    story = told(place, "show", number)
    assert [one["event"] for one in story["history"]] == [
        *("opened", "assign", "extend", "confirmed", "confirm"),
    ]
    assert {(one["by"], one["why"]) for one in story["history"][1:3]} == {("王数据", "已看过原件")}
    assert story["about"]["rules"] == ["one_holder"]
    assert story["about"]["sentences"][0] not in {"", "one_holder"}
    assert "张三" not in json.dumps(story, ensure_ascii=False)


def test_a_rejected_row_is_not_confirmed_away(place: Place) -> None:
    """Only a new delivery corrects it; the sentence says so."""
    (number,) = [one["case_id"] for one in told(place, "list")["cases"] if one["kind"] == "fail"][
        :1
    ]
    assert "delivered anew" in told(place, "confirm", number, *WHY, code=2)
    assert told(place, "show", number)["case"]["state"] == "open"


def test_a_correction_that_is_asked_for_is_answered(place: Place) -> None:
    """A record is named by its key; the case stays open until the provider says what was done."""
    asked = ["raise", f"{place.name}", "--key", "cert_no=B1", "--column", "qty", *WHY]
    made = told(place, *asked)
    assert (made["kind"], made["state"]) == ("correction", "open")
    assert "no live record" in told(place, "raise", place.name, "--key", "cert_no=Z9", *WHY, code=2)
    assert "is named by cert_no" in told(
        place, "raise", place.name, "--key", "holder=x", *WHY, code=2
    )
    done = told(place, "answer", made["case_id"], "--unfounded", *WHY)
    assert (done["state"], done["how"]) == ("closed", "unfounded")
    story = told(place, "show", made["case_id"])
    assert [one["event"] for one in story["history"]][:2] == ["opened", "raise"]
    assert "no correction" in told(
        place, "answer", told(place, "list")["cases"][0]["case_id"], "--corrected", *WHY, code=2
    )


def test_findings_go_back_to_the_department_in_their_cells(place: Place) -> None:
    """The copy marks every record that breaks a rule, beside the rejected rows."""
    (copy,) = return_feed(place.workshop, place.name)
    lines = read(Path(copy.path))
    marked = [line for line in lines if any("请核实" in cell for cell in line)]
    assert {line[0] for line in marked} <= {"B1", "B2", "A1"}
    assert marked
    returned = told(place, "list", "--kind", "warn")["cases"]
    assert all(one["returned_at"] for one in returned)


def test_a_doubted_record_goes_back_in_its_cell(place: Place) -> None:
    """What somebody asked for stands in the provider's copy, where the doubt is."""
    made = told(place, "raise", place.name, "--key", "cert_no=B2", "--column", "qty", *WHY)
    (copy,) = return_feed(place.workshop, place.name)
    (line,) = [one for one in read(Path(copy.path)) if one[0] == "B2"]
    assert any("更正请求：已看过原件" in cell for cell in line)
    assert any(made["case_id"] in cell for cell in line)
    assert told(place, "show", made["case_id"])["case"]["returned_at"]
