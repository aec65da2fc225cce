"""OpenLineage events: valid, without paths or values, and found again from a report upwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from openlineage.client.event_v2 import RunEvent

from dagster_project.contracts.model import Column
from dagster_project.errors import LakeError
from dagster_project.lineage.columns import Edge
from dagster_project.lineage.events.events import Work, completed, failed, started
from dagster_project.lineage.events.facets import Dataset, Written
from dagster_project.lineage.events.log import append, upstream
from dagster_project.paths import Home

AT = datetime(2023, 5, 31, 12, 30, tzinfo=UTC)
RUN = "0c5d6f3e-1f0a-4c8e-9d0e-3f6f1d1f4a11"


def work(job: str, *inputs: tuple[str, str], version: str = "v1") -> Work:
    """A materialization of ``job`` from versioned inputs."""
    return Work(
        "140321",
        job,
        RUN,
        AT,
        inputs=[Dataset(name, at) for name, at in inputs],
        outputs=[Dataset(job, version, written=Written(3))],
    )


def outputs(home: Home, table: str) -> list[str]:
    """What ``upstream`` finds, as name@version."""
    found = [json.loads(line)["outputs"][0] for line in upstream(home, table)]
    return [f"{one['name']}@{one['facets']['version']['datasetVersion']}" for one in found]


def test_an_event_says_columns_lineage_counts_and_sql() -> None:
    """COMPLETE carries every agreed facet; values and conditions are told apart."""
    made = Work(
        "140321",
        "gold.house_by_town",
        RUN,
        AT,
        inputs=[Dataset("silver.house", "7")],
        outputs=[
            Dataset(
                "gold.house_by_town",
                "8",
                [Column("house_cnt", "房屋数", "integer")],
                [
                    Edge("house_cnt", "silver.house", "house_id", "aggregation"),
                    Edge("house_cnt", "silver.house", "_is_deleted", "filter"),
                ],
                written=Written(11),
            )
        ],
        sql="SELECT 1",
    )
    event = json.loads(completed(made, AT))
    (output,) = event["outputs"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 11
    assert output["facets"]["schema"]["fields"][0]["description"] == "房屋数"
    lineage = output["facets"]["columnLineage"]
    (source,) = lineage["fields"]["house_cnt"]["inputFields"]
    assert (source["field"], source["transformations"][0]["subtype"]) == ("house_id", "AGGREGATION")
    assert lineage["dataset"][0]["field"] == "_is_deleted"
    assert event["job"]["facets"]["sql"]["query"] == "SELECT 1"
    assert event["run"]["facets"]["parent"]["run"]["runId"] == RUN
    assert event["run"]["runId"] == json.loads(started(made, AT))["run"]["runId"] != RUN
    assert set(event) <= {name.name for name in RunEvent.__attrs_attrs__}  # type: ignore[attr-defined]


def test_a_failure_quotes_only_our_own_sentences() -> None:
    """An engine's message may hold a cell, so only its class is told."""
    own = failed(work("silver.house"), AT, LakeError("the disk is full"))
    foreign = failed(work("silver.house"), AT, duckdb.ConversionException("'14032119900307'"))
    assert "the disk is full" in own
    assert "1403211990" not in foreign
    assert "ConversionException" in foreign


def test_upstream_follows_the_versions_that_were_read(tmp_path: Path) -> None:
    """A table that was built again in between is not mistaken for the one that was read."""
    home = Home(tmp_path)
    append(
        home,
        [
            completed(work("silver.house", ("bronze.house", "b1"), version="s1"), AT),
            completed(work("gold.other", ("silver.house", "s1")), AT),
            completed(work("gold.house", ("silver.house", "s1"), version="g1"), AT),
            completed(work("silver.house", version="s2"), AT),
            completed(work("gold.house", ("silver.house", "s2"), version="g2"), AT),
            completed(work("report.house", ("gold.house", "g1"), version="r1"), AT),
        ],
    )
    assert outputs(home, "report.house") == ["report.house@r1", "gold.house@g1", "silver.house@s1"]
    assert outputs(home, "report.unknown") == []


@pytest.mark.parametrize("size", [1, 3000])
def test_a_torn_line_costs_only_itself(tmp_path: Path, size: int) -> None:
    """After a kill in the middle of a write the next event starts on a line of its own."""
    home = Home(tmp_path)
    append(home, [completed(work(f"gold.t{number}"), AT) for number in range(size)])
    with (home.lineage / "events.ndjson").open("ab") as stream:
        stream.write(b'{"eventType":"COMPLETE","outp')
    assert outputs(home, "gold.t0") == ["gold.t0@v1"]
    append(home, [completed(work("gold.after"), AT)])
    assert outputs(home, "gold.after") == ["gold.after@v1"]
    assert outputs(home, "gold.t0") == ["gold.t0@v1"]


def test_events_name_no_machine() -> None:
    """Namespace and producer are names, so that moving a home changes no event."""
    event = completed(work("gold.house"), AT)
    assert json.loads(event)["producer"].startswith("urn:countylake:")
    assert str(Path.cwd()) not in event
    assert str(Path.home()) not in event
