"""Text tables: every record accounted for, every cell exact, refusals in sentences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers import ReadResult, read
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.text.table import TextTable

COLUMNS = (
    Column("person_no", "人员编号", "string", key_position=1, required=True),
    Column("name", "姓名", "string", aliases=("姓 名字",)),
    Column("area_sqm", "面积", "decimal", unit="㎡"),
    Column("note", "备注", "string"),
)


def feed(columns: tuple[Column, ...] = COLUMNS, **changes: object) -> Feed:
    """A small contract."""
    given = {
        "name": "population", "title": "实有人口", "version": "1.0.0", "department_code": "ga",
        "department_name": "公安局", "columns": columns, "rules": (), "delivery": "full",
        "servers": (), "sla": Sla(),
    }  # fmt: skip
    return Feed(**(given | changes))  # type: ignore[arg-type]


def read_bytes(tmp_path: Path, data: bytes, contract: Feed | None = None) -> ReadResult:
    """Deliver bytes and read them."""
    path = tmp_path / "实有人口_20230531.csv"
    path.write_bytes(data)
    return read(path, contract or feed(), "b-1", tmp_path / "rows.parquet")


def rows_of(tmp_path: Path) -> pl.DataFrame:
    """The rows that were written."""
    return pl.read_parquet(tmp_path / "rows.parquet")


def lines(*records: str, encoding: str = "utf-8", end: str = "\n") -> bytes:
    """Records as bytes of a file."""
    return "".join(record + end for record in records).encode(encoding)


HEADER = "人员编号,姓名,面积,备注"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030")],
)
def test_encodings_are_told_apart_and_decoded_exactly(
    tmp_path: Path, encoding: str, expected: str
) -> None:
    """UTF-8 with and without mark and GB18030 with four-byte characters give the same rows."""
    data = lines(HEADER, "P1,𠀀龦䶮,1.50,•", "P2,王一,,", encoding=encoding)
    result = read_bytes(tmp_path, data)
    frame = rows_of(tmp_path)
    assert result.encoding == expected
    assert frame["name"].to_list() == ["𠀀龦䶮", "王一"]
    assert frame["area_sqm"].to_list() == ["1.50", None]
    assert frame["_source_row"].to_list() == [2, 3]
    assert frame["_batch_id"].to_list() == ["b-1", "b-1"]


def test_the_columns_are_those_of_the_contract_and_the_provenance(tmp_path: Path) -> None:
    """The Parquet file has the agreed columns, all text but the row number."""
    read_bytes(tmp_path, lines("备注,人员编号,姓名", "x,P1,甲"))
    frame = rows_of(tmp_path)
    assert frame.columns == [
        "person_no", "name", "area_sqm", "note", "_extra", "_defect", "_sheet", "_source_row",
        "_batch_id",
    ]  # fmt: skip
    assert frame.schema["_source_row"] == pl.Int64
    assert set(frame.drop("_source_row").dtypes) == {pl.String}
    assert frame.row(0) == ("P1", "甲", None, "x", None, None, "", 2, "b-1")


def test_titles_totals_blanks_and_footnotes_are_kept_aside(tmp_path: Path) -> None:
    """Everything that is no data is counted, kept as text, and its totals are remembered."""
    data = lines(
        "平定县实有人口表,,,",
        "填报单位：公安局,单位：㎡",
        HEADER,
        "P1,甲,1.5,",
        "",
        ",,,",
        "P2,乙,2,",
        " , , ,\u3000",
        "小 计,,3.5,",
        HEADER,
        "P3,丙,1,",
        ',合计：,"4,5",',
        "注：本表含流动人口",
        "制表人：某,审核人：某,2023-05-31,",
    )  # fmt: skip
    result = read_bytes(tmp_path, data)
    assert rows_of(tmp_path)["_source_row"].to_list() == [4, 7, 11]
    assert [(row.row, row.kind) for row in result.dropped] == [
        (1, "title"), (2, "title"), (5, "blank"), (6, "blank"), (8, "blank"), (9, "total"),
        (10, "repeated_header"), (12, "total"), (13, "footnote"), (14, "footnote"),
    ]  # fmt: skip
    assert [(t.row, t.column, t.stated) for t in result.control_totals] == [
        (9, "area_sqm", "3.5"),
        (12, "area_sqm", "4,5"),
    ]
    assert result.dropped[7].text == ',合计：,"4,5"'
    assert result.read == 13
    assert result.sheets[0].records == 14


def test_a_row_with_its_key_is_data_whatever_its_first_cell_says(tmp_path: Path) -> None:
    """A person whose note comes first and says 合计 is not taken for a totals row."""
    result = read_bytes(tmp_path, lines("备注,人员编号,姓名,面积", "合计,P1,甲,1", "注：a,P2,乙,"))
    assert result.rows == 2
    assert not result.dropped


def test_ragged_rows_are_kept_whole_and_marked(tmp_path: Path) -> None:
    """Too few or too many cells mark a row; surplus is kept; empty surplus is harmless."""
    data = lines(HEADER, "P1,甲", "P2,乙,1,x,,溢出", "P3,丙,1,y,,", "P4,丁,2,z")
    result = read_bytes(tmp_path, data)
    frame = rows_of(tmp_path)
    assert frame["_defect"].to_list() == ["ragged", "ragged", None, None]
    assert frame["_source_row"].to_list() == [2, 3, 4, 5]
    assert json.loads(frame["_extra"][1]) == {"_surplus": ["", "溢出"]}
    assert frame["_extra"].to_list()[2:] == [None, None]
    assert result.rows == 4


def test_unknown_columns_are_reported_and_their_cells_kept(tmp_path: Path) -> None:
    """A column that the contract lacks goes to ``_extra``, also in ragged rows."""
    data = lines("人员编号,姓名,血型,面积,备注,", "P1,甲,A,1,,", "P2,乙,,1,,", "P3,丙,B")
    result = read_bytes(tmp_path, data)
    extra = rows_of(tmp_path)["_extra"].to_list()
    assert result.unknown == ("血型",)
    assert json.loads(extra[0])["血型"] == "A"
    assert extra[1] is None
    assert json.loads(extra[2])["血型"] == "B"


def test_missing_optional_columns_are_reported(tmp_path: Path) -> None:
    """An optional column that the file lacks is named and NULL."""
    result = read_bytes(tmp_path, lines("人员编号,姓名,面积", "P1,甲,1"))
    assert result.missing == ("note",)
    assert rows_of(tmp_path)["note"].to_list() == [None]


def test_a_missing_required_column_refuses_the_file_and_names_the_closest_title(
    tmp_path: Path,
) -> None:
    """The sentence names file, row, the column and what looks like it."""
    with pytest.raises(DeliveryError, match=r"row 1: .*人员编号 \(person_no\).*人员编码"):
        read_bytes(tmp_path, lines("人员编码,姓名,面积,备注", "P1,甲,1,"))
    assert not (tmp_path / "rows.parquet").exists()


def test_titles_are_recognised_by_alias_name_width_and_unit(tmp_path: Path) -> None:
    """Aliases, English names, full-width letters, stars, blanks and the unit are all the column."""
    result = read_bytes(tmp_path, lines("*人员 编号,姓 名字,面积（㎡）,ＮＯＴＥ", "P1,甲,1,x"))
    assert not result.missing
    assert not result.unknown


def test_one_column_twice_refuses_the_file(tmp_path: Path) -> None:
    """Two columns of the file that are one of the contract cannot both be read."""
    with pytest.raises(DeliveryError, match="columns 2 and 3 are both 姓名"):
        read_bytes(tmp_path, lines("人员编号,姓名,name,面积,备注", "P1,甲,乙,1,"))


def test_a_file_without_header_is_refused_without_a_cell_in_the_sentence(tmp_path: Path) -> None:
    """Data in the place of a header is never quoted."""
    with pytest.raises(DeliveryError, match="no header was found") as refusal:
        read_bytes(tmp_path, lines("P1,秘密姓名,1,", "P2,秘密姓名,1,"))
    assert "秘密" not in str(refusal.value)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n \n", b",,,\n"])
def test_files_without_text_are_refused(tmp_path: Path, data: bytes) -> None:
    """Nothing, a lone mark, and blanks are no table."""
    with pytest.raises(DeliveryError):
        read_bytes(tmp_path, data)


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    """No rows is a valid delivery, with a warning."""
    result = read_bytes(tmp_path, lines(HEADER))
    assert result.rows == 0
    assert "no data rows" in result.warnings[0]
    assert rows_of(tmp_path).height == 0


def test_an_invalid_byte_refuses_the_file_and_names_its_place(tmp_path: Path) -> None:
    """A byte that is neither UTF-8 nor GB18030 is named by offset and line; nothing is written."""
    good = lines(HEADER, "P1,甲,1,")
    with pytest.raises(DeliveryError, match=f"offset {len(good) + 3}, line 3"):
        read_bytes(tmp_path, good + b"P2,\xff,1,\n")
    assert not list(tmp_path.glob("*rows.parquet*"))


def test_text_that_only_happens_to_decode_is_refused(tmp_path: Path) -> None:
    """Big5 decodes as GB18030 without an error; the characters it gives are rare ones."""
    columns = tuple(Column(n, n, "string", key_position=i == 0) for i, n in enumerate("abcd"))
    words = "資料庫管理與應用系統龍頭鎮公所戶籍登記簿這個檔案裡面寫著繁體中文字"
    data = lines("a,b,c,d", *[f"{n},{words},1,2" for n in range(50)], encoding="big5")
    assert data.decode("gb18030", "replace")
    with pytest.raises(DeliveryError, match="the text is big5"):
        read_bytes(tmp_path, data, feed(columns))


def test_a_few_private_use_characters_are_kept(tmp_path: Path) -> None:
    """A rare character of a name in the private-use area is text, not a wrong encoding."""
    data = lines(HEADER, "P1,王\ue000一,1,备注文字", encoding="gb18030")
    read_bytes(tmp_path, data)
    assert rows_of(tmp_path)["name"][0] == "王\ue000一"


def test_an_encoding_outside_the_contract_is_refused(tmp_path: Path) -> None:
    """The contract's whitelist decides."""
    with pytest.raises(DeliveryError, match="accepts"):
        read_bytes(tmp_path, lines(HEADER, "P1,甲,1,", encoding="gb18030"),
                   feed(encodings=("utf-8",)))  # fmt: skip


def test_an_unclosed_quote_is_refused_by_row(tmp_path: Path) -> None:
    """A quote that swallows the rest of the file is named by the row where it opens."""
    with pytest.raises(DeliveryError, match=r"row 3: .*never closed"):
        read_bytes(tmp_path, lines(HEADER, "P1,甲,1,", 'P2,"乙,1,', "P3,丙,1,"))


def test_stray_quotes_are_ordinary_characters(tmp_path: Path) -> None:
    """A quote inside a cell neither opens nor closes anything."""
    read_bytes(tmp_path, lines(HEADER, 'P1,5"管,1,', 'P2,"a"b",2,', "P3,丙,3,"))
    frame = rows_of(tmp_path)
    assert frame["name"].to_list() == ['5"管', 'a"b', "丙"]
    assert frame["area_sqm"].to_list() == ["1", "2", "3"]


def test_many_row_groups_keep_order_and_numbers(tmp_path: Path) -> None:
    """A file of several row groups with odd rows among them keeps every row in its place."""
    body = [f"P{n},甲,{n}," if n % 997 else f"P{n},甲,{n}" for n in range(260_000)]
    result = read_bytes(tmp_path, lines(HEADER, *body))
    frame = rows_of(tmp_path)
    assert result.rows == 260_000
    assert frame["_source_row"].to_list() == list(range(2, 260_002))
    assert frame["area_sqm"].to_list() == [str(n) for n in range(260_000)]
    assert frame["_defect"].null_count() == 260_000 - len(range(0, 260_000, 997))


CELLS = st.text(
    st.one_of(
        st.sampled_from("\",\n\r \t'a1甲，；;|\u3000\x0b"),
        st.sampled_from("𠀀龦䶮•€㐀😀"),
        st.characters(exclude_categories=("Cs", "Co", "Cn"), exclude_characters="\x00\x1a\ufeff"),
    ),
    max_size=6,
)
TABLES = st.integers(1, 5).flatmap(
    lambda width: st.tuples(
        st.just(width), st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=12)
    )
)


def as_csv(rows: list[list[str]], end: str, *, quote_all: bool, last: bool) -> str:
    """A table as RFC 4180 writes it (``csv.writer`` leaves a lone CR unquoted)."""
    quoted = [
        ",".join(
            '"' + cell.replace('"', '""') + '"' if quote_all or set(cell) & set('",\r\n') else cell
            for cell in row
        )
        for row in rows
    ]
    return end.join(quoted) + (end if last else "")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    table=TABLES,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote_all=st.booleans(),
    last=st.booleans(),
    chunk=st.sampled_from([1, 3, 7, 64, 1 << 20]),
    block=st.sampled_from([1, 50, 1 << 20]),
)
def test_any_table_round_trips_exactly(
    tmp_path: Path,
    *,
    table: tuple[int, list[list[str]]],
    encoding: str,
    end: str,
    quote_all: bool,
    last: bool,
    chunk: int,
    block: int,
) -> None:
    """Whatever the cells, encoding, line ends, quoting and chunk edges: same cells, same rows."""
    width, body = table
    body = [[f"k{n}", *row] for n, row in enumerate(body)]
    columns = tuple(
        Column(f"c{n}", f"列{n}", "string", key_position=n == 0) for n in range(width + 1)
    )
    content = as_csv([[c.title for c in columns], *body], end, quote_all=quote_all, last=last)
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode(encoding))
    ledger = Ledger()
    reader = TextTable(feed(columns), "b", "table.csv", ledger)
    rows = reader.read(path, tmp_path / "rows.parquet", chunk=chunk, block=block)
    frame = rows_of(tmp_path)
    assert rows == len(body)
    assert ledger.dropped == []
    assert ledger.sheets[0].records == len(body) + 1
    assert frame["_source_row"].to_list() == list(range(2, len(body) + 2))
    assert set(frame["_defect"].drop_nulls()) <= {"mojibake", "garbled"}
    read_back = frame.select(c.name for c in columns).rows()
    assert read_back == [tuple(cell or None for cell in row) for row in body]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.sampled_from('",\n\r ab一'), max_size=60),
    steps=st.tuples(st.sampled_from([1, 2, 5]), st.sampled_from([1, 10])),
)
def test_no_text_is_lost_and_none_depends_on_how_it_is_cut(
    tmp_path: Path, *, text: str, steps: tuple[int, int]
) -> None:
    """Any text below a header is read whole, or refused, in the same way for any step size."""
    path = tmp_path / "table.csv"
    path.write_bytes((HEADER + "\n" + text).encode())
    outcomes = []
    for chunk, block in (steps, (1 << 20, 1 << 20)):
        ledger = Ledger()
        reader = TextTable(feed(), "b", "table.csv", ledger)
        out = tmp_path / "rows.parquet"
        try:
            rows = reader.read(path, out, chunk=chunk, block=block)
        except DeliveryError as refusal:
            outcomes.append(str(refusal))
            continue
        assert ledger.sheets[0].records == rows + len(ledger.dropped) + 1
        outcomes.append(repr((pl.read_parquet(out).rows(), ledger)))
    assert outcomes[0] == outcomes[1]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """When the rows cannot be written, a sentence says so and no part of them stays."""
    path = tmp_path / "table.csv"
    path.write_bytes(lines(HEADER, *[f"P{n},{n**7},{n**9},{n**5}" for n in range(50_000)]))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from dagster_project.errors import LakeError\n"
        "from dagster_project.contracts.model import Column, Feed, Sla\n"
        "from dagster_project.ingest.readers import read\n"
        "columns = tuple(Column(n, n, 'string') for n in ('人员编号', '姓名', '面积', '备注'))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))\n"
        "feed = Feed('f', 'f', '1', 'd', 'd', columns, (), 'full', (), Sla())\n"
        "try: read(Path(sys.argv[1]), feed, 'b', Path(sys.argv[2]))\n"
        "except LakeError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(tmp_path / "rows.parquet")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "the rows of a delivery cannot be written" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("lead", ["", "id", "id ", "编号"])
def test_repeated_headers_are_recognised_whatever_their_first_title(
    tmp_path: Path, lead: str
) -> None:
    """A first title that is blank, plain or padded does not hide a repeated header."""
    header = f"{lead},{HEADER}"
    result = read_bytes(
        tmp_path, lines(header, "1,P1,甲,1,", header, "2,P2,乙,2,", f"{lead},P3,,,")
    )
    assert [(row.row, row.kind) for row in result.dropped] == [(3, "repeated_header")]
    assert rows_of(tmp_path)["person_no"].to_list() == ["P1", "P2", "P3"]
