"""Which delivered file a row came in: its batch's one file, or one of several.

Rows of a batch of several files carry the file's name before their sheet's (``ops.batch_file``).
Who writes that down is the steps' matter; here is only how queries turn it back.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RealFile:
    """SQL: a join to add to a query over ``ops.batch AS b``, and what it gives."""

    join: str
    path: str
    sha256: str
    sheet: str


def real_file(sheet: str) -> RealFile:
    """The file and the sheet behind a row's place.

    Args:
        sheet: The SQL expression of the row's sheet in a query that has ``ops.batch AS b``.
    """
    inside = f"starts_with({sheet}, f.sheet_prefix || '/')"
    return RealFile(
        join="LEFT JOIN ops.batch_file AS f"
        " ON f.batch_id = coalesce(b.source_batch_id, b.batch_id)"
        f" AND ({sheet} = f.sheet_prefix OR {inside})",
        path="coalesce(f.path, b.path)",
        sha256="coalesce(f.sha256, b.sha256)",
        sheet=f"CASE WHEN f.path IS NULL THEN {sheet}"
        f" ELSE substr({sheet}, length(f.sheet_prefix) + 2) END",
    )
