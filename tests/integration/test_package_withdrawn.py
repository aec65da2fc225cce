"""Taking a period back, answering a rejection, and finding what is wrong in an outbox."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from exchange_kit import REPORT, ROWS, START, CityKit, CountyKit, make_city, make_county

from dagster_project.components.steps.packaging.looking import list_packages, show_package
from dagster_project.components.steps.packaging.withdrawing import withdraw_package
from dagster_project.components.steps.verifying.verify import verify
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.protocol.manifest import read_manifest
from dagster_project.reporting.identity import own_card

FIRST = "140321-population_by_town-20230531-r1"
SECOND = FIRST[:-1] + "2"
FEWER = ROWS[:2]


@pytest.fixture
def city(tmp_path: Path) -> CityKit:
    """A city."""
    return make_city(tmp_path)


@pytest.fixture
def county(tmp_path: Path, city: CityKit, monkeypatch: pytest.MonkeyPatch) -> CountyKit:
    """A registered county with a sealed report."""
    made = make_county(tmp_path, city)
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys-140321"))
    made.build()
    assert made.seal()
    return made


def taken_back(county: CountyKit, package_id: str, why: str = "口径有误") -> str:
    """Withdraw a package."""
    workshop = Workshop.at(county.home.root)
    return withdraw_package(workshop, package_id, why=why, by="李工").package_id


def rejected(county: CountyKit, package_id: str) -> None:
    """The parent's answer, as the outbox keeps it."""
    with county.lake.writer("test") as writer, writer.transaction("test") as tx:
        tx.con.execute(
            "INSERT INTO lake.ops.acknowledgement BY NAME SELECT ? AS package_id,"
            " 'rejected' AS outcome, 'column x is missing' AS reasons,"
            " ?::TIMESTAMPTZ AS acknowledged_at",
            [package_id, START + timedelta(days=1)],
        )


def test_a_withdrawal_is_a_package_without_figures(county: CountyKit) -> None:
    """The next in the chain, with its reason; who decided it stays in the county."""
    assert taken_back(county, FIRST) == SECOND
    folder = county.home.outbox / SECOND
    assert sorted(path.name for path in folder.iterdir()) == ["signature.json", "status.json"]
    keys = own_card(county.home).every_key
    header = read_manifest((folder / "signature.json").read_bytes(), keys).header
    assert (header.kind, header.package_no, header.replaces) == ("withdrawal", 2, FIRST)
    assert (header.reason, header.rows, header.content_hash) == ("口径有误", 0, "")
    assert "李工" not in (folder / "status.json").read_text("utf-8")
    told = list_packages(Workshop.at(county.home.root))
    assert [(one["kind"], one["decided_by"]) for one in told] == [
        ("report", ""),
        ("withdrawal", "李工"),
    ]


def test_what_cannot_be_withdrawn_is_refused(county: CountyKit) -> None:
    """Twice, an old revision, what was never sealed, and what nobody gives a reason for."""
    taken_back(county, FIRST)
    for package_id, why, sentence in (
        (SECOND, "again", f"{SECOND} was withdrawn already"),
        (FIRST, "old", f"{FIRST} was withdrawn already .{SECOND}."),
        ("140321-nothing-2023-r1", "who knows", "there is no package"),
        (SECOND, "  ", "a withdrawal has a reason"),
    ):
        with pytest.raises(UsageError, match=sentence):
            taken_back(county, package_id, why)
    assert len(list_packages(Workshop.at(county.home.root))) == 2


def test_a_withdrawn_period_is_reported_again_with_other_figures(county: CountyKit) -> None:
    """Not with those that were taken back, unless a person says so."""
    taken_back(county, FIRST)
    assert county.seal() is None
    county.build(FEWER)
    third = county.seal()
    assert third is not None
    assert third.revision == 3
    with pytest.raises(UsageError, match=f"{FIRST} was replaced by {third.package_id}"):
        taken_back(county, FIRST)
    (*_, told) = list_packages(Workshop.at(county.home.root))
    assert told["reason"] == f"reported again after the withdrawal {SECOND}"
    taken_back(county, third.package_id)
    assert county.seal(again=True, reason="核对无误") is not None


@pytest.mark.thorough
def test_a_rejected_package_is_answered(county: CountyKit) -> None:
    """As soon as SQL or contracts are others, or by a person's will; else it says the same."""
    county.seal("20230530", recipe_hash="e" * 64)
    for package_id in (FIRST, "140321-population_by_town-20230530-r1"):
        rejected(county, package_id)
    assert county.seal("20230530", recipe_hash="e" * 64) is None
    assert county.seal("20230530", recipe_hash="f" * 64)
    assert county.seal() is None
    assert county.seal(again=True, reason="上级表结构已更正")
    reasons = [one["reason"] for one in list_packages(Workshop.at(county.home.root))][2:]
    answer = "answers the rejection of 140321-population_by_town-{}-r1 (column x is missing)"
    assert reasons == [
        answer.format("20230530"),
        f"上级表结构已更正; {answer.format('20230531')}",
    ]


@pytest.mark.thorough
def test_a_package_is_shown_with_its_place_and_answers(county: CountyKit, city: CityKit) -> None:
    """What it says, what came before and after it, and what the parent said."""
    county.build(FEWER)
    county.seal()
    county.deliver()
    city.receive()
    county.deliver()
    told = show_package(Workshop.at(county.home.root), FIRST)
    assert (told["before"], told["after"], told["is_newest"]) == ("", SECOND, False)
    assert told["header"]["rows"] == 3
    assert [one["outcome"] for one in told["answers"]] == ["accepted"]
    assert show_package(Workshop.at(county.home.root), SECOND)["header"]["replaces"] == FIRST
    assert list_packages(Workshop.at(county.home.root), waiting=True) == []
    with pytest.raises(UsageError, match="there is no package"):
        show_package(Workshop.at(county.home.root), "nothing")


def test_what_is_wrong_in_the_outbox_is_named(county: CountyKit) -> None:
    """A changed file, a lost folder, a strange one, and a ledger that lost a number."""
    county.build(FEWER)
    county.seal()
    county.report_day(1)
    workshop = Workshop.at(county.home.root)
    assert in_the_outbox(workshop) == []
    status = county.home.outbox / FIRST / "status.json"
    status.parent.chmod(0o755)
    status.chmod(0o644)
    status.write_text(json.dumps({"tasks": []}))
    shutil.move(county.home.outbox / SECOND, county.home.outbox / f"{SECOND}0")
    faults = in_the_outbox(workshop)
    assert len(faults) == 3
    assert "status.json: the file was changed" in faults[0]
    assert "the sealed package is gone" in faults[1]
    assert "the lake does not know this package" in faults[2]
    assert len(in_the_outbox(workshop, FIRST)) == 1
    with county.lake.writer("test") as writer, writer.transaction("test") as tx:
        tx.con.execute("DELETE FROM lake.ops.package WHERE package_no = 2")
    assert any("has number 3 after number 1" in one for one in in_the_outbox(workshop))


def in_the_outbox(workshop: Workshop, package_id: str = "") -> list[str]:
    """What is wrong, but for the receipts, which these packages have in their own files only."""
    found = verify(workshop, package_id, quick=True).every_fault
    return [one for one in found if "the receipt is gone" not in one]


@pytest.mark.thorough
def test_the_described_schema_is_the_same_wherever_it_is_sealed(
    tmp_path: Path, county: CountyKit
) -> None:
    """Another home, day and key: the same bytes of figures and of the schema's description."""
    other = make_county(tmp_path / "elsewhere", make_city(tmp_path / "elsewhere"))
    other.build()
    table = replace(REPORT, path="/another/place.yaml")
    made = other.seal("20230601", table, sealed_at=START + timedelta(days=99), snapshot=9)
    assert made is not None
    folders = (county.home.outbox / FIRST, made.folder)
    data = [(one / "data" / "population_by_town.parquet").read_bytes() for one in folders]
    assert data[0] == data[1]
    told = [json.loads((one / "datapackage.json").read_bytes()) for one in folders]
    schemas = [one["resources"][0]["schema"] for one in told]
    assert json.dumps(schemas[0]) == json.dumps(schemas[1])
    assert told[0] != told[1]
