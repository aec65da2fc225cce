"""Patterns spelled so that RE2 and Python agree, and none of them takes for ever."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.contracts.linear import linear
from dagster_project.paths import schemas_dir

TEXTS = st.text(alphabet="aZ09_٣甲 \t\v\n-.$^", max_size=6)
DUCKDB = duckdb.connect(config={"threads": 1})
PATTERNS = (r"^\d+$", r"\w", r"\s", r"^[\d甲-]{2}$", r"[^\w]", r"\D\W\S", r"a|\$", r"^[]a]+$", ".")


@pytest.mark.parametrize(
    ("pattern", "spelled"),
    [
        (r"^\d{8,30}$", r"^[0-9]{8,30}\Z"),
        (r"^(?:[\d-]+|\.)$", r"^(?:[0-9-]+|\.)\Z"),
        (r"[$\w]", "[$0-9A-Za-z_]"),
        (r"[]\]]", r"[]\]]"),
    ],
)
def test_classes_and_the_end_are_spelled_out(pattern: str, spelled: str) -> None:
    """Digits are ASCII digits; the end is the end, not what stands before a line break."""
    assert linear(pattern) == spelled


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?i)a",
        r"(a)\1",
        r"\bword",
        r"\p{Han}",
        r"[\D]",
        "[[:alpha:]]",
        "[a",
        "a\\",
        r"\x41",
    ],
)
def test_what_engines_read_differently_has_no_such_form(pattern: str) -> None:
    """Look-around, flags, back references, words' ends and named classes are left out."""
    assert linear(pattern) == ""


@settings(deadline=None)
@given(TEXTS, st.sampled_from(PATTERNS))
def test_python_and_duckdb_find_the_same(text: str, pattern: str) -> None:
    """The spelled-out form finds in Python what the pattern finds in DuckDB."""
    row = DUCKDB.execute("SELECT regexp_matches(?, ?)", [text, pattern]).fetchone()
    assert row == (re.search(linear(pattern), text) is not None,)


def test_every_pattern_of_a_contract_has_such_a_form() -> None:
    """No pattern of the county's contracts is missing from the second opinion."""
    texts = [path.read_text(encoding="utf-8") for path in (schemas_dir() / "feeds").glob("*.yaml")]
    patterns = {one for text in texts for one in re.findall(r"pattern: '(.+)'", text)}
    assert patterns
    assert [pattern for pattern in patterns if not linear(pattern)] == []
