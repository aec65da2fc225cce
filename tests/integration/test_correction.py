"""A rejected row's way back: returned in the department's own file, corrected, taken again."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from correction_kit import OPEN, ROWS, TITLES, WRONG, Place, make_place, read
from openpyxl import load_workbook

from dagster_project.components.steps.correcting import copying
from dagster_project.components.steps.correcting.cases import closed_cases, open_kinds
from dagster_project.components.steps.correcting.returns import return_feed, write_copies
from dagster_project.components.steps.overview import rejected_rows
from dagster_project.components.steps.rebuild import rebuild_feed
from dagster_project.errors import UsageError
from dagster_project.ingest.readers import read as read_file
from tests.conftest import SampleCounty

pytestmark = pytest.mark.slow
RED = "FFFFC7CE"
PLACES = ["_sheet", "_source_row"]


@pytest.fixture(params=["csv", "xlsx"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A founded county whose department has delivered the rows."""
    yield from make_place(request.param, "incremental", tmp_path, monkeypatch)


@pytest.fixture
def old_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The same in a kind of workbook that cannot be copied as it is, whole tables."""
    yield from make_place("xls", "full", tmp_path, monkeypatch)


@pytest.fixture
def snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The same, but each delivery is the whole table."""
    yield from make_place("csv", "full", tmp_path, monkeypatch)


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Whole tables that come in two files."""
    for place in make_place("csv", "full, parts: true", tmp_path, monkeypatch, begins=False):
        place.put(ROWS[:3], "1of2")
        place.put(ROWS[3:], "2of2")
        place.take()
        yield place


EVERYTHING = (
    *((3, "C", "5"), (4, "B", "李二"), (4, "C", "2"), (5, "E", "2025-01-01")),
    *((6, "A", "A5"), (7, "B", "孙七"), (7, "C", "7")),
)


def test_the_copy_marks_exactly_the_wrong_cells(place: Place) -> None:
    """Colours and comments at the cells, sentences and numbers beside the table, nothing else."""
    path = place.give_back()
    table = read(path)
    assert table[0] == [*TITLES, "校核意见", "校核编号"]
    assert [row[0] for row in table[1:]] == [row[0] for row in ROWS]
    numbers = {row: cells[6] for row, cells in enumerate(table, 1) if row > 1 and cells[6]}
    assert set(numbers) == set(WRONG)
    assert all(re.fullmatch("JH[0-9A-F]{12}", number) for number in numbers.values())
    assert len(set(numbers.values())) == OPEN
    assert table[4][5] == "终止日期不得早于起始日期"
    if place.kind == "xlsx":
        sheet = load_workbook(path)["证照"]
        cells = [cell for row in sheet.iter_rows() for cell in row]
        wrong = {f"{letter}{row}" for row, letters in WRONG.items() for letter in letters}
        assert {cell.coordinate for cell in cells if cell.fill.fgColor.rgb == RED} == wrong
        assert {cell.coordinate for cell in cells if cell.comment} == wrong
        comment = sheet["D5"].comment
        assert comment is not None
        assert comment.text == "【校核】终止日期不得早于起始日期"


def test_the_copy_cannot_run_and_is_for_its_owner_only(place: Place) -> None:
    """No formula in the XML or at a cell's start; nobody else may read what departments sent."""
    path = place.give_back()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.parent == place.workshop.home.returns / place.name
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path.parent, path.parent.parent)} == {
        0o700
    }
    assert re.fullmatch(rf"{place.name}_20230601_校核_\d{{8}}\.{place.kind}", path.name)
    if place.kind == "csv":
        assert "A6,'=cmd|' /C calc'!A0,x" in path.read_text(encoding="utf-8-sig")
        return
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f" not in sheet.replace("<fo", "")
    assert re.search(r'<c r="B7"[^>]* t="(s|inlineStr)"', sheet)


def test_corrected_rows_close_their_cases_and_history_stays(place: Place) -> None:
    """Also where the key was wrong: the number says which case it was."""
    copy = place.give_back()
    place.send_back(copy, *EVERYTHING)
    place.take()
    assert place.cases() == {
        "A2": (1, "closed", "corrected"),
        "A3": (1, "closed", "corrected"),
        "A4": (1, "closed", "corrected"),
        "TOOLONG": (1, "closed", "corrected"),
        "A6": (1, "closed", "corrected"),
    }
    silver = f"SELECT cert_no, holder, qty FROM lake.silver.{place.name} ORDER BY 1"
    assert place.ask(silver) == [
        *(("A1", "张三", 1), ("A2", "李四", 5), ("A3", "李二", 2)),
        *(("A4", "王五", 3), ("A5", "赵六", 3), ("A6", "孙七", 7), ("A7", "@办公室", 1)),
    ]
    ((bronze, batches),) = place.ask(
        f"SELECT count(*), count(DISTINCT _batch_id) FROM lake.bronze.{place.name}"
    )
    assert (bronze, batches) == (2 * len(ROWS), 2)
    assert place.ask("SELECT count(*) FROM lake.ops.quarantine") == [(OPEN,)]
    assert open_kinds(place.workshop) == []
    assert rejected_rows(place.workshop) == []
    closed = closed_cases(place.workshop, place.name)
    assert len(closed) == OPEN
    assert {one.closed_file for one in closed} == {f"审批局/{copy.stem}_更正.{place.kind}"}
    assert all(one.returned_at for one in closed)


def test_a_department_is_not_told_of_our_own_columns(place: Place) -> None:
    """Both columns come back with the file; they are no unknown columns of the department."""
    place.send_back(place.give_back(), *EVERYTHING)
    place.take()
    told = place.ask("SELECT coalesce(message, '') FROM lake.ops.delivery ORDER BY received_at")
    assert not [message for (message,) in told if "校核" in message]


def test_a_row_that_is_corrected_wrongly_stays_open(place: Place) -> None:
    """The second failure counts; its new place is returned next, with one pair of columns."""
    copy = place.give_back()
    table = read(copy)
    changes = [change for change in EVERYTHING if change[0] != 3]
    place.send_back(copy, *changes, (3, "C", "-7"))
    place.take()
    assert place.cases()["A2"] == (2, "open", None)
    assert sum(state == "open" for _, state, _ in place.cases().values()) == 1
    again = read(place.give_back())
    assert again[0] == table[0]
    assert [row[6] for row in again[1:] if row[6]] == [table[2][6]]
    before = place.ask("SELECT * FROM lake.ops.rectification ORDER BY case_id")
    rebuild_feed(place.workshop, place.name)
    assert place.ask("SELECT * FROM lake.ops.rectification ORDER BY case_id") == before


def test_a_snapshot_is_sent_back_whole(snapshots: Place) -> None:
    """All its rows are in the copy; a case whose record is left out is withdrawn."""
    copy = snapshots.give_back()
    assert len(read(copy)) == len(ROWS) + 1
    snapshots.send_back(copy, *EVERYTHING, without=5)
    snapshots.take()
    assert snapshots.cases()["A4"] == (1, "withdrawn", "withdrawn")
    assert {how for _, _, how in snapshots.cases().values()} == {"corrected", "withdrawn"}
    live = snapshots.ask("SELECT cert_no FROM lake.silver.cert_csv WHERE NOT _is_deleted")
    assert sorted(live) == [("A1",), ("A2",), ("A3",), ("A5",), ("A6",), ("A7",)]


def test_each_file_of_a_delivery_comes_back_by_itself(parts: Place) -> None:
    """Its own rows at its own row numbers; what belongs together must be sent together."""
    made = return_feed(parts.workshop, parts.name)
    assert [Path(one.path).name.partition("_校核_")[0] for one in made] == [
        "cert_csv_1of2",
        "cert_csv_2of2",
    ]
    assert len({one.batch_id for one in made}) == 1
    assert all(copying.TOGETHER in one.remarks for one in made)
    keys = [[row[0] for row in read(Path(one.path))[1:]] for one in made]
    assert keys == [[row[0] for row in ROWS[:3]], [row[0] for row in ROWS[3:]]]
    marked = [[row[0] for row in read(Path(one.path))[1:] if row[6]] for one in made]
    assert marked == [["A2", "A3"], ["A4", "TOOLONG", "A6"]]
    assert [one.rows for one in made] == [2, 3]


def test_what_cannot_be_copied_comes_back_as_rows(
    old_books: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows as they were read with the same marks; of too many only those with cases."""
    (made,) = return_feed(old_books.workshop, old_books.name)
    assert made.path.endswith(".xlsx")
    assert {copying.REWRITTEN, copying.SAVE_AS} <= set(made.remarks)
    table = read(Path(made.path))
    assert table[0] == [*TITLES, "校核意见", "校核编号"]
    assert [row[:5] for row in table[1:]] == ROWS
    sheet = load_workbook(made.path)["证照"]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    wrong = {f"{letter}{row}" for row, letters in WRONG.items() for letter in letters}
    assert {cell.coordinate for cell in cells if cell.comment} == wrong
    assert not [cell for cell in cells if cell.data_type == "f"]
    monkeypatch.setattr(copying, "MOST_CELLS", 1)
    (cut,) = return_feed(old_books.workshop, old_books.name)
    assert {copying.EXCERPT, copying.INTO_WHOLE} <= set(cut.remarks)
    assert [row[0] for row in read(Path(cut.path))[1:]] == [ROWS[row - 2][0] for row in WRONG]


def test_a_lost_landing_still_gives_a_copy(place: Place) -> None:
    """The rows are in bronze; a batch that is named alone must have an open case."""
    for path in place.workshop.home.landing.iterdir():
        path.unlink()
    (made,) = return_feed(place.workshop, place.name)
    assert made.rows == OPEN
    with pytest.raises(UsageError, match="no open case"):
        return_feed(place.workshop, place.name, "another")
    (only,) = return_feed(place.workshop, place.name, made.batch_id, place.inbox.parent / "out")
    assert Path(only.path).parent == place.inbox.parent / "out"


@pytest.mark.thorough
def test_the_commands_tell_what_is_open_and_show_no_person(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Summary and rows, on the screen and as JSON; names stay in the copies."""
    call = _caller(place)
    told = json.loads(call("--json"))
    kinds = {one["rule"]: (one["feed"], one["cases"]) for one in told["cases"]}
    assert kinds["qty.type"] == (place.name, 2)
    assert kinds["ends_after_it_begins"] == (place.name, 1)
    assert [row["row"] for row in told["rows"]] == sorted(WRONG)
    screens = [call(place.name), call("--all"), call(place.name, "--json")]
    made = call("return", "--feed", place.name, "--json")
    (one,) = json.loads(made)["returned"]
    assert (one["cases"], one["rows"], one["cells"]) == (OPEN, OPEN, 7)
    for screen in (*screens, made, call("return", "--feed", place.name)):
        assert "李四" not in screen
        assert "王五" not in screen
    assert capsys.readouterr().err == ""


@pytest.mark.thorough
def test_a_returned_copy_is_read_as_the_file_itself(
    sample_county: SampleCounty, tmp_path: Path
) -> None:
    """Sent back as it is, no cell of any department has changed: all feeds, all kinds of files."""
    workshop = sample_county.workshop
    for name, feed in workshop.contracts.feeds.items():
        with workshop.lake.reader() as con:
            (made,) = write_copies(workshop, con, name, tmp_path / name)
            columns = [
                *(column.name for column in feed.columns),
                "_defect",
                "_sheet",
                "_source_row",
            ]
            before = con.execute(f"SELECT {', '.join(columns)} FROM lake.bronze.{name}").pl()
        rows = tmp_path / f"{name}.parquet"
        found = read_file(Path(made.path), feed, "b", rows, name=made.path)
        after = pl.read_parquet(rows, columns=columns)
        assert after.sort(PLACES).equals(before.sort(PLACES)), name
        assert found.unknown == ()
        assert made.rows > 0


def _caller(place: Place) -> Callable[..., str]:
    """``countylake quarantine …`` in a process of its own."""

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dagster_project.cli", "quarantine", *arguments),
                *("--home", str(place.workshop.home.root)),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"COLUMNS": "200"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call
