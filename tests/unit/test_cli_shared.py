"""What commands share: foreign text, folders, tables that fit."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dagster_project.cli.quarantine import _rows_table
from dagster_project.cli.run import tell
from dagster_project.cli.shared import complain, folders, literally
from dagster_project.cli.tables import HEADS, answer_tables, feed_table
from dagster_project.components.steps.overview import RejectedRow
from dagster_project.paths import Home


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
        "error": "公安局/实有人口_1.csv: the file is empty.", "holds": [], "alarm": "", **counts,
    }  # fmt: skip
    done = {
        "site": {"code": "140321", "name": "平定县", "home": "county"}, "day": "2023-06-01",
        "status": "partial", "feeds": [feed], "reports": [], "failures": {}, "problems": [],
        "remarks": [], "replica": "", "docs": "",
    }  # fmt: skip
    tell(done)
    assert "population: 公安局/实有人口_1.csv: the file is empty." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "kept"), [("box", "{cwd}/box"), ("home/in", "in"), ("/srv/box", "/srv/box"), ("", "")]
)
def test_a_folder_is_named_as_the_shell_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, kept: str
) -> None:
    """From the current folder; below the home it is kept relative, so that the home can move."""
    monkeypatch.chdir(tmp_path)
    named = folders(Home(tmp_path / "home"), inbox=Path(given) if given else None)
    assert named.get("inbox", "") == kept.format(cwd=tmp_path)


@pytest.mark.parametrize("columns", [2, 20])
def test_an_answer_is_never_cut_off(columns: int) -> None:
    """A table that is wider than the screen becomes one table per row, with every digit."""
    names = [f"quantity_{n}" for n in range(columns)]
    rows = [[10**15 + n for n in range(columns)] for _ in range(3)]
    screen = Console(width=80, record=True, file=StringIO())
    for table in answer_tables(screen, names, rows):
        screen.print(table)
    shown = screen.export_text()
    assert all(shown.count(str(number)) == len(rows) for number in rows[0])
    assert all(name in shown for name in names)
    assert "…" not in shown


def test_a_case_number_stands_on_one_line_of_a_narrow_screen() -> None:
    """It is there to be copied; columns that say the same in every row are left out."""
    row = RejectedRow(
        feed="house", title="实有房屋", file="住房和城乡建设局/实有房屋_20230531_更正.csv",
        sheet="", row=14032, reasons=(), sentences=("房屋编码不符合格式 ^[1-9]\\d{22}$",), cells={},
        batch_id="b", case_id="JHB806A95A3961",
    )  # fmt: skip
    for one_feed in (True, False):
        shown = StringIO()
        Console(file=shown, width=80).print(_rows_table([row], one_feed=one_feed))
        assert row.case_id in shown.getvalue()
        assert ("归集任务" in shown.getvalue()) is not one_feed
        assert "工作表" not in shown.getvalue()


def test_a_feed_with_a_held_delivery_has_a_mark_of_its_own() -> None:
    """Held is neither done nor failed; scores have two decimals also where they end in a zero."""
    line = dict.fromkeys(HEADS, 1) | {
        "feed": "house", "title": "实有房屋", "last_status": "failed", "score": 99.8,
    }  # fmt: skip
    drawn = []
    for held in ([], [{"hold_id": "house-1"}]):
        screen = Console(width=140, record=True, file=StringIO())
        screen.print(feed_table("", [{**line, "holds": held}]))
        drawn.append(screen.export_text())
    assert "✗" in drawn[0]
    assert "‖" in drawn[1]
    assert "99.80" in drawn[0]
