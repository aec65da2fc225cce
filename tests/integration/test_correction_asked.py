"""A city doubts a figure: the county's departments get cases, the answer goes up; nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dagster_project.city import corrections
from dagster_project.components.steps.correcting.asked import meet, suppliers
from dagster_project.components.steps.correcting.decisions import answer
from dagster_project.components.steps.correcting.ledger import cases
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.protocol.correction import ANSWERED, ASKED, FOLDER
from tests.integration.exchange_kit import LATER, CityKit, CountyKit, make_city, make_county

PACKAGE = "140321-population_by_town-20230531-r1"
WHY = {"by": "刘市级", "why": "与上月相差十倍"}


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CityKit, CountyKit, Workshop]:
    """A city that took in one package of a county."""
    monkeypatch.setenv("COUNTYLAKE_KEYS", str(tmp_path / "keys-140321"))
    city = make_city(tmp_path)
    county = make_county(tmp_path, city, "140321")
    county.build()
    assert county.seal() is not None
    county.deliver()
    assert [one.outcome for one in city.receive().decisions] == ["accepted"]
    return city, county, Workshop.at(county.home.root)


def ask(city: CityKit, **words: object) -> corrections.Asked:
    """The city doubts one figure."""
    said = {"place": {"town_code": "140321100"}, "column": "person_cnt", **WHY, "at": LATER}
    return corrections.ask(city.lake, city.site, city.signer, PACKAGE, **(said | words))  # type: ignore[arg-type]


def test_a_doubted_figure_becomes_cases_and_is_answered(
    pair: tuple[CityKit, CountyKit, Workshop],
) -> None:
    """Every department that the figure comes from answers; the city hears when all have."""
    city, county, workshop = pair
    asked = ask(city)
    assert meet(workshop) == []
    found = cases(workshop, kind="correction")
    assert {one.feed for one in found} == set(
        suppliers(workshop, "population_by_town", "person_cnt")
    )
    assert meet(workshop) == []
    assert len(cases(workshop, kind="correction")) == len(found)
    for number, one in enumerate(found):
        folder = county.up.parent / FOLDER
        assert not (folder / f"{asked.correction_id}{ANSWERED}").exists()
        answer(workshop, one.case_id, corrected=number == 0, by="王数据", why="已核对原始台账")
        assert meet(workshop) == []
    assert corrections.collect(city.lake, city.site, city.signer) == []
    (told,) = corrections.asked(city.lake)
    assert (told.outcome, told.asked_by) == ("corrected", "刘市级")
    assert "已核对原始台账" in (told.answer or "")
    sent = (county.up.parent / FOLDER / f"{asked.correction_id}{ASKED}").read_text("utf-8")
    assert "刘市级" not in sent
    assert [one.outcome for one in city.receive().decisions] == []


@pytest.mark.thorough
def test_only_what_was_reported_can_be_doubted(
    pair: tuple[CityKit, CountyKit, Workshop],
) -> None:
    """Package, row and column must be there, and a reason."""
    city, _, _ = pair
    for words, sentence in (
        ({"place": {"town_code": "140321999"}}, "no row of that key"),
        ({"place": {"nothing": "1"}}, "no column nothing"),
        ({"column": "nothing"}, "no column nothing"),
        ({"why": " "}, "without a reason"),
    ):
        with pytest.raises(UsageError, match=sentence):
            ask(city, **words)
    with pytest.raises(UsageError, match="no accepted package"):
        corrections.ask(
            city.lake,
            city.site,
            city.signer,
            "../140321-population_by_town-20230531-r9",
            place={},
            column="",
            at=LATER,
            **WHY,
        )
    assert corrections.asked(city.lake) == []


def test_what_is_not_signed_by_the_parent_opens_nothing(
    pair: tuple[CityKit, CountyKit, Workshop],
) -> None:
    """A changed file, a renamed one, one of the county's own hand: a remark each, no case."""
    city, county, workshop = pair
    asked = ask(city)
    folder = county.up.parent / FOLDER
    file = folder / f"{asked.correction_id}{ASKED}"
    whole = file.read_bytes()
    envelope = json.loads(whole)
    envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"][::-1]
    file.write_text(json.dumps(envelope), encoding="utf-8")
    assert len(meet(workshop)) == 1
    file.rename(folder / f"140321-JZ000000000000{ASKED}")
    (folder / f"140321-JZ000000000000{ASKED}").write_bytes(whole)
    assert "named after another" in meet(workshop)[0]
    assert cases(workshop, kind="correction") == []
    (folder / f"140321-JZ000000000000{ASKED}").unlink()
    corrections.collect(city.lake, city.site, city.signer)
    assert file.read_bytes() == whole
    assert meet(workshop) == []
    assert cases(workshop, kind="correction")


@pytest.mark.thorough
def test_an_answer_of_another_hand_is_not_believed(
    pair: tuple[CityKit, CountyKit, Workshop], tmp_path: Path
) -> None:
    """The city hears only the county that it asked."""
    city, county, workshop = pair
    asked = ask(city)
    meet(workshop)
    for one in cases(workshop, kind="correction"):
        answer(workshop, one.case_id, corrected=False, by="王数据", why="无误")
    meet(workshop)
    file = county.up.parent / FOLDER / f"{asked.correction_id}{ANSWERED}"
    other = make_county(tmp_path, city, "140322")
    forged = file.read_bytes()
    assert other.signer.public.key_id != county.signer.public.key_id
    envelope = json.loads(forged)
    envelope["signatures"][0]["keyid"] = other.signer.public.key_id
    file.write_text(json.dumps(envelope), encoding="utf-8")
    assert len(corrections.collect(city.lake, city.site, city.signer)) == 1
    assert corrections.asked(city.lake)[0].outcome is None
    meet(workshop)
    assert corrections.collect(city.lake, city.site, city.signer) == []
    assert corrections.asked(city.lake)[0].outcome == "unfounded"
