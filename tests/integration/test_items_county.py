"""Two departments that disagree, seen from outside: returned copies, screens, replica, figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.clock import now
from dagster_project.components.steps.correcting import disagreements
from dagster_project.components.steps.correcting.cases import closed_cases, open_kinds
from dagster_project.components.steps.correcting.returns import return_feed
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.notices.conditions import conditions
from dagster_project.components.steps.occasion import manual
from dagster_project.components.steps.overview import rejected_rows
from dagster_project.components.steps.replica import publish
from dagster_project.components.steps.tracing import figures
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.publish import connect
from dagster_project.simulate.identifiers import resident_id
from tests.conftest import founded_county

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("items")]

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.feeds.{name}
name: {title}
version: 1.0.0
status: active
domain: people
description:
  purpose: 名册。
team:
  name: {department}
servers:
  - {{server: inbox, type: local, path: '{department}/{name}_*.csv', format: csv}}
slaProperties:
  - {{property: frequency, value: 1, unit: d}}
  - {{property: timeOfAvailability, value: '20:00'}}
customProperties:
  - {{property: department, value: {{code: {code}, name: {department}}}}}
  - {{property: delivery, value: incremental}}
  - property: catalogue
    value: {{code: '{catalogue}', shareType: '2', updateCycle: 每日}}
schema:
  - name: {name}
    businessName: {title}
    logicalType: object
    properties:
      - name: id_no
        businessName: 身份号码
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: L4
        customProperties:
          - {{property: format, value: resident_id}}
          - {{property: mask, value: id}}
      - name: name
        businessName: 姓名
        logicalType: string
        classification: L3
        customProperties:
          - {{property: format, value: person_name}}
          - {{property: textual, value: true}}
          - {{property: mask, value: name}}
      - name: grade
        businessName: 等级
        logicalType: integer
        logicalTypeOptions: {{minimum: 1}}
        classification: L2
"""
ITEMS = """\
version: 1.0.0
entities:
  person:
    title: 自然人
    key: id_no
    feeds: {resident: id_no, benefit: id_no}
    items:
      name: {title: 姓名, sources: [resident.name, benefit.name]}
      grade: {title: 等级, sources: [resident.grade, benefit.grade]}
"""
SQL = "SELECT grade, COUNT(*) AS person_cnt FROM silver.person GROUP BY grade\n"
GOLD = """\
apiVersion: v3.1.0
kind: DataContract
id: countylake.gold.person_by_grade
name: 按等级的人数
version: 1.0.0
status: active
schema:
  - name: person_by_grade
    businessName: 按等级的人数
    logicalType: object
    properties:
      - {name: grade, businessName: 等级, logicalType: integer, primaryKey: true,
         primaryKeyPosition: 1, classification: L2}
      - {name: person_cnt, businessName: 人数, logicalType: integer, classification: L2}
"""
IDS = [resident_id(140321, date(1980, 1, day), 11) for day in range(1, 9)]
THEIRS, OURS = "赵公安", "钱民政"


@dataclass(frozen=True)
class Departments:
    """A county in which the police and civil affairs keep lists of the same persons."""

    workshop: Workshop

    def put(self, feed: str, day: str, *rows: tuple[str, str, str]) -> None:
        """A department delivers, and the feed's step takes it."""
        folder = self.workshop.home.root / "in" / DEPARTMENTS[feed][1]
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["身份号码,姓名,等级", *(",".join(row) for row in rows)]
        (folder / f"{feed}_{day}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = run_feed(self.workshop, feed, manual())
        assert not done.error, done.error

    def integrate(self) -> None:
        """Build every model, entities first."""
        for model in self.workshop.graph.models.values():
            build_model(self.workshop, model, manual())


DEPARTMENTS = {
    "resident": ("gongan", "公安局", "户籍名册", "109001/000001"),
    "benefit": ("minzheng", "民政局", "低保名册", "109002/000002"),
}


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Departments]:
    """The departments before anybody corrected anything; tests only look."""
    with pytest.MonkeyPatch.context() as patch:
        yield disagreeing(tmp_path_factory.mktemp("items"), patch)


def disagreeing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Departments:
    """Eight persons; two departments agree on five, differ in names, grades, or both."""
    for folder in ("schemas/feeds", "schemas/gold", "sql/gold"):
        (tmp_path / folder).mkdir(parents=True)
    for name, (code, department, title, catalogue) in DEPARTMENTS.items():
        text = CONTRACT.format(
            name=name, code=code, department=department, title=title, catalogue=catalogue
        )
        (tmp_path / "schemas" / "feeds" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "schemas" / "items.yaml").write_text(ITEMS, encoding="utf-8")
    (tmp_path / "schemas" / "gold" / "person_by_grade.yaml").write_text(GOLD, encoding="utf-8")
    (tmp_path / "sql" / "gold" / "person_by_grade.sql").write_text(SQL, encoding="utf-8")
    monkeypatch.setenv("COUNTYLAKE_SCHEMAS", str(tmp_path / "schemas"))
    monkeypatch.setenv("COUNTYLAKE_SQL", str(tmp_path / "sql"))
    workshop = founded_county(tmp_path / "county", tmp_path / "county" / "in")
    assert workshop.contracts.problems == ()
    made = Departments(workshop)
    made.put("resident", "1", *((one, THEIRS, "1") for one in IDS))
    benefit = [(one, THEIRS, "1") for one in IDS[:5]]
    benefit += [(IDS[5], OURS, "1"), (IDS[6], THEIRS, "2"), (IDS[7], OURS, "x")]
    made.put("benefit", "1", *benefit)
    made.put("benefit", "2", (IDS[7], OURS, "2"))
    made.integrate()
    return made


def test_the_loser_gets_its_own_row_back_without_the_others_person(county: Departments) -> None:
    """An internal value is shown, a personal one only differs; both cases stand at one row."""
    copies = {Path(one.file).name: one for one in return_feed(county.workshop, "benefit")}
    assert {name: one.cases for name, one in copies.items()} == {
        "benefit_1.csv": 2,
        "benefit_2.csv": 2,
    }
    told = {
        name: Path(one.path).read_text(encoding="utf-8-sig").splitlines()
        for name, one in copies.items()
    }
    assert [line.count("不一致") for line in told["benefit_1.csv"]] == [0] * 6 + [1, 1, 0]
    assert "姓名与公安局《户籍名册》不一致，请核实" in told["benefit_1.csv"][6]
    assert "等级与公安局《户籍名册》不一致，对方为“1”，请核实" in told["benefit_1.csv"][7]
    both = told["benefit_2.csv"][1]
    assert both.count("不一致") == 2
    assert both.count("JH") == 2
    assert THEIRS not in both
    assert THEIRS not in told["benefit_1.csv"][6]
    with county.workshop.lake.reader() as con:
        sent = con.execute(
            "SELECT count(*), count(returned_at) FROM lake.ops.disagreement"
        ).fetchone()
    assert sent == (4, 4)
    (due,) = [one for one in conditions(county.workshop, now()) if one.kind == "returned"]
    assert (due.task, due.sentence[:2]) == ("benefit", "4 ")
    assert THEIRS not in due.sentence


def test_screens_name_the_cases_and_no_person(county: Departments) -> None:
    """Open kinds, rows and closed cases tell column, department and place."""
    kinds = {kind.rule: kind.cases for kind in open_kinds(county.workshop)}
    assert kinds == {"person.name.differs": 2, "person.grade.differs": 2}
    shown = rejected_rows(county.workshop, "benefit")
    assert [(row.file[-5:], row.row) for row in shown] == [
        *(("1.csv", 7), ("1.csv", 8), ("2.csv", 2), ("2.csv", 2))
    ]
    assert THEIRS not in str(shown)
    assert not any(one in str(shown) for one in IDS)


def test_what_is_corrected_is_listed_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The closed cases name the file that made both sides agree; nothing is left to return."""
    county = disagreeing(tmp_path, monkeypatch)
    county.put("benefit", "3", *((one, THEIRS, "1") for one in IDS[5:]))
    county.integrate()
    assert open_kinds(county.workshop) == []
    done = closed_cases(county.workshop)
    assert sorted(one.how for one in done) == [*["agreed"] * 4, "corrected"]
    files = {Path(one.closed_file).name for one in done if one.how == "agreed"}
    assert files == {"benefit_3.csv"}
    assert return_feed(county.workshop, "benefit") == []


def test_the_command_lists_sources_and_open_cases(county: Departments) -> None:
    """The first supplier is the source department; the others show what they must correct."""
    asked = ["items", "--json", "--home", str(county.workshop.home.root)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    lines = {line.item: line for line in disagreements.overview(county.workshop)}
    assert [(one.department, one.is_source, one.open_cases) for one in lines["name"].suppliers] == [
        ("公安局", True, 0),
        ("民政局", False, 2),
    ]
    assert '"item": "grade"' in done.output


def test_a_gold_figure_opens_through_the_entity_to_the_files(county: Departments) -> None:
    """The rows that speak are opened, not those that were overruled."""
    with figures(county.workshop, table="person_by_grade") as table:
        figure = table.trace({"grade": "1"}, "person_cnt")
    assert (figure.figure, figure.recomputed, figure.equal, figure.missing) == (8, 8, True, 0)
    assert {step.table for step in figure.steps} >= {"silver.person", "silver.resident"}
    assert {row.path.rpartition("/")[2] for row in figure.rows} >= {"resident_1.csv"}


def test_the_replica_masks_the_entity_and_joins_it_by_pseudonym(county: Departments) -> None:
    """Names and numbers are masked as in the feeds; pseudonyms join entity and feeds."""
    publish(county.workshop)
    with connect(county.workshop.home) as con:
        rows = con.execute("SELECT id_no, name, name_source FROM silver.person").fetchall()
        joined = con.execute(
            "SELECT count(*) FROM silver.person JOIN silver.benefit USING (id_no_pseudonym)"
        ).fetchone()
        names = [row[0] for row in con.execute("DESCRIBE silver.person").fetchall()]
    assert {row[1:] for row in rows} == {("赵*安", "resident")}
    assert all("********" in row[0] for row in rows)
    assert joined == (8,)
    assert "name_sheet" not in names


def test_logs_events_and_the_catalog_hold_no_person(county: Departments) -> None:
    """Names and numbers stand in landing, Parquet and returned copies only."""
    root = county.workshop.home.root
    open_files = [
        path
        for path in root.rglob("*")
        if path.is_file() and not {"landing", "lake", "in", "returns"} & set(path.parts)
    ]
    assert any(path.name == "events.ndjson" for path in open_files)
    text = b"".join(path.read_bytes() for path in open_files if path.suffix != ".parquet")
    for personal in (*IDS, THEIRS, OURS):
        assert personal.encode() not in text
