"""Asking cheaply whether a table of the lake holds anything at all.

What the rows are is the business of whoever asks.
"""

from __future__ import annotations

import duckdb


def has_rows(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a table holds any row; ask this first of one that may never have had any.

    DuckLake keeps no statistics of such a table, and each column of a query looks for them anew in
    the whole catalogue: 0.17 s for the empty ledger of holds in a lake of sixty feeds, where this
    question takes 0.015 s.
    """
    row = con.execute(f"SELECT count(*) FROM {table}").fetchone()
    return bool(row and row[0])
