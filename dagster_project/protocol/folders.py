"""Folders that appear whole or not at all, and folders that are not to be trusted.

It moves bytes; what the files mean is for ``manifest`` and the receiver to say.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SEALED_MODE = 0o444
SAFE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}\Z")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The most that one package may bring; everything above is refused unread."""

    files: int = 16
    file_bytes: int = 256 << 20
    total_bytes: int = 512 << 20


@dataclass
class Copied:
    """What a copy of an untrusted folder met: the files taken, and sentences on the rest."""

    limits: Limits
    paths: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    total: int = 0


def sync(path: Path) -> None:
    """Force a file or folder onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Force a folder, its files and its subfolders onto the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def seal_tree(folder: Path) -> None:
    """Make every file of a folder read-only and force it onto the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(SEALED_MODE)
    sync_tree(folder)


def place(folder: Path, target: Path) -> None:
    """Give a finished folder its final name; both must lie on one file system.

    Raises:
        OSError: The target exists already, or the disk refuses.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    sync(target.parent)


def write_file(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a small file so that readers see the old bytes or the new, never a part.

    Args:
        path: The file; its folder is made.
        data: All of it.
        mode: Who may read a new file, before the process's umask.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    # Whoever shares the folder must not lead the bytes elsewhere by a link of that name.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, mode), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    sync(path.parent)


def copy_sealed(source: Path, target: Path) -> None:
    """Copy one of our own sealed folders to another disk under its final name, at once whole.

    The copy is made beside the target under a hidden name that receivers skip.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    sync_tree(part)
    part.rename(target)
    sync(target.parent)


def remove_parts(folder: Path) -> None:
    """Remove what killed copies left in a folder; the caller makes sure that none is running."""
    for part in folder.glob(".*.part"):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def copy_untrusted(source: Path, target: Path, limits: Limits) -> Copied:
    """Copy a foreign package into our own area without following or believing anything.

    Only regular files directly in the folder and in its ``data`` folder are taken, through
    handles that follow no link, so that what is verified later is what was read here.
    """
    copied = Copied(limits)
    with _folder(source.name, source.parent) as handle:
        if handle is None:
            copied.problems.append("the package is not a folder")
            return copied
        target.mkdir(parents=True)
        _copy_level(handle, "", target, copied)
    return copied


def _copy_level(handle: int, prefix: str, target: Path, copied: Copied) -> None:
    for name in sorted(os.listdir(handle)):
        label = prefix + shown(name)
        if len(copied.paths) + len(copied.problems) >= copied.limits.files:
            most = copied.limits.files
            copied.problems.append(f"{label}: the package holds more than {most} files")
            return
        if not SAFE_NAME.match(name):
            copied.problems.append(f"{label}: the name is not allowed in a package")
            continue
        kind = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
        if stat.S_ISDIR(kind) and not prefix and name == "data":
            with _folder(name, handle) as below:
                if below is not None:
                    (target / name).mkdir()
                    _copy_level(below, "data/", target / name, copied)
        elif stat.S_ISREG(kind):
            _copy_file(handle, name, target / name, label, copied)
        else:
            sort = "a symbolic link" if stat.S_ISLNK(kind) else "not a regular file"
            copied.problems.append(f"{label}: it is {sort}, which no package holds")


def _copy_file(handle: int, name: str, target: Path, label: str, copied: Copied) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    room = min(copied.limits.file_bytes, copied.limits.total_bytes - copied.total)
    with os.fdopen(os.open(name, flags, dir_fd=handle), "rb") as source, target.open("wb") as out:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            copied.problems.append(f"{label}: it is not a regular file")
            return
        while block := source.read(_BLOCK):
            room -= len(block)
            if room < 0:
                copied.problems.append(f"{label}: it is larger than a package may be")
                return
            out.write(block)
            copied.total += len(block)
    copied.paths.append(label)


def read_untrusted(folder: Path, name: str, most: int) -> bytes | None:
    """A small regular file of a foreign folder; None if there is no such thing."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with _folder(folder.name, folder.parent) as handle:
        if handle is None:
            return None
        try:
            stream = os.fdopen(os.open(name, flags, dir_fd=handle), "rb")
        except OSError:
            return None
        with stream:
            state = os.fstat(stream.fileno())
            small = stat.S_ISREG(state.st_mode) and state.st_size <= most
            return stream.read(most) if small else None


@contextlib.contextmanager
def only_one(lock_file: Path) -> Iterator[bool]:
    """Whether this process alone is inside; a killed one holds nothing, nobody waits."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextlib.contextmanager
def _folder(name: str, parent: Path | int) -> Iterator[int | None]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        if isinstance(parent, int):
            handle = os.open(name, flags, dir_fd=parent)
        else:
            handle = os.open(parent / name, flags)
    except NotADirectoryError:
        yield None
        return
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOENT}:
            raise
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def shown(name: str) -> str:
    """A foreign name as it may stand in a sentence."""
    return name if SAFE_NAME.match(name) else ascii(name)[:80]
