"""Workbooks: what the sheet stores, exactly, with the sheet's own row numbers."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import ReadResult, read
from dagster_project.ingest.readers.books.crosscheck import CrossCheck, agree
from dagster_project.ingest.readers.books.values import as_text, as_texts

HEADER = ["人员编号", "面积", "日期", "备注"]


def feed(sheets: str = "first", **changes: object) -> Feed:
    """A small contract of workbooks."""
    columns = (
        Column("person_no", "人员编号", "string", key_position=1),
        Column("area_sqm", "面积", "decimal"),
        Column("day", "日期", "date"),
        Column("note", "备注", "string"),
    )
    given = {
        "name": "population", "title": "实有人口", "version": "1", "department_code": "ga",
        "department_name": "公安局", "columns": columns, "rules": (), "delivery": "full",
        "servers": (), "sla": Sla(), "sheets": sheets,
    }  # fmt: skip
    return Feed(**(given | changes))  # type: ignore[arg-type]


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    """A real workbook; a sheet's rows begin in A1."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def read_book(tmp_path: Path, path: Path, contract: Feed | None = None) -> ReadResult:
    """Read a workbook."""
    return read(path, contract or feed(), "b-1", tmp_path / "rows.parquet")


def rows_of(tmp_path: Path) -> pl.DataFrame:
    """The rows that were written."""
    return pl.read_parquet(tmp_path / "rows.parquet")


def test_titles_totals_and_row_numbers(tmp_path: Path) -> None:
    """Leading empty rows count; titles and totals are kept aside; numbers are the sheet's own."""
    path = workbook(
        tmp_path / "a.xlsx",
        甲=[[], [], ["平定县实有人口"], [], HEADER, ["P1", 1, None, None], [],
            ["P2", 2.5, None, "x"], ["合计", 3.5], ["注：含流动人口"]],
    )  # fmt: skip
    result = read_book(tmp_path, path)
    assert rows_of(tmp_path)["_source_row"].to_list() == [6, 8]
    assert rows_of(tmp_path)["_sheet"].to_list() == ["甲", "甲"]
    assert [(row.row, row.kind) for row in result.dropped] == [
        (1, "blank"), (2, "blank"), (3, "title"), (4, "blank"), (7, "blank"), (9, "total"),
        (10, "footnote"),
    ]  # fmt: skip
    assert [(t.column, t.stated) for t in result.control_totals] == [("area_sqm", "3.5")]
    assert (result.format, result.encoding, result.read) == ("xlsx", "", 9)


def test_a_table_that_does_not_begin_in_the_first_column(tmp_path: Path) -> None:
    """Empty columns on the left are no cells of the table."""
    path = workbook(tmp_path / "a.xlsx", 甲=[[None, *HEADER], [None, "P1", 1, None, "x"]])
    result = read_book(tmp_path, path)
    assert rows_of(tmp_path).select("person_no", "area_sqm", "note").row(0) == ("P1", "1", "x")
    assert result.unknown == ()


def test_values_become_exact_text(tmp_path: Path) -> None:
    """Integers, decimals, dates, times, booleans and text come out as they are stored."""
    path = workbook(
        tmp_path / "a.xlsx",
        甲=[
            HEADER,
            ["007", 1234.56, dt.date(2023, 5, 31), True],
            [140321199003071000, 3, dt.datetime(2023, 5, 31, 9, 5, 7), " x "],  # noqa: DTZ001
            ["P3", 1e-7, "2023年5月", dt.time(9, 5)],
        ],
    )
    read_book(tmp_path, path)
    assert rows_of(tmp_path).select("person_no", "area_sqm", "day", "note").rows() == [
        ("007", "1234.56", "2023-05-31", "TRUE"),
        ("140321199003071000", "3", "2023-05-31 09:05:07", " x "),
        ("P3", "0.0000001", "2023年5月", "09:05:00"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.30000000000000004"), (1e22, "10000000000000000000000"), (-0.0, "0"),
        (100.0, "100"), (None, ""), (dt.timedelta(hours=30, minutes=1), "30:01:00"),
        (dt.datetime(2023, 5, 31, 10, 5, 5, 999_999), "2023-05-31 10:05:06"),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_values_at_the_edges(value: object, text: str) -> None:
    """No scientific notation, no negative zero, no noise of binary day fractions."""
    assert as_text(value) == text  # type: ignore[arg-type]


def test_all_sheets_are_read_and_guides_set_aside(tmp_path: Path) -> None:
    """With sheets=all every town's sheet is read; a guide is kept as text, with a warning."""
    path = workbook(
        tmp_path / "a.xlsx",
        填表说明=[["一、本表由公安局填报"], ["二、不得空白"]],
        冠山镇=[HEADER, ["P1", 1, None, None]],
        空=[],
        冶西镇=[["标题"], HEADER, ["P1", 2, None, None]],
    )
    result = read_book(tmp_path, path, feed("all"))
    assert rows_of(tmp_path).select("_sheet", "_source_row").rows() == [
        ("冠山镇", 2),
        ("冶西镇", 3),
    ]
    assert result.read == 2 + 2 + 1
    assert "填表说明" in result.warnings[0]


def test_a_sheet_with_a_spoilt_header_refuses_the_workbook(tmp_path: Path) -> None:
    """A town whose header lost a title is not mistaken for a guide."""
    path = workbook(
        tmp_path / "a.xlsx",
        冠山镇=[HEADER, ["P1", 1, None, None]],
        冶西镇=[["编", "面积", "日期", "旁"], ["P1", 2, None, None]],
    )
    with pytest.raises(DeliveryError, match="sheet 冶西镇"):
        read_book(tmp_path, path, feed("all"))
    assert not list(tmp_path.glob("*rows.parquet*"))


def test_the_first_visible_sheet_is_read_and_the_others_named(tmp_path: Path) -> None:
    """With sheets=first nothing is left out silently."""
    path = workbook(tmp_path / "a.xlsx", 藏=[["x"]], 表=[HEADER, ["P1", 1]], 旁=[["y"]])
    book = openpyxl.load_workbook(path)
    book["藏"].sheet_state = "hidden"
    book.save(path)
    result = read_book(tmp_path, path)
    assert result.sheets[0].name == "表"
    assert "left out: 藏, 旁" in result.warnings[0]


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    """No rows is a valid delivery, with a warning."""
    result = read_book(tmp_path, workbook(tmp_path / "a.xlsx", 甲=[HEADER]))
    assert (result.rows, len(result.warnings)) == (0, 1)
    assert rows_of(tmp_path).height == 0


def test_the_second_reader_refuses_what_the_first_read_otherwise(tmp_path: Path) -> None:
    """A cell that two libraries read differently is named, never quoted."""
    path = workbook(tmp_path / "a.xlsx", 甲=[HEADER, ["P1", 1]])
    with pytest.raises(DeliveryError, match="sheet 甲, row 2, column B") as refusal:
        CrossCheck(path, "a.xlsx").compare({"甲": {1: HEADER, 2: ["P1", "7", "", ""]}})
    assert "7" not in str(refusal.value)


SPREADSHEETML = "application/vnd.openxmlformats-officedocument.spreadsheetml"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def with_shared_strings(path: Path, before: int = 0) -> Path:
    """The same workbook as Excel and WPS write it: texts in a table of their own.

    ``before`` strings that no cell uses come first.
    """
    texts = [f"s{n}" for n in range(before)]

    def number(cell: re.Match[str]) -> str:
        texts.append(cell[1])
        return f't="s"><v>{len(texts) - 1}</v>'

    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    for name, text in parts.items():
        if name.startswith("xl/worksheets/sheet"):
            inline = r't="inlineStr"><is><t[^>]*>([^<]*)</t></is>'
            parts[name] = re.sub(inline, number, text)
    items = "".join(f'<si><t xml:space="preserve">{text}</t></si>' for text in texts)
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{items}</sst>'
    types, relations = "[Content_Types].xml", "xl/_rels/workbook.xml.rels"
    override = f'PartName="/xl/sharedStrings.xml" ContentType="{SPREADSHEETML}.sharedStrings+xml"'
    relation = f'Id="rId99" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"'
    parts[types] = parts[types].replace("</Types>", f"<Override {override}/></Types>")
    parts[relations] = parts[relations].replace(
        "</Relationships>", f"<Relationship {relation}/></Relationships>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def test_shared_strings_are_read_and_checked(tmp_path: Path) -> None:
    """Texts kept in the workbook's own table are the cells' texts to both readers."""
    rows: list[list[object]] = [["P1", 1, None, " x "], ["P2", 2, None, "y"]]
    path = with_shared_strings(workbook(tmp_path / "a.xlsx", 甲=[[*HEADER], *rows]))
    assert read_book(tmp_path, path).warnings == ()
    assert rows_of(tmp_path)["note"].to_list() == [" x ", "y"]
    with pytest.raises(DeliveryError, match="row 3, column D"):
        CrossCheck(path, "a.xlsx").compare({"甲": {3: ["P2", "2", "", "x"]}})


def test_strings_far_down_their_table_are_not_looked_up(tmp_path: Path) -> None:
    """A sample that only a long search could check is left, and the sheet is named."""
    book = workbook(tmp_path / "a.xlsx", 甲=[[*HEADER], ["P1", 1, None, "x"]])
    result = read_book(tmp_path, with_shared_strings(book, before=20_000))
    assert result.rows == 1
    assert len(result.warnings) == 1
    assert "sheet 甲: too large for the second reader" in result.warnings[0]


def test_a_sheet_that_does_not_state_its_size_is_checked(tmp_path: Path) -> None:
    """Left-out rows are empty to both readers, and the second stops where the sample ends."""
    rows: list[list[object]] = [["标题"], [], [*HEADER], ["P1", 1.5, dt.date(2023, 5, 31), "x"]]
    whole = workbook(tmp_path / "whole.xlsx", 甲=rows)
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for part in source.namelist():
            data = source.read(part)
            target.writestr(part, data.replace(b'<dimension ref="A1:D4"/>', b""))
    assert path.stat().st_size != whole.stat().st_size
    assert read_book(tmp_path, path).rows == 1
    with pytest.raises(DeliveryError, match="row 2, column A"):
        CrossCheck(path, "a.xlsx").compare({"甲": {2: ["x"], 4: ["P1", "1.5", "2023-05-31", "x"]}})


@pytest.mark.parametrize(
    "values",
    [
        ["a", "", "b"], [1.0, 2.5, "", 1.0, "1"], [True, 1.0, 1, 0.0, False, -0.0],
        [1e23, 10**23, 9007199254740993.0, 1e-5, 123456.789], [dt.date(2023, 5, 31), "x", None],
    ],
)  # fmt: skip
def test_a_column_becomes_the_same_text_as_its_cells(values: list[object]) -> None:
    """Equal values of different types keep their own texts."""
    assert as_texts(values).to_list() == [as_text(value) for value in values]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1", "1", True), ("", "#N/A", True), ("0.1", "0.10000000000000001", True), ("1", "2", False),
     ("", "x", False), ("a\r\nb", "a\nb", True)],
)  # fmt: skip
def test_what_counts_as_the_same_reading(one: str, other: str, *, same: bool) -> None:
    """Rounding, error cells and line ends are no disagreement."""
    assert agree(one, other) is same


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (OLE, "damaged or was uploaded only in part"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted with a password"),
        (b"\xef\xbb\xbf\n<html><table>", "this is a html file, and the contract"),
        (b'<?xml version="1.0"?><Workbook>', "an XML document"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04broken", "damaged or was uploaded only in part"),
        ("人员编号\t面积".encode("utf-16"), "UTF-16"),
        (bytes(range(256)) * 40, "binary file"),
        (b"", "empty"),
    ],
)
def test_pretenders_are_refused_by_what_they_are(tmp_path: Path, data: bytes, what: str) -> None:
    """The bytes decide, never the extension; the sentence names the delivered path."""
    path = tmp_path / ("0" * 64)
    path.write_bytes(data)
    with pytest.raises(DeliveryError, match=what) as refusal:
        read(path, feed(), "b-1", tmp_path / "rows.parquet", name="公安局/表.xlsx")
    assert str(refusal.value).startswith("公安局/表.xlsx: ")


def test_a_zip_archive_under_a_workbooks_name_is_unpacked(tmp_path: Path) -> None:
    """What is in an archive counts, not how the archive is called."""
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("表.csv", f"{','.join(HEADER)}\nP1,1,,\n")
    assert (read_book(tmp_path, path).container, rows_of(tmp_path).height) == ("zip", 1)


def test_a_format_outside_the_contract_is_refused(tmp_path: Path) -> None:
    """A workbook for a feed that takes only CSV names the contract."""
    path = workbook(tmp_path / "a.csv", 甲=[HEADER])
    with pytest.raises(DeliveryError, match="accepts only csv"):
        read_book(tmp_path, path, feed(formats=("csv",)))


def test_a_truncated_workbook_is_refused(tmp_path: Path) -> None:
    """Half an upload is damaged, not empty."""
    path = workbook(tmp_path / "a.xlsx", 甲=[HEADER, ["P1", 1]])
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DeliveryError, match="damaged"):
        read_book(tmp_path, path)


def test_a_workbook_that_the_second_reader_cannot_open_is_said_so(tmp_path: Path) -> None:
    """What only one library reads is taken, with a warning that it was not cross-checked."""
    broken = tmp_path / "甲.xlsx"
    broken.write_bytes(b"PK\x03\x04 no workbook")
    assert CrossCheck(broken, "甲.xlsx").compare({"表": {1: ["a"]}}) == [
        "甲.xlsx: the second reader cannot open it (BadZipFile); not cross-checked."
    ]
