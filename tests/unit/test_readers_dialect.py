"""Delimiters, line ends, control characters and spoilt text: read as written, and said so."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import ReadResult, read
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.table.mojibake import unmangled
from dagster_project.ingest.readers.text.table import TextTable

COLUMNS = (
    Column("person_no", "人员编号", "string", key_position=1, required=True),
    Column("name", "姓名", "string"),
    Column("area_sqm", "面积", "decimal", unit="㎡"),
    Column("note", "备注", "string"),
)
TITLES = [column.title for column in COLUMNS]
NAMES = [column.name for column in COLUMNS]


def feed(**changes: object) -> Feed:
    """A small contract."""
    given = {
        "name": "population", "title": "实有人口", "version": "1.0.0", "department_code": "ga",
        "department_name": "公安局", "columns": COLUMNS, "rules": (), "delivery": "full",
        "servers": (), "sla": Sla(),
    }  # fmt: skip
    return Feed(**(given | changes))  # type: ignore[arg-type]


def deliver(
    tmp_path: Path, data: bytes, contract: Feed | None = None, limits: Limits | None = None
) -> ReadResult:
    """Read bytes by a contract, or without one."""
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    return read(path, contract, "b", tmp_path / "rows.parquet", limits=limits)


def rows(tmp_path: Path, names: list[str] | None = None) -> list[tuple[object, ...]]:
    """The rows that were written."""
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    return frame.select(names or [c for c in frame.columns if c[0] != "_"]).rows()


def table(delimiter: str, end: str = "\n") -> bytes:
    """Three rows with the other delimiters inside cells."""
    cells = [
        TITLES,
        ["P1", "甲，乙", "1,5", "a;b"],
        ["P2", "丙", "2", "x|y"],
        ["P3", "丁", "", "t"],
    ]
    lines = [
        delimiter.join(f'"{c}"' if delimiter in c else c for c in line) + end for line in cells
    ]
    return "".join(lines).encode()


READ = [("P1", "甲，乙", "1,5", "a;b"), ("P2", "丙", "2", "x|y"), ("P3", "丁", None, "t")]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "，"])
@pytest.mark.parametrize("contract", [feed(), None])
def test_every_delimiter_is_found(tmp_path: Path, delimiter: str, contract: Feed | None) -> None:
    """Cells that hold other delimiters, also the same one in quotes, stay whole."""
    result = deliver(tmp_path, table(delimiter), contract)
    assert result.dialect is not None
    assert (result.dialect.delimiter, result.dialect.line_end) == (delimiter, "LF")
    assert rows(tmp_path) == READ
    assert not result.sheets[0].defects


def test_a_full_width_comma_is_cut_anywhere(tmp_path: Path) -> None:
    """Its three bytes may lie in two pieces of the file, and control characters stay cells."""
    path = tmp_path / "a.csv"
    path.write_bytes(table("，") + "P4，\x1f，1，\n".encode())
    for chunk in (1, 2, 4, 1 << 17):
        ledger = Ledger()
        reader = TextTable(feed(), "b", "a.csv", ledger)
        reader.read(path, tmp_path / "rows.parquet", chunk=chunk, block=7)
        assert rows(tmp_path, NAMES) == [*READ, ("P4", "\x1f", "1", None)]


def test_a_delimiter_outside_the_contract_is_refused(tmp_path: Path) -> None:
    """The contract's list decides, and the sentence names what the file has."""
    with pytest.raises(DeliveryError, match="separated by semicolons") as refusal:
        deliver(tmp_path, table(";"), feed(delimiters=(",", "\t")))
    assert refusal.value.reason == "delimiter_not_accepted"


def test_a_query_above_the_table_does_not_tell_its_delimiter(tmp_path: Path) -> None:
    """The header is found below a statement full of commas, whatever stands around it."""
    head = "SELECT person_no, name, area, note FROM t;\n\n"
    ruler = "---------|------|------|------\n"
    data = head + "|".join(TITLES) + "\n" + ruler + "P1|甲|1|\n\n(1 rows affected)\n"
    result = deliver(tmp_path, data.encode(), feed())
    assert rows(tmp_path, NAMES) == [("P1", "甲", "1", None)]
    assert result.read == 7 - 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 17])
def test_every_line_end_is_one(tmp_path: Path, end: str, chunk: int) -> None:
    """Whatever ends a line, there is one record per line and no blank one between them."""
    path = tmp_path / "a.csv"
    path.write_bytes(table(",", end) + f'P4,"a{end}b",4,{end}'.encode())
    ledger = Ledger()
    TextTable(feed(), "b", "a.csv", ledger).read(path, tmp_path / "rows.parquet", chunk=chunk)
    assert rows(tmp_path, NAMES) == [*READ, ("P4", f"a{end}b", "4", None)]
    assert ledger.dropped == []
    named = {"\n": "LF", "\r\n": "CRLF", "\r": "CR", "\r\r\n": "CRCRLF"}
    assert ledger.dialect is not None
    assert (ledger.dialect.line_end, ledger.dialect.quote) == (named[end], '"')


def test_mixed_line_ends_are_told(tmp_path: Path) -> None:
    """Exports of several systems in one file."""
    data = b",".join(t.encode() for t in TITLES) + b"\r\nP1,a,1,\nP2,b,2,\rP3,c,3,\r\r\nP4,d,4,"
    result = deliver(tmp_path, data, feed())
    assert [row[0] for row in rows(tmp_path)] == ["P1", "P2", "P3", "P4"]
    assert result.dialect is not None
    assert result.dialect.line_end == "mixed"
    assert not result.dropped


def test_nuls_are_removed_and_counted(tmp_path: Path) -> None:
    """Padding with NULs is no reason to lose a row, and is said."""
    data = table(",").replace(b"P2,", b"P2\x00\x00,") + b"\x00" * 9
    result = deliver(tmp_path, data, feed())
    assert rows(tmp_path) == READ
    assert any("11 NUL characters" in warning for warning in result.warnings)


@pytest.mark.parametrize("end", [b"\x1a", b"\x1a\r\n", b"\x1a\x1a\x1a", b"\n\x1a\n"])
@pytest.mark.parametrize("chunk", [1, 1 << 17])
def test_ctrl_z_ends_a_file_without_a_record(tmp_path: Path, end: bytes, chunk: int) -> None:
    """The mark of old systems is neither a row nor part of the last cell."""
    path = tmp_path / "a.csv"
    path.write_bytes(table(",").rstrip(b"\n") + end)
    ledger = Ledger()
    TextTable(feed(), "b", "a.csv", ledger).read(path, tmp_path / "rows.parquet", chunk=chunk)
    assert rows(tmp_path, NAMES) == READ
    assert ledger.dropped == []


def test_ctrl_z_inside_a_file_ends_nothing(tmp_path: Path) -> None:
    """Rows behind it are read: nothing is lost silently."""
    deliver(tmp_path, table(",") + b"\x1a\nP4,a,1,\n", feed())
    assert [row[0] for row in rows(tmp_path)] == ["P1", "P2", "P3", "P4"]


def test_surplus_cells_matter_only_when_they_are_filled(tmp_path: Path) -> None:
    """Delimiters at every line's end are harmless; one surplus value puts its row aside, whole."""
    body = [f"P{n},a,{n},," for n in range(200)]
    body[7] = "P7,a,7,,surplus"
    body[9] = "P9,a"
    data = "\n".join([",".join(TITLES), *body]).encode()
    result = deliver(tmp_path, data, feed())
    assert result.sheets[0].defects == {"ragged": 2}
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    assert frame["person_no"].to_list() == [f"P{n}" for n in range(200)]
    ragged = frame.filter(pl.col("_defect") == "ragged")
    assert ragged["_source_row"].to_list() == [9, 11]
    assert "surplus" in str(ragged["_extra"][0])


def test_a_stray_quote_that_swallows_rows_puts_its_record_aside(tmp_path: Path) -> None:
    """The swallowed rows are one record with, by chance, the right number of cells: never data."""
    body = ["P1,a,1,", 'P2,"b,2,', "P3,c,3,", 'P4,"d",4,', "P5,e,5,"]
    result = deliver(tmp_path, "\n".join([",".join(TITLES), *body]).encode(), feed())
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    assert frame["person_no"].to_list() == ["P1", "P2", "P5"]
    assert frame["_defect"].to_list() == [None, "ragged", None]
    assert "P3,c,3" in str(frame["name"][1])
    assert result.sheets[0].set_aside == 1


def test_remarks_of_several_lines_are_data(tmp_path: Path) -> None:
    """Line ends, commas and quotes within a cell harm nothing while its lines are no records."""
    note = 'one, "two"\nthree, four\r\nfive'
    data = ",".join(TITLES) + '\nP1,a,1,"' + note.replace('"', '""') + '"\n'
    result = deliver(tmp_path, data.encode(), feed())
    assert rows(tmp_path) == [("P1", "a", "1", note)]
    assert not result.sheets[0].defects


def test_a_boundary_behind_a_remark_of_two_lines_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commas within the quotes of one cell do not make the line of another look like a record."""
    monkeypatch.setattr("dagster_project.ingest.readers.text.parse.WIDE", len(TITLES) - 1)
    wkt = "POLYGON((1 2, 3 4, 5 6, 7 8, 1 2))"
    data = ",".join(TITLES) + f'\n"P1\n（旧）","{wkt}",1,"{wkt}"\n'
    result = deliver(tmp_path, data.encode(), feed())
    assert rows(tmp_path) == [("P1\n（旧）", wkt, "1", wkt)]
    assert not result.sheets[0].defects


def test_totals_beside_the_table_do_not_make_a_row_ragged(tmp_path: Path) -> None:
    """A block to the right, set off by an empty cell, stays with its row and harms nothing."""
    data = ",".join(TITLES) + "\nP1,a,1,x,,合计,12\nP2,b,2,y\n"
    result = deliver(tmp_path, data.encode(), feed())
    assert not result.sheets[0].defects
    frame = pl.read_parquet(tmp_path / "rows.parquet")
    assert frame["person_no"].to_list() == ["P1", "P2"]
    assert "合计" in str(frame["_extra"][0])


def test_a_file_without_titles_is_read_in_the_contracts_order(tmp_path: Path) -> None:
    """Where the contract says so every record is data, also the first."""
    result = deliver(tmp_path, table(";").split(b"\n", 1)[1], feed(headerless=True))
    assert rows(tmp_path) == READ
    assert (result.sheets[0].header_row, result.sheets[0].header_rows) == (0, 0)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp950", "gb18030"])
def test_any_encoding_goes_with_any_delimiter(tmp_path: Path, encoding: str) -> None:
    """Delimiters are looked for in decoded text: Excel's "Unicode text" is UTF-16 with tabs."""
    text = "人員編號\t姓名\t面積\t備註\nP1\t陳大文\t1\t臺北市中正區\n"
    result = deliver(tmp_path, text.encode(encoding))
    assert rows(tmp_path) == [("P1", "陳大文", "1", "臺北市中正區")]
    assert result.dialect is not None
    assert result.dialect.delimiter == "\t"


def test_spoilt_rows_are_marked(tmp_path: Path) -> None:
    """Lost text puts its row aside, mangled text only marks it, and too many cells come first."""
    body = [
        "P1,甲,1,", "P2,锟斤拷,2,", "P3,\ufffd,3,", "P4,烫烫烫烫,4,", "P5,屯屯屯,5,",
        "P6," + "平定".encode().decode("latin-1") + ",6,",
        "P7," + "平定".encode().decode("cp1252") + ",7,",
        "P8,JosÃ©,8,", "P9,José,9,", "P10,锟斤拷,10,,x", "P11,锟斤拷Ã©,11,",
    ]  # fmt: skip
    data = "\n".join([",".join(TITLES), *body]).encode()
    result = deliver(tmp_path, data, feed())
    assert pl.read_parquet(tmp_path / "rows.parquet")["_defect"].to_list() == [
        None, "garbled", "garbled", "garbled", "garbled", "mojibake", "mojibake", "mojibake", None,
        "ragged", "garbled",
    ]  # fmt: skip
    assert result.sheets[0].defects == {"garbled": 5, "mojibake": 3, "ragged": 1}
    assert result.sheets[0].set_aside == 6


@pytest.mark.parametrize("codec", ["latin-1", "gb18030"])
def test_a_mangled_header_is_the_header(tmp_path: Path, codec: str) -> None:
    """An export whose titles are mangled too is still found, and keeps its titles as they stand."""
    columns = tuple(Column(f"c{n}", t, "string") for n, t in enumerate(("编号", "姓名", "面积")))
    titles = [column.title.encode().decode(codec) for column in columns]
    data = ",".join(titles) + "\n" + "P1,平定,1\n"
    result = deliver(tmp_path, data.encode(), feed(columns=columns))
    assert rows(tmp_path) == [("P1", "平定", "1")]
    assert result.sheets[0].titles == tuple(titles)


@pytest.mark.parametrize(
    ("mangled", "meant"),
    [
        ("平定县".encode().decode("latin-1"), "平定县"),
        ("姓名".encode().decode("cp1252", "surrogateescape"), None),
        ("骞冲畾", "平定"),
        ("JosÃ©", "José"),
        ("平定县", None),
        ("José", None),
        ("name", None),
        ("锟斤拷", None),
        ("备注", None),
    ],
)
def test_mangled_titles_are_restored_when_it_can_be_proven(mangled: str, meant: str | None) -> None:
    """The way back is exact and leads to frequent characters, or the text stays as it is."""
    assert unmangled(mangled) == meant


def test_a_hundred_thousand_blank_rows_are_all_in_the_books(tmp_path: Path) -> None:
    """A false used range exported as text: every blank record is counted and listed."""
    data = table(",") + b"\n" * 50_000 + b",,,\n" * 50_000
    result = deliver(tmp_path, data, feed())
    assert (result.rows, len(result.dropped)) == (3, 100_000)
    assert result.dropped[-1].row == 100_004


def test_a_large_cell_is_read_and_an_endless_one_refused(tmp_path: Path) -> None:
    """Two megabytes in one cell are a long remark; beyond the limit the reason is named."""
    big = "长" * 700_000
    deliver(tmp_path, table(",") + f'P4,a,1,"{big}"\n'.encode(), feed())
    assert rows(tmp_path)[-1] == ("P4", "a", "1", big)
    small = Limits(record_bytes=1 << 20)
    for cell, reason in (
        (big, "too_large"),
        (f'"{big}"', "unclosed_quote"),  # its end is not waited for
        (f'"{big}', "unclosed_quote"),
    ):
        with pytest.raises(DeliveryError, match="row 5") as refusal:
            deliver(tmp_path, table(",") + f"P4,a,1,{cell}\n".encode(), feed(), small)
        assert refusal.value.reason == reason


def test_empty_and_header_only_files_differ(tmp_path: Path) -> None:
    """Nothing at all is refused, titles alone are a table without rows, blanks are no text."""
    assert deliver(tmp_path, table(",").split(b"\n")[0], feed()).rows == 0
    for data, reason in ((b"", "empty"), (b"\n \n,,\n", "no_text")):
        with pytest.raises(DeliveryError) as refusal:
            deliver(tmp_path, data, feed())
        assert refusal.value.reason == reason
