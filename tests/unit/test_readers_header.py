"""Headers of every shape: by the contract's names, and by shape alone without a contract."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.contracts.units import power
from dagster_project.ingest.readers.verdict import verdict


@dataclass(frozen=True)
class Read:
    """A verdict and the rows that were read."""

    told: dict[str, Any]
    rows: pl.DataFrame

    @property
    def sheet(self) -> dict[str, Any]:
        """The only sheet."""
        (sheet,) = self.told["sheets"]
        return dict(sheet)


def contract(*columns: Column, **changes: Any) -> Feed:
    """A small contract."""
    given: dict[str, Any] = {
        "name": "house", "title": "房屋", "version": "1.0.0", "department_code": "jw",
        "department_name": "住建局", "columns": columns, "rules": (), "delivery": "full",
        "servers": (), "sla": Sla(), "formats": ("csv", "xlsx"),
    }  # fmt: skip
    return Feed(**(given | changes))


HOUSE = contract(
    Column("no", "编号", "string", key_position=1, required=True),
    Column("owner", "户主", "string"),
    Column("area", "住房_面积", "decimal", unit="㎡"),
    Column("price", "价格", "decimal", unit="元"),
)


def read_file(path: Path, feed: Feed | None = None) -> Read:
    """Read a file; it must not be refused."""
    out = path.with_suffix(".parquet")
    told = verdict(path, feed, out=out)
    assert told["refused"] is None, told["refused"]
    for sheet in told["sheets"]:
        parts = sheet["data_rows"] + sheet["set_aside"] + sum(sheet["dropped"].values())
        assert parts + sheet["header_rows"] == sheet["records"]
    return Read(told, pl.read_parquet(out))


def read_text(tmp_path: Path, *lines: str, feed: Feed | None = None) -> Read:
    """Read a text table."""
    path = tmp_path / "table.csv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return read_file(path, feed)


def sheet_of(path: Path, rows: Sequence[Sequence[object]], *merges: str) -> Path:
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    for merge in merges:
        sheet.merge_cells(merge)
    book.save(path)
    return path


def refusal(path: Path, feed: Feed | None = None) -> str:
    """The reason for which a file is refused."""
    told = verdict(path, feed)
    assert told["refused"], "the file was read"
    return str(told["refused"]["reason"])


@pytest.mark.parametrize(
    ("lines", "line", "rows", "columns"),
    [
        (("编号,户主", "1,张三"), 1, 1, ["编号", "户主"]),
        (("农房登记表", "填报单位：冠山镇,,", "编号,户主,面积", "1,张三,80"), 3, 1,
         ["编号", "户主", "面积"]),
        (("SELECT a, b, c FROM t;", "编号,户主,面积", "---,---,---", "1,张三,80"), 2, 1,
         ["编号", "户主", "面积"]),
        (("姓名", "张三", "李四"), 1, 2, ["姓名"]),
        (("编号,户主,面积,备注", "甲,乙,1,2", "1,张三,80,x"), 1, 1,
         ["编号", "户主", "面积", "备注"]),
        (("乡镇,1,2,3,4", "冠山镇,1,5,6,7", "冶西镇,2,2,3,9"), 1, 2, ["乡镇", "1", "2", "3", "4"]),
        (("ç¼–å\x8f·,æˆ·ä¸»", "1,å¼\xa0ä¸‰"), 1, 1, ["编号", "户主"]),
    ],
    ids=["plain", "preamble", "query", "one column", "numbered columns", "months", "mangled"],
)  # fmt: skip
def test_the_header_is_found_by_shape(
    tmp_path: Path, lines: tuple[str, ...], line: int, rows: int, columns: list[str]
) -> None:
    """Titles, preambles, queries and lines of column numbers above or below it do not count."""
    found = read_text(tmp_path, *lines).sheet
    assert (found["header_line"], found["data_rows"], found["columns"]) == (line, rows, columns)


@pytest.mark.parametrize(
    "lines",
    [("1,张三,男", "2,李四,女"), ("张三,男,平定", "李四,女,平定", "王五,男,盂县")],
    ids=["numbers", "texts that come again"],
)
def test_rows_are_never_taken_for_a_header(tmp_path: Path, lines: tuple[str, ...]) -> None:
    """A table without titles is refused when nothing says what its columns are."""
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert refusal(path) == "no_header"


def test_a_headerless_table_is_read_by_its_contract(tmp_path: Path) -> None:
    """`header: absent` gives the columns in the contract's order, and loses no row."""
    feed = contract(*HOUSE.columns[:2], headerless=True)
    found = read_text(tmp_path, "1,张三", "2,李四", feed=feed)
    assert found.sheet["header_line"] is None
    assert found.rows.select("no", "owner", "_source_row").rows() == [
        ("1", "张三", 1),
        ("2", "李四", 2),
    ]


def test_titles_over_groups_are_flattened_in_text(tmp_path: Path) -> None:
    """A title above several titles names them all; columns of one line keep theirs."""
    found = read_text(tmp_path, "户主,住房,,收入,", ",面积,间数,工资,其他", "张三,80,3,500,1")
    assert found.sheet["columns"] == ["户主", "住房_面积", "住房_间数", "收入_工资", "收入_其他"]
    assert found.sheet["header_rows"] == 2
    assert found.rows["_source_row"].to_list() == [3]


def test_merged_titles_are_flattened_and_merged_cells_filled(tmp_path: Path) -> None:
    """Merged ranges alone say what spans what: in the header across, in the table downwards."""
    path = sheet_of(
        tmp_path / "a.xlsx",
        [
            ["农房登记表", None, None, None],
            ["村名", "户主", "住房", None],
            [None, None, "面积", "间数"],
            ["东村", "张三", 80, 3],
            [None, "李四", 90, None],
            ["西村", "王五", None, 2],
        ],
        *("A1:D1", "A2:A3", "B2:B3", "C2:D2", "A4:A5"),
    )
    found = read_file(path)
    assert found.sheet["header_line"] == 2
    assert found.sheet["columns"] == ["村名", "户主", "住房_面积", "住房_间数"]
    assert found.rows["村名"].to_list() == ["东村", "东村", "西村"]
    assert found.rows["住房_面积"].to_list() == ["80", "90", None]


def test_a_sentence_over_the_whole_table_is_no_data(tmp_path: Path) -> None:
    """One cell merged over all columns below the header is set aside as a footnote."""
    rows = [["编号", "户主"], ["1", "张三"], ["以上数据经核实无误", None]]
    found = read_file(sheet_of(tmp_path / "a.xlsx", rows, "A3:B3"))
    assert found.sheet["dropped"] == {"footnote": 1}
    assert found.rows["户主"].to_list() == ["张三"]


def test_a_contract_names_columns_of_two_lines_by_either(tmp_path: Path) -> None:
    """`父_子` and the lower title alone both name a column; a repeated line is set aside."""
    lines = ("编号,户主,住房,,价格", ",,面积,间数,", "1,张三,80,3,500", "编号,户主,住房,,价格")
    found = read_text(tmp_path, *lines, feed=HOUSE)
    assert found.rows.select("no", "owner", "area", "price").rows() == [("1", "张三", "80", "500")]
    assert found.told["unknown"] == ["住房_间数"]
    assert found.sheet["dropped"] == {"repeated_header": 1}


@pytest.mark.parametrize(
    ("title", "above", "unit"),
    [
        ("价格（万元）", "", "万元"),
        ("价格(单位：千元)", "", "千元"),
        ("价格/亿元", "", "亿元"),
        ("价格", "单位：万元", "万元"),
        ("价格", "金额单位：人民币万元", "万元"),
        ("价格（元）", "单位：万元", None),
        ("价格", "填报单位：住建局", None),
        ("价格", "单位：元", None),
    ],
)
def test_units_are_read_from_the_header_and_from_above_it(
    tmp_path: Path, title: str, above: str, unit: str | None
) -> None:
    """The column's own unit comes before the table's; the contract's own unit needs no word."""
    lines = [above] if above else []
    found = read_text(tmp_path, *lines, f"编号,户主,面积,{title}", "1,张三,80,12.5", feed=HOUSE)
    assert found.told["units"].get("price") == unit
    assert found.rows["price"].to_list() == ["12.5"]


def test_a_unit_of_another_kind_names_no_column(tmp_path: Path) -> None:
    """`价格（亩）` is not the price."""
    found = read_text(tmp_path, "编号,户主,住房_面积,价格（亩）", "1,张三,80,5", feed=HOUSE)
    assert found.told["missing"] == ["price"]
    assert found.told["unknown"] == ["价格（亩）"]


@pytest.mark.parametrize(
    ("stated", "unit", "exponent"),
    [("万元", "元", 4), ("人民币亿元", "元", 8), ("元", "元", 0), ("分", "元", -2),
     ("平方米", "㎡", 0), ("公顷", "㎡", 4), ("万亩", "亩", 4), ("千户", "户", 3),
     ("美元", "元", None), ("亩", "元", None), ("万元", "", None)],
)  # fmt: skip
def test_units_differ_by_powers_of_ten_or_not_at_all(
    stated: str, unit: str, exponent: int | None
) -> None:
    """What measures something else is no unit of the column."""
    assert power(stated, unit) == exponent


def test_a_block_of_totals_beside_the_table_is_no_column(tmp_path: Path) -> None:
    """Columns that stand apart under a total are kept as extra cells, and no row is ragged."""
    titled = read_text(tmp_path, "编号,户主,,合计", "1,张三,,9", "2,李四,,")
    assert titled.sheet["columns"] == ["编号", "户主"]
    beside = read_text(tmp_path, "编号,户主", "1,张三,,合计,9", "2,李四")
    assert beside.sheet["set_aside"] == 0
    assert beside.sheet["data_rows"] == 2
    assert "9" in str(beside.rows["_extra"][0])


def test_sheets_are_told_apart(tmp_path: Path) -> None:
    """Towns' sheets and hidden ones are read; examples and guides are set aside, and said."""
    book = openpyxl.Workbook()
    first = book.worksheets[0]
    first.title = "冠山镇"
    for sheet, owner in ((first, "张三"), (book.create_sheet("冶西镇"), "李四")):
        sheet.append(["编号", "户主"])
        sheet.append(["1", owner])
    example = book.create_sheet("填写示例")
    example.append(["编号", "户主"])
    example.append(["1", "张某"])
    book.create_sheet("填表说明").append(["请各镇按月填写"])
    hidden = book.create_sheet("旧表")
    hidden.append(["编号", "户主"])
    hidden.append(["9", "王五"])
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")
    found = read_file(tmp_path / "a.xlsx")
    told = [(s["name"], s["data_rows"], s["dropped"], s["hidden"]) for s in found.told["sheets"]]
    assert told == [
        ("冠山镇", 1, {}, False),
        ("冶西镇", 1, {}, False),
        ("填写示例", 0, {"example": 2}, False),
        ("填表说明", 0, {"title": 1}, False),
        ("旧表", 1, {}, True),
    ]
    assert found.rows["户主"].to_list() == ["张三", "李四", "王五"]
    assert found.rows["_extra"].to_list() == [None, None, '{"_flags": ["hidden_sheet"]}']


def test_sheets_that_state_different_units_are_refused(tmp_path: Path) -> None:
    """A figure is multiplied once, for the whole file."""
    book = openpyxl.Workbook()
    for sheet, title in ((book.worksheets[0], "价格（万元）"), (book.create_sheet("乙"), "价格")):
        sheet.append(["编号", "户主", "面积", title])
        sheet.append(["1", "张三", 80, 5])
    book.save(tmp_path / "a.xlsx")
    feed = contract(*HOUSE.columns, sheets="all")
    assert refusal(tmp_path / "a.xlsx", feed) == "units_conflict"


def test_named_sheets_are_read_and_must_be_there(tmp_path: Path) -> None:
    """A contract may name the sheets; one that lacks refuses the file."""
    book = openpyxl.Workbook()
    for sheet in (book.worksheets[0], book.create_sheet("明细")):
        sheet.append(["编号", "户主", "面积", "价格"])
        sheet.append(["1", sheet.title, 80, 5])
    book.save(tmp_path / "a.xlsx")
    named = contract(*HOUSE.columns, sheets="named", sheet_names=("明细",))
    assert read_file(tmp_path / "a.xlsx", named).rows["owner"].to_list() == ["明细"]
    other = contract(*HOUSE.columns, sheets="named", sheet_names=("汇总",))
    assert refusal(tmp_path / "a.xlsx", other) == "columns_missing"


def test_a_preamble_of_units_takes_no_time(tmp_path: Path) -> None:
    """A line that says 单位： ten thousand times is read as fast as any other."""
    path = tmp_path / "a.csv"
    path.write_text("单位：" * 50_000 + "\n编号,姓名\n1,甲\n", encoding="utf-8")
    began = time.monotonic()
    assert verdict(path)["refused"] is None
    assert time.monotonic() - began < 10


def test_a_number_beside_words_is_not_shown(tmp_path: Path) -> None:
    """What stands in a totals row below names may be a person's: only its place is told."""
    path = tmp_path / "a.csv"
    path.write_text("编号,姓名,金额\n1,甲,5\n小计,140321199003071234,5\n", encoding="utf-8")
    told = verdict(path)
    assert [one["stated"] for one in told["sheets"][0]["control_totals"]] == [None, "5"]
    assert "140321199003071234" not in str(told)
