"""The parent's answers as the site keeps them: the newest of each package, and contradictions.

The signed bytes lie in the home's ``acknowledgements``, never changed, so that whoever audits the
site can verify them; ``ops.acknowledgement`` says what is in them. How they come is ``outbox``'s
matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import SUFFIX, Acknowledgement
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.folders import SEALED_MODE, write_file

_LATER_COLUMNS = {
    "remarks": "VARCHAR",
    "recipient": "VARCHAR",
    "head_no": "BIGINT",
    "head_hash": "VARCHAR",
    "package_hash": "VARCHAR",
    "signed_hash": "VARCHAR",
}
"""Columns that a lake of an earlier version gets when it is next written to."""
_SEPARATOR = "; "


@dataclass(frozen=True)
class Answer:
    """A believed answer with the bytes that were signed."""

    said: Acknowledgement
    signed: bytes

    @property
    def signed_hash(self) -> str:
        """What names the bytes."""
        return sha256_bytes(self.signed)


@dataclass(frozen=True)
class Contradiction:
    """What the parent signed, and what this site knows, that cannot both be true."""

    package_id: str
    what: str

    def __str__(self) -> str:
        return (
            f"{self.package_id}: {self.what}. The parent and this site know two histories: do not"
            " seal on, compare both with the kept answers, and restore the newest copy of the home"
            " if this one is older."
        )


def newest_answers(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the newest answer to each package; it counts for nothing if it is not about it.

    Columns: package_id, outcome (``contradicting`` where other bytes than ours were accepted),
    reasons, remarks, recipient, head_no, head_hash, package_hash, signed_hash, acknowledged_at.
    """
    found = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'ops' AND table_name = 'acknowledgement'"
    ).fetchall()
    present = {str(name) for (name,) in found}
    later = ", ".join(
        f"a.{name}" if name in present else f"NULL::{kind} AS {name}"
        for name, kind in _LATER_COLUMNS.items()
    )
    # Rows of an earlier version have no hash: it was compared before they were stored.
    other = "a.outcome = 'accepted' AND a.package_hash <> p.package_hash"
    outcome = f"CASE WHEN {other} THEN 'contradicting' ELSE a.outcome END"
    return (
        f"SELECT a.package_id, {outcome if 'package_hash' in present else 'a.outcome'} AS outcome,"
        f" coalesce(a.reasons, '') AS reasons, {later}, a.acknowledged_at"
        " FROM lake.ops.acknowledgement AS a JOIN lake.ops.package AS p USING (package_id)"
        " QUALIFY row_number() OVER (PARTITION BY a.package_id"
        " ORDER BY a.acknowledged_at DESC, a.outcome) = 1"
    )


def contradictions(con: duckdb.DuckDBPyConnection) -> list[Contradiction]:
    """Answers that accept other bytes than were sealed, or follow another chain than ours.

    Of the heads that the parent named, the last one counts: a site that was restored from a copy
    of yesterday is behind until the newest copy is back, and no longer.
    """
    rows = con.execute(
        f"WITH newest AS ({newest_answers(con)}), head AS (SELECT * FROM newest"
        " WHERE head_no > 0 ORDER BY acknowledged_at DESC, head_no DESC LIMIT 1)"
        " SELECT package_id, 'it accepted other content under this number than was sealed here'"
        " FROM newest WHERE outcome = 'contradicting' UNION ALL"
        " SELECT h.package_id, CASE WHEN p.package_no IS NULL"
        " THEN 'it knows ' || h.head_no || ' packages of this site, and this lake fewer'"
        " ELSE 'its package number ' || h.head_no || ' is another than was sealed here' END"
        " FROM head AS h LEFT JOIN lake.ops.package AS p ON p.package_no = h.head_no"
        " WHERE p.package_hash IS DISTINCT FROM h.head_hash ORDER BY 1, 2"
    ).fetchall()
    return [Contradiction(*row) for row in rows]


def signed_file(home: Home, package_id: str, signed_hash: str) -> Path:
    """Where an answer's signed bytes are kept."""
    return home.acknowledgements / package_id / f"{signed_hash}{SUFFIX}"


def store(lake: Lake, answers: Iterable[Answer]) -> None:
    """Keep answers: their bytes first, then what they say; again, and nothing changes.

    Raises:
        OSError: The disk refuses.
        LakeError, LakeBusyError: The lake cannot be written.
    """
    rows = []
    for one in answers:
        path = signed_file(lake.home, one.said.package_id, one.signed_hash)
        if not path.exists():
            write_file(path, one.signed)
            path.chmod(SEALED_MODE)
        rows.append(_row(one))
    if not rows:
        return
    with (
        lake.writer("store acknowledgements") as writer,
        writer.transaction("store acknowledgements", packages=len(rows)) as tx,
    ):
        tx.con.register("answers", pa.Table.from_pylist(rows))
        tx.con.execute(
            "INSERT INTO lake.ops.acknowledgement BY NAME SELECT * FROM answers"
            " ANTI JOIN lake.ops.acknowledgement USING (package_id, acknowledged_at, outcome)"
        )
        tx.con.unregister("answers")


def _row(one: Answer) -> dict[str, object]:
    said = one.said
    return {
        "package_id": said.package_id,
        "outcome": said.outcome,
        "reasons": _SEPARATOR.join(said.reasons),
        "remarks": _SEPARATOR.join(said.remarks),
        "recipient": said.recipient,
        "head_no": said.head_no,
        "head_hash": said.head_hash,
        "package_hash": said.package_hash,
        "signed_hash": one.signed_hash,
        "acknowledged_at": datetime.fromisoformat(said.acknowledged_at),
    }
