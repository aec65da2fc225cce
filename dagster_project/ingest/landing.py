"""The landing: every delivery's bytes, kept once under their SHA-256 and never changed.

Which deliveries there are is the channels' matter; what the bytes mean is the readers'.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dagster_project.errors import CountyLakeError, DeliveryError, LakeError
from dagster_project.paths import Home

BLOCK = 256 << 10


@dataclass(frozen=True)
class Landed:
    """A delivery's bytes as they are kept."""

    sha256: str
    bytes: int
    path: Path


def land(source: Path, home: Home, *, name: str = "", move: bool = False) -> Landed:
    """Copy a delivered file into the landing, hashing it on the way.

    The copy appears under its hash in one step, complete and on disk, or not at all. Bytes that
    were landed before are not written again.

    Args:
        source: The delivered file.
        home: The site's home.
        name: How the delivery is called in sentences; the file's name when empty.
        move: The file is ours and of the same home: it is given to the landing, not copied.

    Raises:
        DeliveryError: The file cannot be read, or changed while it was being read.
        LakeError: The landing cannot be written (disk full, permissions) or holds other bytes
            under this hash.
    """
    name = name or source.name
    temporary = _ours(source, home.landing) if move else _temporary(home.landing)
    try:
        sha256, size = _settled(source) if move else _copy(source, temporary, name)
        return _keep(temporary, home.landing / sha256, sha256, size)
    except OSError as error:
        raise _unwritable(error, home.landing) from error
    finally:
        temporary.unlink(missing_ok=True)


def _ours(source: Path, folder: Path) -> Path:
    """A file of our own that is given away; the first delivery of a home makes the landing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(error, folder) from error
    return source


def _temporary(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=".landing-", suffix=".part", dir=folder)
        os.close(handle)
    except OSError as error:
        raise _unwritable(error, folder) from error
    return Path(path)


def _copy(source: Path, temporary: Path, name: str) -> tuple[str, int]:
    """Copy and hash in one pass; the source must be the same file before and after."""
    digest, size = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        try:
            reader: BinaryIO = stack.enter_context(source.open("rb"))
            before = os.fstat(reader.fileno())
        except OSError as error:
            raise _unreadable(error, name) from error
        writer = stack.enter_context(temporary.open("wb"))
        while block := _read(reader, name):
            digest.update(block)
            size += len(block)
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())
        after = os.fstat(reader.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or (
        size != after.st_size
    ):
        raise DeliveryError(
            "the file changed while it was being received",
            where=name,
            todo="Wait until the upload has ended; the next run takes it",
        )
    return digest.hexdigest(), size


def _settled(source: Path) -> tuple[str, int]:
    """Hash a file of our own and see it on disk."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        os.fsync(file.fileno())
        return digest.hexdigest(), file.tell()


def _read(reader: BinaryIO, name: str) -> bytes:
    try:
        return reader.read(BLOCK)
    except OSError as error:
        raise _unreadable(error, name) from error


def _keep(temporary: Path, target: Path, sha256: str, size: int) -> Landed:
    """Give the copy its final name, unless the landing holds these bytes already."""
    if target.exists():
        if target.stat().st_size != size:
            raise LakeError(
                "the landed copy of a delivery no longer has the length it was received with",
                where=str(target),
                todo="Restore it from a backup, or move it away and ingest the delivery again",
            )
        return Landed(sha256, size, target)
    temporary.chmod(0o444)
    temporary.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Landed(sha256, size, target)


def _unreadable(error: OSError, name: str) -> CountyLakeError:
    return DeliveryError(
        f"the delivered file cannot be read ({error.strerror})",
        where=name,
        todo="Check that the file is still there and that this user may read it",
    )


def _unwritable(error: OSError, folder: Path) -> CountyLakeError:
    return LakeError(
        f"the landing cannot be written ({error.strerror})",
        where=str(folder),
        todo="Free space or correct the folder's permissions; nothing was kept of this delivery",
    )
