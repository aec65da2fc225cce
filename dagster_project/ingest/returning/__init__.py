"""Annotated copies of a department's own file: what must be corrected, at its place in the table.

Which rows have open cases, and where a copy goes, is decided by the steps; here files are written.
"""

from dagster_project.ingest.returning.copies import NotAnnotatedError, annotated, rewritten
from dagster_project.ingest.returning.findings import Case, Cases, Copy, Finding

__all__ = ["Case", "Cases", "Copy", "Finding", "NotAnnotatedError", "annotated", "rewritten"]
