"""What every channel answers: which deliveries are there, and which of them are new.

A channel neither opens the lake nor reads contents: what is already known comes in as data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dagster_project.contracts.model import Feed

Mark = tuple[str, int, int]
"""What tells two deliveries of one place apart: path, size, modification time in ns."""


def joined(marks: Iterable[Mark]) -> Mark:
    """The mark of a delivery of several files, its manifest among them: it names them all."""
    named = list(marks)
    return (
        "\n".join(f"{path} {size} {mtime_ns}" for path, size, mtime_ns in named),
        sum(size for _, size, _ in named),
        max(mtime_ns for _, _, mtime_ns in named),
    )


@dataclass(frozen=True, order=True)
class Part:
    """One file of a delivery, and what a manifest states of it, if one states its SHA-256."""

    path: str
    size: int
    mtime_ns: int
    stated_bytes: int = 0
    stated_sha256: str = ""
    stated_rows: int = -1

    @property
    def mark(self) -> Mark:
        """What the lake remembers of it."""
        return self.path, self.size, self.mtime_ns


@dataclass(frozen=True, order=True)
class Origin:
    """By which channel a delivery came, and which part of its source it is.

    ``server`` is the channel's name in the contract, empty for the inbox. ``since`` and ``until``
    are the watermarks between which the source was read; ``until`` is where the next one begins,
    as long as the contract names the same ``column`` of the same table.
    """

    channel: str = "inbox"
    server: str = ""
    since: str = ""
    until: str = ""
    column: str = ""

    @property
    def is_extract(self) -> bool:
        """Whether it is a source's state when it was asked, and no file that somebody wrote."""
        return self.channel not in {"inbox", "sftp", "s3"}


@dataclass(frozen=True, order=True)
class Candidate:
    """A delivery that waits to be landed; ``path`` is relative to the channel's root.

    A delivery of several files has the path of its manifest, or the name that its parts share; its
    size is their sum and its time the newest one's. ``parts`` are its files in their order, and
    ``manifest`` is the manifest that names them; both are empty for a single file on its own.
    """

    feed: str
    path: str
    size: int
    mtime_ns: int
    parts: tuple[Part, ...] = ()
    manifest: tuple[Part, ...] = ()
    origin: Origin = Origin()

    @property
    def mark(self) -> Mark:
        """What the lake remembers of it."""
        if not self.parts:
            return self.path, self.size, self.mtime_ns
        return joined(part.mark for part in (*self.parts, *self.manifest))

    @property
    def files(self) -> tuple[Part, ...]:
        """The files to be landed."""
        return self.parts or (Part(self.path, self.size, self.mtime_ns),)

    def is_known(self, marks: Collection[Mark]) -> bool:
        """Whether the lake remembers it: as it is, or each of its files."""
        return self.mark in marks or all(part.mark in marks for part in self.files)


@dataclass(frozen=True, order=True)
class Remark:
    """A file that is not taken now, and a sentence that says why and what to do."""

    path: str
    sentence: str


@dataclass(frozen=True)
class Discovery:
    """One look at a channel.

    ``candidates`` are new deliveries in the order in which they are to be taken; ``known`` were
    recorded before; ``unclaimed`` match no feed; ``refused`` cannot be taken by anyone (claimed by
    two feeds, links out of the folder); ``unfinished`` are still being written or not yet complete.
    """

    candidates: tuple[Candidate, ...] = ()
    known: tuple[Candidate, ...] = ()
    unclaimed: tuple[Remark, ...] = ()
    refused: tuple[Remark, ...] = ()
    unfinished: tuple[Remark, ...] = ()


class Channel(ABC):
    """One way in which deliveries arrive."""

    @abstractmethod
    def discover(
        self, feeds: Iterable[Feed], known: Collection[Mark], *, now: datetime
    ) -> Discovery:
        """Look once for deliveries of ``feeds``; those whose mark is ``known`` are not new."""

    @abstractmethod
    def locate(self, part: Part) -> Path:
        """The file that holds these bytes of a candidate."""
