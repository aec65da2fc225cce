"""Faults that files made from the written rules brought to light, each with its smallest file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagster_project.ingest.readers.crosscheck import agree
from dagster_project.ingest.readers.verdict import verdict
from tests.book_kit import Page, write_xlsx

TOWNS = ("冠山镇", "冶西镇", "锁簧镇", "张庄镇", "东回镇", "柏井镇")


def told(tmp_path: Path, text: str, name: str = "表.csv") -> dict[str, Any]:
    """The verdict on a text file; its rows are kept in ``rows.parquet``."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return verdict(path, out=tmp_path / "rows.parquet")


def sheet_of(made: dict[str, Any]) -> dict[str, Any]:
    """The only sheet of a file that was read."""
    assert made["refused"] is None, made["refused"]
    (sheet,) = made["sheets"]
    return dict(sheet)


def test_white_space_around_a_text_is_no_different_reading() -> None:
    """Whether a text's outer blanks are kept is told by an attribute that programs leave out."""
    assert agree("", " ")
    assert agree("王建国", "王建国\n")
    assert not agree("王建国", "王 建国")


def test_titles_that_all_come_twice_are_a_header(tmp_path: Path) -> None:
    """A form with two people in each row repeats every title."""
    rows = "".join(f"王{n},1390000{n:04},李{n},1380000{n:04}\n" for n in range(20))
    sheet = sheet_of(told(tmp_path, f"姓名,电话,姓名,电话\n{rows}"))
    assert sheet["columns"] == ["姓名", "电话", "姓名", "电话"]
    assert sheet["data_rows"] == 20


def test_three_lines_of_merged_titles_are_one_header(tmp_path: Path) -> None:
    """Groups of groups: two sparse lines stand over the full one."""
    page = Page(
        "甲",
        [
            ["乡镇", "保障情况", None, None, None],
            [None, "低保", None, "特困", None],
            [None, "户数", "金额", "户数", "金额"],
            *([town, 1, 2, 3, 4] for town in TOWNS),
        ],
        merges=[(1, 1, 3, 1), (1, 2, 1, 5), (2, 2, 2, 3), (2, 4, 2, 5)],
    )
    sheet = sheet_of(verdict(write_xlsx(tmp_path / "三层.xlsx", page)))
    assert (sheet["header_line"], sheet["header_rows"]) == (1, 3)
    assert sheet["columns"][:2] == ["乡镇", "保障情况_低保_户数"]
    assert sheet["columns"][-1] == "保障情况_特困_金额"
    assert sheet["data_rows"] == len(TOWNS)
