"""One remote file on its way into a spool folder: begun, cut off, continued, complete.

A file that is on its way is ``<stem>.part`` beside ``<stem>.note``, which says of which remote file
it is; the stem is a hash, because a remote name is never trusted to name anything here. Which files
are fetched, and over which connection, is not known here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from dagster_project.errors import LakeError

RESERVE = 64 << 20
"""So many bytes of the disk stay free."""

STEM = 32
_ENDING = re.compile(r"\.[0-9A-Za-z]{1,8}")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, order=True)
class Entry:
    """A remote file as its server tells it.

    ``path`` is relative to the server's root. ``tag`` names the content, where the server has a
    word for it: two entries that are equal are the same bytes.
    """

    path: str
    size: int
    mtime_ns: int
    tag: str = ""


@dataclass(frozen=True)
class Download:
    """One file's place in the spool."""

    spool: Path
    entry: Entry

    @property
    def stem(self) -> str:
        """What its files here are called."""
        return hashlib.sha256(self.entry.path.encode("utf-8", "surrogatepass")).hexdigest()[:STEM]

    @property
    def file(self) -> Path:
        """The complete file; it keeps the ending, by which people know what a file is."""
        ending = PurePosixPath(self.entry.path).suffix
        return self.spool / f"{self.stem}-whole{ending if _ENDING.fullmatch(ending) else ''}"

    @property
    def part(self) -> Path:
        """The file while bytes are missing."""
        return self.spool / f"{self.stem}.part"

    @property
    def note(self) -> Path:
        """What says of which remote file the bytes are."""
        return self.spool / f"{self.stem}.note"

    def begin(self) -> int:
        """How many of its bytes are here already.

        Bytes of another version of the file are thrown away, and so is everything from before a
        power cut: which bytes of it reached the disk is not known, and waiting for the disk would
        make every download slower.

        Raises:
            LakeError: The spool cannot be written, or the disk has no room for the file.
        """
        try:
            said = self._said()
            if said != self._identity() or not boot() or _length(self.part) > self.entry.size:
                self.drop()
            if self.file.exists():
                return self.entry.size
            self._write_note()
            offset = _length(self.part)
            free = shutil.disk_usage(self.spool).free
        except OSError as error:
            raise self._unwritable(error) from error
        needed = 2 * self.entry.size - offset + RESERVE
        if free < needed:
            raise LakeError(
                f"the disk has no room for this file: {needed:,} bytes are needed for it and its"
                f" landed copy, {free:,} are free",
                where=self.entry.path,
                todo="Free space; the bytes that are here already are kept",
            )
        return offset

    def write(self, blocks: Iterable[bytes | memoryview]) -> int:
        """Append what comes, up to the file's size.

        Returns:
            How many bytes are here now; fewer than the file's size when no more came.

        Raises:
            LakeError: The spool cannot be written; what was written is continued later.
        """
        here = _length(self.part)
        with contextlib.ExitStack() as stack:
            try:
                part = stack.enter_context(self.part.open("ab", buffering=0))
            except OSError as error:
                raise self._unwritable(error) from error
            for block in blocks:
                view = memoryview(block)[: self.entry.size - here]
                while view:
                    try:
                        written = part.write(view)
                    except OSError as error:
                        raise self._unwritable(error) from error
                    here += written
                    view = view[written:]
        return here

    def finish(self) -> Path:
        """The complete file, with the remote one's time; it appears in one step.

        Raises:
            LakeError: The spool cannot be written.
        """
        try:
            if not self.file.exists():
                self.part.touch()  # an empty file has had no bytes to write
                os.utime(self.part, ns=(self.entry.mtime_ns, self.entry.mtime_ns))
                self.part.replace(self.file)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.file

    def drop(self) -> None:
        """Throw away what is here of it."""
        for path in (self.part, self.file, self.note):
            path.unlink(missing_ok=True)

    def _identity(self) -> dict[str, object]:
        return {**asdict(self.entry), "boot": boot()}

    def _said(self) -> dict[str, object]:
        """What the note says; a torn one says nothing."""
        try:
            said = json.loads(self.note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def _write_note(self) -> None:
        fresh = self.note.with_suffix(".new")
        text = json.dumps(self._identity(), ensure_ascii=True)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.note)

    def _unwritable(self, error: OSError) -> LakeError:
        return LakeError(
            f"the spool folder cannot be written ({error.strerror})",
            where=str(self.spool),
            todo="Free space or correct the folder's permissions; what is here is kept",
        )


def sweep(spool: Path, wanted: Collection[Download]) -> None:
    """Remove what killed processes left of files that nobody asks for any more."""
    stems = {download.stem for download in wanted}
    for path in spool.iterdir():
        if path.name[:STEM] not in stems and path.is_file():
            path.unlink(missing_ok=True)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def boot() -> str:
    """What tells this start of the machine from others, where the system says it."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""
