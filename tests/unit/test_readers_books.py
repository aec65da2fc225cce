"""Workbooks of every kind through one interface: the same table is the same text."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import Book, Merge, Sheet, opened
from dagster_project.ingest.readers.books.crosscheck import CrossCheck
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import Format
from tests.binary_kit import write_biff5, write_xlsb
from tests.book_kit import (
    Error,
    Formula,
    Page,
    write_html,
    write_ods,
    write_xls,
    write_xlsx,
    write_xml2003,
)

WRITERS: dict[Format, Callable[..., Path]] = {
    "xlsx": write_xlsx, "xls": write_xls, "xlsb": write_xlsb, "ods": write_ods,
    "xml2003": write_xml2003, "html": write_html,
}  # fmt: skip
BINARY: list[Format] = ["xlsx", "xls", "xlsb", "ods", "xml2003"]
"""The kinds that know more than texts."""
EVERY: list[Format] = [*BINARY, "html"]
Opener = Callable[..., Book]
MOMENT = dt.datetime(2023, 5, 31, 9, 5, 7)  # noqa: DTZ001 - workbooks know no zones


def texts(sheet: Sheet) -> list[list[str]]:
    """All rows of a sheet."""
    return [list(cells) for _, cells in sheet.head(sheet.height)]


def below(sheet: Sheet, after: int = 0) -> pl.DataFrame:
    """The rows below one, with columns ``c1``, ``c2`` and so on."""
    names = [f"c{n}" for n in range(1, sheet.width + 1)]
    return pl.concat(list(sheet.frames(names, after=after)))


@pytest.fixture
def book_of() -> Iterator[Opener]:
    """Writes a workbook of a kind and opens it until the test ends."""
    with contextlib.ExitStack() as stack:

        def made(kind: Format, path: Path, *pages: Page, **options: object) -> Book:
            WRITERS[kind](path, *pages, **options)
            return stack.enter_context(opened(path, kind, name="表", limits=Limits()))

        yield made


@pytest.mark.parametrize("kind", BINARY)
def test_every_kind_gives_the_same_texts(tmp_path: Path, book_of: Opener, kind: Format) -> None:
    """Leading zeros, decimals, dates, times, booleans, errors and gaps survive in each kind."""
    rows = [
        ["标题"],
        [],
        ["编号", "面积", "日期", "备注"],
        ["007", 1234.56, dt.date(2023, 5, 31), True],
        ["P2", -1e-7, MOMENT, " x "],
        [None, Error("#N/A"), "2023年5月", dt.time(9, 5)],
        ["1.40321E+17", 140321199003071000, Error("#REF!"), "𠮷䶮"],
    ]
    book = book_of(kind, tmp_path / "a", Page("实有人口", rows))
    assert [sheet.name for sheet in book.sheets] == ["实有人口"]
    assert texts(book.sheets[0]) == [
        ["标题", "", "", ""],
        ["", "", "", ""],
        ["编号", "面积", "日期", "备注"],
        ["007", "1234.56", "2023-05-31", "TRUE"],
        ["P2", "-0.0000001", "2023-05-31 09:05:07", " x "],
        ["", "#N/A", "2023年5月", "09:05:00"],
        ["1.40321E+17", "140321199003071000", "#REF!", "𠮷䶮"],
    ]
    assert book.sheets[0].where == "表, sheet 实有人口"


@pytest.mark.parametrize("kind", ["xlsx", "xls", "xlsb"])
def test_both_epochs_give_the_same_days(tmp_path: Path, book_of: Opener, kind: Format) -> None:
    """A workbook that counts from 1904 shows the days that were written."""
    page = Page("甲", [[dt.date(2023, 5, 31), MOMENT], [dt.date(1960, 2, 29), dt.time(23, 59, 59)]])
    wanted = [["2023-05-31", "2023-05-31 09:05:07"], ["1960-02-29", "23:59:59"]]
    for epoch_1904 in (False, True):
        book = book_of(kind, tmp_path / f"{epoch_1904}", page, epoch_1904=epoch_1904)
        assert book.epoch_1904 is epoch_1904
        assert texts(book.sheets[0]) == wanted


def test_numbers_that_are_no_day_stay_numbers(tmp_path: Path) -> None:
    """A negative date is its number; day 60 is the 29 February 1900 that Excel alone knows."""
    path = tmp_path / "a"
    numbers = [59, 60, 60.5, 61, -1, -5.5, 0.25, 2958466]
    write_xlsx(path, Page("甲", [[number, number] for number in numbers]))
    book = openpyxl.load_workbook(path.open("rb"))
    for row in range(1, len(numbers) + 1):
        for column, form in ((1, "yyyy-mm-dd"), (2, "0.00")):
            book.active.cell(row, column).number_format = form
    book.save(path)
    with opened(path, "xlsx", name="表", limits=Limits()) as found:
        (sheet,) = found.sheets
        assert [row[0] for row in texts(sheet)] == [
            "1900-02-28", "1900-02-29", "1900-02-29 12:00:00", "1900-03-01", "-1", "-5.5",
            "06:00:00", "2958466",
        ]  # fmt: skip
        assert [row[1] for row in texts(sheet)] == [str(number) for number in numbers]
        assert CrossCheck(path, "表").compare({"甲": sheet.sample(sheets=1)}) == []


@pytest.mark.parametrize("kind", BINARY)
def test_what_is_hidden_is_read_and_told(tmp_path: Path, book_of: Opener, kind: Format) -> None:
    """Hidden rows, columns and sheets are all there, by their numbers."""
    pages = [
        Page("甲", [["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]],
             hidden_rows=[2], hidden_columns=[3]),
        Page("乙", [["x"]], state="hidden"),
        Page("丙", [["y"]], state="hidden" if kind == "ods" else "very_hidden"),
    ]  # fmt: skip
    first, second, third = book_of(kind, tmp_path / "a", *pages).sheets
    assert (first.hidden_rows, first.hidden_columns) == ({2}, {3})
    assert texts(first)[1] == ["1", "2", "3"]
    assert [s.state for s in (first, second, third)] == ["visible", "hidden", pages[2].state]
    assert texts(third) == [["y"]]


@pytest.mark.parametrize("kind", EVERY)
def test_merged_cells_below_the_header_are_filled_down(
    tmp_path: Path, book_of: Opener, kind: Format
) -> None:
    """A town over three rows belongs to all three; a merge across the sheet is a remark."""
    rows = [["表头", None], ["乡镇", "户"], ["冠山镇", "1"], [None, "2"], [None, "3"],
            ["冶西镇", "4"], ["注：两行", None], [None, None], ["末", "9"]]  # fmt: skip
    merges = [(1, 1, 1, 2), (3, 1, 5, 1), (7, 1, 8, 2)]
    (sheet,) = book_of(kind, tmp_path / "a", Page("甲", rows, merges=merges)).sheets
    assert set(sheet.merges) == {Merge(*merge) for merge in merges}
    assert below(sheet, 2)["c1"].to_list() == [
        "冠山镇", "冠山镇", "冠山镇", "冶西镇", "注：两行", None, "末",
    ]  # fmt: skip
    assert below(sheet, 2)["_source_row"].to_list() == [3, 4, 5, 6, 7, 8, 9]
    assert texts(sheet)[3] == ["", "2"]
    assert sheet.filled(2) == [Merge(3, 1, 5, 1)]


def test_a_merge_over_the_end_of_a_batch_is_filled(
    tmp_path: Path, book_of: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one batch begins the next ones go on with; filled cells keep their own text."""
    monkeypatch.setattr("dagster_project.ingest.readers.books.base.BATCH", 2)
    rows = [["镇", "户"], *([f"T{n}" if n in {0, 4} else None, str(n)] for n in range(7))]
    page = Page("甲", rows, merges=[(2, 1, 8, 1)])
    (sheet,) = book_of("xml2003", tmp_path / "a", page).sheets
    assert below(sheet, 1)["c1"].to_list() == ["T0", "T0", "T0", "T0", "T4", "T0", "T0"]


@pytest.mark.parametrize("kind", ["xlsx", "ods", "xml2003"])
def test_a_formula_without_a_value_is_its_own_text(
    tmp_path: Path, book_of: Opener, kind: Format
) -> None:
    """It is named by row and column, and stands in the cell; a stored value is a value."""
    rows = [["a", "b", "c"], [1, 2, Formula("=SUM(A2:B2)")], [3, Formula('=A2&"<x>"'), 4]]
    (sheet,) = book_of(kind, tmp_path / "a", Page("甲", rows)).sheets
    assert sheet.formulas == {2: {3: "=SUM(A2:B2)"}, 3: {2: '=A2&"<x>"'}}
    assert below(sheet, 1)["c3"].to_list() == ["=SUM(A2:B2)", "4"]


@pytest.mark.parametrize("kind", ["xlsb", "ods", "xml2003"])
def test_a_formula_with_a_value_is_its_value(tmp_path: Path, book_of: Opener, kind: Format) -> None:
    """Nothing says that it was a formula."""
    (sheet,) = book_of(kind, tmp_path / "a", Page("甲", [["a"], [Formula("=1+1", 2.0)]])).sheets
    assert (sheet.formulas, texts(sheet)) == ({}, [["a"], ["2"]])


@pytest.mark.parametrize("kind", ["xlsx", "xls"])
def test_the_second_library_agrees_and_can_disagree(
    tmp_path: Path, book_of: Opener, kind: Format
) -> None:
    """A sample passes as it is; one changed cell refuses the file, without its value."""
    rows = [["a", Error("#N/A")], [Formula("=1+1"), MOMENT], ["007", dt.timedelta(hours=30)]]
    path = tmp_path / "a"
    book = book_of(kind, path, Page("甲", rows if kind == "xlsx" else [*rows[:2], ["007"]]))
    sample = book.sheets[0].sample(sheets=1)
    check = CrossCheck(path, "表", kind)
    assert check.compare({"甲": sample}) == []
    with pytest.raises(DeliveryError, match="row 1, column A") as refusal:
        check.compare({"甲": {**sample, 1: ["b", "#N/A"]}})
    assert refusal.value.reason == "read_differently"


def test_a_workbook_of_excel_95_keeps_its_chinese(tmp_path: Path) -> None:
    """Texts in a code page come out right, which calamine garbles."""
    rows = [["姓名", "面积"], ["张三", 1.5], [None, 2.0]]
    path = write_biff5(tmp_path / "a", Page("甲表", rows))
    with opened(path, "xls", name="表", limits=Limits()) as book:
        assert book.sheets[0].name == "甲表"
        assert texts(book.sheets[0]) == [["姓名", "面积"], ["张三", "1.5"], ["", "2"]]
        assert (
            CrossCheck(path, "表", "xls").compare({"甲表": book.sheets[0].sample(sheets=1)}) == []
        )


@pytest.mark.parametrize("kind", EVERY)
def test_a_workbook_of_many_cells_is_refused_by_name(tmp_path: Path, kind: Format) -> None:
    """The limit counts the cells of all sheets together."""
    page = Page("甲", [["a"] * 10] * 10)
    path = WRITERS[kind](tmp_path / "a", page, Page("乙", page.rows))
    with opened(path, kind, name="表", limits=Limits(cells=200)) as book:
        assert len(book.sheets) == 2
    with (
        pytest.raises(DeliveryError, match="199 cells are read") as refusal,
        opened(path, kind, name="表", limits=Limits(cells=199)),
    ):
        pass
    assert refusal.value.reason == "too_large"
    assert "CSV" in str(refusal.value)


def test_a_workbook_of_many_bytes_is_refused_by_name(tmp_path: Path) -> None:
    """The limit is on the file as it lies on disk."""
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    with (
        pytest.raises(DeliveryError, match="MiB of a workbook are read") as refusal,
        opened(path, "xlsx", name="表", limits=Limits(workbook_bytes=100)),
    ):
        pass
    assert refusal.value.reason == "too_large"


@pytest.mark.parametrize("kind", EVERY)
def test_empty_rows_and_columns_around_the_table_do_not_count(
    tmp_path: Path, book_of: Opener, kind: Format
) -> None:
    """Empty cells at the end are no part of a sheet, wherever they come from."""
    rows = [["a", "b"], ["1", "2"], [None, None, None], *[[None]] * 20]
    (sheet,) = book_of(kind, tmp_path / "a", Page("甲", rows)).sheets
    assert (sheet.height, sheet.width) == (2, 2)
    assert below(sheet).height == 2


@pytest.mark.parametrize("kind", ["xlsx", "xls", "xlsb", "ods"])
def test_half_a_workbook_is_damaged(tmp_path: Path, kind: Format) -> None:
    """A file cut short is refused in a sentence, wherever it is cut."""
    path = WRITERS[kind](tmp_path / "a", Page("甲", [["a" * 50, n] for n in range(300)]))
    whole = path.read_bytes()
    for share in (0.2, 0.6, 0.95):
        path.write_bytes(whole[: int(len(whole) * share)])
        with (
            pytest.raises(DeliveryError) as refusal,
            opened(path, kind, name="表", limits=Limits()) as book,
        ):
            texts(book.sheets[0])
        assert refusal.value.reason == "damaged"
