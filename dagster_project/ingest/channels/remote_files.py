"""Channels whose deliveries are files on another machine: which are taken, in what order, and how.

Matching names, leaving out what is known, settling, continuing a cut download and comparing
afterwards are done here once. What a server must be able to do is told in ``remote``, how bytes lie
in the spool in ``download``.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dagster_project.contracts.model import Feed, Server
from dagster_project.errors import ChannelError, CountyLakeError, DeliveryError
from dagster_project.ingest.channels import manifests
from dagster_project.ingest.channels.base import Candidate, Origin, Part, Remark
from dagster_project.ingest.channels.dated import Range
from dagster_project.ingest.channels.download import Download, Entry, sweep
from dagster_project.ingest.channels.grouping import grouped
from dagster_project.ingest.channels.inbox import SECOND_LOOK_AFTER_S, UNPRINTABLE, spelled
from dagster_project.ingest.channels.manifests import Manifest, is_manifest, read_manifest
from dagster_project.ingest.channels.pull import Extract, Memory, Pull
from dagster_project.ingest.channels.remote import (
    DEEPEST,
    FileLeftError,
    Glob,
    Remote,
    changed,
    split_location,
)

MOST_BYTES = 64 << 30
"""A larger file is not fetched."""

MOST_LISTED = 1_000_000
"""So many files of a location are looked at; more are a mistake of the location."""

MOST_FETCHED = 10_000
"""So many new files are fetched in one pull; the next one goes on behind them."""

MOST_GROUPED = 100_000
"""So many files, known ones too, are searched for deliveries of several files."""

MOST_MANIFESTS = 10_000
MOST_REMARKS = 100
LONGEST = 1_024


@dataclass(frozen=True)
class Delivery:
    """One delivery that is to be fetched, and its files in their order."""

    candidate: Candidate
    files: tuple[Download, ...]


@dataclass(frozen=True)
class Look:
    """What one listing found: the files that are meant, and the manifests beside them."""

    found: Sequence[Entry]
    manifests: Sequence[Entry]


class RemoteFiles(Pull):
    """Files of another machine that a location's glob names.

    Files of one manifest, and parts where the feed knows parts, are one delivery as in the inbox.
    """

    def __init__(self, feed: Feed, server: Server, spool: Path, *, inbox: Path) -> None:
        super().__init__(feed, server, spool, inbox=inbox)
        self.authority, path = split_location(server.location)
        self.glob = Glob(path)
        self._origin = Origin(server.type, server.name)

    @abstractmethod
    def connect(self) -> Remote:
        """A connection to the server.

        Raises:
            ChannelError: It cannot be reached, or does not let us in.
            UsageError: The credentials say nothing.
        """

    def pull(self, memory: Memory) -> Generator[Extract, None, None]:
        """Bring the deliveries that are new, in the order of their paths."""
        self.refused, self.unfinished = [], []
        with contextlib.closing(self.connect()) as remote:
            deliveries = self._deliveries(remote, memory)
            for error in remote.left:
                self._tell(error)
            if not (memory.look or memory.window):
                sweep(self.spool, [file for one in deliveries for file in one.files])
            if deliveries and remote.settles:
                time.sleep(SECOND_LOOK_AFTER_S)
            for one in deliveries:
                files = tuple(file for each in one.files if (file := self._fetched(remote, each)))
                if len(files) == len(one.files):
                    yield Extract(one.candidate, files[0], files if one.candidate.parts else ())
                    for each in one.files:
                        each.drop()

    def _deliveries(self, remote: Remote, memory: Memory) -> list[Delivery]:
        """What is to be fetched: new deliveries by path, those of a window, or the newest file."""
        groups = not memory.look and (self.feed.manifest or self.feed.parts)
        look = self._looked(remote, memory, whole=groups)
        if look.found and look.manifests and not (groups or memory.look):
            groups, look = True, self._looked(remote, memory, whole=True)
        entries = {self._part(entry).path: entry for entry in look.found}
        candidates = [self._candidate(entry) for entry in look.found]
        if groups:
            candidates = self._grouped(remote, candidates, look.manifests, memory)
        return [
            Delivery(
                replace(one, origin=self._origin),
                tuple(Download(self.spool, entries[part.path]) for part in one.files),
            )
            for one in candidates[:MOST_FETCHED]
        ]

    def _looked(self, remote: Remote, memory: Memory, *, whole: bool) -> Look:
        """One listing: its new files, or those of a window, the newest one, or the whole of it."""
        self.refused.clear()
        stated: list[Entry] = []
        with contextlib.closing(remote.files(self.glob)) as listed:
            meant = self._meant(listed, stated)
            if memory.look:
                newest = max(meant, key=lambda entry: (entry.mtime_ns, entry.path), default=None)
                found = [newest] if newest else []
            elif whole:
                found = heapq.nsmallest(MOST_GROUPED, meant)
            else:
                wanted = self._wanted(memory)
                new = (entry for entry in meant if wanted(self._candidate(entry)))
                found = heapq.nsmallest(MOST_FETCHED, new)
        return Look(found, sorted(stated))

    def _wanted(self, memory: Memory) -> Callable[[Candidate], bool]:
        """Whether a delivery is to be fetched: it is of the window, or was never taken."""
        if memory.window is None:
            return lambda candidate: not candidate.is_known(memory.marks)
        asked = Range.of(memory.window, self.feed)
        return lambda candidate: any(asked.holds(p.path, p.mtime_ns) for p in candidate.files)

    def _meant(self, listed: Iterable[Entry], stated: list[Entry]) -> Iterator[Entry]:
        """The files that are meant and can be taken at all; ``stated`` gets the manifests."""
        for number, entry in enumerate(listed, 1):
            if number > MOST_LISTED or len(stated) > MOST_MANIFESTS:
                raise ChannelError(
                    f"the location holds more than {MOST_LISTED:,} files or"
                    f" {MOST_MANIFESTS:,} manifests",
                    where=self.server.location,
                    todo="Name a narrower folder, or have old files moved away",
                )
            manifest = is_manifest(entry.path)
            if not manifest and not self.glob.takes(entry.path):
                continue
            if (fault := _fault(entry)) is not None:
                self._tell(fault)
            elif manifest:
                stated.append(entry)
            else:
                yield entry

    def _grouped(
        self,
        remote: Remote,
        candidates: Sequence[Candidate],
        stated: Sequence[Entry],
        memory: Memory,
    ) -> list[Candidate]:
        """Files as the deliveries that they are, of which those that are wanted."""
        known = frozenset() if memory.window else memory.marks
        prefix = len(self.server.name) + 1
        made = grouped(
            candidates,
            [self._manifest(remote, entry) for entry in stated],
            {self.feed.name: self.feed},
            lambda path: [self.feed.name] if self.glob.takes(path[prefix:]) else [],
            known,
        )
        self.refused += made.refused[:MOST_REMARKS]
        self.unfinished += made.unfinished[:MOST_REMARKS]
        return list(filter(self._wanted(memory), made.candidates))

    def _manifest(self, remote: Remote, entry: Entry) -> Manifest:
        """What a manifest states; its bytes do not stay."""
        file, part = None, self._part(entry)
        download = Download(self.spool, entry)
        if entry.size <= manifests.MOST_BYTES:
            file = self._fetched(remote, download)
            if file is None:
                return Manifest(part, fault=self._sentence(changed(entry)))
        made = read_manifest(self.spool, part, at=file)
        download.drop()
        return made

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
        self._tell(left)
        return None

    def _tell(self, error: CountyLakeError) -> None:
        again = isinstance(error, FileLeftError) and error.again
        remarks = self.unfinished if again else self.refused
        if len(remarks) < MOST_REMARKS:
            remarks.append(Remark(error.where, self._sentence(error)))

    def _sentence(self, error: CountyLakeError) -> str:
        return f"{self.server.name}: {error}"

    def _part(self, entry: Entry) -> Part:
        return Part(f"{self.server.name}/{entry.path}", entry.size, entry.mtime_ns)

    def _candidate(self, entry: Entry) -> Candidate:
        return Candidate(
            self.feed.name,
            f"{self.server.name}/{entry.path}",
            entry.size,
            entry.mtime_ns,
            origin=self._origin,
        )


ODD_PATH = (
    "this file's path is too long, too deep, or has empty or dotted folders",
    "Rename it, and put it into a plain folder",
)
TOO_LARGE = (
    f"this file is larger than {MOST_BYTES >> 30} GiB and was not fetched",
    "Deliver it in parts",
)


def _fault(entry: Entry) -> CountyLakeError | None:
    """Why nobody can take a file, whoever delivered it."""
    if (shown := spelled(entry.path)) != entry.path:
        return DeliveryError(UNPRINTABLE[0], where=shown[:LONGEST], todo=UNPRINTABLE[1])
    parts = entry.path.split("/")
    if len(parts) > DEEPEST or len(entry.path) > LONGEST or {"", ".", ".."} & set(parts):
        return DeliveryError(ODD_PATH[0], where=entry.path[:LONGEST], todo=ODD_PATH[1])
    if entry.size > MOST_BYTES:
        return DeliveryError(TOO_LARGE[0], where=entry.path, todo=TOO_LARGE[1])
    return None
