"""Events of a county's steps: how each began and ended, what it made, and nothing of any cell."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from period_kit import BY_MONTH, Periods

from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.packaging.withdrawing import withdraw_package
from dagster_project.components.steps.rebuild import rebuild_feed
from dagster_project.components.steps.replica import publish
from dagster_project.errors import ModelError
from tests.delivery_kit import rows
from tests.openlineage_kit import Event, faults

MAY = date(2023, 5, 31)
PACKAGE = "140321-permit_by_month-202304-r1"


def told(county: Periods) -> list[Event]:
    """Every event that the county told, each of them valid."""
    path = county.workshop.home.lineage / "events.ndjson"
    events: list[Event] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [fault for event in events for fault in faults(event)] == []
    return events


def of(events: list[Event], job: str) -> list[Event]:
    """The events of one job, in order."""
    return [event for event in events if event["job"]["name"] == job]


def types(events: list[Event]) -> list[str]:
    """How they followed one another."""
    return [event["eventType"] for event in events]


def made(event: Event, table: str) -> Any:
    """What an event says of one of its outputs."""
    (found,) = [one for one in event["outputs"] if one["name"] == table]
    return found


def version(dataset: Any) -> str:
    """The version of a dataset that was read or made."""
    return str(dataset["facets"]["version"]["datasetVersion"])


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Periods:
    """A county that took two deliveries, built, sealed, withdrew, rebuilt and published."""
    assert keys.is_dir()
    county = Periods(tmp_path_factory.mktemp("events"))
    county.take("许可_1.csv", [*rows([1], "2023-03-01"), *rows(range(2, 40), "2023-04-01")])
    county.report(BY_MONTH, MAY)
    withdraw_package(county.workshop, PACKAGE, why="数错了", by="李工")
    rebuild_feed(county.workshop, "permit")
    publish(county.workshop)
    return county


def test_every_run_has_one_start_and_one_end(county: Periods) -> None:
    """In this order, under one run id, and no marker is left."""
    runs: dict[str, list[str]] = {}
    for event in told(county):
        runs.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert len(runs) >= 8
    assert set(map(tuple, runs.values())) == {("START", "COMPLETE")}
    assert not list((county.workshop.home.lineage / "running").iterdir())


def test_a_delivery_is_told_with_its_columns_counts_and_rules(county: Periods) -> None:
    """From the file's hash to bronze and silver, with what every rule found."""
    start, end, *again = of(told(county), "feed.permit")
    assert types([start, end, *again]) == ["START", "COMPLETE"] * 2
    (delivered,) = end["inputs"]
    proof = end["run"]["facets"]["countylake_receipt"]
    assert delivered["name"] == "landing.permit"
    assert proof["sources"] == [version(delivered)]
    (landed,) = county.workshop.home.landing.iterdir()
    assert landed.name.startswith(version(delivered))
    bronze, silver = made(end, "bronze.permit"), made(end, "silver.permit")
    assert version(silver) == f"snapshot {proof['snapshot']}"
    for one in (bronze, silver):
        statistics = one["outputFacets"]["outputStatistics"]
        assert (statistics["rowCount"], statistics["fileCount"]) == (39, 1)
        assert statistics["size"] > 0
    lineage = silver["facets"]["columnLineage"]["fields"]["holder"]["inputFields"]
    assert ("bronze.permit", "holder") in {(one["name"], one["field"]) for one in lineage}
    rules = {
        one["assertion"]: one for one in silver["facets"]["dataQualityAssertions"]["assertions"]
    }
    assert rules["rows_are_conserved"]["success"]
    assert rules["permit_no.required"]["column"] == "permit_no"
    assert rules["permit_no.required"]["params"] == {"checked": 39, "failed": 0}


def test_a_report_and_its_package_are_told_with_receipt_and_hash(county: Periods) -> None:
    """The package names the receipt, whose hash is in the ledger, and the landed files."""
    events = told(county)
    report = of(events, f"report.{BY_MONTH}")[-1]
    assert report["job"]["facets"]["sql"]["query"].startswith("SELECT")
    assert version(report["inputs"][0]).startswith("snapshot ")
    sealed = [one for one in of(events, f"package.{BY_MONTH}") if one["eventType"] == "COMPLETE"]
    proofs = [one["run"]["facets"]["countylake_receipt"] for one in sealed]
    kept = county.ask(
        "SELECT p.package_id, p.package_hash, r.receipt_no, r.receipt_hash, r.content_hash"
        " FROM lake.ops.package AS p JOIN lake.ops.receipt AS r USING (package_id) ORDER BY ALL"
    )
    words = ("packageId", "packageHash", "receiptNo", "receiptHash", "contentHash")
    assert sorted(tuple(one[word] for word in words) for one in proofs) == sorted(map(tuple, kept))
    (landed,) = county.workshop.home.landing.iterdir()
    assert all(landed.name.startswith(one["sources"][0]) for one in proofs)
    assert {version(one["outputs"][0]) for one in sealed} == {one["packageHash"] for one in proofs}
    (withdrawn,) = of(events, "package.withdrawal")[1:]
    assert withdrawn["run"]["facets"]["countylake_receipt"]["packageId"] == PACKAGE[:-1] + "2"


def test_the_replica_hides_what_it_masks(county: Periods) -> None:
    """Each published table at its snapshot; a masked column says so."""
    end = of(told(county), "published.replica")[-1]
    assert {version(one) for one in (*end["inputs"], *end["outputs"])} == {
        f"snapshot {end['run']['facets']['countylake_receipt']['snapshot']}"
    }
    assert made(end, "published.silver.permit")["facets"]["columnLineage"]["fields"]


def test_a_build_that_fails_is_told_without_a_cell(tmp_path: Path, keys: Path) -> None:
    """The sentence is ours; the value that broke the cast is in no event."""
    assert keys.is_dir()
    county = Periods(tmp_path)
    county.take("许可_1.csv", rows(range(1, 4), "2023-04-01", "某某机械厂"))
    path = county.sql / "gold" / "permit_month.sql"
    path.write_text(path.read_text("utf-8").replace("COUNT(*)", "CAST(MAX(holder) AS BIGINT)"))
    county.renew()
    model = county.workshop.graph.models["gold.permit_month"]
    with pytest.raises(ModelError):
        build_model(county.workshop, model, county.occasion(MAY))
    start, end = of(told(county), model.table)
    assert types([start, end]) == ["START", "FAIL"]
    message = end["run"]["facets"]["errorMessage"]["message"]
    assert "gold.permit_month cannot be evaluated" in message
    assert "CAST(MAX(holder)" in end["job"]["facets"]["sql"]["query"]
    assert "机械厂" not in json.dumps(end, ensure_ascii=False)
    assert "version" not in made(end, model.table).get("facets", {})


def test_refused_and_held_deliveries_are_told_without_their_names(
    tmp_path: Path, keys: Path
) -> None:
    """A refused file FAILs; one that a person must decide on is stopped: ABORT."""
    assert keys.is_dir()
    county = Periods(tmp_path)
    county.take("许可_1.csv", rows(range(1, 101), "2023-04-01"))
    path = county.workshop.site.folder(county.workshop.home, "inbox") / "审批局" / "许可_张三丰.csv"
    path.write_bytes(b"PK\x03\x04 no workbook")
    county.run()
    path.unlink()
    county.put("许可_张三.csv", rows(range(1, 3), "2023-04-02"))
    county.run()
    taken, refused, held = (of(told(county), "feed.permit")[n : n + 2] for n in (0, 2, 4))
    assert [types(one) for one in (taken, refused, held)] == [
        ["START", "COMPLETE"],
        ["START", "FAIL"],
        ["START", "ABORT"],
    ]
    words = json.dumps([refused, held], ensure_ascii=False)
    assert "张三" not in words
    assert "a person must decide" in held[1]["run"]["facets"]["errorMessage"]["message"]


def test_old_events_stand_after_the_graph_has_changed(tmp_path: Path, keys: Path) -> None:
    """Each tells the SQL and the columns of its own materialization."""
    assert keys.is_dir()
    county = Periods(tmp_path)
    county.take("许可_1.csv", rows(range(1, 4), "2023-04-01"))
    county.build(county.occasion(MAY))
    before = (county.workshop.home.lineage / "events.ndjson").read_bytes()
    path = county.sql / "gold" / "permit_month.sql"
    path.write_text(path.read_text("utf-8").replace("COUNT(*)", "COUNT(holder)"), "utf-8")
    county.renew()
    county.build(county.occasion(MAY))
    assert (county.workshop.home.lineage / "events.ndjson").read_bytes().startswith(before)
    _, first, _, second = of(told(county), "gold.permit_month")
    counted = [
        made(one, "gold.permit_month")["facets"]["columnLineage"]["fields"]["permit_cnt"]
        for one in (first, second)
    ]
    assert [one["inputFields"][0]["field"] for one in counted] == ["*", "holder"]
    assert "COUNT(*)" in first["job"]["facets"]["sql"]["query"]
    assert "COUNT(holder)" in second["job"]["facets"]["sql"]["query"]
