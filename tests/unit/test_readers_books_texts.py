"""Packages that would make a library take more memory than there is, or read an unseen part."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import bounds, opened, packaged, sheet_xml, texts
from dagster_project.ingest.readers.books.package import Package
from dagster_project.ingest.readers.limits import Limits
from tests.book_kit import Page, edit, write_ods, write_xlsx

SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
FAR = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'


def refusal(path: Path, limits: Limits | None = None) -> DeliveryError:
    """How an .xlsx workbook is refused."""
    with pytest.raises(DeliveryError) as caught:
        heads(path, limits or Limits())
    return caught.value


def heads(path: Path, limits: Limits) -> None:
    """Open a workbook and look at every sheet."""
    with opened(path, "xlsx", name="表", limits=limits) as book:
        for sheet in book.sheets:
            sheet.head(5)


def rebuilt(path: Path, change: Callable[[str, bytes], Iterator[tuple[str, bytes]]]) -> Path:
    """A package with its parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            for title, content in change(name, data):
                archive.writestr(title, content)
    return path


@pytest.mark.parametrize(
    "hidden", ["xl/worksheets/SHEET1.XML", "xl/Worksheets/sheet1.xml", "xl\\worksheets\\sheet1.xml"]
)
def test_no_spelling_of_a_part_hides_a_sheet(tmp_path: Path, hidden: str) -> None:
    """A far cell in a part whose name only the library finds ends no process."""

    def change(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
        if name == SHEET:
            yield hidden, data.replace(b"</sheetData>", FAR)
        else:
            yield name, data

    path = rebuilt(write_xlsx(tmp_path / "a", Page("甲", [["a"]])), change)
    assert refusal(path).reason in {"too_large", "damaged"}


def test_two_spellings_of_one_part_are_damage(tmp_path: Path) -> None:
    """Which of them is read is not left to a library."""

    def change(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
        yield name, data
        if name == SHEET:
            yield name.upper(), data

    path = rebuilt(write_xlsx(tmp_path / "a", Page("甲", [["a"]])), change)
    assert refusal(path).reason == "damaged"


def test_relations_under_another_spelling_are_damage(tmp_path: Path) -> None:
    """They would lead the library alone to the sheets."""

    def change(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
        yield name.replace("workbook.xml.rels", "WORKBOOK.xml.rels"), data

    path = rebuilt(write_xlsx(tmp_path / "a", Page("甲", [["a"]])), change)
    assert refusal(path).reason == "damaged"


def test_two_sheets_of_one_name_are_damage(tmp_path: Path) -> None:
    """The last one would be looked at, and the first one read."""
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]), Page("乙", [["b"]]))
    edit(path, "workbook.xml", lambda data: data.replace("乙".encode(), "甲".encode()))
    assert refusal(path).reason == "damaged"


def sharing(path: Path, cells: int, string: bytes, others: bytes = b"") -> Path:
    """A workbook with one shared string in so many cells."""
    rows = b"".join(b'<row><c t="s"><v>0</v></c></row>' for _ in range(cells))
    strings = b"<sst><si><t>" + string + b"</t></si>" + others + b"</sst>"
    path = write_xlsx(path, Page("甲", [["编号"]]))
    edit(path, "sheet1.xml", lambda data: data.replace(b"</sheetData>", rows + b"</sheetData>"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(STRINGS, strings)
    return path


@pytest.mark.parametrize("string", [b"x" * 30_000, b"<![CDATA[" + b"</si>" * 6000 + b"]]>"])
def test_one_long_string_in_many_cells_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, string: bytes
) -> None:
    """What cells show together is bounded, not only what the file holds."""
    monkeypatch.setattr(texts, "MOST", 1 << 20)
    with opened(sharing(tmp_path / "a", 30, string), "xlsx", name="表", limits=Limits()) as book:
        assert len(book.sheets[0].head(50)) == 31
    assert refusal(sharing(tmp_path / "b", 40, string)).reason == "too_large"


def test_written_text_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is text that stands in the cells themselves."""
    monkeypatch.setattr(texts, "MOST", 1 << 20)
    path = write_xlsx(tmp_path / "a", Page("甲", [["编号"], *[["x" * 30_000]] * 40]))
    assert refusal(path).reason == "too_large"


def test_too_many_strings_are_too_large(tmp_path: Path) -> None:
    """Strings without a cell fill the memory as well."""
    path = sharing(tmp_path / "a", 1, b"x", b"<si/>" * 300)
    with opened(path, "xlsx", name="表", limits=Limits(cells=1000)):
        pass
    assert refusal(path, Limits(cells=100)).reason == "too_large"


def test_written_text_is_measured_without_its_tags(tmp_path: Path) -> None:
    """Tags do not count; what a CDATA section hides does."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("plain", b"<a><b>" + b"x" * 100 + b"</b></a>")
        archive.writestr("hidden", b"<a><![CDATA[<<" + b"x" * 100 + b"]]></a>")
    with Package(path, "表", Limits()) as package:
        assert 100 <= texts.written(package, "plain") <= 104
        assert texts.written(package, "hidden") >= 100


def test_a_repeated_formula_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One shared formula stands in every cell that uses it."""
    monkeypatch.setattr(sheet_xml, "FORMULAS", 10_000)
    first = '<row r="2"><c r="A2"><f t="shared" si="0">' + "A1+" * 100 + "1</f></c></row>"
    rest = "".join(
        f'<row r="{n}"><c r="A{n}"><f t="shared" si="0"/></c></row>' for n in range(3, 60)
    )
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    text = f"{first}{rest}</sheetData>".encode()
    edit(path, "sheet1.xml", lambda data: data.replace(b"</sheetData>", text))
    assert refusal(path).reason == "too_large"


@pytest.mark.parametrize("part", ["styles.xml", "workbook.xml", "theme1.xml"])
def test_an_overgrown_part_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Libraries load such parts whole."""
    monkeypatch.setattr(packaged, "SMALL", 100_000)
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    edit(path, part, lambda data: data + b" " * 100_000)
    assert refusal(path).reason == "too_large"


@pytest.mark.parametrize(
    "row",
    [
        '<row r="4294967295"><c r="A4294967295"><v>1</v></c></row>',
        '<row r="9"><c r="A999999999"><v>1</v></c></row>',
        '<row r="100000000"><c><v>1</v></c></row>',
    ],
)
def test_a_row_beyond_all_numbers_ends_no_process(tmp_path: Path, row: str) -> None:
    """A number too long to be a row's is no reason to take it for the next one."""
    path = write_xlsx(tmp_path / "a", Page("甲", [["a"]]))
    text = f"{row}</sheetData>".encode()
    edit(path, "sheet1.xml", lambda data: data.replace(b"</sheetData>", text))
    assert refusal(path).reason == "damaged"


def test_a_repeated_row_is_bounded_by_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes of an OpenDocument sheet can repeat a long text a million times."""
    monkeypatch.setattr(bounds, "MOST", 1 << 20)
    path = write_ods(tmp_path / "a", Page("甲", [["编号"], ["字" * 30_000]]))
    row = b'<table:table-row table:number-rows-repeated="50">'
    edit(path, "content.xml", lambda data: data.replace(b"<table:table-row>", row))
    with (
        pytest.raises(DeliveryError, match="of text") as caught,
        opened(path, "ods", name="表", limits=Limits()),
    ):
        pass
    assert caught.value.reason == "too_large"


def test_a_merged_text_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So can a merged range when it is filled down."""
    monkeypatch.setattr(bounds, "MOST", 1 << 20)
    rows: list[list[str | None]] = [["编号", "x"], ["字" * 30_000, "x"]]
    rows += [[None, "x"]] * 50
    path = write_xlsx(tmp_path / "a", Page("甲", rows, merges=[(2, 1, 52, 1)]))
    with opened(path, "xlsx", name="表", limits=Limits()) as book:
        frames = book.sheets[0].frames(["a", "b"], after=1)
        with pytest.raises(DeliveryError, match="of text"):
            list(frames)
