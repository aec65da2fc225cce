"""Corrections of a city that nobody trusts, answers that tell too much, folders of strangers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dagster_project.city import corrections
from dagster_project.components.steps.correcting import asked as taking
from dagster_project.components.steps.correcting.asked import meet
from dagster_project.components.steps.correcting.decisions import answer
from dagster_project.components.steps.correcting.ledger import cases
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import PackageError, UsageError
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.correction import (
    ANSWER_TYPE,
    ANSWERED,
    ASKED,
    ASKED_TYPE,
    FOLDER,
    read_correction,
    words_fault,
)
from dagster_project.protocol.dsse import sign
from dagster_project.protocol.folders import write_file
from dagster_project.protocol.keys import FileSigner
from tests.integration.exchange_kit import LATER, CityKit, CountyKit
from tests.integration.test_correction_asked import PACKAGE, ask, pair

__all__ = ["pair"]
SIGNER = FileSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ID = "140321-JZ0123456789AB"
GOOD = {
    "format": "countylake-correction/1",
    "correction_id": ID,
    "sender": "140321",
    "recipient": "140300",
    "package_id": PACKAGE,
    "report": "population_by_town",
    "place": {"town_code": "140321100"},
    "column": "person_cnt",
    "why": "与上月相差十倍",
    "asked_at": "2023-06-01T00:00:00Z",
}


@pytest.mark.parametrize(
    "changed",
    [
        {"why": "清屏\x1b[2J"},
        {"why": "倒\u202e序"},
        {"why": "x" * 2001},
        {"place": {"town_code": "\x07"}},
        {"asked_at": "2023-13-41T25:61:61Z"},
        {"correction_id": "../../140321-JZ0123456789AB"},
        {"package_id": "../140321-population_by_town-20230531-r1"},
        {"column": "person_cnt; DROP"},
        {"more": 1},
    ],
)
def test_a_signed_text_of_another_form_is_refused(changed: dict[str, object]) -> None:
    """A signature alone makes no text harmless."""
    keys = {SIGNER.key_id: SIGNER.public}
    data = sign(SIGNER, ASKED_TYPE, canonical_json(GOOD | changed))
    with pytest.raises(PackageError, match="not of the agreed form"):
        read_correction(data, keys, "a test")
    assert read_correction(sign(SIGNER, ASKED_TYPE, canonical_json(GOOD)), keys, "a test")


@pytest.mark.parametrize(
    "words",
    [
        "本人 13812345678 已确认",
        "本人 138-1234-5678 已确认",
        "１３８１２３４５６７８",
        "身份证140321198001011234更正",
        "140321 19800101 123X",
        "账号 6222 0212 3456 7890",
    ],
)
def test_numbers_of_persons_are_seen(words: str) -> None:
    """Citizen numbers, phones and accounts, however they are grouped."""
    assert "a person, a phone or an account" in words_fault(words)


def test_other_numbers_may_be_said() -> None:
    """Codes of divisions, days and amounts are nobody's."""
    words = "村 140321100201 漏报 2023-05-31 至 2023-06-30 的 1200 人，应为 12345678.90 元"
    assert words_fault(words) == ""


def test_words_that_tell_of_a_person_stay_in_the_county(
    pair: tuple[CityKit, CountyKit, Workshop],
) -> None:
    """Neither a question nor an answer with such a number is written down."""
    city, _, workshop = pair
    with pytest.raises(UsageError, match="a phone or an account"):
        ask(city, why="请核对 13812345678")
    ask(city)
    meet(workshop)
    one = cases(workshop, kind="correction")[0]
    for why, sentence in (
        ("张三 140321198001011234 已更正", "goes to the parent site"),
        ("已\x1b[31m更正", "control characters"),
        ("改" * 2001, "more than 2,000"),
    ):
        with pytest.raises(UsageError, match=sentence):
            answer(workshop, one.case_id, corrected=True, by="王数据", why=why)
    assert cases(workshop, kind="correction")[0].state == "open"


def test_a_folder_full_of_strangers_keeps_no_correction_waiting(
    pair: tuple[CityKit, CountyKit, Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are no corrections are counted, links are not followed, names steer nothing."""
    city, county, workshop = pair
    asked = ask(city)
    folder = county.up.parent / FOLDER
    secret = folder.parent / "secret"
    secret.write_bytes((folder / f"{asked.correction_id}{ASKED}").read_bytes())
    monkeypatch.setattr(taking, "MOST", 30)
    for number in range(60):
        (folder / f"000000-JZ{number:012X}{ASKED}").write_text("{}", encoding="utf-8")
    (folder / f"0\x1b[2J{ASKED}").write_text("{}", encoding="utf-8")
    (folder / f"000000-JZLINK{ASKED}").symlink_to(secret)
    (folder / f"000000-JZHUGE{ASKED}").write_bytes(b" " * (70 << 10))
    os.mkfifo(folder / f"000000-JZPIPE{ASKED}")
    remarks = meet(workshop)
    assert len(remarks) == taking.MOST_TOLD + 1
    assert "44 more files" in remarks[-1]
    assert "\x1b" not in "".join(remarks)
    assert cases(workshop, kind="correction")


def test_one_answer_that_cannot_be_read_stops_no_other(
    pair: tuple[CityKit, CountyKit, Workshop],
) -> None:
    """An instant that no calendar has is told, and the other county's answer is taken in."""
    city, county, _ = pair
    first, second = ask(city), ask(city)
    folder = county.up.parent / FOLDER
    for one, at in ((first, "9999-99-99T99:99:99Z"), (second, "2023-08-01T00:00:00Z")):
        said = {
            "format": "countylake-correction-answer/1",
            "correction_id": one.correction_id,
            "sender": "140321",
            "recipient": "140300",
            "outcome": "unfounded",
            "answer": "核实无误",
            "answered_at": at,
        }
        data = sign(county.signer, ANSWER_TYPE, canonical_json(said))
        (folder / f"{one.correction_id}{ANSWERED}").write_bytes(data)
    (told,) = corrections.collect(city.lake, city.site, city.signer)
    assert first.correction_id in told
    outcomes = {one.correction_id: one.outcome for one in corrections.asked(city.lake)}
    assert outcomes == {first.correction_id: None, second.correction_id: "unfounded"}


def test_a_package_is_named_as_it_is_kept(pair: tuple[CityKit, CountyKit, Workshop]) -> None:
    """Signs around its name do not travel to the county, which would know no such package."""
    city, county, _ = pair
    place = {"town_code": "140321100"}
    made = corrections.ask(
        *(city.lake, city.site, city.signer, f" {PACKAGE}?"),
        place=place,
        column="",
        by="刘市级",
        why="与上月相差十倍",
        at=LATER,
    )
    assert made.package_id == PACKAGE
    assert json.loads((county.up.parent / FOLDER / f"{made.correction_id}{ASKED}").read_bytes())


def test_a_link_leads_no_written_file_elsewhere(tmp_path: Path) -> None:
    """Somebody who shares the folder guesses the name of the part and lays a link there."""
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    (tmp_path / f".a.json.{os.getpid()}.part").symlink_to(victim)
    write_file(tmp_path / "a.json", b"theirs")
    assert victim.read_text(encoding="utf-8") == "mine"
    assert (tmp_path / "a.json").read_bytes() == b"theirs"
