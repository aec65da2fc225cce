"""The canonical content hash of a relation: the same rows give the same hash, on any machine.

Row order, file layout and the engine's own formats do not enter it; names, types and every value
of every column do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import duckdb
from sqlglot import exp


def describe(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Column -> type, in order, of a table or of any other relation that can be selected from."""
    rows = con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def content_hash(
    con: duckdb.DuckDBPyConnection, relation: str, columns: Mapping[str, str] | None = None
) -> tuple[str, int]:
    """Hash every column of every row.

    Each value becomes its length and its text, so that no two rows share a form; instants become
    microseconds since 1970 UTC, so that the session's time zone does not matter; the rows' hashes
    are sorted, so that storage order does not matter.

    Args:
        con: Where ``relation`` lives.
        relation: A table's name, quoted where needed.
        columns: Its columns and types, if known.

    Returns:
        The SHA-256 in hex, and the number of rows.
    """
    columns = columns or describe(con, relation)
    parts = [_canonical(name, kind) for name, kind in columns.items()]
    row = con.execute(
        f"SELECT COALESCE(STRING_AGG(row_hash, '' ORDER BY row_hash), ''), COUNT(*) "
        f"FROM (SELECT SHA256({' || '.join(parts)}) AS row_hash FROM {relation})"
    ).fetchone()
    if row is None:  # an aggregate without GROUP BY always gives a row
        return "", 0
    head = "\n".join(f"{name} {kind}" for name, kind in columns.items())
    return hashlib.sha256(f"{head}\n{row[0]}".encode()).hexdigest(), int(row[1])


def _canonical(name: str, kind: str) -> str:
    column = exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
    text = f"CAST({column} AS VARCHAR)"
    if kind == "TIMESTAMP WITH TIME ZONE":
        text = f"CAST(EPOCH_US({column}) AS VARCHAR)"
    return f"COALESCE(LENGTH({text}) || ':' || {text}, '-')"
