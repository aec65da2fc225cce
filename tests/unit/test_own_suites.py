"""A county's own suite: what may stand in it, and the sentence for everything that may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dagster_project.contracts.model import Column, Problem
from dagster_project.contracts.own_suites import read_own_suites
from dagster_project.quality.own import own
from tests.conform_kit import feed_of

FEED = feed_of(
    Column("no", "编号", "string"),
    Column("sex", "性别", "string"),
    Column("amount", "金额", "decimal"),
    Column("wide", "总额", "decimal", precision=30),
    Column("day", "日期", "date"),
    Column("count", "数量", "integer"),
    name="people",
)
NULLITY = {"type": "nullity", "column": {"name": "no"}, "is_null": False}


def _read(root: Path, text: str, name: str = "people") -> tuple[Any, list[Problem]]:
    folder = root / "schemas" / "feeds"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.expectations.json").write_text(text, encoding="utf-8")
    return read_own_suites(root / "schemas", {"people": FEED})


def _suite(*entries: object) -> str:
    return json.dumps({"name": "people", "expectations": list(entries)}, indent=1)


def _entry(kind: str, **kwargs: object) -> dict[str, object]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


def _comparison(parameter: object, operator: str = "==", column: str = "sex") -> dict[str, object]:
    name = {"name": column}
    return {"type": "comparison", "column": name, "operator": operator, "parameter": parameter}


GOOD = [
    _entry("column_values_to_not_be_null", column="no", mostly=0.95),
    _entry("column_values_to_be_between", column="amount", min_value=0.1, max_value=10),
    _entry("column_values_to_be_between", column="day", min_value="2020-01-01"),
    _entry("column_values_to_match_regex", column="no", regex=r"^\d{3}$"),
    _entry("column_values_to_be_in_set", column="count", value_set=[1, 2]),
    _entry("column_pair_values_to_be_equal", column_A="no", column_B="sex"),
    _entry("compound_columns_to_be_unique", column_list=["no", "sex"], row_condition=NULLITY),
    _entry(
        "column_values_to_be_unique",
        column="no",
        row_condition={"type": "and", "conditions": [NULLITY, _comparison(["1"], "IN")]},
    ),
    _entry("table_row_count_to_be_between", min_value=1),
]
BAD = [
    ({"kwargs": {}}, "may not be used here"),
    (5, "write both"),
    (_entry("no_such_thing", column="no"), "may not be used here"),
    (_entry("query_results_to_match_comparison", query="SELECT 1"), "runs SQL"),
    ({"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "x"}}, "runs SQL"),
    (_entry("column_max_to_be_between", column="amount", max_value=1), "keeps cells"),
    (_entry("column_values_to_not_be_null", column="name"), "no column of people"),
    (_entry("column_values_to_not_be_null", column=["no"]), "no column of people"),
    (_entry("column_values_to_not_be_null"), "no column of people"),
    (_entry("column_values_to_not_be_null", column="no", mostly=2), "share from 0 to 1"),
    (_entry("column_values_to_not_be_null", column="no", mostly={"$PARAMETER": "x"}), "share"),
    (_entry("column_values_to_not_be_null", column="no", result_format="COMPLETE"), "leave it out"),
    (_entry("column_values_to_be_between", column="no", min_value=1), "asked of"),
    (_entry("column_values_to_be_between", column="amount"), "at least one of"),
    (_entry("column_values_to_be_between", column="wide", min_value=1), "not compared exactly"),
    (_entry("column_values_to_be_between", column="day", min_value="soon"), "is a date"),
    (_entry("column_values_to_be_between", column="count", min_value=2**53), "compared exactly"),
    (_entry("column_values_to_be_between", column="amount", min_value="1"), "is a decimal"),
    (_entry("column_values_to_match_regex", column="no", regex="(?i)(a+)+"), "for ever"),
    (_entry("column_values_to_match_regex", column="no", regex="(a+)+(?=b)"), "no pattern"),
    (_entry("column_values_to_match_regex", column="no", regex=r"(a)\1"), "no pattern"),
    (_entry("column_values_to_match_regex", column="no", regex="a" * 501), "shorten it"),
    (_entry("column_values_to_match_regex", column="no", regex="["), "no pattern"),
    (_entry("column_values_to_be_in_set", column="count", value_set=["1"]), "is a integer"),
    (_entry("column_values_to_be_in_set", column="sex", value_set=[]), "1 to 1,000"),
    (_entry("compound_columns_to_be_unique", column_list=["no"]), "two or more"),
    (
        _entry("column_values_to_be_null", column="no", row_condition="__import__('os')"),
        "is code that pandas runs",
    ),
    (
        _entry(
            "column_values_to_be_null",
            column="no",
            row_condition={"type": "pass_through", "pass_through_filter": "@x", "column": {}},
        ),
        "no column of the contract",
    ),
    (
        _entry("column_values_to_be_null", column="no", row_condition=_comparison("a' or @x")),
        "quotes",
    ),
    (
        _entry("column_values_to_be_null", column="no", row_condition=_comparison("1", "== 1 or")),
        "`operator`",
    ),
    (
        _entry(
            "column_values_to_be_null", column="no", row_condition=_comparison(1, column="x == 1")
        ),
        "no column of the contract",
    ),
    (
        _entry(
            "column_values_to_be_null", column="no", row_condition=_comparison("1", column="day")
        ),
        "strings and integers only",
    ),
]


def test_a_sound_suite_is_taken_whole(tmp_path: Path) -> None:
    """Every expectation gets a name that stays, a sentence and the columns that it is about."""
    suites, problems = _read(tmp_path, _suite(*GOOD))
    assert problems == []
    found = suites["people"]
    assert len({one.id for one in found}) == len(GOOD)
    assert found[0].sentence == "编号不为空"
    assert found[6].columns == ("no", "sex")


def test_bounds_are_exact_decimals(tmp_path: Path) -> None:
    """0.1 is ten hundredths, and no binary fraction beside it; a finer end moves inwards."""
    fine = _entry("column_values_to_be_between", column="amount", min_value=0.101, strict_min=True)
    suites, _ = _read(tmp_path, _suite(GOOD[1], fine))
    first, second = (own(one, FEED).arguments for one in suites["people"])
    assert (first["min_value"], first["max_value"]) == (10, 1000)
    assert second["min_value"] == 10


@pytest.mark.parametrize(("entry", "words"), BAD)
def test_what_may_not_stand_there_is_refused(tmp_path: Path, entry: object, words: str) -> None:
    """The whole suite is left out; a sentence says why, and where in the file."""
    suites, problems = _read(tmp_path, _suite(GOOD[0], entry))
    assert suites == {}
    assert any(words in problem.sentence for problem in problems), problems
    assert all(problem.line > 1 for problem in problems)
    assert problems[0].path == "schemas/feeds/people.expectations.json"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no contract"),
        ("[]", "no contract"),
        ('{"a": 1', "valid YAML"),
        ("a: 1", "valid JSON"),
        ('{"expectations": {}}', "no list"),
        ('{"expectations": [], "expectations": []}', "twice"),
        ('{"expectations": [NaN]}', "valid JSON"),
        (
            (
                '{"expectations": [{"type": "expect_column_values_to_be_between",'
                ' "kwargs": {"column": "amount", "max_value": -1e999999999}}]}'
            ),
            "compared exactly",
        ),
        (
            (
                '{"expectations": [{"type": "expect_table_row_count_to_be_between", "kwargs":'
                ' {"min_value": 1, "row_condition": {"type": ["and"], "conditions": []}}}]}'
            ),
            "is no column",
        ),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """Broken JSON, repeated keys and other documents are told as such."""
    suites, problems = _read(tmp_path, text)
    assert suites == {}
    assert words in problems[0].sentence


def test_a_suite_without_its_contract_is_told(tmp_path: Path) -> None:
    """A file for a feed that is not there is a mistake in its name."""
    _, problems = _read(tmp_path, _suite(), name="nobody")
    assert "no sound contract" in problems[0].sentence
