"""The unified view over what the children of a receiving site sent, with the real contracts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from exchange_kit import START, CityKit, CountyKit, make_city, make_county
from rich.cells import cell_len
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion, told
from dagster_project.components.steps.replica import publish
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.publish import connect
from dagster_project.reporting.package import Draft, seal, standing
from tests.proof_kit import SQL_HASH, certify

FEEDS = ("population", "house")
DAY = "20230531"
DUE = datetime(2023, 6, 1, 0, 30, tzinfo=UTC)
"""When the daily report of the day is due: half past eight in the evening, and twelve hours."""
Rows = Sequence[dict[str, object]]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The receiver's contracts and models; its home is not used."""
    return Workshop.at(tmp_path_factory.mktemp("unused"), "receive")


def send(county: CountyKit, shapes: Workshop, name: str, rows: Rows, period: str = DAY) -> None:
    """Put rows into a report table of the real shape, seal it and take it up."""
    columns = shapes.reports[name]
    kinds = ", ".join(
        f"{c.name} {'TIMESTAMPTZ' if c.type == 'timestamp' else c.duck_type}" for c in columns
    )
    with county.lake.writer("send") as writer, writer.transaction("send") as tx:
        tx.con.execute(f"CREATE OR REPLACE TABLE lake.report.{name} ({kinds})")
        for row in rows:
            tx.con.execute(
                f"INSERT INTO lake.report.{name} ({', '.join(row)})"
                f" VALUES ({', '.join('?' for _ in row)})",
                list(row.values()),
            )
        contract = shapes.contracts.tables["report", name]
        draft = Draft(
            contract=contract,
            columns=columns,
            period=period,
            cut_off_at=START,
            sealed_at=START,
            sql_hash=SQL_HASH,
            snapshot=tx.snapshot + 2,
            rows=standing(tx.con, contract),
            certify=certify,
        )
        assert seal(tx.con, county.home, county.site, county.signer, draft)
    county.deliver()


def build(city: CityKit, run: str = "r", at: datetime = DUE, day: str = "2023-05-31") -> Workshop:
    """Build the receiver's models as a run of its job does."""
    workshop = Workshop.at(city.home.root, "receive")
    occasion: Occasion = told(run, day, at.isoformat())
    for model in workshop.graph.models.values():
        build_model(workshop, model, occasion)
    return workshop


def feeds(rows: int) -> Rows:
    """A catalogue of two mounted items."""
    return [{"feed": feed, "is_mounted": True, "row_cnt": rows} for feed in FEEDS]


def test_every_site_and_feed_stands_in_one_view(tmp_path: Path, shapes: Workshop) -> None:
    """Each site's newest word, and of one that never reported; a second run writes nothing."""
    city = make_city(tmp_path)
    sites = {
        code: make_county(tmp_path, city, code, name)
        for code, name in (("140302", "城区"), ("140321", "平定县"), ("140322", "盂县"))
    }
    send(sites["140321"], shapes, "aggregation_status", feeds(7), "20230528")
    send(sites["140321"], shapes, "aggregation_status", feeds(8), "20230528")
    done = {"task": "house", "status": "success", "execution_cnt": 1, "success_cnt": 1}
    send(sites["140321"], shapes, "task_execution", [done], "20230528")
    total = {"sex": "all", "age_band": "all", "resident_cnt": 12, "hukou_cnt": 11}
    towns = [{"town_code": f"140321{town}000", **total} for town in ("000", "100")]
    send(sites["140321"], shapes, "population_by_town", towns, "202305")
    send(sites["140302"], shapes, "aggregation_status", feeds(5))
    received = city.receive(at=START + timedelta(hours=1), shapes=shapes.reports)
    assert [one.outcome for one in received.decisions] == ["accepted"] * 5
    publish(build(city))
    with connect(city.home) as con:
        _the_view_is_right(con)
        bare = "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL"
        assert con.execute(f"{bare} AND schema_name = 'city'").fetchall() == []
    _people_see_it(city, tmp_path / "map.svg")
    workshop = Workshop.at(city.home.root, "receive")
    again = told("again", "2023-05-31", (DUE - timedelta(minutes=1)).isoformat())
    built = [build_model(workshop, one, again) for one in workshop.graph.models.values()]
    assert [one.result.table for one in built if one.result.changed] == []
    # What is registered no more leaves the view; its packages stay in the lake.
    (city.home.children / "140321.json").unlink()
    build(city, "without")
    for table in ("site", "feed_by_site", "report_by_site", "assessment", "site_overview"):
        found = city.rows(f"SELECT DISTINCT site_code FROM lake.city.{table} ORDER BY 1")
        assert found == [("140302",), ("140322",)][: 1 if table == "report_by_site" else 2], table
    assert ("140321",) in city.rows("SELECT DISTINCT site_code FROM lake.city.aggregation_status")


def _the_view_is_right(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute(
        "SELECT site_name, feed, state, days_behind, row_cnt, task_status, success_cnt"
        " FROM city.feed_by_site ORDER BY site_code, feed"
    ).fetchall() == [
        ("城区", "house", "mounted", 0, 5, "none", 0),
        ("城区", "population", "mounted", 0, 5, "none", 0),
        ("平定县", "house", "mounted", 3, 8, "success", 1),
        ("平定县", "population", "mounted", 3, 8, "none", 0),
        ("盂县", "house", "unreported", None, None, "none", 0),
        ("盂县", "population", "unreported", None, None, "none", 0),
    ]
    assert con.execute(
        "SELECT site_code, period, resident_cnt, counted_cnt, site_cnt"
        " FROM city.population_by_site ORDER BY site_code"
    ).fetchall() == [
        ("140302", None, None, 0, 1),
        ("140321", "202305", 12, 1, 1),
        ("140322", None, None, 0, 1),
        ("all", "202305", 12, 1, 3),
    ]
    # Each is registered later than these days, so that a report is owed since it first came.
    assert con.execute(
        "SELECT site_code, period, state, revision, missing_since_day FROM city.report_by_site"
        " WHERE report = 'aggregation_status' ORDER BY site_code, period"
    ).fetchall() == [
        ("140302", DAY, "on_time", 1, None),
        ("140321", "20230528", "on_time", 2, None),
        ("140321", "20230529", "missing", None, date(2023, 5, 29)),
        ("140321", "20230530", "missing", None, date(2023, 5, 29)),
        ("140321", "20230531", "open", None, None),
    ]
    assert con.execute(
        "SELECT site_name, days_behind, is_never_reported FROM city.site_overview"
        " ORDER BY site_code"
    ).fetchall() == [("城区", 0, False), ("平定县", 3, False), ("盂县", None, True)]


def _people_see_it(city: CityKit, picture: Path) -> None:
    """The commands tell the same, on a screen of a hundred columns."""
    home, width = str(city.home.root), {"COLUMNS": "100"}

    def printed(*arguments: str) -> str:
        told_of = CliRunner().invoke(app, ["city", *arguments, "--home", home], env=width)
        assert told_of.exit_code == 0, told_of.output
        assert max(cell_len(line) for line in told_of.output.splitlines()) <= 100
        return told_of.output

    lines = printed("view").splitlines()
    (late,) = (line for line in lines if "平定县" in line)
    assert "05-28" in late
    assert "3 天" in late
    assert "4 自 05-29" in late
    assert any("盂县" in line and "从未报送" in line for line in lines)
    assert "自 2023-05-29 起没有日报" in printed("view", "--site", "140321")
    assert "从未报送" in printed("view", "--site", "140322")
    found = json.loads(printed_json(home))
    assert [one["days_behind"] for one in found["sites"]] == [3, 0, None]
    assert sum(one["site_cnt"] for one in found["tiers"]) == 1
    CliRunner().invoke(app, ["city", "map", str(picture), "--home", home])
    assert "平定县" in picture.read_text(encoding="utf-8")
    unknown = CliRunner().invoke(app, ["city", "view", "--site", "140399", "--home", home])
    assert "140302, 140321, 140322" in str(unknown.exception)


def printed_json(home: str) -> str:
    """What the command prints for machines."""
    return CliRunner().invoke(app, ["city", "view", "--json", "--home", home]).output


def test_a_shape_of_another_version_is_refused(tmp_path: Path, shapes: Workshop) -> None:
    """A report with a column more than the receiver's contract says is not merged."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    send(county, shapes, "aggregation_status", [{"feed": "house", "row_cnt": 1}])
    fewer = {"aggregation_status": shapes.reports["aggregation_status"][:-1]}
    (entry,) = city.receive(shapes=fewer).decisions
    assert entry.outcome == "rejected"
    assert "no such column" in entry.reasons[0]
