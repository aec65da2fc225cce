"""Receipts of a real run: every hash computed again here, by other means than the programme's."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from receipt_kit import PERSONS, REPORT, TABLE, PeopleCounty

from dagster_project.contracts.model import Contracts
from dagster_project.paths import PROJECT, SAMPLES
from dagster_project.protocol.standing import standings_of

pytestmark = pytest.mark.thorough
LEDGER = "report.task_execution"
FIRST, SECOND = (f"140321-{REPORT}-202306-r{number}" for number in (1, 2))
"""The population before and after the larger file came."""
FILES = ("receipts.json", "lineage.ndjson", "status.json")


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> PeopleCounty:
    """A county that sealed two reports, then took a larger file and sealed one of them again."""
    assert keys.exists()
    made = PeopleCounty(tmp_path_factory.mktemp("receipts"))
    assert made.run(TABLE, LEDGER) == [FIRST, "140321-task_execution-20230601-r1"]
    made.deliver(PERSONS + 40)
    assert made.run(TABLE) == [SECOND]
    return made


def canonical(value: object) -> bytes:
    """The one spelling of JSON, as RFC 8785 has it for text and whole numbers."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def content(county: PeopleCounty, table: str, snapshot: int) -> tuple[str, int]:
    """The content hash of a table as it was, cell by cell in Python."""
    with county.workshop.lake.reader() as con:
        con.execute("SET TimeZone = 'Asia/Shanghai'")
        source = f"SELECT * FROM lake.{table} AT (VERSION => {snapshot})"
        kinds = [(row[0], row[1]) for row in con.execute(f"DESCRIBE {source}").fetchall()]
        texts = ", ".join(
            f'CAST(epoch_us("{name}") AS VARCHAR)'
            if kind == "TIMESTAMP WITH TIME ZONE"
            else f'CAST("{name}" AS VARCHAR)'
            for name, kind in kinds
        )
        rows = con.execute(f"SELECT {texts} FROM ({source})").fetchall()
    hashes = sorted(
        hashlib.sha256(
            "".join("-" if cell is None else f"{len(cell)}:{cell}" for cell in row).encode()
        ).hexdigest()
        for row in rows
    )
    head = "\n".join(f"{name} {kind}" for name, kind in kinds)
    return hashlib.sha256(f"{head}\n{''.join(hashes)}".encode()).hexdigest(), len(rows)


def test_every_hash_of_a_receipt_is_what_it_says(county: PeopleCounty) -> None:
    """The receipt itself, the SQL, every input at the snapshot, and the delivered files."""
    package = FIRST
    receipt, header = county.receipt(package), county.header(package)
    rest = {name: value for name, value in receipt.items() if name != "receipt_hash"}
    digest = hashlib.sha256(canonical(rest)).hexdigest()
    assert digest == receipt["receipt_hash"] == header["receipt_hash"]
    for made in receipt["models"]:
        text = (PROJECT / "sql" / f"{made['table'].replace('.', '/')}.sql").read_text("utf-8")
        told = sqlglot.parse_one(text, read="duckdb").sql(dialect="duckdb", comments=False)
        assert made["sql"] == told
        assert made["sql_hash"] == hashlib.sha256(told.encode()).hexdigest()
    assert [made["table"] for made in receipt["models"]][-1] == TABLE
    assert {one["table"] for one in receipt["inputs"]} >= {"silver.population", "silver.division"}
    for one in receipt["inputs"]:
        assert content(county, one["table"], receipt["snapshot"]) == (
            one["content_hash"],
            one["rows"],
        )


def test_a_receipt_names_the_deliveries_behind_it(county: PeopleCounty) -> None:
    """The landed bytes by their SHA-256, and what became of every row; no name of a file."""
    receipt = county.receipt(FIRST)
    feeds = {one["feed"]: one for one in receipt["feeds"]}
    delivered = b"".join(county.lines[: PERSONS + 1])
    (batch,) = feeds["population"]["batches"]
    assert batch["sha256"] == hashlib.sha256(delivered).hexdigest()
    assert (batch["channel"], batch["received_at"][-1]) == ("inbox", "Z")
    counts = dict(batch["counts"])
    assert counts.pop("read") == sum(counts.values()) == PERSONS
    live = county.rows(
        f"SELECT count(*) FROM lake.silver.population AT (VERSION => {receipt['snapshot']})"
        " WHERE NOT _is_deleted"
    )
    assert batch["live"] == live[0][0]
    assert feeds["population"]["others"]["count"] == 0
    assert not feeds["house"]["batches"]  # nothing was delivered of it
    assert county.people.name not in json.dumps(receipt, ensure_ascii=False)


def test_batches_that_no_longer_count_are_told_by_one_hash(county: PeopleCounty) -> None:
    """A full snapshot replaced every row of the first one, which is counted all the same."""
    receipt = county.receipt(SECOND)
    (feed,) = [one for one in receipt["feeds"] if one["feed"] == "population"]
    named = {one["batch_id"] for one in feed["batches"]}
    rows = county.rows(
        "SELECT batch_id, sha256, read, accepted, rejected, duplicate, superseded, dropped"
        f" FROM lake.ops.batch AT (VERSION => {receipt['snapshot']})"
        " WHERE feed = 'population' ORDER BY batch_id"
    )
    lines = [" ".join(map(str, row)) for row in rows if row[0] not in named]
    others = feed["others"]
    assert len(rows) == len(named) + others["count"]
    assert others["count"] == len(lines)
    expected = hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""
    assert others["hash"] == expected


def test_receipts_are_chained_and_kept(county: PeopleCounty) -> None:
    """Each names the one before; the lake keeps the text that the package has."""
    rows = county.rows(
        "SELECT r.receipt_no, r.previous_hash, r.receipt_hash, r.receipt, p.package_id,"
        " p.receipt_hash FROM ops.receipt AS r JOIN ops.package AS p USING (package_id)"
        " ORDER BY r.receipt_no"
    )
    assert [row[0] for row in rows] == [1, 2, 3]
    assert [row[1] for row in rows] == ["", rows[0][2], rows[1][2]]
    for _, _, digest, text, package_id, sealed in rows:
        assert digest == sealed == county.receipt(package_id)["receipt_hash"]
        assert json.loads(text) == county.receipt(package_id)


def test_a_changed_row_changes_its_inputs_hash_and_no_other(county: PeopleCounty) -> None:
    """What did not change is not hashed again, and has the hash that it had."""
    before, after = county.receipt(FIRST), county.receipt(SECOND)
    old = {one["table"]: one["content_hash"] for one in before["inputs"]}
    new = {one["table"]: one["content_hash"] for one in after["inputs"]}
    assert {name for name in new if new[name] != old[name]} == {"silver.population"}
    times = dict(
        county.rows(
            "SELECT table_name, count(*) FROM ops.input_hash"
            " WHERE table_name LIKE 'silver.%' GROUP BY 1"
        )
    )
    assert times == {name: 1 + (name == "silver.population") for name in new}
    assert content(county, "silver.population", before["snapshot"])[0] == old["silver.population"]


def test_a_report_of_the_ledgers_names_every_feed(county: PeopleCounty) -> None:
    """Its inputs are ledgers at one snapshot, before the runs that came after."""
    receipt = county.receipt("140321-task_execution-20230601-r1")
    assert {one["table"] for one in receipt["inputs"]} == {"ops.feed", "ops.task_run"}
    feeds: Contracts = county.workshop.contracts
    assert [one["feed"] for one in receipt["feeds"]] == sorted(feeds.feeds)
    for one in receipt["inputs"]:
        assert content(county, one["table"], receipt["snapshot"])[0] == one["content_hash"]


def test_a_package_says_how_its_feeds_stand(county: PeopleCounty) -> None:
    """Task, cases and title of exactly the feeds behind the report, in the agreed form."""
    told = json.loads(county.file(FIRST, "status.json"))
    feeds = {one.feed: one for one in standings_of(told).feeds}
    assert sorted(feeds) == [one["feed"] for one in county.receipt(FIRST)["feeds"]]
    people = feeds["population"]
    assert (people.title, people.task.status, people.task.failures) == ("实有人口", "success", 0)
    assert people.task.succeeded_at == people.task.finished_at
    assert datetime.fromisoformat(people.task.finished_at)
    rejected = county.receipt(FIRST)["feeds"]
    (mine,) = [one for one in rejected if one["feed"] == "population"]
    assert people.open_cases == mine["open_cases"]


def test_lineage_leads_from_the_report_to_the_files(county: PeopleCounty) -> None:
    """COMPLETE events of the report, each model below it and each feed; facets say their schema."""
    lines = county.file(FIRST, "lineage.ndjson").splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    made = {one["name"] for event in events for one in event["outputs"]}
    assert {TABLE, "gold.population_by_town_sex_age", "silver.population"} <= made
    read = [one for event in events for one in event["inputs"]]
    delivered = hashlib.sha256(b"".join(county.lines[: PERSONS + 1])).hexdigest()
    (landed,) = [one for one in read if one["name"] == "landing.population"]
    assert landed["facets"]["version"]["datasetVersion"] == delivered
    assert {event["eventType"] for event in events} == {"COMPLETE"}
    for event in events:
        facets = [event["run"]["facets"], event["job"]["facets"]]
        facets += [one.get("facets", {}) for one in event["inputs"] + event["outputs"]]
        for facet in (facet for group in facets for facet in group.values()):
            assert facet["_producer"].startswith("urn:countylake:")
            assert facet["_schemaURL"].startswith(
                (
                    "https://openlineage.io/spec/",
                    "https://countylake.example/spec/facets/",
                )
            )


def test_sealing_is_told_with_the_signed_hash(county: PeopleCounty) -> None:
    """Whoever follows the site's events sees each package once, under the hash that was signed."""
    lines = (county.workshop.home.lineage / "events.ndjson").read_text("utf-8").splitlines()
    outputs = (one for line in lines for one in json.loads(line)["outputs"])
    sealed = [
        (one["name"], one["facets"]["version"]["datasetVersion"])
        for one in outputs
        if one["name"].startswith("package.") and "version" in one.get("facets", {})
    ]
    rows = county.rows("SELECT 'package.' || report, package_hash FROM ops.package")
    assert sorted(sealed) == sorted(rows)


def test_nothing_personal_is_in_what_proves_a_report(county: PeopleCounty) -> None:
    """No value of a person that the simulator invented, and no id of a delivered row."""
    listed = (SAMPLES / "expected" / "140321.personal.txt").read_text("utf-8").splitlines()
    starts = (line.split(b",")[0].decode("gb18030") for line in county.lines)
    ids = {one for one in starts if one.startswith("P140321")}
    for package in county.workshop.home.outbox.glob("140321-*"):
        for name in FILES:
            text = county.file(package.name, name).decode()
            assert [one for one in {*listed, *ids} if one in text] == []
