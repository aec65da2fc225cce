"""Faults that files made from the written rules brought to light, each with its smallest file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dagster_project.ingest.readers.books.crosscheck import agree
from dagster_project.ingest.readers.verdict import verdict
from tests.book_kit import Page, edit, write_xlsx

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


def test_a_town_subtotal_is_a_total(tmp_path: Path) -> None:
    """``冠山镇小计`` and ``2026年合计`` are totals where all else in the row is numbers."""
    rows = "".join(f"{town}{n}村,{n},2026-01-0{n + 1}\n" for n in range(4) for town in TOWNS)
    totals = "冠山镇小计,6,\n2026年合计,36,\n"
    others = "税务总会计,3,\n减免合计,7,2026-01-09\n"
    sheet = sheet_of(told(tmp_path, f"村名,户数,日期\n{rows}{totals}{others}"))
    assert sheet["dropped"] == {"total": 2}
    assert sheet["data_rows"] == 26, "a date, or another ending, makes it a record like any other"


def test_the_titles_of_every_printed_page_are_titles(tmp_path: Path) -> None:
    """A report's pages repeat the lines above the header, in text tables and with empty cells."""
    page = "资产台账,,\n单位：元,,\n资产,原值,日期\n"
    rows = "".join(f"机井{n},{n},2026-01-0{n + 1}\n" for n in range(6))
    sheet = sheet_of(told(tmp_path, page + rows + page + rows.replace("机井", "水泵")))
    assert sheet["dropped"] == {"repeated_header": 1, "title": 4}
    assert sheet["data_rows"] == 12


def test_the_counts_that_database_tools_print_are_footnotes(tmp_path: Path) -> None:
    """A table printed by psql ends with ``(6 rows)``; a bare number in brackets is a value."""
    rows = "".join(f"机井{n}|{n}\n" for n in range(6))
    sheet = sheet_of(told(tmp_path, f"资产|原值\n{rows}(6)|9\n(6 rows)\n"))
    assert sheet["dropped"] == {"footnote": 1}
    assert sheet["data_rows"] == 7


def test_a_json_document_is_told_from_text(tmp_path: Path) -> None:
    """A list of objects is JSON though it has lines and commas; a title in brackets is text."""
    made = told(tmp_path, '[\n {"姓名": "王建国", "户数": 1},\n {"姓名": "李秀英", "户数": 2}\n]\n')
    assert (made["format"], sheet_of(made)["data_rows"]) == ("json", 2)
    rows = "".join(f"机井{n},{n}\n" for n in range(6))
    assert sheet_of(told(tmp_path, f"[编号],原值\n{rows}"))["data_rows"] == 6


def test_chinese_built_in_date_formats_are_dates_to_both_readers(tmp_path: Path) -> None:
    """Excel numbers ``2023年5月31日`` among its own formats; openpyxl knows no such number."""
    page = Page("甲", [["村名", "日期"], *([town, date(2023, 5, 31)] for town in TOWNS)])
    path = write_xlsx(tmp_path / "日期.xlsx", page)
    edit(path, "styles.xml", lambda data: data.replace(b'<xf numFmtId="164"', b'<xf numFmtId="31"'))
    sheet_of(verdict(path, out=tmp_path / "rows.parquet"))
    rows = pl.read_parquet(tmp_path / "rows.parquet")
    assert rows["日期"].unique().to_list() == ["2023-05-31"]


def agreements(sheet: dict[str, Any]) -> list[bool | None]:
    """Whether each stated total agrees with the rows, in the file's order."""
    return [total["agrees"] for total in sheet["control_totals"]]


def test_totals_agree_wherever_they_stand(tmp_path: Path) -> None:
    """A total may stand above its rows, and may sum up the subtotals since a total of its kind."""
    first = sheet_of(told(tmp_path, "乡镇,户数\n合计,10\n甲镇,1\n乙镇,2\n丙镇,7\n"))
    assert agreements(first) == [True]
    north, south = (
        "甲村,1\n小计,1\n乙村,2\n小计,2\n合计,3\n",
        "丙村,4\n小计,4\n丁村,5\n小计,5\n合计,9\n",
    )
    nested = f"乡镇,户数\n{north}{south}总计,12\n"
    assert agreements(sheet_of(told(tmp_path, nested))) == [True] * 7


def test_totals_that_no_rows_give_are_told_with_their_sum(tmp_path: Path) -> None:
    """A wrong subtotal is told the sum since the total before it, a wrong last one that of all."""
    text = "乡镇,户数\n甲村,1\n乙村,2\n小计,3\n丙村,4\n丁村,5\n小计,8\n总计,11\n"
    sheet = sheet_of(told(tmp_path, text))
    assert agreements(sheet) == [True, False, False]
    assert [total["computed"] for total in sheet["control_totals"]] == ["3", "9", "12"]


def test_a_cell_that_is_no_number_leaves_only_its_own_totals_open(tmp_path: Path) -> None:
    """What cannot be summed is neither right nor wrong."""
    text = "乡镇,户数\n甲村,1\n乙村,2\n小计,3\n丙村,约四\n丁村,5\n小计,9\n总计,12\n"
    assert agreements(sheet_of(told(tmp_path, text))) == [True, None, None]


@pytest.mark.parametrize(
    "titles",
    [
        "乡镇,合计,其中：男,其中：女",
        "乡镇,性别(1:男 2:女),户数,备注",
        "合计,小计一,小计二,小计三",
        "乡镇,2026年1月,2026年2月,2026年3月",
        "乡镇,2026-01-01,2026-02-01,2026-03-01",
        "乡镇,2026/3/30,2026/3/31,2026/4/1",
        f"乡镇,{'是否享受国家规定的农村居民最低生活保障待遇' * 4},户数,备注",
    ],
)
def test_titles_of_forms_are_titles(tmp_path: Path, titles: str) -> None:
    """Parts, codes explained, totals, months, days and whole questions head columns, too."""
    rows = "".join(f"{town},{n},{n + 2},{n * 3}\n" for n, town in enumerate(TOWNS, start=1))
    sheet = sheet_of(told(tmp_path, f"{titles}\n{rows}"))
    assert (sheet["header_line"], sheet["columns"]) == (1, titles.split(","))
    assert sheet["data_rows"] == len(TOWNS)


@pytest.mark.parametrize(
    "row",
    [
        "甲,2026-01-01,2026-02-01",
        "甲,2026-01-01,2026-01-01,2026-01-01",
        "甲,2026-01-01,2026-02-01,2026-03-01",
    ],
)
def test_dates_of_a_record_are_no_titles(tmp_path: Path, row: str) -> None:
    """Two ends of a period, one day three times, days over days: no header is made of them."""
    made = told(tmp_path, f"{row}\n{row.replace('甲', '乙').replace('2026', '2025')}\n")
    assert made["refused"]["reason"] == "no_header"


def test_a_row_of_endless_cells_is_refused_by_name(tmp_path: Path) -> None:
    """No table has more columns than a spreadsheet; looking for titles in it would take long."""
    refused = told(tmp_path, ",".join(f"列{n}" for n in range(16_385)) + "\n")["refused"]
    assert refused["reason"] == "too_large"
