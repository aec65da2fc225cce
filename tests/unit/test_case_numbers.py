"""A case's number, made in SQL and in Python."""

from __future__ import annotations

import re

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.contracts.case_numbers import CASE_PATTERN, case_number, case_number_sql

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_both_ways_give_the_same_number(parts: list[str]) -> None:
    """The same parts give the same number, and it is of the pattern that is looked for."""
    made = case_number(*parts)
    assert re.fullmatch(CASE_PATTERN, made)
    query = f"SELECT {case_number_sql(*('?' for _ in parts))}"
    assert duckdb.execute(query, parts).fetchone() == (made,)


def test_a_missing_part_is_left_out() -> None:
    """NULL, as a sheet's name of a text file, counts for nothing."""
    number = case_number_sql("'feed'", "NULL", "7")
    assert duckdb.execute(f"SELECT {number}").fetchone() == (case_number("feed", "7"),)
    assert case_number("feed", "7") == "JHD6A503AAA34A"
