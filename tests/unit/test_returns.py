"""Annotated copies: marks at the right cells, nothing else changed, nothing that can run."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.workbook.defined_name import DefinedName

from dagster_project.contracts.model import Column
from dagster_project.ingest.readers import read
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.returning import (
    Case,
    Cases,
    Copy,
    Finding,
    NotAnnotatedError,
    annotated,
    rewritten,
)
from dagster_project.ingest.returning.defuse import defused, is_dangerous
from tests.conform_kit import feed_of

FEED = replace(
    feed_of(
        Column("no", "编号", "string", aliases=("編號",), key_position=1, required=True),
        Column("name", "姓名", "string", textual=True),
        Column("qty", "数量", "decimal", aliases=("數量",)),
    ),
    encodings=("utf-8", "gb18030", "big5", "utf-16"),
)
RED = "FFFFC7CE"
TOO_LONG = Finding("姓名超过 2 个字", ("name",))
TOO_FEW = Finding("数量不得小于 0", ("qty",))
RAGGED = Finding("行的单元格数与表头不一致")


def copied(tmp_path: Path, data: bytes, cases: Cases) -> tuple[Path, Copy]:
    """The annotated copy of some bytes."""
    source = tmp_path / "source"
    source.write_bytes(data)
    return annotated(
        source,
        tmp_path,
        "copy.{}".format,
        FEED,
        cases,
        name="人员.csv",
        limits=Limits(),
    )


def text(path: Path) -> list[str]:
    """The copy's lines; it must begin with a byte order mark."""
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    return data.decode("utf-8-sig").split("\r\n")


def book(rows: Sequence[Sequence[Any]]) -> Workbook:
    """A workbook of one sheet."""
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "表"
    for row in rows:
        sheet.append(list(row))
    return made


def saved(made: Workbook) -> bytes:
    """A workbook's bytes."""
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "big5"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "，"])
def test_a_text_keeps_its_records_and_gets_two_columns(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    """Every record stands in its order with its own spelling; open rows say why."""
    lines = ["人員名冊", "编号,姓名,数量", '1,"張,三",5', "2,李李李,-1", "", "3,王,7"]
    if encoding == "big5":
        lines[1] = "編號,姓名,數量"
    content = "\n".join(line.replace(",", delimiter) for line in lines) + "\n"
    cases = {("", 4): Case("JH0123456789AB", (TOO_LONG, TOO_FEW))}
    target, made = copied(tmp_path, content.encode(encoding), cases)
    expected = [
        lines[0],
        f"{lines[1]},校核意见,校核编号",
        '1,"張,三",5,,',
        "2,李李李,-1,姓名超过 2 个字；数量不得小于 0,JH0123456789AB",
        "",
        "3,王,7,,",
        "",
    ]
    assert text(target) == [line.replace(",", delimiter) for line in expected]
    assert (made.rows, made.cells) == (1, 2)
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_ragged_record_stays_ragged_until_it_is_corrected(tmp_path: Path) -> None:
    """Its marks follow its last cell: putting the cells right puts the marks right."""
    lines = ["编号,姓名,数量", "1,张", "2,李,3,4", "3,王,5,,", "4,赵,6"]
    cases = {("", 2): Case("JH000000000002", (RAGGED,)), ("", 3): Case("JH000000000003", (RAGGED,))}
    target, made = copied(tmp_path, "\n".join(lines).encode(), cases)
    assert text(target)[1:] == [
        "1,张,行的单元格数与表头不一致,JH000000000002",
        "2,李,3,4,行的单元格数与表头不一致,JH000000000003",
        "3,王,5,,",
        "4,赵,6,,",
        "",
    ]
    assert (made.rows, made.cells) == (2, 5)


TWO_LINES = ["编号,人员,", ",姓名,数量", "1,张张张,5", "2,李,6"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_header_of_two_lines_gets_the_columns_too(tmp_path: Path, kind: str) -> None:
    """The titles stand in its first line; the reader finds them there under their own names."""
    data = "\n".join(TWO_LINES).encode()
    if kind == "xlsx":
        data = saved(book([[cell or None for cell in line.split(",")] for line in TWO_LINES]))
    case = Case("JH000000000001", (TOO_LONG,))
    target, _ = copied(tmp_path, data, {("表" if kind == "xlsx" else "", 3): case})
    found = read(target, FEED, "b", tmp_path / "rows.parquet", name=f"人员.{kind}")
    assert found.unknown == ()
    rows = pl.read_parquet(tmp_path / "rows.parquet", columns=["no", "name", "qty", "_extra"])
    assert rows.rows() == [
        ("1", "张张张", "5", '{"校核意见":"姓名超过 2 个字","校核编号":"JH000000000001"}'),
        ("2", "李", "6", None),
    ]


def test_a_text_that_was_returned_before_keeps_one_pair_of_columns(tmp_path: Path) -> None:
    """Old opinions go, new ones come."""
    lines = [
        "编号,姓名,数量,校核意见,校核编号",
        "1,张,5,旧的,JH000000000001",
        "2,李李李,4,旧的,JH000000000002",
    ]
    cases = {("", 3): Case("JH000000000002", (TOO_LONG,))}
    target, _ = copied(tmp_path, "\r\n".join(lines).encode(), cases)
    assert text(target) == [lines[0], "1,张,5,,", "2,李李李,4,姓名超过 2 个字,JH000000000002", ""]


def test_a_stray_quote_spoils_its_own_record_only(tmp_path: Path) -> None:
    """A record that swallowed lines keeps its spelling, and the marks stand behind its end."""
    lines = ["编号,姓名,数量", '1,"张,5', '2,李",6', '3,王"五,7', "4,赵,8"]
    cases = {("", 2): Case("JH000000000002", (RAGGED,))}
    target, _ = copied(tmp_path, "\n".join(lines).encode(), cases)
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    read(tmp_path / "source", FEED, "b", before, name="人员.csv")
    read(target, FEED, "b", after, name="人员.csv")
    columns = ["no", "name", "qty", "_defect", "_source_row"]
    assert pl.read_parquet(after, columns=columns).equals(pl.read_parquet(before, columns=columns))
    assert "JH000000000002" in target.read_text(encoding="utf-8-sig")


def test_formulas_in_a_text_become_text(tmp_path: Path) -> None:
    """Whatever a spreadsheet would run gets an apostrophe, quoted or not; numbers keep signs."""
    lines = [
        "编号,姓名,数量",
        "1,=cmd|' /C calc'!A0,-5",
        '2,"=HYPERLINK(""x"",""y"")",+1.5',
        "3,@SUM(A1),-",
        '4,="00123",1',
        '5,"\tx",-1+cmd',
    ]
    target, _ = copied(tmp_path, "\n".join(lines).encode(), {})
    assert text(target)[1:-1] == [
        "1,'=cmd|' /C calc'!A0,-5,,",
        '2,"\'=HYPERLINK(""x"",""y"")",+1.5,,',
        "3,'@SUM(A1),'-,,",
        "4,'00123,1,,",
        "5,'\tx,'-1+cmd,,",
    ]


@pytest.mark.parametrize("number", ["-1", "+1.5", "-1,234.50", "-.5", "+86", "-1e5", "-3%"])
def test_numbers_are_no_formulas(number: str) -> None:
    """A sign alone does not make one."""
    assert not is_dangerous(number)
    assert defused(number) == number


def test_a_large_text_is_copied_in_bounded_blocks(tmp_path: Path) -> None:
    """Records across block borders stay whole and are counted as the reader counts them."""
    rows = 60_000
    lines = ["编号,姓名,数量", *(f'{n},"张\n三{n}",{n}' for n in range(rows))]
    cases = {("", rows + 1): Case("JH000000000001", (TOO_FEW,))}
    target, made = copied(tmp_path, "\n".join(lines).encode(), cases)
    found = target.read_bytes().decode("utf-8-sig")
    assert found.count("\r\n") == rows + 1
    assert f'{rows - 1},"张\n三{rows - 1}",{rows - 1},数量不得小于 0,JH000000000001' in found
    assert made.rows == 1


def test_a_packed_text_is_returned_unpacked(tmp_path: Path) -> None:
    """The department opens a table, not an archive."""
    data = gzip.compress("编号,姓名,数量\n1,张张张,2\n".encode())
    target, _ = copied(tmp_path, data, {("", 2): Case("JH000000000001", (TOO_LONG,))})
    assert text(target)[1] == "1,张张张,2,姓名超过 2 个字,JH000000000001"


def test_a_workbook_gets_colours_comments_and_two_columns(tmp_path: Path) -> None:
    """Exactly the cells that are wrong are marked; a preamble and other sheets stay."""
    made = book([["人员名册"], ["编号", "姓名", "数量"], ["1", "张", 5], ["2", "李李李", -1]])
    made.active.merge_cells("A1:C1")  # type: ignore[union-attr]
    made.create_sheet("说明").append(["填表说明"])
    cases = {("表", 4): Case("JH0123456789AB", (TOO_LONG, TOO_FEW))}
    target, copy = copied(tmp_path, saved(made), cases)
    found = load_workbook(target)
    assert found.sheetnames == ["表", "说明"]
    sheet = found["表"]
    marked = {c.coordinate for row in sheet.iter_rows() for c in row if c.fill.fgColor.rgb == RED}
    assert marked == {"B4", "C4"}
    comments = {c.coordinate: c.comment.text for r in sheet.iter_rows() for c in r if c.comment}
    assert comments == {"B4": "【校核】姓名超过 2 个字", "C4": "【校核】数量不得小于 0"}
    assert [cell.value for cell in sheet[2]] == ["编号", "姓名", "数量", "校核意见", "校核编号"]
    assert [cell.value for cell in sheet[4]] == [
        *("2", "李李李", -1, "姓名超过 2 个字；数量不得小于 0", "JH0123456789AB")
    ]
    assert [cell.value for cell in sheet[3]] == ["1", "张", 5, None, None]
    assert (copy.rows, copy.cells) == (1, 2)


def test_nothing_in_a_returned_workbook_can_run(tmp_path: Path) -> None:
    """Formulas become stored values, formula-like text stays text, links are cut."""
    made = book([["编号", "姓名", "数量"], ["1", "x", "=1+1"], ["2", "张", 3]])
    sheet = made["表"]
    sheet["B2"].value, sheet["B2"].data_type = "=cmd|' /C calc'!A0", "s"
    made.defined_names["away"] = DefinedName("away", attr_text="[1]Other!$A$1")
    whole = Case("JH0123456789AB", (Finding("=evil()", ("name",)),))
    target, _ = copied(tmp_path, saved(made), {("表", 2): whole})
    with zipfile.ZipFile(target) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    table = parts["xl/worksheets/sheet1.xml"]
    assert "<f>" not in table
    assert "<f " not in table
    assert re.search(r'<c r="B2"[^>]* t="(s|inlineStr)"', table)
    assert re.search(r'<c r="D2"[^>]* t="(s|inlineStr)"', table)
    assert 'quotePrefix="1"' in parts["xl/styles.xml"]
    assert "[1]" not in parts["xl/workbook.xml"]
    assert not [name for name in parts if "externalLink" in name or "vba" in name]
    assert load_workbook(target)["表"]["B2"].value == "=cmd|' /C calc'!A0"


def test_what_an_earlier_return_marked_is_taken_off(tmp_path: Path) -> None:
    """A corrected cell is plain again, a department's own comment stays."""
    made = book([["编号", "姓名", "数量"], ["1", "张张张", 5], ["2", "李李李", 6]])
    made["表"]["B2"].comment = Comment("电话核实", "经办人")
    both = {("表", n): Case(f"JH00000000000{n}", (TOO_LONG,)) for n in (2, 3)}
    first, _ = copied(tmp_path, saved(made), both)
    one = {("表", 3): both["表", 3]}
    second, _ = copied(tmp_path, first.read_bytes(), one)
    sheet = load_workbook(second)["表"]
    assert [cell.value for cell in sheet[1]] == ["编号", "姓名", "数量", "校核意见", "校核编号"]
    assert [cell.value for cell in sheet[2]] == ["1", "张张张", 5, None, None]
    assert sheet["B2"].fill.fgColor.rgb != RED
    assert sheet["B2"].comment is not None
    assert sheet["B2"].comment.text == "电话核实"
    assert sheet["B3"].comment is not None
    assert sheet["E3"].value == "JH000000000003"


def test_a_number_that_is_shown_as_a_date_stays_what_it_is(tmp_path: Path) -> None:
    """20230601 in a column of dates is wrong, and must come back as it was."""
    made = book([["编号", "姓名", "数量"], ["1", "张", 20230601], ["2", "李", 45078]])
    for row in (2, 3):
        made["表"].cell(row, 3).number_format = "yyyy-mm-dd"
    target, _ = copied(tmp_path, saved(made), {})
    with zipfile.ZipFile(target) as archive:
        table = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<v>20230601</v>" in table
    assert "<v>45078</v>" in table


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize("head", [b"PK\x03\x04", OLE, b""], ids=["zip", "ole", "empty"])
def test_what_cannot_be_annotated_says_so_and_leaves_nothing(tmp_path: Path, head: bytes) -> None:
    """The caller writes the rows instead; no half copy lies about."""
    with pytest.raises(NotAnnotatedError):
        copied(tmp_path, head + b" no workbook" * 100 * bool(head), {})
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_rows_as_they_were_read_become_a_workbook(tmp_path: Path) -> None:
    """Sheet by sheet, every cell text, the same marks."""
    rows: list[tuple[str, int, list[str | None]]] = [
        ("甲", 2, ["1", "=x()", "5"]),
        ("甲", 3, ["2", None, "-1"]),
        ("乙", 2, ["3", "王", "1"]),
    ]
    cases = {("甲", 3): Case("JH000000000001", (TOO_FEW, RAGGED))}
    table = [(column.name, column.title) for column in FEED.columns]
    target, made = rewritten(tmp_path / "new", "copy.{}".format, table, rows, cases)
    found = load_workbook(target)
    assert found.sheetnames == ["甲", "乙"]
    assert found["甲"]["B2"].data_type == "s"
    assert found["甲"]["E3"].value == "JH000000000001"
    assert found["甲"]["C3"].comment is not None
    assert (made.rows, made.cells) == (1, 3)
    assert target.stat().st_mode & 0o777 == 0o600
