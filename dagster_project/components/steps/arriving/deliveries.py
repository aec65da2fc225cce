"""A delivery's way to a batch: is it new, must its rows be merged, and what the ledger says of it.

Finding files and keeping bytes is ``ingest``'s work; the decisions here need the lake's memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb

from dagster_project import clock
from dagster_project.components.steps.arriving.holds import Hold, holds
from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError, LakeError
from dagster_project.ingest.channels.base import Candidate, Mark, Origin, Part, joined
from dagster_project.ingest.landing import Landed, land
from dagster_project.ingest.readers import ReadResult
from dagster_project.paths import Home

Result = Literal["merged", "unchanged", "refused", "held", "unreadable"]
TICK = timedelta(microseconds=1)
Locate = Callable[[Part], Path]
"""Where the bytes of a part of a delivery are, until they are landed."""


@dataclass(frozen=True)
class Arrival:
    """One delivery, received: which bytes, when, and the batch they would make.

    ``landed`` are its files in their order, one for each of the candidate's.
    """

    candidate: Candidate
    landed: tuple[Landed, ...]
    received_at: datetime

    @property
    def sha256(self) -> str:
        """The file's SHA-256; of several files, that of their hashes in order, one a line."""
        if len(self.landed) == 1:
            return self.landed[0].sha256
        lines = "".join(f"{one.sha256}\n" for one in self.landed)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def delivery_id(self) -> str:
        """The delivery's name in the ledger."""
        return _delivery_id(self.candidate, self.received_at)

    @property
    def batch_id(self) -> str:
        """The batch's name: feed, instant of reception and the bytes' hash."""
        return f"{self.delivery_id}-{self.sha256[:8]}"


def receive(
    locate: Locate, candidate: Candidate, home: Home, *, after: datetime | None = None
) -> Arrival:
    """Land every file of a delivery, and compare it with what its manifest states.

    Rows are ordered by the instants of their reception: it is later than ``after``, the feed's
    last one, though somebody has set the clock back.

    Raises:
        DeliveryError: A file cannot be read, or is not the one that the manifest states.
        LakeError: The landing cannot be written.
    """
    landed = []
    for part in candidate.files:
        file = locate(part)
        one = land(file, home, name=part.path, move=file.is_relative_to(home.spool))
        if part.stated_sha256 and (one.bytes, one.sha256) != (
            part.stated_bytes,
            part.stated_sha256,
        ):
            raise DeliveryError(
                "this file is not the one that its manifest states: "
                + ("its SHA-256" if one.bytes == part.stated_bytes else "its size")
                + " differs",
                where=part.path,
                todo="Deliver the file again, or a manifest that is made of it",
                reason="manifest_differs",
            )
        landed.append(one)
    now = clock.now()
    return Arrival(candidate, tuple(landed), max(now, after + TICK) if after else now)


def last_reception(con: duckdb.DuckDBPyConnection, feed: str) -> datetime | None:
    """When the feed's last delivery was received; nothing before the first one."""
    row = con.execute(
        "SELECT max(received_at) FROM lake.ops.delivery WHERE feed = ?", [feed]
    ).fetchone()
    return row[0] if row else None


def received(con: duckdb.DuckDBPyConnection, delivery_id: str, home: Home) -> Arrival:
    """A delivery as it was received, its bytes taken from the landing.

    Raises:
        LakeError: The landing lacks a file.
    """
    row = con.execute(
        "SELECT feed, path, bytes, mtime_ns, sha256, received_at, parts,"
        " struct_pack(channel, server := coalesce(server, ''), since := coalesce(since, ''),"
        " until := coalesce(until, ''), \"column\" := coalesce(\"column\", ''))"
        " FROM lake.ops.delivery WHERE delivery_id = ?",
        [delivery_id],
    ).fetchone()
    assert row is not None  # noqa: S101 - a hold names a recorded delivery
    feed, path, size, mtime_ns, sha256, received_at, text, origin = row
    lines: list[dict[str, Any]] = json.loads(text or "[]")
    files = [line for line in lines if not line["is_manifest"]]
    parts = tuple(_part(line) for line in files)
    manifest = tuple(_part(line) for line in lines if line["is_manifest"])
    candidate = Candidate(feed, path, size, mtime_ns, parts, manifest, Origin(**origin))
    landed = []
    for part, digest in zip(candidate.files, [f["sha256"] for f in files] or [sha256], strict=True):
        copy = home.landing / str(digest)
        if not copy.exists():
            raise LakeError(
                "the landing no longer holds this delivered file",
                where=part.path,
                todo=f"Restore {copy.name} from a backup, or deliver the file again",
            )
        landed.append(Landed(str(digest), copy.stat().st_size, copy))
    return Arrival(candidate, tuple(landed), received_at)


def _part(line: dict[str, Any]) -> Part:
    names = ("path", "size", "mtime_ns", "stated_bytes", "stated_sha256", "stated_rows")
    return Part(**{name: line[name] for name in names})


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


def known_marks(con: duckdb.DuckDBPyConnection, feed: str = "") -> set[Mark]:
    """Path, size and time of every recorded delivery of a feed, or of all, and of its files.

    Of a refused delivery of several files, or with a manifest, only the whole is known: its files
    may be right with another manifest.
    """
    rows = con.execute(
        "SELECT DISTINCT path, bytes, mtime_ns, parts, outcome FROM lake.ops.delivery"
        " WHERE ? IN ('', feed)",
        [feed],
    ).fetchall()
    marks: set[Mark] = set()
    for path, size, mtime_ns, text, outcome in rows:
        mark = (str(path), int(size), int(mtime_ns))
        members = [_part(line).mark for line in json.loads(text or "[]")]
        marks.add(joined(members) if members else mark)
        if outcome != "refused":
            marks.update(members)
    return marks


def watermark(con: duckdb.DuckDBPyConnection, feed: str, server: str, column: str) -> str:
    """The watermark of a column that a channel's last taken delivery reached; empty without one."""
    row = con.execute(
        "SELECT until FROM lake.ops.delivery WHERE feed = ? AND server = ? AND until IS NOT NULL"
        ' AND "column" = ?'
        " AND outcome IN ('merged', 'unchanged') ORDER BY received_at DESC LIMIT 1",
        [feed, server, column],
    ).fetchone()
    return str(row[0]) if row else ""


def already_applied(con: duckdb.DuckDBPyConnection, feed: Feed, arrival: Arrival) -> bool:
    """Whether merging these bytes again could change nothing.

    A full snapshot is compared with the last applied one only, so that A, B, A brings A back, and
    with none while one is held: A that comes after it must stay the newest. So is an extract of a
    source, which may go back to an older state. Any other increment is compared with all of them.
    """
    sha256 = arrival.sha256
    if feed.delivery == "full" or arrival.candidate.origin.is_extract:
        row = con.execute(
            "SELECT sha256 FROM lake.ops.batch WHERE feed = ? AND source_batch_id IS NULL"
            " ORDER BY delivered_at DESC, sha256 DESC LIMIT 1",
            [feed.name],
        ).fetchone()
        return row is not None and row[0] == sha256 and not holds(con, feed.name)
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
    landed: Sequence[Landed] = (),
    sha256: str = "",
    batch_id: str = "",
    message: str = "",
) -> None:
    """Write one delivery into the ledger; call it inside a transaction."""
    con.execute(
        "INSERT INTO lake.ops.delivery BY NAME SELECT ? AS delivery_id, ? AS feed,"
        " ? AS channel, ? AS path, ? AS sha256, ? AS bytes, ? AS mtime_ns,"
        " ?::TIMESTAMPTZ AS received_at, ? AS run_id, ? AS outcome, ? AS batch_id, ? AS message,"
        ' ? AS parts, ? AS server, ? AS since, ? AS until, ? AS "column", ? AS stated_rows',
        [
            _delivery_id(candidate, received_at),
            candidate.feed,
            candidate.origin.channel,
            candidate.path,
            sha256 or None,
            candidate.size,
            candidate.mtime_ns,
            received_at,
            run_id,
            outcome,
            batch_id or None,
            message or None,
            _parts_text(candidate, landed),
            candidate.origin.server or None,
            candidate.origin.since or None,
            candidate.origin.until or None,
            candidate.origin.column or None,
            _stated_rows(candidate),
        ],
    )


def settle(
    con: duckdb.DuckDBPyConnection,
    delivery_id: str,
    outcome: Result,
    *,
    batch_id: str = "",
    message: str = "",
) -> None:
    """Write what became of a held delivery; call it inside a transaction."""
    con.execute(
        "UPDATE lake.ops.delivery SET outcome = ?, batch_id = ?, message = ? WHERE delivery_id = ?",
        [outcome, batch_id or None, message or None, delivery_id],
    )


def settle_repeats(con: duckdb.DuckDBPyConnection, hold: Hold, outcome: Result) -> None:
    """Write what became of deliveries of a held one's very bytes; call it inside a transaction.

    Until then they brought nothing: what is published is no younger by them.
    """
    con.execute(
        "UPDATE lake.ops.delivery SET outcome = ? WHERE feed = ? AND sha256 = ?"
        " AND outcome = 'held' AND delivery_id NOT IN (SELECT delivery_id FROM lake.ops.hold)",
        [outcome, hold.feed, hold.sha256],
    )


def _delivery_id(candidate: Candidate, received_at: datetime) -> str:
    instant = received_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    return f"{candidate.feed}-{instant}"


def _stated_rows(candidate: Candidate) -> int | None:
    """The rows of the whole delivery, where the manifest states them of each of its files."""
    stated = [part.stated_rows for part in candidate.files]
    return None if -1 in stated else sum(stated)


def _parts_text(candidate: Candidate, landed: Sequence[Landed]) -> str | None:
    """The delivery's files and its manifest, where it is more than one file alone."""
    if not candidate.parts:
        return None
    hashes = [one.sha256 for one in landed] or [""] * len(candidate.parts)
    lines = [
        {**asdict(part), "sha256": sha256, "is_manifest": False}
        for part, sha256 in zip(candidate.parts, hashes, strict=True)
    ]
    lines += [{**asdict(part), "is_manifest": True} for part in candidate.manifest]
    return json.dumps(lines, ensure_ascii=False)
