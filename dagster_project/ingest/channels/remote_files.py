"""Channels whose deliveries are files on another machine: which are taken, in what order, and how.

A subclass connects, lists, reads and says what is there now; matching names, leaving out what is
known, settling, continuing a cut download and comparing afterwards are done here once. How bytes
lie in the spool is told in ``download``.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from dagster_project.contracts.model import Feed, Server
from dagster_project.errors import ChannelError, CountyLakeError, DeliveryError
from dagster_project.ingest.channels.base import Candidate, Origin, Remark
from dagster_project.ingest.channels.dated import Range
from dagster_project.ingest.channels.download import Download, Entry, sweep
from dagster_project.ingest.channels.inbox import (
    SECOND_LOOK_AFTER_S,
    UNPRINTABLE,
    is_temporary,
    matches,
    spelled,
)
from dagster_project.ingest.channels.pull import Extract, Memory, Pull

MOST_BYTES = 64 << 30
"""A larger file is not fetched."""

MOST_LISTED = 1_000_000
"""So many files of a location are looked at; more are a mistake of the location."""

MOST_FETCHED = 10_000
"""So many new files are fetched in one pull; the next one goes on behind them."""

MOST_REMARKS = 100
DEEPEST = 32
LONGEST = 1_024


class FileLeftError(CountyLakeError):
    """One file is not taken now; the others are. ``again`` means that a later look may take it."""

    def __init__(self, what: str, *, where: str, todo: str, again: bool = False) -> None:
        self.again = again
        super().__init__(what, where=where, todo=todo)


@dataclass(frozen=True)
class Glob:
    """The path of a location: a folder without wildcards, and what below it is meant.

    Paths have no leading slash. ``*`` stays in its folder, ``**`` spans folders.
    """

    pattern: str

    @property
    def folder(self) -> str:
        """The deepest folder that the pattern names without a wildcard; empty for the root."""
        parts = self.pattern.split("/")[:-1]
        wild = (number for number, part in enumerate(parts) if any(one in part for one in "*?["))
        return "/".join(parts[: next(wild, len(parts))])

    def takes(self, path: str) -> bool:
        """Whether a file is meant: it matches, and neither it nor its folder is temporary."""
        below = path[len(self.folder) :].strip("/").split("/")
        return not any(map(is_temporary, below)) and matches(path, self.pattern)

    def leads(self, folder: str) -> bool:
        """Whether files below a folder may be meant."""
        parts, said = folder.split("/"), self.pattern.split("/")[:-1]
        if len(parts) > DEEPEST or is_temporary(parts[-1]):
            return False
        depth = next((number for number, part in enumerate(said) if part == "**"), None)
        if depth is not None and len(parts) >= depth:
            parts, said = parts[:depth], said[:depth]
        return len(parts) <= len(said) and matches("/".join(parts), "/".join(said[: len(parts)]))


class Remote(ABC):
    """One connected server. Its paths have no leading slash and may be anything at all.

    ``settles`` says that a file may be seen there while it is still being written. ``left`` are
    folders that could not be looked into.
    """

    settles: ClassVar[bool] = True

    def __init__(self) -> None:
        self.left: list[FileLeftError] = []

    @abstractmethod
    def files(self, glob: Glob) -> Generator[Entry, None, None]:
        """Every file that a glob may mean, in any order.

        Raises:
            ChannelError: The folder cannot be listed.
        """

    @abstractmethod
    def again(self, entry: Entry) -> Entry | None:
        """The file as it is now; nothing when it is gone."""

    @abstractmethod
    def blocks(self, entry: Entry, offset: int) -> Iterator[bytes | memoryview]:
        """The bytes of a file from an offset on, in their order.

        Raises:
            FileLeftError: It is no longer the file that was listed, or may not be read.
            ChannelError: The connection broke.
        """

    @abstractmethod
    def close(self) -> None:
        """End the connection; it never fails."""


class RemoteFiles(Pull):
    """Files of another machine that a location's glob names.

    ``refused`` and ``unfinished`` tell after a pull which files were left and why; those come again
    when they have changed, these at the next look.
    """

    def __init__(self, feed: Feed, server: Server, spool: Path, *, inbox: Path) -> None:
        super().__init__(feed, server, spool, inbox=inbox)
        self.authority, path = split_location(server.location)
        self.glob = Glob(path)
        self.refused: list[Remark] = []
        self.unfinished: list[Remark] = []

    @abstractmethod
    def connect(self) -> Remote:
        """A connection to the server.

        Raises:
            ChannelError: It cannot be reached, or does not let us in.
            UsageError: The credentials say nothing.
        """

    def pull(self, memory: Memory) -> Generator[Extract, None, None]:
        """Bring the files that are new, in the order of their paths."""
        self.refused, self.unfinished = [], []
        with contextlib.closing(self.connect()) as remote:
            downloads = [Download(self.spool, entry) for entry in self._chosen(remote, memory)]
            for error in remote.left:
                self._tell(self.refused, error)
            if not (memory.look or memory.window):
                sweep(self.spool, downloads)
            if downloads and remote.settles:
                time.sleep(SECOND_LOOK_AFTER_S)
            for download in downloads:
                file = self._fetched(remote, download)
                if file is not None:
                    yield Extract(self._candidate(download.entry), file)
                    download.drop()

    def _chosen(self, remote: Remote, memory: Memory) -> list[Entry]:
        """The files to be fetched: new ones by path, those of a window, or the newest one."""
        with contextlib.closing(remote.files(self.glob)) as listed:
            meant = self._meant(listed)
            if memory.look:
                newest = max(meant, key=lambda entry: (entry.mtime_ns, entry.path), default=None)
                return [newest] if newest else []
            if memory.window:
                asked = Range.of(memory.window, self.feed)
                wanted = (entry for entry in meant if asked.holds(entry.path, entry.mtime_ns))
            else:
                wanted = (one for one in meant if self._candidate(one).mark not in memory.marks)
            return heapq.nsmallest(MOST_FETCHED, wanted)

    def _meant(self, listed: Iterable[Entry]) -> Iterator[Entry]:
        """The files that the glob means and that can be taken at all; of the others is told."""
        for number, entry in enumerate(listed, 1):
            if number > MOST_LISTED:
                raise ChannelError(
                    f"the location holds more than {MOST_LISTED:,} files",
                    where=self.server.location,
                    todo="Name a narrower folder, or have old files moved away",
                )
            if not self.glob.takes(entry.path):
                continue
            if (fault := _fault(entry)) is None:
                yield entry
            else:
                self._tell(self.refused, fault)

    def _fetched(self, remote: Remote, download: Download) -> Path | None:
        """The complete file, or nothing when it is left for another time."""
        entry = download.entry
        try:
            here = download.begin()
            if here < entry.size:
                here = download.write(remote.blocks(entry, here))
            if here == entry.size and remote.again(entry) == entry:
                return download.finish()
            left = changed(entry)
        except FileLeftError as error:
            left = error
        download.drop()
        self._tell(self.unfinished if left.again else self.refused, left)
        return None

    def _tell(self, remarks: list[Remark], error: CountyLakeError) -> None:
        if len(remarks) < MOST_REMARKS:
            remarks.append(Remark(error.where, f"{self.server.name}: {error}"))

    def _candidate(self, entry: Entry) -> Candidate:
        return Candidate(
            self.feed.name,
            f"{self.server.name}/{entry.path}",
            entry.size,
            entry.mtime_ns,
            origin=Origin(self.server.type, self.server.name),
        )


CHANGED = (
    "this file changed while it was being looked at or fetched, and was left for the next look",
    "Nothing to do if the upload goes on; otherwise deliver it again",
)
ODD_PATH = (
    "this file's path is too long, too deep, or has empty or dotted folders",
    "Rename it, and put it into a plain folder",
)
TOO_LARGE = (
    f"this file is larger than {MOST_BYTES >> 30} GiB and was not fetched",
    "Deliver it in parts",
)


def changed(entry: Entry) -> FileLeftError:
    """A file that is no longer the one that was listed."""
    return FileLeftError(CHANGED[0], where=entry.path, todo=CHANGED[1], again=True)


def split_location(location: str) -> tuple[str, str]:
    """Host or bucket, and path without its leading slash; ``?`` and ``#`` belong to the path."""
    authority, _, path = location.partition("://")[2].partition("/")
    return authority, path


def _fault(entry: Entry) -> CountyLakeError | None:
    """Why nobody can take a file, whoever delivered it."""
    path = PurePosixPath(entry.path)
    if (shown := spelled(entry.path)) != entry.path:
        return DeliveryError(UNPRINTABLE[0], where=shown[:LONGEST], todo=UNPRINTABLE[1])
    parts = entry.path.split("/")
    if len(parts) > DEEPEST or len(entry.path) > LONGEST or {"", ".", ".."} & set(parts):
        return DeliveryError(ODD_PATH[0], where=entry.path[:LONGEST], todo=ODD_PATH[1])
    if entry.size > MOST_BYTES:
        return DeliveryError(TOO_LARGE[0], where=path.as_posix(), todo=TOO_LARGE[1])
    return None
