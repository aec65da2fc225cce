"""Events and receipts as ``make run`` leaves them: valid, complete, taken by a lineage server."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dagster_project.lineage.events.forwarding import forward
from dagster_project.lineage.prov import prov_of
from dagster_project.lineage.rates import rate_faults
from dagster_project.paths import Home
from dagster_project.protocol.receipt import Receipt, read_receipt
from dagster_project.settings import LineageServer
from tests.conftest import Demo
from tests.e2e.test_demo import HOMES
from tests.openlineage_kit import Event, faults, receiving
from tests.prov_kit import prov_faults

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]
SITES = [*HOMES.values(), "city"]
KINDS = {
    "collect": {"FEED", "MODEL", "PACKAGE", "REPLICA", "RULES"},
    "receive": {"RECEPTION", "MODEL", "REPLICA"},
}


def events(home: Path) -> list[Event]:
    """Everything that a site told."""
    lines = (home / "lineage" / "events.ndjson").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def receipts(home: Path) -> list[tuple[Path, Receipt]]:
    """Every package with figures, and its receipt."""
    found = []
    for path in sorted(home.glob("outbox/1*/receipts.json")):
        (told,) = json.loads(path.read_bytes())["receipts"]
        found.append((path.parent, read_receipt(told)))
    return found


@pytest.mark.parametrize("site", SITES)
def test_every_event_of_a_run_is_valid_and_every_run_has_its_end(demo: Demo, site: str) -> None:
    """By the schemas that the events name; no step failed, so that each ends with COMPLETE."""
    told = events(demo.root / site)
    assert [fault for event in told for fault in faults(event)] == []
    runs: dict[str, list[str]] = {}
    for event in told:
        runs.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert Counter(map(tuple, runs.values())).keys() == {("START", "COMPLETE")}
    kinds = {event["job"]["facets"]["jobType"]["jobType"] for event in told}
    assert kinds == KINDS["receive" if site == "city" else "collect"]


def test_the_city_reads_the_very_packages_that_the_counties_tell(demo: Demo) -> None:
    """Across sites a package is one dataset: the same namespace, name and version."""
    made = {
        (one["namespace"], one["name"], one["facets"]["version"]["datasetVersion"])
        for site in HOMES.values()
        for event in events(demo.root / site)
        if event["eventType"] == "COMPLETE"
        for one in event["outputs"]
        if one["name"].startswith("package.")
    }
    read = {
        (one["namespace"], one["name"], one["facets"]["version"]["datasetVersion"])
        for event in events(demo.root / "city")
        for one in event["inputs"]
        if one["name"].startswith("package.")
    }
    assert len(read) > 20
    assert read == made


def test_a_lineage_server_takes_them_all(demo: Demo) -> None:
    """Store and forward over HTTP, to a server that holds each event against its schemas."""
    home = Home(demo.root / HOMES["140321"])
    before = {path: path.read_bytes() for path in home.lineage.glob("*.json")}
    with receiving() as receiver:
        done = forward(home, LineageServer(url=receiver.url), datetime.now(UTC))
    (home.lineage / "forwarded.json").unlink()
    assert not before
    assert (done.refused, done.last_error, receiver.faults) == (0, "", [])
    assert receiver.events == events(home.root)


@pytest.mark.parametrize("county", HOMES)
def test_every_rate_of_every_package_is_rounded_as_its_receipt_says(
    demo: Demo, county: str
) -> None:
    """The sealed rows themselves, against exact fractions of their own columns."""
    judged = 0
    for folder, receipt in receipts(demo.root / HOMES[county]):
        (path,) = folder.glob("data/*.parquet")
        rows = pq.read_table(path)
        assert rate_faults(receipt.rounding, rows) == []
        rates = [name for name in rows.column_names if name.endswith("_pct")]
        assert rates == [one.column for one in receipt.rounding]
        judged += rows.num_rows * len(rates)
    assert judged > 500


@pytest.mark.parametrize("county", HOMES)
def test_every_receipt_is_a_prov_document(demo: Demo, county: str) -> None:
    """Well-formed, with every landed file that the receipt names."""
    found = receipts(demo.root / HOMES[county])
    assert len(found) >= 9
    for _, receipt in found:
        made = prov_of(receipt)
        assert prov_faults(made) == []
        files = {b.sha256 for feed in receipt.feeds for b in feed.batches if not b.files}
        assert {f"sha256:{one}" for one in files} <= made["entity"].keys()
