"""Do the totals that a file states of itself agree with its rows? One check of each delivery.

Reading totals is the readers' work, adding up conform's; a contract may hold a delivery for it
(``gate``). A file that states none is not asked.
"""

from __future__ import annotations

import duckdb

from dagster_project import clock
from dagster_project.contracts.model import Feed
from dagster_project.contracts.rules import CONTROL_TOTALS

NAMED = 5
"""So many totals stand in the remark; all of them in ``ops.control_total``."""


def judge_totals(
    con: duckdb.DuckDBPyConnection, feed: Feed, run_id: str, batch_id: str, path: str
) -> str:
    """Note whether the stated totals agree, as a check of completeness.

    Args:
        con: The merge's transaction, after the totals were written.
        feed: The contract.
        run_id: The run.
        batch_id: The batch.
        path: How the delivery is called.

    Returns:
        A remark that names sheet, row and column of those that do not; figures stay in the lake.
    """
    found = con.execute(
        "SELECT sheet, source_row, column_name, agrees FROM lake.ops.control_total"
        " WHERE batch_id = ? ORDER BY sheet, source_row, column_name",
        [batch_id],
    ).fetchall()
    if not found:
        return ""
    wrong = [(sheet, row, column) for sheet, row, column, agrees in found if not agrees]
    con.execute(
        "INSERT INTO lake.ops.check_result (run_id, batch_id, table_name, suite, rule_id,"
        " column_name, severity, success, checked, failed, sampled, checked_at, dimension)"
        " VALUES (?, ?, ?, 'countylake', ?, '', 'fail', ?, ?, ?, false, ?::TIMESTAMPTZ,"
        " 'completeness')",
        [
            run_id,
            batch_id,
            f"silver.{feed.name}",
            CONTROL_TOTALS,
            not wrong,
            len(found),
            len(wrong),
            clock.now(),
        ],
    )
    if not wrong:
        return ""
    named = "; ".join(
        f"{f'sheet {sheet}, ' if sheet else ''}row {row}, {feed.column(column).title} ({column})"
        for sheet, row, column in wrong[:NAMED]
    )
    rest = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    return (
        f"{path}: {len(wrong)} of {len(found)} totals that the file states differ from the sum of"
        f" its rows: {named}{rest}. Ask the department whether rows are missing or were changed"
        " after the total was made."
    )
