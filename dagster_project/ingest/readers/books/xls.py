"""An .xls workbook, routed by its age: calamine reads Excel 97 and later, xlrd what is older."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import biff, cells, old_xls
from dagster_project.ingest.readers.books.base import Book
from dagster_project.ingest.readers.books.grid import too_large
from dagster_project.ingest.readers.detect import AGAIN, OLE
from dagster_project.ingest.readers.limits import Limits


@contextlib.contextmanager
def opened(path: Path, *, name: str, limits: Limits) -> Iterator[Book]:
    """The workbook's sheets.

    Raises:
        DeliveryError: It is damaged, encrypted or too large.
    """
    with path.open("rb") as file:
        bare = file.read(len(OLE)) != OLE
    found = biff.BookFound() if bare else _survey(path, name)
    if found.version < biff.BIFF8:
        with old_xls.opened(path, name=name, limits=limits) as book:
            yield book
        return
    spent = 0
    for sheet in found.sheets:
        area = sheet.height * sheet.width
        if spent + area > limits.cells:
            raise too_large(sheet.height, sheet.width, spent, limits.cells, name)
        spent += area
    with cells.named(name), cells.load(path) as book:
        names = list(book.sheet_names)
    marks = {title: sheet.marks() for title, sheet in zip(names, found.sheets, strict=False)}
    with cells.opened(path, "xls", name=name, survey=cells.Survey(found.epoch_1904, marks)) as book:
        yield book


def _survey(path: Path, name: str) -> biff.BookFound:
    try:
        return biff.survey(path)
    except (OSError, struct.error, IndexError, ValueError) as error:
        raise DeliveryError(
            "this workbook is damaged or was uploaded only in part",
            where=name,
            todo=AGAIN,
            reason="damaged",
        ) from error
