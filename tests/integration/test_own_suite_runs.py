"""A county's own expectations as they run: exact bounds, chosen rows, no cell left over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.components.steps.opinion_frame import table_frame
from dagster_project.contracts.model import Column
from dagster_project.contracts.own_suites import read_own_suites
from dagster_project.quality.__main__ import frame
from dagster_project.quality.gx import Examiner, Outcome
from dagster_project.quality.own import own
from dagster_project.quality.pages import Line, Page, write_page
from dagster_project.quality.suite import Suite, from_json, to_json
from tests.conform_kit import feed_of

pytestmark = pytest.mark.xdist_group("gx")
PERSONAL = "140321199003071235"
FEED = feed_of(
    Column("no", "编号", "string"),
    Column("sex", "性别", "string"),
    Column("amount", "金额", "decimal"),
    Column("day", "日期", "date"),
)
ROWS = (
    (PERSONAL, "1", Decimal("9999999999999.98"), "2020-01-01"),
    ("2", "2", Decimal("9999999999999.99"), None),
    ("3", None, None, "2019-12-31"),
)
SUITE: list[tuple[str, dict[str, Any], int]] = [
    ("column_values_to_be_between", {"column": "amount", "max_value": 9999999999999.98}, 1),
    ("column_values_to_be_between", {"column": "day", "min_value": "2020-01-01"}, 1),
    ("column_values_to_not_be_null", {"column": "sex"}, 1),
    ("column_values_to_match_regex", {"column": "no", "regex": r"^\d$"}, 1),
    (
        "column_values_to_be_null",
        {
            "column": "amount",
            "row_condition": {"type": "nullity", "column": {"name": "sex"}, "is_null": False},
        },
        2,
    ),
    ("column_values_to_be_unique", {"column": "no"}, 0),
    ("column_values_to_not_be_null", {"column": "sex", "mostly": 0.6}, 1),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Outcome]]:
    """The suite over three rows."""
    root = tmp_path_factory.mktemp("own")
    entries = [{"type": f"expect_{kind}", "kwargs": kwargs} for kind, kwargs, _ in SUITE]
    text = json.dumps({"expectations": entries})
    (root / "feeds").mkdir()
    (root / "feeds" / "people.expectations.json").write_text(text, encoding="utf-8")
    suites, problems = read_own_suites(root, {"people": FEED})
    assert problems == []
    made = Suite("people", "人员", tuple(own(one, FEED) for one in suites["people"]))
    suite = from_json(to_json(made))
    assert suite == made
    with duckdb.connect() as con:
        con.execute("ATTACH ':memory:' AS lake")
        con.execute("CREATE SCHEMA lake.silver")
        columns = {column.name: column.duck_type for column in FEED.columns}
        body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        con.execute(f"CREATE TABLE lake.silver.people ({body})")
        con.executemany("INSERT INTO lake.silver.people VALUES (?, ?, ?, ?)", ROWS)
        yield Examiner().validate(suite, frame(con, table_frame("silver.people", suite, columns)))


def test_own_expectations_count_their_rows(outcomes: list[Outcome]) -> None:
    """Each fails for the rows that it should, to the last digit; chosen rows only."""
    assert [outcome.failed for outcome in outcomes] == [failed for _, _, failed in SUITE]
    assert outcomes[-1].success
    assert all(outcome.error == "" for outcome in outcomes)


def test_no_cell_stands_on_the_page(outcomes: list[Outcome], tmp_path: Path) -> None:
    """The value that broke an expectation is in no result and on no page."""
    at = datetime(2023, 5, 31, tzinfo=UTC)
    lines = tuple(Line(outcome) for outcome in outcomes)
    page = write_page(tmp_path, Page("people", "人员", "公安局", "", 3, 3, at, lines))
    text = page.read_text(encoding="utf-8")
    assert PERSONAL not in text + repr(outcomes)
    assert "999999" not in text
    assert text.count('class="own"') == len(SUITE)
