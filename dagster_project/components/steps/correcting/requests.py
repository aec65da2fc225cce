"""Corrections of records that somebody in the county asked for, as the provider's copy shows them.

Asking and answering is ``decisions``' work. What a city asks for names a figure and no record, and
so stands in no copy.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from dagster_project.components.steps.correcting.disagreements import Said
from dagster_project.contracts.model import Feed
from dagster_project.lake.emptiness import has_rows
from dagster_project.lake.engine import literal, quoted

LEDGER = "lake.ops.correction"
REASON = "correction"


def open_places(con: duckdb.DuckDBPyConnection, feed: Feed) -> str:
    """The SELECT of a feed's doubted records, in the form of ``cases.OPEN_PLACES``."""
    row = (
        con.execute(
            f"SELECT count(*) FROM {LEDGER}"
            " WHERE state = 'open' AND origin = 'county' AND feed = ?",
            [feed.name],
        ).fetchone()
        if has_rows(con, LEDGER)
        else None
    )
    if not row or not row[0]:
        return "SELECT NULL AS batch_id WHERE false"
    same = " AND ".join(
        f"json_extract_string(c.place, {literal(f'$.{name}')}) = CAST(s.{quoted(name)} AS VARCHAR)"
        for name in feed.key
    )
    return (
        "SELECT c.feed, s._batch_id AS batch_id, s._sheet AS sheet, s._source_row AS source_row,"
        f" [{literal(REASON)}] AS reasons, NULL::VARCHAR AS raw, c.case_id"
        f" FROM {LEDGER} AS c JOIN lake.silver.{quoted(feed.name)} AS s"
        f" ON NOT s._is_deleted AND {same}"
        f" WHERE c.state = 'open' AND c.origin = 'county' AND c.feed = {literal(feed.name)}"
    )


def said(con: duckdb.DuckDBPyConnection, cases: Iterable[str]) -> dict[str, Said]:
    """What is to be said of the open ones among some cases, by number."""
    wanted = sorted(set(cases))
    if not wanted or not has_rows(con, LEDGER):
        return {}
    rows = con.execute(
        f"SELECT case_id, why, coalesce(column_name, '') FROM {LEDGER}"
        " WHERE state = 'open' AND case_id IN (SELECT unnest(?::VARCHAR[]))",
        [wanted],
    ).fetchall()
    return {number: Said(f"更正请求：{why}，请核实并答复", column) for number, why, column in rows}
