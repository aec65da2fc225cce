"""What every command shares: foreign text on a screen."""

from __future__ import annotations

import pytest

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
