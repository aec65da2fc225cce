"""Drift, purely: which differences between a file and its contract are found, and what they ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.drift import (
    Failures,
    Finding,
    Fit,
    Quartiles,
    columns_changed,
    grown,
    is_code_like,
    likeness,
    narrowed,
    rescaled,
    reshaped,
)
from dagster_project.contracts.model import Feed
from dagster_project.paths import schemas_dir

HOUSE = load(schemas_dir()).feeds["house"]
AREA = HOUSE.column("area_m2")


def kinds(found: list[Finding]) -> dict[str, str]:
    """Kind of each finding by its column or title."""
    return {one.column or one.title: one.kind for one in found}


def found_one(*arguments: Any, feed: Feed = HOUSE) -> Finding:
    """The one finding about columns."""
    (found,) = columns_changed(feed, *arguments)
    return found


def test_a_missing_column_and_a_title_like_it_are_a_renaming() -> None:
    """One finding, not two: the title is spent, and the feed pauses."""
    found = found_one(["area_m2"], [f"{AREA.title}（平米）"])
    assert (found.kind, found.column, found.severity) == ("renamed", "area_m2", "pause")
    assert found.candidate == f"{AREA.title}（平米）"


def test_cells_that_do_not_fit_contradict_a_title_that_does() -> None:
    """A title alone is no proof when the cells are of another sort."""
    title = f"{AREA.title}说明"
    fits = {("area_m2", title): Fit(filled=50, valid=2, telling=True)}
    found = columns_changed(HOUSE, ["area_m2"], [title], fits)
    assert kinds(found) == {"area_m2": "missing", title: "added"}


def test_cells_that_silver_holds_prove_a_renaming_under_any_title() -> None:
    """The values are recognised where the title is not."""
    fits = {("grid_code", "片区号"): Fit(filled=100, valid=100, held=97)}
    found = found_one(["grid_code"], ["片区号"], fits)
    assert (found.kind, found.candidate) == ("renamed", "片区号")
    assert found.evidence["held"] == 97


def test_a_number_that_fits_is_no_proof_without_a_title() -> None:
    """Every count fits every other count."""
    fits = {("rooms", "栋数"): Fit(filled=100, valid=100, telling=True)}
    assert kinds(columns_changed(HOUSE, ["rooms"], ["栋数"], fits)) == {
        "rooms": "missing",
        "栋数": "added",
    }


def test_each_title_is_given_to_one_column_only() -> None:
    """Two missing columns do not become the same title; the likelier one gets it."""
    owner, phone = HOUSE.column("owner_name"), HOUSE.column("owner_phone")
    titles = [f"{owner.title}全称", f"{phone.title}号"]
    found = columns_changed(HOUSE, ["owner_name", "owner_phone"], titles)
    assert {one.column: one.candidate for one in found} == {
        "owner_name": titles[0],
        "owner_phone": titles[1],
    }


def test_several_titles_that_fit_as_well_are_said_to_be_rivals() -> None:
    """Acceptance must then name the title."""
    found = columns_changed(HOUSE, ["area_m2"], [f"{AREA.title}1", f"{AREA.title}2"])
    assert [one.evidence["rivals"] for one in found if one.kind == "renamed"] == [1]


def test_an_optional_column_that_is_missing_is_noted() -> None:
    """Today's remark stays a remark."""
    optional = next(c for c in HOUSE.columns if not c.required and not c.is_key)
    assert found_one([optional.name], []).severity == "note"


def test_a_required_column_that_is_missing_pauses_the_feed() -> None:
    """Without it nothing can be merged."""
    found = found_one(["house_code"], [])
    assert (found.kind, found.severity, found.evidence["required"]) == ("missing", "pause", True)


def test_a_required_column_can_be_refused_and_never_overlooked() -> None:
    """The contract's word ``note`` cannot let a file in that lacks its key."""
    lax = replace(HOUSE, drift={"missing": "note"})
    assert found_one(["house_code"], [], feed=lax).severity == "refuse"


def test_the_contract_s_word_decides_for_optional_columns() -> None:
    """A renaming that is only noted does not pause."""
    optional = next(c for c in HOUSE.columns if not c.required and not c.is_key)
    lax = replace(HOUSE, drift={"renamed": "note"})
    assert found_one([optional.name], [f"{optional.title}栏"], feed=lax).severity == "note"


@pytest.mark.parametrize(
    ("checked", "failed", "before", "failed_before", "expected"),
    [
        (100, 60, 1000, 1, True),
        (100, 10, 1000, 1, False),
        (100, 60, 1000, 300, False),
        (10, 10, 1000, 1, False),
        (100, 60, 0, 0, False),
    ],
)
def test_a_column_has_narrowed_when_it_was_sound_before(
    checked: int, failed: int, before: int, failed_before: int, *, expected: bool
) -> None:
    """Many failures now, few before, and enough cells on both sides."""
    counted = Failures("area_m2.type", checked, failed, before, failed_before)
    found = list(narrowed(HOUSE, [counted]))
    assert bool(found) is expected
    assert all(one.severity == "pause" and one.column == "area_m2" for one in found)


def test_new_codes_are_named_when_they_stand_in_several_cells() -> None:
    """A slip of the pen is no new code; a long number or free text is no code at all."""
    cells = {"商住": 4, "住zhai": 1, "13800138000": 9, "张某家的房子在村口大槐树旁边第三户": 5}
    found = grown(HOUSE, HOUSE.column("usage"), cells)
    assert found is not None
    assert found.evidence["codes"] == ["商住"]
    assert (found.evidence["values"], found.evidence["cells"]) == (3, 18)
    assert found.severity == "note"


def test_codes_of_personal_columns_are_counted_and_never_named() -> None:
    """What stands in a column of level L3 or L4 does not leave it."""
    personal = replace(HOUSE.column("usage"), level="L3")
    found = grown(HOUSE, personal, {"商住": 4})
    assert found is not None
    assert "codes" not in found.evidence


def test_no_more_than_twenty_codes_are_named() -> None:
    """A column of free text does not flood the log."""
    found = grown(HOUSE, HOUSE.column("usage"), {f"甲{n}": 3 for n in range(100)})
    assert found is not None
    assert len(found.evidence["codes"]) == 20


@pytest.mark.parametrize("value", ["10", "A-1", "商住两用", "三（2）"])
def test_short_values_are_code_like(value: str) -> None:
    """Digits, letters, a few characters."""
    assert is_code_like(value)


@pytest.mark.parametrize("value", ["140321198001011234", "a b", "", "一" * 17, "=1+1", "x\ny"])
def test_long_numbers_text_and_formulas_are_not(value: str) -> None:
    """Nothing that could be an identity or a sentence."""
    assert not is_code_like(value)


HELD = Quartiles(1000, 60.0, 90.0, 120.0)


@pytest.mark.parametrize(
    ("here", "power"),
    [
        (Quartiles(100, 600_000.0, 900_000.0, 1_200_000.0), 4),
        (Quartiles(100, 0.0061, 0.0088, 0.0125), -4),
        (Quartiles(100, 60.0, 91.0, 121.0), None),
        (Quartiles(100, 180.0, 270.0, 360.0), None),
        (Quartiles(100, 60.0, 900.0, 1100.0), None),
        (Quartiles(19, 600.0, 900.0, 1200.0), None),
        (Quartiles(100, -1200.0, -900.0, -600.0), None),
    ],
)
def test_a_column_is_rescaled_when_all_quartiles_moved_by_one_power_of_ten(
    here: Quartiles, power: int | None
) -> None:
    """Ten thousand times more is another unit; three times more is other houses."""
    found = rescaled(HOUSE, AREA, here, HELD)
    assert (found.evidence["power"] if found else None) == power
    assert found is None or found.severity == "pause"


def test_a_headerless_table_of_another_width_is_found() -> None:
    """Nothing else tells that columns were added or left out."""
    headerless = replace(HOUSE, headerless=True)
    found = reshaped(headerless, 100, 100)
    assert found is not None
    assert found.severity == "pause"
    assert reshaped(headerless, 100, 3) is None
    assert reshaped(HOUSE, 100, 100) is None


def test_a_finding_survives_its_way_through_json() -> None:
    """The log keeps findings as data."""
    found = found_one(["area_m2"], [f"{AREA.title}（平米）"])
    assert Finding.of(found.data()) == found


def test_likeness_is_asked_of_every_spelling() -> None:
    """A synonym's likeness counts as much as the title's."""
    column = replace(AREA, title="建筑面积", aliases=("实测面积",))
    assert likeness("实测面积值", column) > likeness("实测面积值", replace(column, aliases=()))
