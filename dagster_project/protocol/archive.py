"""One package as one stream of bytes: an uncompressed ZIP whose bytes follow from the files.

There is exactly one archive of a given package: names in order, no compression, no extra fields,
one fixed instant. So a receiver can check every byte of the container, and whatever a clever
container could hide (links, gaps, second directories, sizes that lie) is simply another text.
Any ZIP programme opens it. What the files mean is for ``manifest`` and the receiver to say.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dagster_project.errors import PackageError
from dagster_project.protocol.folders import SAFE_NAME, Copied, Limits, shown

MEDIA_TYPE = "application/zip"
_BLOCK = 1 << 20
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NEEDED, _MADE_BY = 20, 3 << 8 | 20
_MIDNIGHT, _DAY = 0, 0x0021
"""1980-01-01 00:00, the first instant that a ZIP can hold."""
_MODE = 0o100444 << 16
_MOST_BYTES = 0xFFFFFFFE
"""One below what would need ZIP64; a package is far smaller."""
_LONGEST_NAME = 85


class Source(Protocol):
    """Whatever can be read from: a file, or the body of a request."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


@dataclass(frozen=True)
class _Member:
    """One file of the archive, as both of its headers describe it."""

    name: str
    size: int
    crc: int

    @property
    def local(self) -> bytes:
        head = (b"PK\x03\x04", _NEEDED, 0, 0, _MIDNIGHT, _DAY)
        return _LOCAL.pack(*head, self.crc, self.size, self.size, len(self.name), 0) + self.raw

    @property
    def raw(self) -> bytes:
        return self.name.encode("ascii")

    def central(self, offset: int) -> bytes:
        head = (b"PK\x01\x02", _MADE_BY, _NEEDED, 0, 0, _MIDNIGHT, _DAY)
        sizes = (self.crc, self.size, self.size, len(self.name), 0, 0, 0, 0)
        return _CENTRAL.pack(*head, *sizes, _MODE, offset) + self.raw


@dataclass(frozen=True)
class Archive:
    """A sealed package ready to be sent, whole or from the middle on.

    ``size``: bytes of the whole archive.
    """

    folder: Path
    members: tuple[_Member, ...]
    size: int

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The archive's bytes from ``start`` to before ``stop``, in blocks."""
        stop = self.size if stop is None else min(stop, self.size)
        at = 0
        for part in self._parts():
            length = len(part) if isinstance(part, bytes) else part.size
            low, high = max(start - at, 0), min(stop - at, length)
            if low < high:
                if isinstance(part, bytes):
                    yield part[low:high]
                else:
                    yield from blocks(self.folder / part.name, low, high)
            at += length

    def _parts(self) -> Iterator[bytes | _Member]:
        for member in self.members:
            yield member.local
            yield member
        yield _directory(self.members)


def pack(folder: Path) -> Archive:
    """The archive of one of our own sealed folders; its files are read once for their checksums.

    Raises:
        PackageError: The folder holds what no package holds.
        OSError: The disk refuses.
    """
    members = []
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        name = path.relative_to(folder).as_posix()
        if not _allowed(name) or path.is_symlink() or not path.is_file():
            raise PackageError(
                f"{shown(name)} belongs in no package",
                where=str(folder),
                todo="Restore the sealed package from a backup",
            )
        crc, size = 0, 0
        for block in blocks(path, 0, _MOST_BYTES):
            crc, size = zlib.crc32(block, crc), size + len(block)
        members.append(_Member(name, size, crc))
    members.sort(key=lambda member: member.name)
    inside = sum(len(member.local) + member.size for member in members)
    return Archive(folder, tuple(members), inside + len(_directory(members)))


def unpack(stream: Source, target: Path, limits: Limits) -> Copied:
    """Write the files of a foreign archive into a new folder of our own, believing nothing.

    It stops at the first fault, whose sentence stands in ``problems``: then nothing of the
    folder is to be used. A file is never followed, replaced or written beside ``target``.

    Args:
        stream: The archive; it is read to its end and not beyond ``limits``.
        target: The folder to make; it must not exist.
        limits: The most that a package may bring.

    Raises:
        FileExistsError: ``target`` exists.
        OSError: The disk refuses.
    """
    copied = Copied(limits)
    target.mkdir(parents=True)
    try:
        _unpack(stream, target, copied)
    except _FaultyError as fault:
        copied.problems.append(str(fault))
    return copied


class _FaultyError(Exception):
    """What is wrong with an archive, as a sentence without a full stop."""


def _unpack(stream: Source, target: Path, copied: Copied) -> None:
    members: list[_Member] = []
    while True:
        mark = _exactly(stream, 4)
        if mark != b"PK\x03\x04":
            break
        if len(members) >= copied.limits.files:
            raise _FaultyError(f"the package holds more than {copied.limits.files} files")
        member = _member(stream, members[-1].name if members else "")
        room = min(copied.limits.file_bytes, copied.limits.total_bytes - copied.total)
        if member.size > min(room, _MOST_BYTES):
            raise _FaultyError(f"{member.name}: it is larger than a package may be")
        _write(stream, member, target)
        members.append(member)
        copied.paths.append(member.name)
        copied.total += member.size
    if not members:
        raise _FaultyError("it is no archive of a package")
    directory = _directory(members)
    if mark + _exactly(stream, len(directory) - 4) != directory:
        raise _FaultyError("its directory does not describe the files before it")
    if stream.read(1):
        raise _FaultyError("something follows after its end")


def _member(stream: Source, before: str) -> _Member:
    head = _exactly(stream, _LOCAL.size - 4)
    fields = _LOCAL.unpack(b"PK\x03\x04" + head)
    flags, method, crc, packed, size, length, extra = *fields[2:4], *fields[6:]
    if method or packed != size:
        raise _FaultyError(
            "a file in it is compressed; a package's archive stores files as they are"
        )
    if flags or extra or length > _LONGEST_NAME:
        raise _FaultyError("a file in it has flags or fields that a package's archive does not use")
    raw = _exactly(stream, length)
    name = raw.decode("ascii", errors="replace")
    if not _allowed(name):
        raise _FaultyError(f"{name!a}: the name is not allowed in a package")
    if name <= before:
        raise _FaultyError(f"{name}: its files are not in order, or one stands in it twice")
    member = _Member(name, size, crc)
    if member.local[4 : _LOCAL.size] != head:
        raise _FaultyError(f"{name}: its version or its time is not the fixed one")
    return member


def _write(stream: Source, member: _Member, target: Path) -> None:
    path = target / member.name
    path.parent.mkdir(exist_ok=True)
    crc, left = 0, member.size
    with path.open("xb") as out:
        while left:
            block = stream.read(min(left, _BLOCK))
            if not block:
                raise _FaultyError(f"{member.name}: the archive ends in the middle of it")
            out.write(block)
            crc, left = zlib.crc32(block, crc), left - len(block)
    if crc != member.crc:
        raise _FaultyError(f"{member.name}: its bytes do not have the checksum of its header")


def _allowed(name: str) -> bool:
    """A plain name, or one in ``data``; ``data`` itself is the folder."""
    return name != "data" and SAFE_NAME.match(name.removeprefix("data/")) is not None


def _directory(members: tuple[_Member, ...] | list[_Member]) -> bytes:
    listed, offset = b"", 0
    for member in members:
        listed += member.central(offset)
        offset += len(member.local) + member.size
    count = len(members)
    return listed + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(listed), offset, 0)


def blocks(path: Path, low: int, high: int) -> Iterator[bytes]:
    """The bytes of a file from ``low`` to before ``high``, in blocks."""
    with path.open("rb") as stream:
        stream.seek(low)
        left = high - low
        while left > 0 and (block := stream.read(min(left, _BLOCK))):
            yield block
            left -= len(block)


def _exactly(stream: Source, size: int) -> bytes:
    got = b""
    while len(got) < size:
        block = stream.read(size - len(got))
        if not block:
            raise _FaultyError("the archive ends too early")
        got += block
    return got
