"""What is found in a package before a library unpacks it: real extents, marks, and attacks."""

from __future__ import annotations

import functools
import itertools
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import Merge, opened
from dagster_project.ingest.readers.books.sheet_xml import Found, survey
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import Format
from tests.binary_kit import record, write_xlsb
from tests.book_kit import Page, bomb, edit, write_ods, write_xls, write_xlsx, write_xml2003, zipped

SHEET = "sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
ROWS = """
<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1"/></row><row r="2" spans="1:3" hidden="1"><c
r="A2"><v>1</v></c></row><row r="3"/><row r="4"><c r="C4" s="3" t="e"><v>#DIV/0!</v></c></row>
<row r="5" hidden="1"><c r="A5"><f>B5&amp;"x"</f></c><c r="B5"><f>1+1</f><v>2</v></c></row>
<row r="6"><c r="A6"><f t="shared" ref="A6:A7" si="0">C6*2</f><v/></c></row>
<row r="7"><c r="A7"><f t="shared" si="0"/><v></v></c><c r="B7" t="str"><f>""</f><v></v></c></row>
<row r="8"><c r="A8" t="inlineStr"><is><t xml:space="preserve"> a </t></is></c></row>
<row r="9"><c r="D9"><v>140321199003071234</v></c><c r="E9" t="s"><v>1</v></c></row>
"""


def sheet(rows: str, *, plain: bool = True) -> bytes:
    """A worksheet's part; written otherwise no row of it is in the plain form."""
    body = f'<cols><col min="2" max="3" hidden="1"/></cols><sheetData>{rows}</sheetData>'
    body = body if plain else body.replace("<sheetData>", "<sheetData >")
    return f'<?xml version="1.0"?><worksheet xmlns="{MAIN}">{body}</worksheet>'.encode()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The data in pieces of a size."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [7, 100, 1 << 20])
@pytest.mark.parametrize("plain", [True, False])
def test_plain_rows_and_others_are_surveyed_alike(size: int, *, plain: bool) -> None:
    """Matching rows and parsing them finds the same, however the bytes are cut."""
    found = survey(pieces(sheet(ROWS, plain=plain), size), "表")
    assert found == Found(
        height=9,
        width=5,
        hidden_rows={2, 5},
        hidden_columns={2, 3},
        formulas={5: {1: '=B5&"x"'}, 6: {1: "=C6*2"}, 7: {1: "=C6*2"}},
        errors={4: {3: "#DIV/0!"}},
        exact={9: {4: "140321199003071234"}},
    )


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="2"><c r="A9"><v>1</v></c></row>',
        '<row r="1"><c r="XFD1"><v>1</v></c><c r="A1"><v>1</v></c></row>',
        "<row><c><v>1</v></c><c><v>1</v></c></row>",
        "<row r='3'><c r='B3'><v>1</v></c></row>",
        '<row r="1"><c s="1" r="AB1"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v><![CDATA[1]]></v></c></row>',
        '<row r="1"><!-- <row r="900"> --><c r="B1"><v>1</v></c></row>',
        '<row r="1"><c r="A1" t="e"><v>#N/A</v></c></row><row r="2" x=">"/>',
        '<x:row xmlns:x="urn:x" r="1"><x:c r="AA1"><x:v>1</x:v></x:c></x:row>',
        '<row r="1"><c r="A1"><v>1</v></c><extLst><ext><row r="99"/></ext></extLst></row>',
    ],
)
def test_no_form_of_a_row_escapes_the_survey(rows: str) -> None:
    """Cells out of place, implied places, other quotes and remarks: all as the parser sees them."""
    plain, parsed = (survey([sheet(rows, plain=p)], "表") for p in (True, False))
    assert (plain.errors, plain.height, plain.width) == (parsed.errors, parsed.height, parsed.width)
    assert plain.height
    assert plain.width


def replaced(old: bytes, new: bytes, data: bytes) -> bytes:
    """The data with one text for another."""
    assert old in data
    return data.replace(old, new)


def test_false_dimensions_do_not_matter(tmp_path: Path) -> None:
    """A sheet that claims all cells, or one, is read as far as its cells reach."""
    rows = [["a", "b"], ["1", "2"], ["3", "4"]]
    for claim in (b"A1:XFD1048576", b"A1", b"C7:D9"):
        path = write_xlsx(tmp_path / "a", Page("甲", rows))
        edit(path, SHEET, functools.partial(replaced, b"A1:B3", claim))
        with opened(path, "xlsx", name="表", limits=Limits()) as book:
            (only,) = book.sheets
            assert (only.height, only.width, only.head(3)[2][1]) == (3, 2, ["3", "4"])


def test_styled_empty_cells_do_not_make_a_sheet_too_large(tmp_path: Path) -> None:
    """A used range far beyond the table is looked through once more, without its empty cells."""
    far = b'<row r="900000"><c r="A900000" s="0"/><c r="XFD900000" s="0"/></row></sheetData>'
    path = write_xlsx(tmp_path / "a", Page("甲", [["a", "b"], ["1", "2"]]))
    edit(path, SHEET, lambda data: data.replace(b"</sheetData>", far))
    with opened(path, "xlsx", name="表", limits=Limits()) as book:
        assert (book.sheets[0].height, book.sheets[0].width) == (2, 2)


@pytest.mark.parametrize(
    "cell", [b'<c r="XFD1048576"><v>1</v></c>', b"<c r='XFD1048576' t='b'><v>1</v></c>"]
)
def test_a_far_cell_refuses_the_workbook(tmp_path: Path, cell: bytes) -> None:
    """Calamine would ask for memory for seventeen thousand million cells and end the process."""
    row = b'<row r="1048576">' + cell + b"</row></sheetData>"
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    edit(path, SHEET, lambda data: data.replace(b"</sheetData>", row))
    refusal = refused(path, "xlsx")
    assert refusal.reason == "too_large"
    assert "sheet 甲: the sheet's filled cells reach to row 1048576 and column 16384" in str(
        refusal
    )


def test_a_far_cell_refuses_the_other_kinds(tmp_path: Path) -> None:
    """What reaches or repeats beyond all measure is refused before it takes memory."""
    binary = write_xlsb(tmp_path / "a.xlsb", Page("甲", [["a"]]))
    far = record(0, struct.pack("<IIHBBBI", 1048575, 0, 300, 0, 0, 0, 0))
    far += record(5, struct.pack("<IId", 16383, 0, 1.0)) + record(146)
    edit(binary, "sheet1.bin", lambda data: data.replace(record(146), far))
    document = write_ods(tmp_path / "a.ods", Page("甲", [["a"]]))
    repeats = b'<table:table-row table:number-rows-repeated="1048576">'
    wide = b'<table:table-cell table:number-columns-repeated="16384" '
    edit(document, "content.xml", functools.partial(replaced, b"<table:table-row>", repeats))
    edit(document, "content.xml", functools.partial(replaced, b"<table:table-cell ", wide))
    spread = write_xml2003(tmp_path / "a.xml", Page("甲", [["a"]]))
    spread.write_bytes(
        spread.read_bytes()
        .replace(b'<Row ss:Index="1"', b'<Row ss:Index="1048576"')
        .replace(b'<Cell ss:Index="1"', b'<Cell ss:Index="16384"')
    )
    page = tmp_path / "a.html"
    page.write_text("<table><tr>" + "<td colspan=1000>a" * 1000 + "<tr>" * 30 + "<td>b</table>")
    kinds: list[tuple[Path, Format]] = [
        (binary, "xlsb"), (document, "ods"), (spread, "xml2003"), (page, "html"),
    ]  # fmt: skip
    for path, kind in kinds:
        assert refused(path, kind).reason == "too_large", kind


def test_impossible_claims_of_an_old_workbook_are_damage(tmp_path: Path) -> None:
    """Calamine asks for memory for what an .xls claims to hold, and ends the process."""
    path = write_xls(tmp_path / "a", Page("甲", [["a", "b"], ["1", "2"]]))
    honest = struct.pack("<HHIIHHH", 0x200, 14, 0, 2, 0, 2, 0)
    data = path.read_bytes()
    assert data.count(honest) == 1
    for claim in ((0, 1 << 31, 0, 2), (9, 2, 0, 2), (0, 2, 0, 60_000)):
        path.write_bytes(data.replace(honest, struct.pack("<HHIIHHH", 0x200, 14, *claim, 0)))
        assert refused(path, "xls").reason == "damaged"


def refused(path: Path, kind: Format, limits: Limits | None = None) -> DeliveryError:
    """The refusal of a workbook."""
    with pytest.raises(DeliveryError) as refusal:
        heads(path, kind, limits or Limits())
    return refusal.value


def heads(path: Path, kind: Format, limits: Limits) -> None:
    """Look at every sheet of a workbook."""
    with opened(path, kind, name="表", limits=limits) as book:
        for one in book.sheets:
            one.head(5)


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize("part", ["workbook.xml", SHEET, "styles.xml", "workbook.xml.rels"])
def test_entities_are_refused_in_every_part(tmp_path: Path, part: str) -> None:
    """A document type is no part of a workbook, whoever would parse it."""
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    edit(path, part, lambda data: LAUGHS + data)
    assert refused(path, "xlsx").reason == "xml_entities"


def test_entities_are_refused_in_the_other_kinds(tmp_path: Path) -> None:
    """The same in OpenDocument and XML Spreadsheet 2003."""
    document = write_ods(tmp_path / "a.ods", Page("甲", [["a"]]))
    edit(document, "content.xml", lambda data: data.replace(b"?>", b"?>" + LAUGHS, 1))
    assert refused(document, "ods").reason == "xml_entities"
    spread = write_xml2003(tmp_path / "a.xml", Page("甲", [["a"]]))
    spread.write_bytes(spread.read_bytes().replace(b"?>", b"?>" + LAUGHS, 1))
    assert refused(spread, "xml2003").reason == "xml_entities"


def test_a_bomb_is_refused_while_it_unpacks(tmp_path: Path) -> None:
    """A small part that unpacks to hundreds of times its size is no sheet."""
    path = bomb(tmp_path / "a", mebibytes=3)
    limits = Limits(ratio_from=1 << 20)
    refusal = refused(path, "xlsx", limits)
    assert refusal.reason == "bomb"
    assert "part xl/worksheets/sheet1.xml" in str(refusal)
    assert refused(bomb(tmp_path / "b", "xl/styles.xml", 3), "xlsx", limits).reason == "bomb"


def test_a_part_that_lies_about_its_size_is_damaged(tmp_path: Path) -> None:
    """What a package claims of a part is not believed."""
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]] * 50))
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("xl/worksheets/sheet1.xml")
        start = archive.read(entry)[:100]
    told = struct.pack("<II", entry.compress_size, entry.file_size)
    lie = struct.pack("<II", entry.compress_size, 100)
    data = path.read_bytes().replace(told, lie)
    honest, forged = (struct.pack("<I", crc) for crc in (entry.CRC, zlib.crc32(start)))
    path.write_bytes(data.replace(honest, forged))
    assert refused(path, "xlsx").reason == "damaged"


def test_deep_nesting_ends_no_process(tmp_path: Path) -> None:
    """Thousands of open elements are nothing, hundreds of thousands are damage."""
    deep = b"<x>" * 100_000 + b"</x>" * 100_000
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    edit(path, SHEET, lambda data: data.replace(b"<sheetData>", deep + b"<sheetData>"))
    with opened(path, "xlsx", name="表", limits=Limits()) as book:
        assert book.sheets[0].head(1) == [(1, ["a"])]
    deeper = b"<x>" * 250_000
    edit(path, SHEET, lambda data: data.replace(b"<sheetData>", deeper + b"<sheetData>"))
    refusal = refused(path, "xlsx")
    assert (refusal.reason, "nested" in str(refusal)) == ("damaged", True)
    page = tmp_path / "a.html"
    page.write_text("<table><tr><td>" * 1000)
    assert refused(page, "html").reason == "not_a_table"


def test_merges_over_one_another_cost_no_more_than_one(tmp_path: Path) -> None:
    """Ranges that overlap, as no program makes them, do not multiply the work."""
    rows = "".join(f'<mergeCell ref="A{n}:A900000"/>' for n in range(2, 500))
    far = '<row r="30000"><c r="B30000"><v>1</v></c></row></sheetData>'
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"], ["b"]]))
    text = f"{far}<mergeCells>{rows}</mergeCells>".encode()
    edit(path, SHEET, lambda data: data.replace(b"</sheetData>", text))
    with opened(path, "xlsx", name="表", limits=Limits()) as book:
        (only,) = book.sheets
        assert only.filled(1) == [Merge(2, 1, 30_000, 1)]
        assert sum(frame["x"].count() for frame in only.frames(["x", "y"], after=1)) == 29_999


def test_a_package_without_its_parts_is_damaged(tmp_path: Path) -> None:
    """A workbook's name on an empty package."""
    path = tmp_path / "a"
    path.write_bytes(zipped(**{"xl/workbook.xml": b"<workbook/>"}))
    assert refused(path, "xlsx").reason == "damaged"


def test_two_parts_of_one_name_are_damage(tmp_path: Path) -> None:
    """Two libraries could each read another one."""
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<worksheet/>")
    assert refused(path, "xlsx").reason == "damaged"


def test_all_columns_have_their_numbers() -> None:
    """A, Z, AA, XFD: from letters to numbers."""
    letters = ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA", "XFD"]
    numbers = [1, 26, 27, 52, 53, 702, 703, 16384]
    for letter, number in zip(letters, numbers, strict=True):
        rows = "".join(f'<row r="{n}"><c r="{letter}{n}"><v>1</v></c></row>' for n in (1, 2))
        assert survey([sheet(rows)], "表").width == number
    for one, other in itertools.pairwise(letters):
        rows = f'<row r="1"><c r="{other}1"><v>1</v></c><c r="{one}1"><v>1</v></c></row>'
        assert survey([sheet(rows)], "表").width == numbers[letters.index(other)]
