"""A gzip or zip file around one table: the table is unpacked, bounded, and removed afterwards.

Only wrappers are opened here. A workbook that is itself a zip package (.xlsx, .ods) is no wrapper;
what the table inside is, ``detect`` tells.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import itertools
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from dagster_project.contracts.words import MACHINE_ENDINGS
from dagster_project.errors import DeliveryError, LakeError
from dagster_project.ingest.readers.limits import GIB, Limits
from dagster_project.ingest.readers.result import Container

CHUNK = 1 << 20
Read = Callable[[int], bytes]
GZIP, ZIP, EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
OTHER_ARCHIVES = (b"Rar!", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
PACKAGE_PARTS = frozenset({"[Content_Types].xml", "mimetype", "content.xml"})
"""A zip that holds one of these at its root is a document of its own, not a wrapper."""

TABLES = frozenset({
    ".csv", ".tsv", ".txt", ".dat", ".unl", ".xls", ".xlsx", ".xlsm", ".xlsb", ".ods", ".et",
    ".xml", ".htm", ".html", *itertools.chain.from_iterable(MACHINE_ENDINGS.values()),
})  # fmt: skip
ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".rar", ".7z", ".tar", ".bz2", ".xz", ".zst"})
LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
"""What systems leave in folders."""
ENCRYPTED, UTF8_NAME = 0x1, 0x800
NAMED = 5
"""At most so many members are named in a sentence."""

AGAIN = "Pack it again and deliver it, or deliver the table itself"
ALONE = "Deliver each table as a file of its own"


@dataclass(frozen=True)
class Unwrapped:
    """The table's own bytes and what they were wrapped in; ``others`` are members left alone."""

    path: Path
    container: Container
    others: tuple[str, ...] = ()


@contextlib.contextmanager
def unwrapped(
    path: Path, *, name: str, limits: Limits, scratch: Path | None = None
) -> Iterator[Unwrapped]:
    """The table in a delivered file: the file itself, or what its only table unpacks to.

    Args:
        path: The landed file.
        name: How the file is called in sentences.
        limits: How much is unpacked at most.
        scratch: The folder for the unpacked table, by default the system's; nothing stays there.

    Raises:
        DeliveryError: The archive is damaged, encrypted, a bomb, holds several tables, none,
            another archive, or a member whose name leads outside.
        LakeError: The table cannot be unpacked for want of space or rights.
    """
    container = _container(path, name)
    if not container:
        yield Unwrapped(path, "")
        return
    with _folder(scratch) as folder:
        table = folder / "table"
        others = _unpack(path, table, container, limits=limits, name=name)
        _refuse_nested(table, name)
        yield Unwrapped(table, container, others)


def _container(path: Path, name: str) -> Container:
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(GZIP):
        return "gzip"
    if head == EMPTY_ZIP:
        raise _no_table(name)
    if head != ZIP:
        return ""
    with _damage_named(name), zipfile.ZipFile(path) as archive:
        return "" if PACKAGE_PARTS & set(archive.namelist()) else "zip"


@contextlib.contextmanager
def _damage_named(name: str) -> Iterator[None]:
    """What the libraries say of bad archives, as sentences."""
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise _damaged(name) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise _damaged(name) from error  # a place before the file's beginning was sought
    except NotImplementedError as error:
        raise DeliveryError(
            "this archive is packed by a method that is not read",
            where=name,
            todo="Pack it as an ordinary zip or gzip file, or deliver the table itself",
            reason="unsupported",
        ) from error


def _damaged(name: str) -> DeliveryError:
    return DeliveryError(
        "this archive is damaged or was uploaded only in part",
        where=name,
        todo="Deliver it again, whole",
        reason="damaged",
    )


@contextlib.contextmanager
def _folder(scratch: Path | None) -> Iterator[Path]:
    with _space_named(scratch):
        folder = tempfile.TemporaryDirectory(prefix=".unpacked-", dir=scratch)
    with folder as made:
        yield Path(made)


@contextlib.contextmanager
def _space_named(scratch: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LakeError(
            f"a packed delivery cannot be unpacked ({error.strerror or error})",
            where=str(scratch or tempfile.gettempdir()),
            todo="Free space or correct the folder's permissions, then ingest it again",
        ) from error


def _unpack(
    path: Path, table: Path, container: Container, *, limits: Limits, name: str
) -> tuple[str, ...]:
    """Unpack the only table; the names of the members left alone."""
    with _damage_named(name), contextlib.ExitStack() as stack:
        if container == "gzip":
            read: Read = stack.enter_context(gzip.open(path)).read
            packed, others = path.stat().st_size, tuple[str, ...]()
        else:
            archive = stack.enter_context(zipfile.ZipFile(path))
            member, others = _only_table(archive.infolist(), name)
            read = stack.enter_context(archive.open(member)).read
            packed = member.compress_size
        _copy(read, table, packed=packed, limits=limits, name=name)
    return others


def _copy(read: Read, table: Path, *, packed: int, limits: Limits, name: str) -> None:
    size = 0
    with _space_named(table.parent):
        file: BinaryIO = table.open("wb")
    with file:
        while chunk := read(CHUNK):
            size += len(chunk)
            if size > limits.ratio_from and size > limits.ratio * packed:
                raise DeliveryError(
                    f"this archive unpacks to more than {limits.ratio} times its size: "
                    "it is taken for a decompression bomb",
                    where=name,
                    todo="Deliver the table itself",
                    reason="bomb",
                )
            if size > limits.unpacked_bytes:
                raise DeliveryError(
                    f"this archive unpacks to more than {limits.unpacked_bytes / GIB:g} GiB, "
                    "the most that is unpacked",
                    where=name,
                    todo="Deliver the table itself or in parts, or raise the setting unpacked_gb",
                    reason="too_large",
                )
            with _space_named(table.parent):
                file.write(chunk)


def _only_table(
    members: Sequence[zipfile.ZipInfo], name: str
) -> tuple[zipfile.ZipInfo, tuple[str, ...]]:
    """The one member that is a table, and the names of the others."""
    named = [(_name(member), member) for member in members]
    for title, member in named:
        _refuse_unsafe(title, member, name)
    files = [(t, m) for t, m in named if not m.is_dir() and not _is_litter(t)]
    tables = [(t, m) for t, m in files if PurePosixPath(t).suffix.lower() in TABLES]
    if not tables:
        if any(PurePosixPath(t).suffix.lower() in ARCHIVES for t, _ in files):
            raise _nested(name)
        tables = files
    if not tables:
        raise _no_table(name)
    if len(tables) > 1:
        shown = ", ".join(title for title, _ in tables[:NAMED])
        more = f" and {len(tables) - NAMED} more" if len(tables) > NAMED else ""
        raise DeliveryError(
            f"this archive holds {len(tables)} tables: {shown}{more}",
            where=name,
            todo=ALONE,
            reason="several_tables",
        )
    title, table = tables[0]
    if table.flag_bits & ENCRYPTED:
        raise DeliveryError(
            "this archive is encrypted with a password",
            where=name,
            todo="Deliver it without a password",
            reason="encrypted",
        )
    return table, tuple(t for t, m in files if m is not table)


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name in words; Chinese systems write it in their own encoding, unmarked."""
    title = member.orig_filename
    if not member.flag_bits & UTF8_NAME:
        raw = title.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):
            with contextlib.suppress(UnicodeDecodeError):
                return raw.decode(encoding)
    return title


def _refuse_unsafe(title: str, member: zipfile.ZipInfo, name: str) -> None:
    """Nothing is ever written under a member's name; one that tries to escape is no export."""
    parts = title.replace("\\", "/").split("/")
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    drive = title[1:2] == ":" and title[:1].isalpha()
    if not parts[0] or ".." in parts or drive or is_link or not title.isprintable():
        raise DeliveryError(
            f"a member of this archive has a name that leads outside of it "
            f"({''.join(c if c.isprintable() else '?' for c in title)})",
            where=name,
            todo=AGAIN,
            reason="unsafe_path",
        )


def _is_litter(title: str) -> bool:
    path = PurePosixPath(title)
    return path.parts[0] == "__MACOSX" or path.name.lower() in LITTER or path.name[:2] == "._"


def _refuse_nested(table: Path, name: str) -> None:
    """An archive in an archive is not opened; a workbook's own package is no archive here."""
    with table.open("rb") as file:
        head = file.read(512)
    if head.startswith(OTHER_ARCHIVES) or head[257:262] == b"ustar" or _container(table, name):
        raise _nested(name)


def _nested(name: str) -> DeliveryError:
    return DeliveryError(
        "this archive holds another archive", where=name, todo=ALONE, reason="nested_archive"
    )


def _no_table(name: str) -> DeliveryError:
    return DeliveryError(
        "this archive holds no table", where=name, todo=AGAIN, reason="not_a_table"
    )
