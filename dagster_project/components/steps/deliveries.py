"""A delivery's way to a batch: is it new, must its rows be merged, and what the ledger says of it.

Finding files and keeping bytes is ``ingest``'s work; the decisions here need the lake's memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import duckdb

from dagster_project.contracts.model import Feed
from dagster_project.ingest.channels.base import Candidate, Mark
from dagster_project.ingest.landing import Landed
from dagster_project.ingest.readers import ReadResult

Result = Literal["merged", "unchanged", "refused", "unreadable"]


@dataclass(frozen=True)
class Arrival:
    """One delivery, received: which bytes, when, and the batch they would make."""

    candidate: Candidate
    landed: Landed
    received_at: datetime

    @property
    def batch_id(self) -> str:
        """The batch's name: feed, instant of reception and the bytes' hash."""
        instant = self.received_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        return f"{self.candidate.feed}-{instant}-{self.landed.sha256[:8]}"


def remarks(candidate: Candidate, feed: Feed, read: ReadResult) -> str:
    """What the department should hear of a file that was taken: its columns, and its reader's."""
    told = list(read.warnings)
    if read.unknown:
        told.append(
            f"{candidate.path}: the contract of {feed.name} knows no column"
            f" {'、'.join(read.unknown)}; its cells are kept in bronze alone."
            " Add it to the contract, or leave it out."
        )
    if read.missing:
        titles = {column.name: column.title for column in feed.columns}
        lacking = "、".join(f"{titles.get(name, name)} ({name})" for name in read.missing)
        told.append(
            f"{candidate.path}: the file lacks the optional {lacking}, which is empty for its rows."
            " Deliver it again with the column if it was left out by mistake."
        )
    return " ".join(told)


def known_marks(con: duckdb.DuckDBPyConnection, feed: str) -> set[Mark]:
    """Path, size and time of every delivery of the feed that is on record."""
    rows = con.execute(
        "SELECT DISTINCT path, bytes, mtime_ns FROM lake.ops.delivery WHERE feed = ?", [feed]
    ).fetchall()
    return {(str(path), int(size), int(mtime)) for path, size, mtime in rows}


def already_applied(con: duckdb.DuckDBPyConnection, feed: Feed, sha256: str) -> bool:
    """Whether merging these bytes again could change nothing.

    A full snapshot is compared with the last applied one only, so that A, B, A brings A back; an
    increment with all of them.
    """
    if feed.delivery == "full":
        row = con.execute(
            "SELECT sha256 FROM lake.ops.batch WHERE feed = ? AND source_batch_id IS NULL"
            " ORDER BY delivered_at DESC, sha256 DESC LIMIT 1",
            [feed.name],
        ).fetchone()
        return row is not None and row[0] == sha256
    row = con.execute(
        "SELECT count(*) FROM lake.ops.batch WHERE feed = ? AND sha256 = ?", [feed.name, sha256]
    ).fetchone()
    return bool(row and row[0])


def record(
    con: duckdb.DuckDBPyConnection,
    candidate: Candidate,
    *,
    run_id: str,
    received_at: datetime,
    outcome: Result,
    sha256: str = "",
    batch_id: str = "",
    message: str = "",
) -> None:
    """Write one delivery into the ledger; call it inside a transaction."""
    instant = received_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    con.execute(
        "INSERT INTO lake.ops.delivery BY NAME SELECT ? AS delivery_id, ? AS feed,"
        " 'inbox' AS channel, ? AS path, ? AS sha256, ? AS bytes, ? AS mtime_ns,"
        " ?::TIMESTAMPTZ AS received_at, ? AS run_id, ? AS outcome, ? AS batch_id, ? AS message",
        [
            f"{candidate.feed}-{instant}",
            candidate.feed,
            candidate.path,
            sha256 or None,
            candidate.size,
            candidate.mtime_ns,
            received_at,
            run_id,
            outcome,
            batch_id or None,
            message or None,
        ],
    )
