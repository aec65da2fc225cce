"""A receipt as PROV-JSON: well-formed, complete, and saying only what the receipt says."""

from __future__ import annotations

from typing import Any

import pytest

from dagster_project.lineage.prov import prov_of
from dagster_project.protocol.receipt import Receipt
from tests.prov_kit import prov_faults
from tests.unit.test_receipt_form import COUNTS, HASH, MADE, RECEIPT

BATCH = {
    "batch_id": "division-20230531T1-ab",
    "source_batch_id": "",
    "delivery_id": "d1",
    "channel": "inbox",
    "received_at": "2023-05-31T12:00:00Z",
    "committed_at": "2023-05-31T12:00:05Z",
    "contract_version": "2.0.0",
    "sha256": "d" * 64,
    "files": ["1" * 64, "2" * 64],
    "counts": {**COUNTS, "read": 3, "accepted": 3},
    "live": 3,
}
FEED = {
    **RECEIPT["feeds"][0],
    "batches": [BATCH],
    "others": {"count": 4, "live": 9, "counts": COUNTS, "hash": "e" * 64},
}
GOLD = {"table": "gold.town", **MADE, "sql": "SELECT 1 FROM silver.division"}


def document() -> dict[str, Any]:
    """The document of a package with two models, one feed and an earlier receipt."""
    said = {**RECEIPT, "models": [GOLD, *RECEIPT["models"]], "feeds": [FEED]}
    return prov_of(Receipt.model_validate({**said, "receipt_no": 2, "previous_hash": "f" * 64}))


def derived(made: dict[str, Any]) -> dict[str, set[str]]:
    """What each entity was derived from."""
    found: dict[str, set[str]] = {}
    for one in made["wasDerivedFrom"].values():
        found.setdefault(one["prov:generatedEntity"], set()).add(one["prov:usedEntity"])
    return found


def test_it_is_well_formed() -> None:
    """Every id is a qualified name, every end of a relation is described."""
    assert prov_faults(document()) == []


def test_the_package_leads_to_the_landed_files() -> None:
    """Package, report, gold, silver, batch, file: each derived from the next."""
    found, names, steps = derived(document()), {"cl:package.140321-town-202305-r1"}, []
    while names:
        steps.append(sorted(names))
        names = {below for one in names for below in found.get(one, ())}
    assert steps == [
        ["cl:package.140321-town-202305-r1"],
        ["cl:table.140321.report.town.7"],
        ["cl:table.140321.gold.town.7"],
        ["cl:table.140321.silver.division.7"],
        [f"cl:batch.{BATCH['batch_id']}", f"cl:batches.division.{'e' * 16}"],
        [f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"],
    ]


def test_the_select_is_the_plan_of_its_evaluation() -> None:
    """With its text, under its own hash."""
    made = document()
    plans = {one.get("prov:plan") for one in made["wasAssociatedWith"].values()}
    assert f"sha256:{HASH}" in plans
    assert made["entity"][f"sha256:{HASH}"]["prov:type"]["$"] == "prov:Plan"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda made: made["entity"].pop(f"sha256:{'1' * 64}"),
        lambda made: made["used"]["_:used1"].pop("prov:entity"),
        lambda made: made["entity"].update({"no name": {}}),
        lambda made: made.update(invented={}),
        lambda made: made["agent"]["cl:site.140321"].update({"prov:colour": "red"}),
        lambda made: made["agent"]["cl:site.140321"].update({"cl:x": None}),
    ],
)
def test_the_judge_of_documents_sees_what_is_wrong(spoil: Any) -> None:
    """Else its silence would say nothing."""
    made = document()
    spoil(made)
    assert prov_faults(made)
