"""Tables that only carry a workbook's name: HTML, XML Spreadsheet 2003, OpenDocument."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import Book, Merge, Sheet, opened
from dagster_project.ingest.readers.books.grid import number_text
from dagster_project.ingest.readers.books.markup import attributes, tokens
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import Format
from tests.book_kit import Page, edit, write_html, write_ods, write_xml2003

TITLES = ["姓名", "乡镇"]


@contextmanager
def page(tmp_path: Path, text: str | bytes) -> Iterator[Book]:
    """A web page, opened."""
    path = tmp_path / "a.xls"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with opened(path, "html", name="表", limits=Limits()) as book:
        yield book


def texts(sheet: Sheet) -> list[list[str]]:
    """All rows of a sheet."""
    return [list(cells) for _, cells in sheet.head(sheet.height)]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<td>a &amp; b&nbsp;c&#20013;&#x1F600;</td>", "a & b\xa0c中😀"),
        ("<td>\n  one\n  <b>two</b>  </td>", "one two"),
        ("<td>一<br>二<br/>三</td>", "一\n二\n三"),
        ("<td><p>一</p><p>二</p></td>", "一\n\n二"),
        ("<td>&nbsp;</td>", ""),
        ("<td>a<!-- <td>no --><script>if (1<2) x('</td>')</script>b</td>", "ab"),
        ("<td>a<![if !x]>b<![endif]></td>", "ab"),
        ("<TD ALIGN='a>b' nowrap>x", "x"),
        ("<td>1 < 2 & 3</td>", "1 < 2 & 3"),
        ('<td x:num="140321199003071000">1.40321E+17</td>', "140321199003071000"),
        ('<td x:num="45077">2023-05-31</td>', "2023-05-31"),
        ("<td x:num='1234.5'>1,235</td>", "1234.5"),
        ("<td style=\"mso-number-format:'\\@'\">007</td>", "007"),
        ("<td title='x", ""),
    ],
)
def test_a_cell_is_what_the_page_shows(tmp_path: Path, cell: str, text: str) -> None:
    """Entities, tags, remarks and stray signs; and the number that Excel keeps behind it."""
    with page(tmp_path, f"<table><tr><th>姓名<tr>{cell}</tr><tr><td>末</table>") as book:
        assert texts(book.sheets[0])[:2] == [["姓名"], [text]]


def test_spans_are_merges_and_move_the_cells_beside_them(tmp_path: Path) -> None:
    """Every cell stands in its column, however many reach into its row."""
    with page(
        tmp_path,
        "<table><tr><td rowspan=3>a<td colspan=2>b<td>c</tr>"
        "<tr><td>d<td rowspan=2 colspan=2>e</tr><tr><td>f</tr><tr><td>g<td>h</table>",
    ) as book:
        (sheet,) = book.sheets
        assert texts(sheet) == [
            ["a", "b", "", "c"], ["", "d", "e", ""], ["", "f", "", ""], ["g", "h", "", ""],
        ]  # fmt: skip
        assert sheet.merges == (Merge(1, 1, 3, 1), Merge(1, 2, 1, 3), Merge(2, 3, 3, 4))


def test_every_table_is_a_sheet_and_a_frame_comes_last(tmp_path: Path) -> None:
    """Layout tables around the data do not stand before it; empty ones are none."""
    with page(
        tmp_path,
        "<table><tr><td>导出系统<table><tr><td>姓名</table></td></tr></table>"
        "<table><tr><td> &nbsp; </table><table><tr style='display: none'><td>x</table>",
    ) as book:
        assert [(s.name, s.where, texts(s)) for s in book.sheets] == [
            ("1", "表, sheet 1", [["姓名"]]),
            ("2", "表, sheet 2", [["x"]]),
            ("3", "表, sheet 3", [["导出系统"]]),
        ]
        assert book.sheets[1].hidden_rows == {1}


@pytest.mark.parametrize(
    ("encoding", "charset", "bom"),
    [
        ("utf-8", "", False), ("utf-8", None, True), ("utf-8", "gb2312", False),
        ("gb18030", "", False), ("gb18030", "gb2312", False), ("gb18030", None, False),
        ("big5", "", False), ("utf-16", None, False), ("utf-16-le", None, False),
    ],
)  # fmt: skip
def test_a_page_is_decoded_as_it_is(
    tmp_path: Path, encoding: str, charset: str | None, *, bom: bool
) -> None:
    """The mark, then what the bytes prove, then what the page says of itself."""
    rows = [["姓名", "鄉鎮"], *([f"張三{n}", "冠山鎮"] for n in range(20))]
    path = write_html(tmp_path / "a", Page("", rows), encoding=encoding, charset=charset, bom=bom)
    with opened(path, "html", name="表", limits=Limits()) as book:
        assert texts(book.sheets[0]) == rows


def refused(path: Path, kind: Format) -> DeliveryError:
    """The refusal of a file."""
    with pytest.raises(DeliveryError) as refusal, opened(path, kind, name="表", limits=Limits()):
        pass
    return refusal.value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html><body>404 Not Found</body></html>", "not_a_table"),
        (b"<table></table>", "not_a_table"),
        ("<meta charset=big5><table><td>䶮".encode("gb18030"), "undecodable"),
        (b"\xef\xbb\xbf<table><td>\xd5\xc5", "undecodable"),
    ],
)
def test_a_page_that_is_no_table_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    """Error pages and pages in no encoding are told by name."""
    path = tmp_path / "a"
    path.write_bytes(data)
    assert refused(path, "html").reason == reason


def test_a_cut_page_costs_time_in_proportion() -> None:
    """Unclosed quotes, remarks and tags do not make the reader try again and again."""
    for opening in ("<a b='", "<!--", "<td ", "<script>", "&#", "<a b=\"'"):
        assert len(list(tokens(opening * 20_000))) <= 40_000


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (' COLSPAN="2" rowspan = 3 nowrap', {"colspan": "2", "rowspan": "3", "nowrap": ""}),
        (" a='x\"y' b=c/", {"a": 'x"y', "b": "c/"}),
        (" /", {}),
    ],
)
def test_attributes_are_read_in_every_form(raw: str, said: dict[str, str]) -> None:
    """Quoted in two ways, bare, or without a value."""
    assert attributes(raw) == said


@pytest.mark.parametrize(
    ("raw", "text"),
    [("007", "7"), ("140321199003071234", "140321199003071234"), ("-0", "0"), ("1.50", "1.5"),
     ("1.40321199003071E+17", "140321199003071000"), ("0.1", "0.1"), ("", ""), ("x", "x"),
     ("1.1000000000000001", "1.1"), ("+5", "5"), ("1e999", "1e999")],
)  # fmt: skip
def test_numbers_of_markup_keep_their_digits(raw: str, text: str) -> None:
    """Whole numbers as they are written, others as the binary number they stand for."""
    assert number_text(raw) == text


def spreadsheet(tmp_path: Path, table: str, encoding: str = "utf-8") -> Path:
    """An XML Spreadsheet 2003 with this table."""
    path = write_xml2003(tmp_path / "a", Page("甲", []), encoding=encoding)
    text = path.read_bytes().decode(encoding)
    path.write_bytes(text.replace("<Table></Table>", f"<Table>{table}</Table>").encode(encoding))
    return path


def test_indexes_and_merges_place_the_cells_of_xml(tmp_path: Path) -> None:
    """Left-out rows and columns are empty; a merged cell moves the next one."""
    across, down, third = 'MergeAcross="1"', 'MergeDown="0"', 'Index="3"'
    cell = '<Cell ss:{}><Data ss:Type="String">{}</Data></Cell>'.format
    path = spreadsheet(
        tmp_path,
        '<Column ss:Hidden="1" ss:Span="1"/><Column/><Column ss:Hidden="1"/>'
        f"<Row>{cell(across, 'a')}{cell(down, 'b')}</Row>"
        f"<Row ss:Index='4' ss:Hidden='1'>{cell(third, 'c')}"
        '<Cell><Comment><ss:Data xmlns="http://www.w3.org/TR/REC-html40">no</ss:Data></Comment>'
        "</Cell></Row><Row><Cell/></Row>",
    )
    with opened(path, "xml2003", name="表", limits=Limits()) as book:
        (sheet,) = book.sheets
        assert texts(sheet) == [["a", "", "b"], ["", "", ""], ["", "", ""], ["", "", "c"]]
        assert (sheet.hidden_rows, sheet.hidden_columns) == ({4}, {1, 2})
        assert sheet.merges == (Merge(1, 1, 1, 2),)


@pytest.mark.parametrize("encoding", ["utf-8", "gb2312", "gbk", "gb18030", "utf-16"])
def test_xml_is_decoded_as_it_declares(tmp_path: Path, encoding: str) -> None:
    """Also in the encodings that the parser itself does not know."""
    path = write_xml2003(
        tmp_path / "a", Page("甲", [TITLES, ["张三", "冠山镇"]]), encoding=encoding
    )
    with opened(path, "xml2003", name="表", limits=Limits()) as book:
        assert texts(book.sheets[0]) == [TITLES, ["张三", "冠山镇"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"</Workbook>", b""), "damaged"),
        ((b'ss:Index="1"', b'ss:Index="-7"'), "damaged"),
        ((b'encoding="utf-8"', b'encoding="klingon"'), "undecodable"),
        ((b'encoding="utf-8"', b'encoding="gbk"'), "undecodable"),
    ],
)
def test_broken_xml_is_refused(tmp_path: Path, change: tuple[bytes, bytes], reason: str) -> None:
    """Cut short, with impossible places, or in another encoding than it says."""
    path = write_xml2003(tmp_path / "a", Page("甲", [["姓名"], ["\u0451三"]]))
    path.write_bytes(path.read_bytes().replace(*change))
    assert refused(path, "xml2003").reason == reason


def test_repeated_rows_and_cells_of_ods_are_all_there(tmp_path: Path) -> None:
    """What repeats is written once; a million empty rows at the end are none."""
    path = write_ods(tmp_path / "a", Page("甲", [["x", None, "y"]]), repeated=1_048_000)
    row, cell = b"<table:table-row>", b"<table:table-cell/>"
    rows = b'<table:table-row table:number-rows-repeated="3">'
    cells = b'<table:table-cell table:number-columns-repeated="2"/>'
    edit(path, "content.xml", lambda data: data.replace(row, rows, 1).replace(cell, cells))
    with opened(path, "ods", name="表", limits=Limits()) as book:
        assert texts(book.sheets[0]) == [["x", "", "", "y"]] * 3


def test_texts_of_ods_are_without_comments(tmp_path: Path) -> None:
    """Paragraphs, blanks and links belong to a cell; a comment does not."""
    path = write_ods(tmp_path / "a", Page("甲", [["x"]]))
    inner = (
        '<office:annotation><text:p>旁注</text:p></office:annotation><text:p>一<text:s text:c="2"/>'
        "<text:span>二</text:span><text:tab/>三</text:p><text:p>四<text:line-break/>五</text:p>"
    )
    old = b"<text:p>x</text:p>"
    edit(path, "content.xml", lambda data: data.replace(old, inner.encode()))
    with opened(path, "ods", name="表", limits=Limits()) as book:
        assert texts(book.sheets[0]) == [["一  二\t三\n四\n五"]]
