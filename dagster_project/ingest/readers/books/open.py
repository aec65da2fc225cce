"""From a file of a known kind to an open workbook: its size is bounded, then its reader chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import cells, html_table, ods, packaged, xls, xml2003
from dagster_project.ingest.readers.books.base import Book
from dagster_project.ingest.readers.books.grid import AS_CSV
from dagster_project.ingest.readers.limits import MIB, Limits
from dagster_project.ingest.readers.result import Format


@contextlib.contextmanager
def opened(path: Path, kind: Format, *, name: str, limits: Limits) -> Iterator[Book]:
    """Open a workbook, HTML table or XML spreadsheet.

    Args:
        path: The file, already told by ``detect`` to be of this kind.
        kind: Its format.
        name: How it is called in sentences.
        limits: Its greatest size, and how many cells are read of it.

    Raises:
        DeliveryError: The workbook is damaged, encrypted, hostile or too large.
    """
    if (size := path.stat().st_size) > limits.workbook_bytes:
        raise DeliveryError(
            f"this workbook has {size / MIB:.0f} MiB, and no more than "
            f"{limits.workbook_bytes / MIB:.0f} MiB of a workbook are read",
            where=name,
            todo=AS_CSV,
            reason="too_large",
        )
    with _reader(path, kind, name, limits) as book:
        yield book


def _reader(
    path: Path, kind: Format, name: str, limits: Limits
) -> contextlib.AbstractContextManager[Book]:
    if kind == "html":
        return html_table.opened(path, name=name, limits=limits)
    if kind == "xml2003":
        return xml2003.opened(path, name=name, limits=limits)
    if kind == "ods":
        return ods.opened(path, name=name, limits=limits)
    if kind == "xls":
        return xls.opened(path, name=name, limits=limits)
    survey = packaged.survey(path, kind, name, limits)
    return cells.opened(path, kind, name=name, survey=survey)
