"""The sealed packages as the lake knows them, and whether what lies in the outbox is they.

It sends nothing and repairs nothing: a damaged package is restored from a backup by people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.errors import PackageError
from dagster_project.protocol.keys import PublicKey
from dagster_project.protocol.manifest import SIGNATURE, describe_files, read_manifest
from dagster_project.reporting.answers import newest_answers


@dataclass(frozen=True)
class Sealed:
    """A package of the chain with the parent's newest answer to it."""

    package_no: int
    package_id: str
    package_hash: str
    previous_hash: str
    outcome: str
    answered_hash: str | None
    answered_at: datetime | None
    head_no: int | None
    sealed_at: datetime
    report: str
    reasons: str

    @property
    def is_settled(self) -> bool:
        """Whether the parent decided on these very bytes, so that they need not go up again."""
        if self.outcome == "accepted":
            return True
        return self.outcome == "rejected" and self.answered_hash == self.package_hash


def sealed_packages(con: duckdb.DuckDBPyConnection) -> list[Sealed]:
    """Every package in the order of the chain."""
    rows = con.execute(
        f"WITH answers AS ({newest_answers(con)}) SELECT p.package_no, p.package_id,"
        " p.package_hash, coalesce(p.previous_hash, ''), coalesce(a.outcome, ''),"
        " a.package_hash, a.acknowledged_at, a.head_no, p.sealed_at, p.report,"
        " coalesce(a.reasons, '') FROM lake.ops.package AS p"
        " LEFT JOIN answers AS a USING (package_id) ORDER BY p.package_no"
    ).fetchall()
    return [Sealed(*row) for row in rows]


def broken_at(chain: Sequence[Sealed]) -> int:
    """The first number at which the chain has a gap or a wrong link; 0 where it is whole."""
    before, previous = 0, ""
    for one in chain:
        if one.package_no != before + 1 or one.previous_hash != previous:
            return before + 1
        before, previous = one.package_no, one.package_hash
    return 0


def damage(folder: Path, sealed: Sealed, keys: Mapping[str, PublicKey]) -> str:
    """What is wrong with a package in the outbox, as a sentence; empty where it is whole.

    Its manifest must be the one whose hash the lake knows, every file as the manifest says.

    Args:
        folder: Where it lies.
        sealed: What the lake knows of it.
        keys: Every key that this site ever signed with.
    """
    if not folder.is_dir():
        return f"{folder}: the sealed package is gone. Restore the outbox from a backup."
    try:
        what = _difference(folder, sealed, keys)
    except OSError as error:
        what = f"it cannot be read ({error.strerror})"
    except PackageError as error:
        what = f"{error.where}: {error.what}" if error.where else error.what
    if not what:
        return ""
    return (
        f"{folder}: the sealed package is damaged ({what}) and is not sent. Restore the outbox from"
        " a backup."
    )


def _difference(folder: Path, sealed: Sealed, keys: Mapping[str, PublicKey]) -> str:
    manifest = read_manifest((folder / SIGNATURE).read_bytes(), keys)
    if manifest.package_hash != sealed.package_hash:
        return f"{SIGNATURE} is another"
    names = manifest.header.file_names
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    if strange := found ^ {SIGNATURE, *names}:
        return f"{min(strange)} is missing or does not belong there"
    entries = zip(manifest.files, describe_files(folder, names), strict=True)
    changed = [entry.path for entry, now in entries if entry != now]
    return f"{changed[0]} changed" if changed else ""
