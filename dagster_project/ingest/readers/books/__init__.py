"""Workbooks of every kind, opened by one function and read through one interface.

What the sheets' rows mean is not judged here; see ``workbook``.
"""

from dagster_project.ingest.readers.books.base import Book, Merge, Sheet
from dagster_project.ingest.readers.books.open import opened

__all__ = ["Book", "Merge", "Sheet", "opened"]
