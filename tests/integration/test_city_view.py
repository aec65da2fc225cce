"""The city's unified view over what two counties sent, with the real contracts and SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from exchange_kit import START, CityKit, CountyKit, make_city, make_county

from dagster_project.components.steps.workshop import Workshop
from dagster_project.reporting.package import Draft, seal
from dagster_project.transform.models import Parameters, build

FEEDS = ("population", "house")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The city's contracts and models; its home is not used."""
    return Workshop.at(tmp_path_factory.mktemp("unused"), "receive")


def send(county: CountyKit, workshop: Workshop, name: str, rows: list[dict[str, object]]) -> None:
    """Put rows into a report table of the real shape, seal it and take it up."""
    contract = workshop.contracts.tables["report", name]
    columns = workshop.reports[name]
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
            contract=replace(contract, key=contract.key),
            columns=columns,
            period="202305" if contract.period == "monthly" else "20230531",
            cut_off_at=START,
            sealed_at=START,
            sql_hash="d" * 64,
            snapshot=tx.snapshot + 2,
        )
        assert seal(tx.con, county.home, county.site, county.signer, draft)
    county.deliver()


def view(city: CityKit, workshop: Workshop) -> list[tuple[object, ...]]:
    """Build the city's models and read the unified view."""
    with city.lake.writer("build") as writer:
        for model in workshop.graph.models.values():
            with writer.transaction(model.table) as tx:
                parameters = Parameters(START, date(2023, 5, 31), "140300")
                columns = workshop.described(model.table)
                build(tx.con, model, parameters, run_id="r", built_at=START, columns=columns)
    return city.rows(
        "SELECT site_name, feed, row_cnt, task_status, success_cnt FROM lake.city.feed_by_county"
        " ORDER BY site_code, feed"
    )


def test_every_county_and_feed_stands_in_one_view(tmp_path: Path, workshop: Workshop) -> None:
    """Before anything came the view is empty; then it holds each county's newest word."""
    city = make_city(tmp_path)
    assert city.receive(shapes=workshop.reports).decisions == []
    assert view(city, workshop) == []
    for code, name, rows in (("140321", "平定县", 7), ("140322", "盂县", 5)):
        county = make_county(tmp_path, city, code, name)
        send(
            county,
            workshop,
            "aggregation_status",
            [{"feed": feed, "is_mounted": True, "row_cnt": rows} for feed in FEEDS],
        )
        if code == "140321":
            send(
                county,
                workshop,
                "task_execution",
                [
                    {"task": "house", "status": "success", "execution_cnt": 1, "success_cnt": 1},
                    {"task": "all", "status": "", "execution_cnt": 1, "success_cnt": 1},
                ],
            )
            total = {"sex": "all", "age_band": "all", "resident_cnt": 12, "hukou_cnt": 11}
            send(
                county,
                workshop,
                "population_by_town",
                [
                    {"town_code": f"{code}000000", **total},
                    {"town_code": f"{code}100000", **total},
                ],
            )
    outcomes = [one.outcome for one in city.receive(shapes=workshop.reports).decisions]
    assert outcomes == ["accepted"] * 4
    assert view(city, workshop) == [
        ("平定县", "house", 7, "success", 1),
        ("平定县", "population", 7, "none", 0),
        ("盂县", "house", 5, "none", 0),
        ("盂县", "population", 5, "none", 0),
    ]
    assert city.rows(
        "SELECT site_code, period, resident_cnt FROM lake.city.population_by_county"
    ) == [("140321", "202305", 12)]


def test_a_shape_of_another_version_is_refused(tmp_path: Path, workshop: Workshop) -> None:
    """A report with a column more than the city's contract says is not merged."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    send(county, workshop, "aggregation_status", [{"feed": "house", "row_cnt": 1}])
    shapes = {"aggregation_status": workshop.reports["aggregation_status"][:-1]}
    (entry,) = city.receive(shapes=shapes).decisions
    assert entry.outcome == "rejected"
    assert "no such column" in entry.reasons[0]
