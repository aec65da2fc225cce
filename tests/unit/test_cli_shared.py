"""What every command shares: foreign text on a screen."""

from __future__ import annotations

import pytest

from dagster_project.cli.run import tell
from dagster_project.cli.shared import complain, literally


def test_foreign_text_is_neither_markup_nor_a_terminal_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Brackets stay brackets; an escape sequence is spelled out."""
    assert literally("[/b] [red]王[/red]").plain == "[/b] [red]王[/red]"
    assert literally("a\x1b[31mb").plain == "a\\x1b[31mb"
    assert not literally(None).plain
    complain("实有人口_[/x]\x1b]0;t\x07.csv: no")
    assert "实有人口_[/x]\\x1b]0;t\\x07.csv: no" in capsys.readouterr().err


def test_a_run_says_why_a_feed_was_not_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence stands below the table, also when no step of the run failed."""
    counts = dict.fromkeys(
        ("read", "accepted", "rejected", "duplicate", "superseded", "dropped"), 0
    )
    feed = {
        "feed": "population", "title": "实有人口", "last_status": "failed", "score": None,
        "error": "公安局/实有人口_1.csv: the file is empty.", **counts,
    }  # fmt: skip
    done = {
        "site": {"code": "140321", "name": "平定县", "home": "county"}, "day": "2023-06-01",
        "status": "partial", "feeds": [feed], "reports": [], "failures": {}, "remarks": [],
        "replica": "", "docs": "",
    }  # fmt: skip
    tell(done)
    assert "population: 公安局/实有人口_1.csv: the file is empty." in capsys.readouterr().err
