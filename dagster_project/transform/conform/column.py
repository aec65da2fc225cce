"""One column of a delivery, read as conform reads it, before the whole is conformed.

Nothing is judged here: values that a rule will reject are counted like any other.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
from sqlglot import exp

from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform.ast import sql
from dagster_project.transform.conform.batch import bound
from dagster_project.transform.conform.plan import Plan
from dagster_project.transform.conform.select import PARAMETERS, typed
from dagster_project.transform.conform.stages import stage_name


def count_values(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    name: str,
    rows: Path,
    *,
    delivered_at: datetime,
    written: str = "",
) -> dict[str, int]:
    """How many rows hold each value of a column, as text; rows without a value are left out.

    Args:
        con: Any connection.
        plan: The compiled contract.
        name: A column of it.
        rows: The reader's Parquet.
        delivered_at: The instant that short years of dates are read by.
        written: DuckDB's format for dates and timestamps (``%Y-%m``); empty for a cast to text.
    """
    cells = [cell for cell in plan.cells if cell.column.name == name]
    value = quoted(stage_name(name, "v"))
    text = f"strftime({value}, {literal(written)})" if written else f"CAST({value} AS VARCHAR)"
    source = f"SELECT * FROM read_parquet({literal(rows)})"
    con.execute(f"CREATE OR REPLACE TEMP VIEW column_source AS {source}")
    try:
        query = sql(typed(cells, exp.select("*").from_("column_source")))
        values = bound(delivered_at)
        found = con.execute(
            f"SELECT {text} AS value, count(*) FROM ({query}) WHERE {value} IS NOT NULL GROUP BY 1",
            {one: values[one] for one in PARAMETERS if f"${one}" in query},
        ).fetchall()
    finally:
        con.execute("DROP VIEW IF EXISTS temp.column_source")
    return {str(one): int(count) for one, count in found}
