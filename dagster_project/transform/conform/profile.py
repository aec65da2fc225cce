"""What a batch is made of: filled cells of each column, and cells of each code of open columns.

Counted by one aggregate pass over ``conform_rows`` and kept in ``ops.batch_profile``. Only codes of
a code list, and yes and no, are kept as values, and only of levels L1 and L2. What the counts mean
against earlier batches is judged by ``components.steps.arriving.shifts``.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from dagster_project.contracts.model import Column
from dagster_project.lake.engine import quoted
from dagster_project.transform.conform.plan import Plan

OPEN_LEVELS = frozenset({"L1", "L2"})


def is_counted(column: Column) -> bool:
    """Whether the cells of each of the column's values are counted."""
    return column.level in OPEN_LEVELS and bool(column.codes or column.type == "boolean")


def write_profile(con: duckdb.DuckDBPyConnection, plan: Plan, batch_id: str) -> None:
    """Count ``conform_rows`` and write the batch's profile.

    Args:
        con: A connection that holds ``conform_rows``, inside the merge's transaction.
        plan: The compiled contract.
        batch_id: The batch.
    """
    columns = plan.feed.columns
    counted = [column for column in columns if is_counted(column)]
    asked = [f"count({quoted(column.name)})" for column in columns]
    asked += [f"histogram(CAST({quoted(column.name)} AS VARCHAR))" for column in counted]
    row = con.execute(f"SELECT {', '.join(asked)} FROM conform_rows").fetchone()
    assert row is not None  # noqa: S101 - an aggregate always has a row
    lines = [(column.name, "", int(n)) for column, n in zip(columns, row, strict=False)]
    for column, found in zip(counted, row[len(columns) :], strict=True):
        lines += _codes(plan, column, found or {})
    con.execute(
        "INSERT INTO lake.ops.batch_profile (batch_id, feed, column_name, value, cells)"
        " SELECT ?, ?, unnest(?), unnest(?), unnest(?)",
        [batch_id, plan.feed.name, *(list(part) for part in zip(*lines, strict=True))],
    )


def _codes(plan: Plan, column: Column, found: dict[str, int]) -> Iterator[tuple[str, str, int]]:
    """The cells of each code; what is no code may be anything and is left out."""
    known: tuple[str, ...] = ("true", "false")
    if column.type != "boolean":
        known = plan.contracts.codes[column.codes].codes
    for code in known:
        if code in found:
            yield column.name, code, int(found[code])
