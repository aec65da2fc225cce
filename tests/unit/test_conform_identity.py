"""Check digits of GB 11643 and GB 32100 against printed vectors and a second implementation."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from dagster_project.contracts.model import Column
from tests.conform_kit import cells, feed_of, judge, one_cell, plan_of

ID = Column("c", "身份证", "string", format="resident_id")
USCC = Column("c", "代码", "string", format="uscc")
VECTORS = Path(__file__).parents[1] / "data" / "id_vectors.csv"


def _vectors(kind: str) -> list[tuple[str, str, str]]:
    with VECTORS.open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["kind"] == kind]
    return [(row["value"], row["valid"], row["why"]) for row in rows]


def test_resident_id_vectors() -> None:
    """Every vector of the domain notes is judged as they say."""
    vectors = _vectors("resident_id")
    judged = cells(ID, [value for value, _, _ in vectors])
    right = [(value, verdict in ("true", "repair")) for value, verdict, _ in vectors]
    assert [(v[0], row.ok) for v, row in zip(vectors, judged, strict=True)] == right
    for (value, _, _), row in zip(vectors, judged, strict=True):
        assert row.logged == ((("c", "upper"),) if value.endswith("x") else ())


def test_uscc_vectors() -> None:
    """Both checks count: mod 31 over all, mod 11 of the organisation code inside."""
    vectors = _vectors("uscc")
    judged = cells(USCC, [value for value, _, _ in vectors])
    right = [(value, verdict == "true") for value, verdict, _ in vectors]
    assert [(v[0], row.ok) for v, row in zip(vectors, judged, strict=True)] == right


def test_the_inner_check_of_a_uscc_is_asked_too() -> None:
    """A code whose outer check is right and whose organisation code is wrong is refused."""
    wrong = "91140321MA0H0A1B5"
    whole = wrong + uscc.calc_check_digit(wrong)
    assert uscc.is_valid(whole)
    assert one_cell(USCC, whole).reasons == ("c.format",)


def test_nobody_is_born_after_the_delivery() -> None:
    """A birth date in the future of the delivery's day is no birth date."""
    plan = plan_of(feed_of(ID))
    value = {"c": "140321199003071235"}
    (after,) = judge(plan, value, at=datetime(1990, 3, 7, 4, tzinfo=UTC))
    (before,) = judge(plan, value, at=datetime(1990, 3, 6, 4, tzinfo=UTC))
    assert (after.ok, before.ok) == (True, False)


def test_nobody_is_born_before_1850() -> None:
    """The earliest birth in the registers is 1850."""
    for born, ok in (("18491231", False), ("18500101", True)):
        body = f"140321{born}123"
        assert one_cell(ID, body + ric.calc_check_digit(body + "0")).ok == ok


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dates(date(1850, 1, 1), date(2023, 5, 31)),
            st.integers(0, 999),
            st.sampled_from("0123456789X"),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_check_digits_agree_with_another_implementation(
    people: list[tuple[date, int, str]],
) -> None:
    """Whatever the digit, we say what python-stdnum says."""
    numbers = [f"140321{born:%Y%m%d}{order:03d}{digit}" for born, order, digit in people]
    judged = judge(plan_of(feed_of(ID)), *({"c": number} for number in numbers))
    right = [ric.calc_check_digit(number) == number[17] for number in numbers]
    assert [row.ok for row in judged] == right
