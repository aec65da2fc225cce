"""Great Expectations' pages and results: offline, Chinese, and without a single cell."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.quality.expectations import Expectation, Suite
from dagster_project.quality.gx import Outcome, validate
from dagster_project.quality.pages import write_index

PERSONAL = "140321199003071235"
SUITE = Suite(
    "population",
    "实有人口",
    (
        Expectation(
            "id_no.required", "ExpectColumnValuesToNotBeNull", {"column": "id_no"}, "必填", "id_no"
        ),
        Expectation(
            "id_no.length",
            "ExpectColumnValueLengthsToBeBetween",
            {"column": "id_no", "max_value": 2},
            "不超过 2 个字符",
            "id_no",
        ),
        Expectation(
            "key.unique", "ExpectColumnValuesToBeUnique", {"column": "id_no"}, "主键唯一", "id_no"
        ),
    ),
)


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Outcome], Path]:
    """One frame with a missing, a long and a repeated value, validated once."""
    docs = tmp_path_factory.mktemp("docs")
    frame = pd.DataFrame({"id_no": pd.array([None, PERSONAL, "1", "1"], dtype="string[pyarrow]")})
    return validate([(SUITE, frame)], docs), docs


def test_each_rule_counts_its_own_rows(validated: tuple[list[Outcome], Path]) -> None:
    """A rule says how many rows it looked at and how many failed."""
    found = {o.expectation.rule_id: (o.success, o.checked, o.failed) for o in validated[0]}
    assert found == {
        "id_no.required": (False, 4, 1),
        "id_no.length": (False, 4, 1),
        "key.unique": (False, 4, 2),
    }


def test_a_page_reaches_for_nothing_outside(validated: tuple[list[Outcome], Path]) -> None:
    """No script, no remote address and no link to a page that is not there."""
    page = (validated[1] / "population.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|(?:src|href)=[\"']https?:|@import|url\(", page)
    assert set(re.findall(r"href=\"([^\"#][^\"]*)\"", page)) == {"index.html"}


def test_a_page_speaks_chinese_and_holds_no_cell(validated: tuple[list[Outcome], Path]) -> None:
    """The rule's sentence is there; the value that broke it is not."""
    page = (validated[1] / "population.html").read_text(encoding="utf-8")
    assert "不超过 2 个字符" in page
    assert "未通过" in page
    assert PERSONAL not in page


def test_the_index_remembers_tables_of_earlier_runs(tmp_path: Path) -> None:
    """A table that was not validated today keeps its line."""
    common = {"checked_at": "2023-05-31T12:00Z", "rules": 3, "failed_rules": 0, "rows": 9}
    write_index(tmp_path, [{"table": "house", "title": "实有房屋", **common}])
    page = write_index(tmp_path, [{"table": "population", "title": "实有人口", **common}])
    text = page.read_text(encoding="utf-8")
    assert text.index("house.html") < text.index("population.html")
