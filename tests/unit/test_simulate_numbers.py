"""The simulator's own check digits, held against another implementation and printed vectors."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from stdnum import luhn
from stdnum.cn import ric, uscc

from dagster_project.simulate.cells import is_credit_code, is_resident_id
from dagster_project.simulate.identifiers import (
    bank_card,
    credit_code,
    organ_body,
    resident_id,
    resident_ids,
)
from dagster_project.simulate.names import names
from dagster_project.simulate.rng import Stream, span

VECTORS = Path(__file__).parents[1] / "data" / "id_vectors.csv"


def vectors(kind: str) -> list[tuple[str, bool]]:
    """The printed and synthetic values of a kind, with their verdict."""
    with VECTORS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == kind]
    return [(row["value"], row["valid"] == "true") for row in rows]


@pytest.mark.parametrize(("value", "is_valid"), vectors("resident_id"))
def test_resident_ids_are_judged_as_the_standard_prints_them(value: str, is_valid: bool) -> None:  # noqa: FBT001
    """Every vector of GB 11643 gets its verdict; a value that needs repair is not valid yet."""
    assert is_resident_id(value) is is_valid


@pytest.mark.parametrize(("value", "is_valid"), vectors("uscc"))
def test_credit_codes_are_judged_as_the_standard_prints_them(value: str, is_valid: bool) -> None:  # noqa: FBT001
    """Every vector of GB 32100 gets its verdict."""
    assert is_credit_code(value) is is_valid


def test_a_15_digit_id_upgrades_to_its_vector() -> None:
    """140321620630888 of the first generation and its 18 digits are one person."""
    assert resident_id(140321, date(1962, 6, 30), 888) == "140321196206308884"


def test_made_ids_pass_another_implementation() -> None:
    """Thousands of made ids are valid for python-stdnum."""
    index = span(0, 2000)
    days = Stream("test").below(index, 28) + 1
    # The library also asks whether the division code existed in the year of birth.
    made = resident_ids(np.full(2000, 140321), 19900100 + days, index % 960)
    assert all(ric.is_valid(value) for value in made)


def test_made_credit_codes_pass_another_implementation() -> None:
    """Codes of companies and of village collectives are valid for python-stdnum."""
    companies = [credit_code("91140321", organ_body(n * 7919)) for n in range(500)]
    assert all(uscc.is_valid(code) and is_credit_code(code) for code in companies)
    assert all(is_credit_code(credit_code("N2140321", organ_body(n, "MF"))) for n in range(500))


def test_made_cards_pass_luhn() -> None:
    """Account numbers carry their check digit."""
    assert all(luhn.is_valid(bank_card(Stream("card"), n)) for n in range(200))


def test_the_same_person_has_the_same_name_in_every_chunk() -> None:
    """Random numbers depend on the index only, never on the order or size of chunks."""
    stream = Stream(140321, 7, "name")
    whole = names(stream, span(0, 5000))
    assert whole[3000:3100].to_list() == names(stream, span(3000, 3100)).to_list()


def test_names_hold_what_breaks_weak_decoders() -> None:
    """Some names need four bytes in GB18030 or carry the minority separator."""
    made = names(Stream("rare"), span(0, 5000))
    assert any("𠀀" in name for name in made)
    assert any("·" in name for name in made)
    assert made.str.len_chars().min() >= 3
