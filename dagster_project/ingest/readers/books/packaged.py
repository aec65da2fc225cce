"""What an .xlsx or .xlsb package says of its sheets, looked at before any library unpacks it."""

from __future__ import annotations

import posixpath
import struct
from pathlib import Path

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import biff12, sheet_xml, texts
from dagster_project.ingest.readers.books.base import Marks
from dagster_project.ingest.readers.books.bounds import too_long
from dagster_project.ingest.readers.books.cells import Survey
from dagster_project.ingest.readers.books.grid import too_large
from dagster_project.ingest.readers.books.package import Package
from dagster_project.ingest.readers.books.xmlstream import (
    entities,
    follow,
    local,
    locals_of,
    parsed,
    parser,
)
from dagster_project.ingest.readers.detect import SAVE_AS
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import Format

_READ = (".xml", ".rels", ".bin")
_STRINGS = "xl/sharedstrings.xml"
SMALL = 64 << 20
"""Bytes of a part that libraries load whole though it holds no cells, at most."""
_LOADED = ("xl/workbook.", "xl/styles.", "xl/_rels/", "xl/theme/", "_rels/", "[content_types].xml")
_CUT = (IndexError, struct.error, UnicodeDecodeError)
"""What reading a binary part that is cut short ends in."""


def survey(path: Path, kind: Format, name: str, limits: Limits) -> Survey:
    """Look through the package.

    Raises:
        DeliveryError: It is damaged, declares entities, unpacks out of proportion, or its sheets
            span too many cells.
    """
    main = "xl/workbook.xml" if kind == "xlsx" else "xl/workbook.bin"
    relations = main.replace("xl/", "xl/_rels/") + ".rels"
    with Package(path, name, limits) as package:
        book = _Book()
        if kind == "xlsx":
            _parse(package, main, name, book)
        else:
            with package.damage_named(*_CUT):
                book.epoch_1904, book.sheets = biff12.workbook(b"".join(package.chunks(main)))
        if relations in package.parts:
            _parse(package, relations, name, book)
        parts = _known(package, book, relations)
        marks, cells, text = dict[str, Marks](), 0, 0
        strings = _strings(package, kind, name, limits)
        for part in package.parts:
            if part in parts:
                where = f"{name}, sheet {parts[part]}"
                found = _sheet(package, part, where, limits.cells - cells)
                marks[parts[part]] = found.marks()
                if found.height > sheet_xml.MAX_ROW or found.width > sheet_xml.MAX_COLUMN:
                    raise _beyond(where)
                if cells + found.height * found.width > limits.cells:
                    raise too_large(found.height, found.width, cells, limits.cells, where)
                cells += found.height * found.width
                text += _text(package, part, where, strings, found.height * found.width)
                if text > texts.MOST:
                    raise too_long(where)
            elif part.lower().endswith(_READ) and part not in {main, relations, strings.part}:
                _refuse_entities(package, part, name)
    return Survey(book.epoch_1904, marks)


def _known(package: Package, book: _Book, relations: str) -> dict[str, str]:
    """The sheets' names by their parts, where every library finds the same part for a name.

    calamine looks parts up without regard to case and to the kind of slash, and takes the first of
    two sheets with one name; what it would read must be what was looked at.
    """
    folded = {part.lower(): part for part in package.parts}
    if len(folded) < len(package.parts) or any("\\" in part for part in folded):
        raise package.damaged()
    if book.doubled:
        raise package.damaged()
    if folded.get(relations.lower(), relations) != relations:
        raise package.damaged()  # relations that only calamine would find
    return {folded.get(place.lower(), place): title for place, title in book.parts().items()}


def _strings(package: Package, kind: Format, name: str, limits: Limits) -> texts.Strings:
    """The shared strings; those of binary workbooks are not looked over."""
    for part in package.parts:
        if kind == "xlsx" and part.lower() == _STRINGS:
            return texts.overlooked(package, part, name, limits.cells)
    return texts.Strings()


def _text(package: Package, part: str, where: str, strings: texts.Strings, cells: int) -> int:
    """Characters in a sheet's cells, counted only where there may be many."""
    text, longest = 0, strings.longest
    if package.unpacked(part) > texts.MOST:
        text += texts.written(package, part)
    if longest * cells > texts.MOST and text <= texts.MOST:
        text += texts.shown(package, part, where, strings)
    return text


def _sheet(package: Package, part: str, where: str, most: int) -> sheet_xml.Found | biff12.Found:
    """One sheet; only one that seems to span too much is measured without its empty cells."""
    if part.endswith(".bin"):
        with package.damage_named(*_CUT):
            return biff12.survey(b"".join(package.chunks(part)))
    found = sheet_xml.survey(package.chunks(part), where)
    if most < found.height * found.width <= sheet_xml.MAX_ROW * sheet_xml.MAX_COLUMN:
        found = sheet_xml.survey(package.chunks(part), where, exact=True)
    return found


def _beyond(where: str) -> DeliveryError:
    return DeliveryError(
        "a cell stands beyond the last row or column that a sheet can have",
        where=where,
        todo=SAVE_AS,
        reason="damaged",
    )


class _Book:
    """Names and places of sheets, and the epoch, as the workbook's own part says."""

    def __init__(self) -> None:
        self.sheets, self.targets = dict[str, str](), dict[str, str]()
        self.epoch_1904 = self.doubled = False

    def parts(self) -> dict[str, str]:
        """The sheets' names by their parts."""
        places = {
            posixpath.normpath(posixpath.join("/xl", self.targets.get(relation, ""))): title
            for title, relation in self.sheets.items()
        }
        return {place.lstrip("/"): title for place, title in places.items()}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element of the workbook or of its relations."""
        name, said = local(tag), locals_of(attributes)
        if name == "sheet":
            self.doubled = self.doubled or said.get("name", "") in self.sheets
            self.sheets[said.get("name", "")] = said.get("id", "")
        elif name == "Relationship":
            self.doubled = self.doubled or said.get("Id", "") in self.targets
            self.targets[said.get("Id", "")] = said.get("Target", "")
        elif name == "workbookPr":
            self.epoch_1904 = said.get("date1904", "0") in {"1", "true"}


def _parse(package: Package, part: str, name: str, book: _Book) -> None:
    with parsed(f"{name}, part {part}"):
        stream = parser(f"{name}, part {part}")
        follow(stream, name, book.start)
        size = 0
        for chunk in package.chunks(part):
            size += len(chunk)
            if size > SMALL:
                raise texts.overgrown(f"{name}, part {part}")
            stream.Parse(chunk, False)  # noqa: FBT003 - the library's own form
        stream.Parse(b"", True)  # noqa: FBT003 - the library's own form


def _refuse_entities(package: Package, part: str, name: str) -> None:
    """Parts that only the libraries parse must not declare anything."""
    tail, size = b"", 0
    for chunk in package.chunks(part):
        data, size = tail + chunk, size + len(chunk)
        if size > SMALL and part.lower().startswith(_LOADED):
            raise texts.overgrown(f"{name}, part {part}")
        if any(mark in data for mark in texts.DECLARATIONS):
            raise entities(f"{name}, part {part}")
        tail = chunk[-32:]
