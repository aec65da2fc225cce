"""The pages of the second opinion: offline, Chinese, and without a single cell."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dagster_project.quality.gx import Outcome
from dagster_project.quality.pages import Line, Page, write_index, write_page
from dagster_project.quality.suite import Expectation

AT = datetime(2023, 5, 31, 4, 0, tzinfo=UTC)


def _line(
    rule: str, failed: int = 0, *, ours: int | None = None, own: bool = False, error: str = ""
) -> Line:
    expectation = Expectation(
        rule,
        "ExpectColumnValuesToNotBeNull",
        {},
        "公民身份号码 <必填>",
        severity="warn",
        is_own=own,
    )
    outcome = Outcome("population", expectation, not failed, 200, failed, error=error)
    return Line(outcome, ours, (0.0, 0.5))


def _page(*lines: Line, table: str = "population", rows: int = 200) -> Page:
    return Page(table, "实有人口", "公安局", "b-1", rows, 200, AT, lines)


@pytest.fixture
def page(tmp_path: Path) -> str:
    """A page with a broken rule, one on which the opinions differ, and one of the county's."""
    lines = (_line("id_no.required", 3, ours=3), _line("sex.code", 0, ours=1), _line("a", own=True))
    return write_page(tmp_path, _page(*lines)).read_text(encoding="utf-8")


def test_a_page_reaches_for_nothing_outside(page: str) -> None:
    """No script, no remote address, no picture, and no link to a page that is not there."""
    assert not re.search(r"<script|<img|<link|(?:src|href)=[\"']https?:|@import|url\(", page)
    assert set(re.findall(r"href=\"([^\"#][^\"]*)\"", page)) == {"index.html"}


def test_a_page_says_what_failed_and_where_the_opinions_differ(page: str) -> None:
    """Broken rules come first; a rule counted otherwise by the merge is marked."""
    assert page.index("id_no.required") < page.index("sex.code")
    assert page.count("不一致</span>") == 1
    assert "1.50%" in page
    assert "12:00（北京时间）" in page


def test_a_county_s_own_rules_are_marked(page: str) -> None:
    """They stand under a title of their own."""
    assert page.index("本县自定规则") < page.index('<span class="own">本县</span>')


def test_text_of_a_contract_is_no_markup(page: str) -> None:
    """A sentence with angle brackets is shown as it is."""
    assert "&lt;必填&gt;" in page


def test_a_sample_is_called_a_sample(tmp_path: Path) -> None:
    """Where only some rows were asked, the page says how many of how many."""
    page = write_page(tmp_path, _page(_line("a"), rows=250_000)).read_text(encoding="utf-8")
    assert "250,000 行" in page
    assert "抽取 200 行" in page


def test_the_index_remembers_tables_of_earlier_runs(tmp_path: Path) -> None:
    """A table that was not validated today keeps its line."""
    write_index(tmp_path, [_page(_line("a"), table="house")])
    index = write_index(tmp_path, [_page(_line("a", 1))]).read_text(encoding="utf-8")
    assert index.index("house.html") < index.index("population.html")
