"""Pages of the data dictionary: self-contained, escaped, the same in HTML and Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dagster_project.components.steps.describing.handbook import Handbook
from dagster_project.contracts.table_rule import Gate
from dagster_project.errors import UsageError
from dagster_project.quality.dictionary_pages import (
    Page,
    Section,
    as_html,
    as_markdown,
    code,
    link,
    tag,
    written,
)


@pytest.fixture(scope="module")
def book() -> Handbook:
    """The dictionary of the checkout's contracts."""
    return Handbook.open()


def test_a_page_needs_nothing_but_itself(book: Handbook) -> None:
    """No script, no address, no picture; every column, rule and code list stands on it."""
    page = book.page(book.contracts.feeds["house"])
    made = as_html(page)
    assert not re.search(r"<script|https?://|<img|<link", made)
    for column in book.contracts.feeds["house"].columns:
        assert f"<code>{column.name}</code>" in made
    for word in ("house_usage", "房屋用途", "主键 key", "脱敏 mask: phone", "gold."):
        assert word in made


def test_rules_of_records_together_stand_with_sentence_condition_and_thresholds(
    book: Handbook,
) -> None:
    """A department reads what its records are held to, by whose records, and from which value."""
    feeds = book.contracts.feeds
    for name in ("payment", "house", "voucher_line"):
        made = as_markdown(book.page(feeds[name]))
        for rule in feeds[name].table_rules:
            assert f"`{rule.id}` | {rule.message}" in made
            for one, value in rule.parameters.items():
                assert f"`{one}` = {value}".replace("|", r"\|") in made
    assert "另读 reads: [population](population.md)" in as_markdown(book.page(feeds["house"]))
    gated = replace(feeds["voucher_line"], gate=Gate(500, 0.05, ("one_side",)))
    made = as_markdown(book.page(gated))
    assert "500 行 rows 或 or 5.0%" in made
    assert "one failure of `one_side`" in made


def test_the_index_leads_to_every_page(book: Handbook) -> None:
    """Each link of the index is a page that is written."""
    pages = written(book.pages(("grid", "division")), "html")
    assert set(pages) == {"index.html", "grid.html", "division.html"}
    assert set(re.findall(r'href="([^"]+)"', pages["index.html"])) <= pages.keys()
    with pytest.raises(UsageError, match="no feed nothing"):
        book.pages(("nothing",))


def test_marks_become_html_and_markdown_and_foreign_text_is_escaped() -> None:
    """Tags, code and links in both forms; what a contract says cannot become markup."""
    cell = f"{tag('L4 高敏')}{code('id_no')}{link('a.html', 'A')}<b>|"
    page = Page("x", "甲", "a", (Section("乙", "b", ("h",), ((cell,),), {"丙": "<i>"}, "丁"),))
    made = as_html(page)
    assert '<span class="tag L4">L4 高敏</span><code>id_no</code><a href="a.html">A</a>' in made
    assert "&lt;b&gt;" in made
    assert "<i>" not in made
    assert "| L4 高敏 `id_no`[A](a.md)<b>\\| |" in as_markdown(page)
