"""Asking the attached lake which snapshots it holds.

Opening a past snapshot is ``Lake.reader``'s work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb


@dataclass(frozen=True)
class Snapshot:
    """One commit of the lake, with what its author said of it."""

    id: int
    committed_at: datetime
    author: str
    message: str
    extra: Mapping[str, object]


def current_snapshot(con: duckdb.DuckDBPyConnection) -> int:
    """The id of the newest snapshot of the attached lake."""
    row = con.execute("SELECT id FROM lake.current_snapshot()").fetchone()
    return int(row[0]) if row else -1


def snapshots(con: duckdb.DuckDBPyConnection, newest: int = 0) -> list[Snapshot]:
    """The lake's snapshots, newest first.

    Args:
        con: A connection with the lake attached.
        newest: How many; 0 lists all.
    """
    limit = f"LIMIT {int(newest)}" if newest else ""
    rows = con.execute(
        "SELECT snapshot_id, snapshot_time, author, commit_message, commit_extra_info"
        f" FROM lake.snapshots() ORDER BY snapshot_id DESC {limit}"
    ).fetchall()
    return [
        Snapshot(
            id=int(number),
            committed_at=instant,
            author=author or "",
            message=message or "",
            extra=json.loads(extra) if extra else {},
        )
        for number, instant, author, message, extra in rows
    ]
