"""The receiving site's unified view over what its children sent, with the real contracts and SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from exchange_kit import START, CityKit, CountyKit, make_city, make_county

from dagster_project.components.steps.replica import publish
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion, told
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.publish import connect
from dagster_project.reporting.package import Draft, seal

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
        draft = Draft(
            contract=shapes.contracts.tables["report", name],
            columns=columns,
            period=period,
            cut_off_at=START,
            sealed_at=START,
            sql_hash="d" * 64,
            snapshot=tx.snapshot + 2,
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
    """Each site's newest word, also of one that never reported; published as it was built."""
    city = make_city(tmp_path)
    for code, name, rows in (("140321", "平定县", 7), ("140322", "盂县", 0), ("140302", "城区", 5)):
        county = make_county(tmp_path, city, code, name)
        if rows:
            send(county, shapes, "aggregation_status", feeds(rows))
        if code == "140321":
            done = {"task": "house", "status": "success", "execution_cnt": 1, "success_cnt": 1}
            send(county, shapes, "task_execution", [done, {**done, "task": "all", "status": ""}])
            total = {"sex": "all", "age_band": "all", "resident_cnt": 12, "hukou_cnt": 11}
            towns = [{"town_code": f"{code}{town}000", **total} for town in ("000", "100")]
            send(county, shapes, "population_by_town", towns, "202305")
    received = city.receive(at=START + timedelta(hours=1), shapes=shapes.reports)
    assert [one.outcome for one in received.decisions] == ["accepted"] * 4
    workshop = build(city)
    publish(workshop)
    with connect(city.home) as con:
        assert con.execute(
            "SELECT site_name, feed, state, row_cnt, task_status, success_cnt"
            " FROM city.feed_by_site ORDER BY site_code, feed"
        ).fetchall() == [
            ("城区", "house", "mounted", 5, "none", 0),
            ("城区", "population", "mounted", 5, "none", 0),
            ("平定县", "house", "mounted", 7, "success", 1),
            ("平定县", "population", "mounted", 7, "none", 0),
            ("盂县", "house", "unreported", None, "none", 0),
            ("盂县", "population", "unreported", None, "none", 0),
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
        # Each is registered later than the day, so that only what it reported is owed of it.
        assert con.execute(
            "SELECT site_name, report, period, state FROM city.report_by_site"
            " WHERE is_received ORDER BY site_code, report"
        ).fetchall() == [
            ("城区", "aggregation_status", DAY, "on_time"),
            ("平定县", "aggregation_status", DAY, "on_time"),
            ("平定县", "population_by_town", "202305", "on_time"),
            ("平定县", "task_execution", DAY, "on_time"),
        ]
        assert con.execute(
            "SELECT site_name, days_behind, is_never_reported FROM city.site_overview"
            " ORDER BY site_code"
        ).fetchall() == [("城区", 0, False), ("平定县", 0, False), ("盂县", None, True)]


def test_a_revision_replaces_and_a_gap_is_told(tmp_path: Path, shapes: Workshop) -> None:
    """Revision 2 counts in place of 1; the days after it are missing since the first of them."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    for rows in (7, 8):
        send(county, shapes, "aggregation_status", feeds(rows), "20230528")
    city.receive(at=START, shapes=shapes.reports)
    build(city, at=DUE)
    assert city.rows(
        "SELECT feed, period, days_behind, row_cnt FROM lake.city.feed_by_site ORDER BY feed"
    ) == [("house", "20230528", 3, 8), ("population", "20230528", 3, 8)]
    assert city.rows(
        "SELECT period, state, revision, strftime(missing_since_day, '%d')"
        " FROM lake.city.report_by_site WHERE report = 'aggregation_status' ORDER BY period"
    ) == [
        ("20230528", "late", 2, None),
        ("20230529", "missing", None, "29"),
        ("20230530", "missing", None, "29"),
        ("20230531", "open", None, None),
    ]
    send(county, shapes, "aggregation_status", feeds(9), "20230530")
    city.receive(at=DUE - timedelta(minutes=1), shapes=shapes.reports)
    workshop = build(city, run="later", at=DUE + timedelta(minutes=1))
    assert city.rows(
        "SELECT period, state FROM lake.city.report_by_site WHERE report = 'aggregation_status'"
        " AND is_missing ORDER BY period"
    ) == [("20230529", "missing"), ("20230531", "missing")]
    assert isinstance(workshop.given["ops.received"], tuple)


def test_a_site_leaves_the_view_with_its_registration(tmp_path: Path, shapes: Workshop) -> None:
    """What is registered no more is in no table of the view; its packages stay in the lake."""
    city = make_city(tmp_path)
    for code in ("140321", "140322"):
        send(make_county(tmp_path, city, code, code), shapes, "aggregation_status", feeds(3))
    city.receive(at=START, shapes=shapes.reports)
    (city.home.counties / "140322.json").unlink()
    build(city)
    for table in ("site", "feed_by_site", "report_by_site", "assessment", "site_overview"):
        found = city.rows(f"SELECT DISTINCT site_code FROM lake.city.{table}")
        assert found == [("140321",)], table
    kept = city.rows("SELECT DISTINCT site_code FROM lake.city.aggregation_status ORDER BY 1")
    assert kept == [("140321",), ("140322",)]


def test_building_again_changes_nothing(tmp_path: Path, shapes: Workshop) -> None:
    """A second run over the same packages writes no table, and the same bytes come of it."""
    city = make_city(tmp_path)
    send(make_county(tmp_path, city), shapes, "aggregation_status", feeds(3))
    city.receive(at=START, shapes=shapes.reports)
    workshop = build(city)
    again = told("second", "2023-05-31", (DUE + timedelta(minutes=10)).isoformat())
    built = [build_model(workshop, one, again) for one in workshop.graph.models.values()]
    assert [one.result.table for one in built if one.result.changed] == ["city.report_by_site"]
    third = told("third", "2023-05-31", (DUE + timedelta(minutes=20)).isoformat())
    built = [build_model(workshop, one, third) for one in workshop.graph.models.values()]
    assert [one.result.table for one in built if one.result.changed] == []


def test_a_shape_of_another_version_is_refused(tmp_path: Path, shapes: Workshop) -> None:
    """A report with a column more than the receiver's contract says is not merged."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    send(county, shapes, "aggregation_status", [{"feed": "house", "row_cnt": 1}])
    fewer = {"aggregation_status": shapes.reports["aggregation_status"][:-1]}
    (entry,) = city.receive(shapes=fewer).decisions
    assert entry.outcome == "rejected"
    assert "no such column" in entry.reasons[0]
