"""Truly signed and still untrue: what a site signs must agree with its data and our contracts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from exchange_kit import COLUMNS, START, make_city, make_county
from tamper_kit import AGREED, Scene, changes, examine, make_scene, signed_as, thaw

from dagster_project.city.agreed import Agreed
from dagster_project.contracts.model import Column
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.receipt import Receipt, as_file

SHAPES = {"population_by_town": COLUMNS}
FREE = ("title", "description", "$schema", "mediatype", "a key more")
"""What is for people: another title is told, a description is not judged, a further key ignored."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A city, a registered county and its sealed package."""
    return make_scene(tmp_path_factory.mktemp("sites"))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("kind", "withdrawal", "withdrawal"),
        ("kind", "other", "header.kind"),
        ("package_id", "140321-population_by_town-20230530-r1", "package_id"),
        ("sender", "140302", "package_id"),
        ("recipient", "140400", "header recipient: it is addressed to site 140400"),
        ("package_no", 0, "start at 1"),
        ("package_no", 2, "previous_hash"),
        ("package_no", 2**70, "package_no"),
        ("revision", 2, "package_id"),
        ("period", "2023-05", "period"),
        ("report", "../../etc", "report"),
        ("rows", 4, "header rows"),
        ("rows", "3", "rows"),
        ("content_hash", "0" * 64, "content_hash"),
        ("content_hash", "", "content_hash"),
        ("previous_hash", "0" * 64, "previous_hash"),
        ("replaces", "x", "replaces"),
        ("surplus", 1, "surplus"),
        ("cut_off_at", "2023-13-40T25:61:61Z", "header"),
        ("cut_off_at", "2023-05-31T11:00:00Z", "receipts.json cut_off_at"),
        ("contract_version", "1.0.1", "version"),
        ("contract_version", "1.x", "contract_version"),
        ("contract_hash", "e" * 64, "receipts.json contract_hash"),
        ("sql_hash", "e" * 64, "receipts.json"),
        ("snapshot", 2**53, "snapshot"),
        ("snapshot", 8, "receipts.json snapshot"),
        ("receipt_hash", "e" * 64, "receipts.json"),
        ("receipt_hash", "", "receipts.json"),
        ("writer", "x" * 401, "writer"),
    ],
)
def test_a_header_must_be_true(
    scene: Scene, tmp_path: Path, field: str, value: object, reason: str
) -> None:
    """Even with the true key, a header that contradicts itself or the files is refused."""
    copy = thaw(scene.folder, tmp_path)
    signed_as(scene.county, copy, lambda payload: payload["header"].update({field: value}))
    verdict = examine(copy, tmp_path, scene.card)
    assert any(reason in fault for fault in verdict.faults), verdict.faults


def test_every_word_of_the_description_must_be_true(scene: Scene, tmp_path: Path) -> None:
    """Each value of ``datapackage.json`` that is changed and truly signed is refused by name."""
    document = json.loads((scene.folder / "datapackage.json").read_bytes())
    made = 0
    for what, changed in changes(document):
        if any(word in what for word in FREE):
            continue
        copy = thaw(scene.folder, tmp_path)
        (copy / "datapackage.json").write_bytes(canonical_json(changed))
        signed_as(scene.county, copy, lambda _: None)
        verdict = examine(copy, tmp_path, scene.card)
        assert verdict.genuine, what
        assert any("datapackage.json" in fault for fault in verdict.faults), (
            what,
            verdict.faults,
            verdict.remarks,
        )
        made += 1
    assert made > 100


@pytest.mark.parametrize(
    ("file", "body", "reason"),
    [
        ("receipts.json", b'{"receipts":[]}', "receipts.json"),
        ("receipts.json", b'{"receipts":[1]}', "receipts.json"),
        ("receipts.json", b"[" * 100_000, "receipts.json"),
        ("status.json", b"[]", "status.json: it is not a mapping"),
        ("status.json", b'{"tasks":[[1]]}', "status.json tasks.0"),
        ("status.json", b'{"a":1,"a":2}', "status.json"),
        ("status.json", b'{"a":NaN}', "status.json"),
        ("status.json", b'{"held":[{"feed":1}]}', "status.json held"),
        ("status.json", b'{"a":' * 2_000 + b"1" + b"}" * 2_000, "status.json"),
        ("lineage.ndjson", b"{}\n", "lineage.ndjson line 1"),
        ("lineage.ndjson", b'{"eventType":"START"}', "lineage.ndjson"),
        ("lineage.ndjson", b'{"eventType": "START"}\n', "lineage.ndjson line 1"),
        ("lineage.ndjson", b'{"eventType":"START"}\n' * 10_001, "lineage.ndjson"),
        ("datapackage.json", b"{}", "datapackage.json"),
        ("datapackage.json", b'{"resources":[{}]}', "datapackage.json"),
        ("datapackage.json", b"\xff", "datapackage.json"),
    ],
)
def test_every_file_must_be_of_its_form(
    scene: Scene, tmp_path: Path, file: str, body: bytes, reason: str
) -> None:
    """Truly signed files of another form are refused by name, however odd they are."""
    copy = thaw(scene.folder, tmp_path)
    (copy / file).write_bytes(body)
    signed_as(scene.county, copy, lambda _: None)
    verdict = examine(copy, tmp_path, scene.card)
    assert any(reason in fault for fault in verdict.faults), verdict.faults


def _column(name: str, **changed: Any) -> tuple[Column, ...]:
    return tuple(replace(one, **changed) if one.name == name else one for one in COLUMNS)


@pytest.mark.parametrize(
    ("agreed", "reason"),
    [
        (replace(AGREED, columns=COLUMNS[:-1]), "column suppressed: it is boolean"),
        (replace(AGREED, columns=(*COLUMNS, Column("x", "x", "date"))), "column x: it is missing"),
        (replace(AGREED, columns=_column("person_cnt", unit="户")), "column person_cnt unit"),
        (
            replace(AGREED, columns=_column("person_cnt", type="string")),
            "person_cnt: it is integer",
        ),
        (
            replace(AGREED, columns=_column("town_name", level="L3")),
            "town_name: it is personal (L3)",
        ),
        (replace(AGREED, columns=_column("town_name", level="L1")), "town_name level"),
        (replace(AGREED, columns=_column("person_cnt", required=True)), "person_cnt: 1 rows lack"),
        (replace(AGREED, key=("suppressed",)), "primaryKey"),
        (replace(AGREED, own=_column("person_cnt", maximum="100")), "a value is above 100"),
        (replace(AGREED, own=_column("person_cnt", minimum="100")), "a value is below 100"),
        (replace(AGREED, own=_column("town_name", max_length=3)), "4 characters, 3 are allowed"),
        (replace(AGREED, own=_column("town_name", pattern="镇$")), "1 different values are not of"),
        (replace(AGREED, codes={"town_name": frozenset({"冠山镇"})}), "2 different values are not"),
        (replace(AGREED, period="monthly"), "header period: 20230531 is not a month"),
        (replace(AGREED, version="2.0.0"), "header contract_version"),
    ],
)
def test_our_own_contract_is_kept(
    scene: Scene, tmp_path: Path, agreed: Agreed, reason: str
) -> None:
    """What the receiver's contract says otherwise is refused; no sentence holds a cell."""
    verdict = examine(scene.folder, tmp_path, scene.card, agreed=agreed)
    assert verdict.genuine
    assert any(reason in fault for fault in verdict.faults), verdict.faults
    assert not any("冠山镇" in fault or "120" in fault for fault in verdict.faults)


def test_versions_may_differ_a_little(scene: Scene, tmp_path: Path) -> None:
    """A newer minor version's columns are left out, an older one's may lack; both are told."""
    older = replace(AGREED, version="0.9.0", columns=COLUMNS[:-1], own=COLUMNS[:-1])
    newer = replace(AGREED, version="1.1.0", columns=(*COLUMNS, Column("x", "x", "date")))
    assert "another major" in examine(scene.folder, tmp_path, scene.card, agreed=older).faults[0]
    verdict = examine(scene.folder, tmp_path, scene.card, agreed=newer)
    assert (verdict.faults, verdict.remarks) == (
        [],
        ["column x: the sender's older contract does not have it."],
    )
    copy = thaw(scene.folder, tmp_path)
    described = json.loads((copy / "datapackage.json").read_bytes())
    (copy / "datapackage.json").write_bytes(canonical_json({**described, "version": "1.1.0"}))
    told = json.loads((copy / "receipts.json").read_bytes())["receipts"][0]
    told.pop("receipt_hash")
    receipt = Receipt.model_validate({**told, "contract_version": "1.1.0"})
    (copy / "receipts.json").write_bytes(as_file(receipt))
    newest = {"contract_version": "1.1.0", "receipt_hash": receipt.receipt_hash}
    signed_as(scene.county, copy, lambda payload: payload["header"].update(newest))
    mine = replace(AGREED, columns=COLUMNS[:-1], own=COLUMNS[:-1])
    verdict = examine(copy, tmp_path, scene.card, agreed=mine)
    assert verdict.faults == []
    assert "column suppressed" in verdict.remarks[0]
    assert verdict.table is not None
    assert "suppressed" not in verdict.table.column_names


@pytest.mark.parametrize(
    "change",
    [
        lambda body: [
            body.update(title="\ud800'; --"),
            body["resources"][0]["schema"]["fields"][0].update(title="\ud800\x00"),
        ],
        lambda body: body["resources"][0]["schema"].update(fields=[1] * len(COLUMNS)),
    ],
)
def test_one_county_cannot_stop_the_reception_of_another(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    """Odd words in a truly signed description are cleaned or refused; the next county is taken."""
    city = make_city(tmp_path)
    odd, good = make_county(tmp_path, city), make_county(tmp_path, city, "140322", "盂县")
    for county in (odd, good):
        county.build()
        assert county.seal()
        county.deliver()
    (sealed,) = odd.up.iterdir()
    copy = thaw(sealed, tmp_path / "work")
    body = json.loads((copy / "datapackage.json").read_bytes())
    change(body)
    (copy / "datapackage.json").write_text(json.dumps(body), encoding="utf-8")
    signed_as(odd, copy, lambda _payload: None)
    shutil.rmtree(sealed)
    copy.rename(sealed)
    found = city.receive(shapes=SHAPES)
    assert found.remarks == []
    assert [one.outcome for one in found.decisions if one.site_code == "140322"] == ["accepted"]


def test_what_has_not_happened_yet_is_refused(tmp_path: Path) -> None:
    """A period that has not begun, a cut-off in the future, and a sealing before its cut-off."""
    city = make_city(tmp_path)
    county = make_county(tmp_path, city)
    county.build()
    year = timedelta(days=365)
    assert county.seal("2024Q1")
    assert county.seal("202305", cut_off_at=START + year, sealed_at=START + year)
    assert county.seal("202304", sealed_at=START - timedelta(days=2))
    county.deliver()
    decisions = city.receive().decisions
    assert [(one.outcome, one.consumed) for one in decisions] == [("rejected", True)] * 3
    assert "header period: 2024Q1 has not begun" in decisions[0].reasons[0]
    assert "header cut_off_at: the cut-off" in decisions[1].reasons[0]
    assert "header sealed_at: the sealing" in decisions[1].reasons[1]
    assert "before its own cut-off" in decisions[2].reasons[0]
