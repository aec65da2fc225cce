"""The judge of events sees what is wrong with one: else its silence would say nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from dagster_project.contracts.model import Column
from dagster_project.lineage.columns import Edge
from dagster_project.lineage.events.events import Work, completed
from dagster_project.lineage.events.facets import Assertion, Dataset, Evidence, Written
from tests.openlineage_kit import faults

AT = datetime(2023, 5, 31, 12, 30, tzinfo=UTC)


def event() -> dict[str, Any]:
    """A COMPLETE event with every facet."""
    made = Dataset(
        "gold.t",
        "snapshot 3",
        [Column("n", "数", "integer")],
        [Edge("n", "silver.house", "n", "aggregation"), Edge("n", "silver.house", "x", "filter")],
        written=Written(3, 100, 1),
        assertions=[Assertion("r", success=True)],
    )
    read = Dataset("silver.house", "snapshot 2", assertions=[Assertion("r", success=False)])
    evidence = Evidence(2, "a" * 64, receipt_hash="b" * 64, receipt_no=1, sources=["c" * 64])
    work = Work("140321", "gold.t", "r", AT, [read], [made], "SELECT 1", evidence=evidence)
    return json.loads(completed(work, AT))  # type: ignore[no-any-return]


def _facet(told: dict[str, Any], name: str) -> Any:
    (made,) = told["outputs"]
    groups = (told["run"], told["job"], made)
    found = {k: v for one in groups for k, v in one.get("facets", {}).items()}
    return (found | made["outputFacets"])[name]


SPOIL: dict[str, Callable[[dict[str, Any]], object]] = {
    "no producer": lambda e: e.pop("producer"),
    "a state that is none": lambda e: e.update(eventType="DONE"),
    "a time without a zone": lambda e: e.update(eventTime="2023-05-31T12:30:00"),
    "a run that is no uuid": lambda e: e["run"].update(runId="1"),
    "no job": lambda e: e.pop("job"),
    "a facet without its schema": lambda e: _facet(e, "schema").pop("_schemaURL"),
    "a facet under another name": lambda e: e["run"]["facets"].update(
        parents=e["run"]["facets"].pop("parent")
    ),
    "a word that no schema knows": lambda e: _facet(e, "sql").update(text="x"),
    "rows as text": lambda e: _facet(e, "outputStatistics").update(rowCount="3"),
    "an assertion without an answer": lambda e: _facet(e, "dataQualityAssertions")["assertions"][
        0
    ].pop("success"),
    "a column without its source": lambda e: _facet(e, "columnLineage")["fields"]["n"].pop(
        "inputFields"
    ),
    "a hash that is none": lambda e: _facet(e, "countylake_receipt").update(contentHash="x"),
    "a receipt that proves nothing": lambda e: [
        _facet(e, "countylake_receipt").pop(name) for name in ("snapshot",)
    ],
}


def test_what_is_right_has_no_faults() -> None:
    """With every facet that we write."""
    assert faults(event()) == []


@pytest.mark.parametrize("name", SPOIL)
def test_what_is_wrong_is_seen(name: str) -> None:
    """One fault of each kind."""
    told = event()
    SPOIL[name](told)
    assert faults(told)
