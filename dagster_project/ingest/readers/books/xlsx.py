"""What an .xlsx package says of its sheets, looked at before any library unpacks it."""

from __future__ import annotations

import posixpath
from pathlib import Path

from dagster_project.ingest.readers.books.base import Marks
from dagster_project.ingest.readers.books.cells import Survey
from dagster_project.ingest.readers.books.grid import too_large
from dagster_project.ingest.readers.books.package import Package
from dagster_project.ingest.readers.books.sheet_xml import survey as sheet_survey
from dagster_project.ingest.readers.books.xmlstream import (
    entities,
    local,
    locals_of,
    parsed,
    parser,
)
from dagster_project.ingest.readers.limits import Limits

WORKBOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_READ = (".xml", ".rels")
_DECLARATIONS = tuple(
    mark.encode(codec)
    for mark in ("<!DOCTYPE", "<!ENTITY")
    for codec in ("ascii", "utf-16-le", "utf-16-be")
)


def survey(path: Path, name: str, limits: Limits) -> Survey:
    """Look through the package.

    Raises:
        DeliveryError: It is damaged, declares entities, unpacks out of proportion, or its sheets
            span too many cells.
    """
    with Package(path, name, limits) as package:
        book, parts = _Book(), dict[str, str]()
        _parse(package, WORKBOOK, name, book)
        if RELATIONS in package.parts:
            _parse(package, RELATIONS, name, book)
        for title, relation in book.sheets.items():
            target = posixpath.normpath(posixpath.join("/xl", book.targets.get(relation, "")))
            parts[target.lstrip("/")] = title
        marks, cells = dict[str, Marks](), 0
        for part in package.parts:
            if part in parts:
                where = f"{name}, sheet {parts[part]}"
                found = sheet_survey(package.chunks(part), where)
                if cells + found.height * found.width > limits.cells:
                    found = sheet_survey(package.chunks(part), where, exact=True)
                marks[parts[part]] = found.marks()
                if cells + found.height * found.width > limits.cells:
                    raise too_large(found.height, found.width, cells, limits.cells, where)
                cells += found.height * found.width
            elif part.endswith(_READ) and part not in {WORKBOOK, RELATIONS}:
                _refuse_entities(package, part, name)
    return Survey(book.epoch_1904, marks)


class _Book:
    """Names and places of sheets, and the epoch, as the workbook's own part says."""

    def __init__(self) -> None:
        self.sheets, self.targets = dict[str, str](), dict[str, str]()
        self.epoch_1904 = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element of the workbook or of its relations."""
        name, said = local(tag), locals_of(attributes)
        if name == "sheet":
            self.sheets[said.get("name", "")] = said.get("id", "")
        elif name == "Relationship":
            self.targets[said.get("Id", "")] = said.get("Target", "")
        elif name == "workbookPr":
            self.epoch_1904 = said.get("date1904", "0") in {"1", "true"}


def _parse(package: Package, part: str, name: str, book: _Book) -> None:
    with parsed(f"{name}, part {part}"):
        stream = parser(f"{name}, part {part}")
        stream.StartElementHandler = book.start
        for chunk in package.chunks(part):
            stream.Parse(chunk, False)  # noqa: FBT003 - the library's own form
        stream.Parse(b"", True)  # noqa: FBT003 - the library's own form


def _refuse_entities(package: Package, part: str, name: str) -> None:
    """Parts that only the libraries parse must not declare anything."""
    tail = b""
    for chunk in package.chunks(part):
        data = tail + chunk
        if any(mark in data for mark in _DECLARATIONS):
            raise entities(f"{name}, part {part}")
        tail = chunk[-32:]
