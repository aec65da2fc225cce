"""From a file of a known kind to an open workbook: its size is bounded, then its reader chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import cells
from dagster_project.ingest.readers.books.base import Book
from dagster_project.ingest.readers.limits import MIB, Limits
from dagster_project.ingest.readers.result import Format

AS_CSV = "Deliver the table as CSV (UTF-8), or in several workbooks"


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
    with cells.opened(path, kind, name=name, survey=cells.Survey()) as book:
        yield book
