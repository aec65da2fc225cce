"""The link that is a folder: a mounted share, or a stick that is carried.

``up`` holds packages, ``down`` the signed answers, ``corrections`` both sides' words on doubted
figures, ``keys`` announcements of our keys, ``parent`` those of the parent's. The other side
writes here too: what is read is read as foreign, and a copy appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Self

from dagster_project.protocol.acknowledgement import SUFFIX
from dagster_project.protocol.correction import ASKED, FOLDER, MOST_BYTES
from dagster_project.protocol.folders import (
    copy_sealed,
    read_untrusted,
    remove_parts,
    write_file,
)
from dagster_project.protocol.revocation import FILE
from dagster_project.reporting.links.link import (
    ANSWER_BYTES,
    CARD_BYTES,
    LinkError,
    ParentState,
)

UP, DOWN, KEYS, PARENT = "up", "down", "keys", "parent"
MOST_CARDS = 20


class FolderLink:
    """A folder that the parent, or whoever carries it, sees as well.

    Args:
        folder: Where; it must be there, since an unmounted share is an empty place on our disk.
    """

    backs_off = False

    def __init__(self, folder: Path) -> None:
        self._folder, self.where = folder, str(folder)

    def __enter__(self) -> Self:
        if not self._folder.is_dir():
            raise LinkError(
                "the exchange folder is not there; the packages are kept and go up the next time",
                where=self.where,
                todo="Mount it, or correct `exchange` in site.yaml",
                transient=True,
            )
        with self._whole():
            (self._folder / UP).mkdir(exist_ok=True)
            remove_parts(self._folder / UP)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Nothing is kept open."""

    def state(self) -> ParentState | None:
        """A folder cannot be asked."""
        return None

    def holds(self, package: Path) -> bool:
        """Whether the copy in ``up`` equals the sealed one."""
        with self._whole():
            return _same(package, self._folder / UP / package.name)

    def send(self, package: Path) -> None:
        """Copy a package; one that was broken on the way is put aside first."""
        target = self._folder / UP / package.name
        aside = target.with_name(f".{target.name}.{os.getpid()}.old.part")
        with self._whole():
            if target.is_symlink() or target.is_file():
                target.unlink()
            elif target.exists():
                target.rename(aside)
            copy_sealed(package, target)
            shutil.rmtree(aside, ignore_errors=True)

    def answers(self) -> Mapping[str, str]:
        """The files in ``down`` with their size and the instant of their last change."""
        found = {}
        with self._whole():
            for entry in _entries(self._folder / DOWN):
                if entry.name.endswith(SUFFIX):
                    state = entry.stat(follow_symlinks=False)
                    mark = f"{state.st_size}-{state.st_mtime_ns}"
                    found[entry.name.removesuffix(SUFFIX)] = mark
        return found

    def answer(self, package_id: str) -> bytes | None:
        """One file of ``down``."""
        return self._read(DOWN, package_id + SUFFIX, ANSWER_BYTES)

    def corrections(self) -> Sequence[str]:
        """The names of corrections that lie here."""
        with self._whole():
            entries = _entries(self._folder / FOLDER)
            return sorted(one.name for one in entries if one.name.endswith(ASKED))

    def correction(self, name: str) -> bytes | None:
        """One file of ``corrections``."""
        return self._read(FOLDER, name, MOST_BYTES)

    def reply(self, name: str, data: bytes) -> None:
        """Write an answer, unless it stands there."""
        self._write(FOLDER, name, data, MOST_BYTES)

    def announce(self, name: str, data: bytes) -> None:
        """Write an announcement, unless it stands there."""
        self._write(KEYS, name, data, CARD_BYTES)

    def heard(self) -> Sequence[tuple[str, bytes]]:
        """The files in ``parent``: announcements by serial, then the keys that are refused."""
        with self._whole():
            found = (one.name for one in _entries(self._folder / PARENT))
            names = sorted(found, key=lambda name: (name == FILE, len(name), name))
        read = ((f"{PARENT}/{name}", self._read(PARENT, name, CARD_BYTES)) for name in names)
        return [(name, data) for name, data in read if data is not None][:MOST_CARDS]

    def _read(self, part: str, name: str, most: int) -> bytes | None:
        with self._whole():
            return read_untrusted(self._folder / part, name, most)

    def _write(self, part: str, name: str, data: bytes, most: int) -> None:
        if self._read(part, name, most) != data:
            with self._whole():
                write_file(self._folder / part / name, data)

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Whatever the disk says, as a link that broke off."""
        try:
            yield
        except OSError as error:
            raise LinkError(
                f"the link broke off ({error.strerror}); the packages are kept and go up the"
                " next time",
                where=self.where,
                todo="Look whether the share or stick is whole, writable and has room",
                transient=True,
            ) from error


def clear(folder: Path, over: AbstractSet[str]) -> None:
    """Take packages that are over from a stick, and the answers to them.

    A folder that is shared is never cleared: its other side may still look at it.
    """
    for entry in _entries(folder / UP):
        if entry.name in over:
            shutil.rmtree(entry.path, ignore_errors=True)
    for entry in _entries(folder / DOWN):
        if entry.name.removesuffix(SUFFIX) in over:
            with contextlib.suppress(OSError):
                Path(entry.path).unlink()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder that may be missing; hidden files are somebody's unfinished work."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    with os.scandir(folder) as entries:
        return [one for one in entries if not one.name.startswith(".")]


def _same(source: Path, target: Path) -> bool:
    if target.is_symlink() or not target.is_dir():
        return False
    names = sorted(str(p.relative_to(source)) for p in source.rglob("*"))
    if names != sorted(str(p.relative_to(target)) for p in target.rglob("*")):
        return False
    files = [name for name in names if (source / name).is_file()]
    return all(filecmp.cmp(source / name, target / name, shallow=False) for name in files)
