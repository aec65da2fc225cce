"""The sealed packages of a site as they may be shown: committed in the ledger, whole on the disk.

The ledger is read through a kept look, a package's files once: they never change afterwards, but
for a signature that is renewed with another key.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import structlog

from dagster_project.errors import PackageError
from dagster_project.lake.emptiness import has_rows
from dagster_project.protocol import dsse
from dagster_project.protocol.archive import Archive, pack
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.manifest import SIGNATURE, FileEntry, Manifest
from dagster_project.web.keeper import Keeper

_MOST_OPEN = 256
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sealed:
    """A package as the ledger has it; ``outcome`` is the parent's last answer, empty without."""

    package_id: str
    package_no: int
    kind: str
    report: str
    period: str
    revision: int
    package_hash: str
    sealed_at: datetime
    outcome: str


@dataclass(frozen=True)
class File:
    """One file of a package."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True)
class Shown:
    """A package ready to be sent."""

    manifest: Manifest
    files: dict[str, File]
    archive: Archive
    archive_sha256: str


def sealed_packages(con: duckdb.DuckDBPyConnection) -> tuple[Sealed, ...]:
    """Every sealed package of a lake, in the order of their numbers."""
    if not has_rows(con, "lake.ops.package"):
        return ()
    rows = con.execute(
        "SELECT p.package_id, p.package_no, coalesce(p.kind, 'report'), p.report, p.period,"
        " p.revision, p.package_hash, p.sealed_at, coalesce(a.outcome, '')"
        " FROM lake.ops.package p LEFT JOIN (SELECT package_id,"
        " max_by(outcome, acknowledged_at) AS outcome FROM lake.ops.acknowledgement"
        " GROUP BY package_id) a USING (package_id) ORDER BY p.package_no"
    ).fetchall()
    return tuple(Sealed(*row) for row in rows)


class Shelf:
    """The packages of one site.

    Args:
        outbox: Where its sealed packages lie.
        keeper: Keeps the look at its ledger.
    """

    def __init__(self, outbox: Path, keeper: Keeper[tuple[Sealed, ...]]) -> None:
        self._outbox, self._keeper = outbox, keeper
        self._open: OrderedDict[tuple[str, int, int], Shown] = OrderedDict()
        self._guard = threading.Lock()

    def packages(self, wait_s: float) -> tuple[Sealed, ...] | None:
        """What the ledger says, now or at the last look; None while nobody could look yet."""
        kept = self._keeper.newest(wait_s)
        return () if kept.state == "empty" else kept.seen

    def show(self, sealed: Sealed) -> Shown | None:
        """A package's files; None where they are not what was sealed, which is logged."""
        folder = self._outbox / sealed.package_id
        try:
            signed = (folder / SIGNATURE).stat()
            version = (sealed.package_id, signed.st_ino, signed.st_mtime_ns)
            with self._guard:
                if version in self._open:
                    self._open.move_to_end(version)
                    return self._open[version]
            shown = _shown(folder, sealed.package_hash)
        except (OSError, ValueError, PackageError) as error:
            # What it says may name a path; the operator's log is where that belongs.
            _log.error("package_not_whole", package=sealed.package_id, kind=type(error).__name__)
            return None
        with self._guard:
            self._open[version] = shown
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        return shown


def _shown(folder: Path, package_hash: str) -> Shown:
    """The files of a sealed folder, whose hashes are compared with what was sealed.

    Raises:
        ValueError: They are others.
        PackageError: The folder holds what no package holds.
        OSError: The disk refuses.
    """
    signed = (folder / SIGNATURE).read_bytes()
    manifest = Manifest.model_validate_json(dsse.unverified(signed, SIGNATURE)[1])
    if manifest.package_hash != package_hash:
        raise ValueError("another package lies there")
    files = {entry.path: _file(folder, entry) for entry in manifest.files}
    files[SIGNATURE] = File(folder / SIGNATURE, len(signed), sha256_bytes(signed))
    archive = pack(folder)
    if {member.name for member in archive.members} != set(files):
        raise ValueError("the folder holds other files than were sealed")
    whole = hashlib.sha256()
    for block in archive.chunks():
        whole.update(block)
    return Shown(manifest, files, archive, whole.hexdigest())


def _file(folder: Path, entry: FileEntry) -> File:
    path = folder / entry.path
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != entry.sha256:
        raise ValueError("a file is not what was sealed")
    return File(path, entry.bytes, entry.sha256)
