"""Text tables of every encoding, line end, delimiter and quoting: what was written is read."""

from __future__ import annotations

import codecs
import string
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dagster_project.contracts.model import Column, Feed, Sla
from dagster_project.ingest.readers import read
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.text.table import TextTable
from dagster_project.ingest.readers.verdict import verdict

SIMPLIFIED = "安样甲冠山镇低保金补发龙头乡户籍登记簿"
TRADITIONAL = "安樣甲冠山鎮農業機械購置補貼龍頭鄉戶籍登記簿"
RARE = "㐀䶮𠮷𠀀龦•€😀"
CANTONESE = "喺咗哋啲嘅"
TITLES = {"traditional": "列登記項目", "simplified": "列登记项目"}
PROSE = {"traditional": "戶籍登記簿裏寫著龍頭鎮公所", "simplified": "户籍登记簿里写着龙头镇公所"}


@dataclass(frozen=True)
class Encoding:
    """An encoding: Python's name, the contract's word, its mark, and characters that it has."""

    name: str
    family: str
    letters: str
    mark: bytes = b""

    @property
    def script(self) -> str:
        """Which Chinese characters its departments write."""
        return "traditional" if self.family == "big5" else "simplified"


ENCODINGS = (
    Encoding("utf-8", "utf-8", SIMPLIFIED + TRADITIONAL + RARE),
    Encoding("utf-8-sig", "utf-8", SIMPLIFIED + RARE),
    Encoding("gb18030", "gb18030", SIMPLIFIED + RARE),
    Encoding("cp950", "big5", TRADITIONAL + "€"),
    Encoding("big5hkscs", "big5", TRADITIONAL + CANTONESE),
    Encoding("utf-16-le", "utf-16", SIMPLIFIED + RARE, codecs.BOM_UTF16_LE),
    Encoding("utf-16-be", "utf-16", SIMPLIFIED + RARE, codecs.BOM_UTF16_BE),
)
DELIMITERS = (",", "\t", ";", "|", "，")
ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r", "CRCRLF": "\r\r\n"}
QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass(frozen=True)
class Table:
    """A table and how it is written."""

    encoding: Encoding
    delimiter: str
    end: str
    quoting: str
    last_end: bool
    rows: tuple[tuple[str, ...], ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """The header."""
        return tuple(f"{TITLES[self.encoding.script]}{n}" for n in range(len(self.rows[0])))

    @property
    def feed(self) -> Feed:
        """A contract of such tables; it accepts this encoding and delimiter only."""
        columns = (
            Column(f"c{n}", title, "string", key_position=int(n == 0))
            for n, title in enumerate(self.titles)
        )
        return Feed(
            name="table", title="表", version="1.0.0", department_code="ga",
            department_name="公安局", columns=tuple(columns), rules=(), delivery="full",
            servers=(), sla=Sla(), encodings=(self.encoding.family,),
            delimiters=(self.delimiter,),
        )  # fmt: skip

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        return self.encoding.mark + self.text.encode(self.encoding.name)

    @property
    def text(self) -> str:
        """The file's text."""
        end = ENDS[self.end]
        lines = [self.delimiter.join(map(self._cell, row)) for row in (self.titles, *self.rows)]
        return end.join(lines) + (end if self.last_end else "")

    def told(self, encoding: str) -> bool:
        """Whether that is the encoding: the two of Big5 differ in few characters only."""
        if self.encoding.family != "big5":
            return encoding == self.encoding.name
        return encoding in {"cp950", "big5hkscs"} and self.data.decode(encoding) == self.text

    def _cell(self, cell: str) -> str:
        special = set(cell) & {self.delimiter, '"', "\r", "\n"}
        if self.quoting == "all" or (self.quoting == "needed" and special):
            return '"' + cell.replace('"', '""') + '"'
        return cell


def cells(encoding: Encoding, delimiter: str, end: str, quoting: str) -> st.SearchStrategy[str]:
    """Cells that this way of writing can express."""
    special = ""
    if quoting != "none":
        special = f'"{delimiter},;|' + ("" if end == "CRCRLF" else "\r\n")
    plain = string.ascii_letters + string.digits + " '-_:=@"
    if end != "CRCRLF" or quoting == "none":
        plain += "\x0b\x0c"
    return st.text(st.sampled_from(encoding.letters + plain + special), max_size=7)


@st.composite
def tables(draw: st.DrawFn, *, width: int = 1, rows: int = 1) -> Table:
    """Tables whose first column is a key that is always filled."""
    encoding = draw(st.sampled_from(ENCODINGS))
    delimiters = [d for d in DELIMITERS if d != "，" or encoding.family != "cp1252"]
    delimiter = draw(st.sampled_from(delimiters))
    end = draw(st.sampled_from(sorted(ENDS)))
    quoting = draw(st.sampled_from(["needed", "all", "none"]))
    columns = draw(st.integers(width, 5))
    kind = cells(encoding, delimiter, end, quoting)
    line = st.lists(kind, min_size=columns, max_size=columns)
    body = draw(st.lists(line, min_size=rows, max_size=8))
    keyed = tuple((f"k{n}", *row) for n, row in enumerate(body))
    table = Table(encoding, delimiter, end, quoting, draw(st.booleans()), keyed)
    if quoting == "none":
        assume(not any(delimiter in cell for row in keyed for cell in row))
    return table


def written(out: Path, columns: int) -> list[tuple[str | None, ...]]:
    """The rows in the Parquet file, without their provenance."""
    frame = pl.read_parquet(out)
    assert frame["_defect"].null_count() == frame.height
    assert frame["_extra"].null_count() == frame.height
    return frame.select(frame.columns[:columns]).rows()


def as_read(table: Table) -> list[tuple[str | None, ...]]:
    """The rows as they must come back: an empty cell is NULL."""
    return [tuple(cell or None for cell in row) for row in table.rows]


@QUICK
@given(table=tables())
def test_a_table_with_its_contract_comes_back_exactly(tmp_path: Path, table: Table) -> None:
    """Every cell of every row, whatever the encoding, delimiter, line ends and quotes."""
    path, out = tmp_path / "table.csv", tmp_path / "rows.parquet"
    path.write_bytes(table.data)
    result = read(path, table.feed, "b", out)
    assert written(out, len(table.titles)) == as_read(table)
    assert result.dropped == ()
    assert result.sheets[0].records == len(table.rows) + 1
    assert table.told(result.encoding)
    if len(table.rows) > 1:
        assert result.dialect is not None
        assert result.dialect.line_end == table.end


@QUICK
@given(
    table=tables(),
    chunk=st.sampled_from([1, 2, 3, 5, 64, 1 << 20]),
    block=st.sampled_from([1, 50, 1 << 20]),
)
def test_where_a_file_is_cut_while_reading_does_not_matter(
    tmp_path: Path, *, table: Table, chunk: int, block: int
) -> None:
    """Characters, line ends and quotes that a step of reading cuts in two are read whole."""
    path, out = tmp_path / "table.csv", tmp_path / "rows.parquet"
    path.write_bytes(table.data)
    ledger = Ledger()
    TextTable(table.feed, "b", "table.csv", ledger).read(path, out, chunk=chunk, block=block)
    assert written(out, len(table.titles)) == as_read(table)
    assert ledger.sheets[0].records == len(table.rows) + 1
    assert not ledger.dropped


@QUICK
@given(table=tables(width=2, rows=2))
def test_a_table_without_contract_comes_back_exactly(tmp_path: Path, table: Table) -> None:
    """Encoding and delimiter are found by evidence alone, where the text gives some."""
    others = set(DELIMITERS) - {table.delimiter}
    assume(not any(set(cell) & others for row in table.rows for cell in row))
    # Big5 is told by its prose: a handful of characters could be anything.
    prose = PROSE[table.encoding.script]
    rows = tuple((*row, f"{prose}{n}") for n, row in enumerate(table.rows))
    table = Table(table.encoding, table.delimiter, table.end, table.quoting, table.last_end, rows)
    path, out = tmp_path / "table.csv", tmp_path / "rows.parquet"
    path.write_bytes(table.data)
    told = verdict(path, out=out)
    assert told["refused"] is None
    assert told["sheets"][0]["columns"] == list(table.titles)
    assert told["dialect"]["delimiter"] == table.delimiter
    assert told["dialect"]["line_end"] == table.end
    assert table.told(told["encoding"])
    assert written(out, len(table.titles)) == as_read(table)
