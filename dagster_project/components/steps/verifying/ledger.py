"""What the lake remembers of its packages and receipts, each row whole, read once.

What lies in the outbox is ``evidence``'s matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import duckdb

from dagster_project.contracts.model import Layer

_MADE = "('gold', 'report')"


@dataclass(frozen=True)
class Ledger:
    """Rows of ``ops.package`` and ``ops.receipt`` by package, in the order of their numbers.

    ``wordings`` are layer, name and text of every contract that a model was built by, by the hash
    of its text.
    """

    packages: Mapping[str, Mapping[str, Any]]
    receipts: Mapping[str, Mapping[str, Any]]
    wordings: Mapping[str, tuple[Layer, str, str]]


def read_ledger(con: duckdb.DuckDBPyConnection) -> Ledger:
    """Read what the lake remembers; what a lake of an earlier version did not keep is empty."""
    texts = rows(con, f"SELECT layer, name, text FROM lake.ops.contract WHERE layer IN {_MADE}")
    packages = rows(con, "SELECT * FROM lake.ops.package ORDER BY package_no")
    receipts = rows(con, "SELECT * FROM lake.ops.receipt ORDER BY receipt_no")
    return Ledger(
        packages={one["package_id"]: one for one in packages},
        receipts={one["package_id"]: one for one in receipts},
        wordings={
            hashlib.sha256(one["text"].encode()).hexdigest(): (
                cast("Layer", one["layer"]),
                one["name"],
                one["text"],
            )
            for one in texts
            if one["text"]
        },
    )


def rows(con: duckdb.DuckDBPyConnection, query: str, *given: object) -> list[dict[str, Any]]:
    """A query's rows, each by column."""
    found = con.execute(query, list(given))
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def newest_snapshot(con: duckdb.DuckDBPyConnection) -> int:
    """The newest snapshot of the attached lake."""
    row = con.execute(
        "SELECT max(snapshot_id) FROM __ducklake_metadata_lake.ducklake_snapshot"
    ).fetchone()
    return int(row[0]) if row else 0


def exists_at(con: duckdb.DuckDBPyConnection, snapshot: int) -> bool:
    """Whether the lake still holds a snapshot."""
    row = con.execute(
        "SELECT 1 FROM __ducklake_metadata_lake.ducklake_snapshot WHERE snapshot_id = ?",
        [snapshot],
    ).fetchone()
    return row is not None
