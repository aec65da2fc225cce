"""Channels by which the county itself fetches a feed's deliveries: what they share.

A channel brings complete files into a folder of its own; who calls it commits each of them before
asking for the next. What was taken before comes in as data: no channel opens the lake.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from dagster_project.contracts.model import Feed, Server, ServerType
from dagster_project.ingest.channels.base import Candidate, Mark, Part, Remark

CHANNELS: Final[Mapping[ServerType, tuple[str, str]]] = {
    "sftp": ("sftp", "SftpPull"),
    "s3": ("s3", "S3Pull"),
    "api": ("http_api", "ApiPull"),
    "postgresql": ("database.postgresql", "PostgresPull"),
    "mysql": ("database.mysql", "MySqlPull"),
    "sqlite": ("database.sqlite", "SqlitePull"),
    "sqlalchemy": ("database.hook", "SqlAlchemyPull"),
}
"""Module and class of each kind; a driver is imported when a feed needs it."""


@dataclass(frozen=True)
class Window:
    """A range of the watermark that is fetched again: from ``since`` up to, not with, ``until``."""

    since: str
    until: str


@dataclass(frozen=True)
class Memory:
    """What a channel must know of what was taken before.

    ``marks`` are those of the feed's recorded deliveries. ``watermark`` is the one that the last
    taken delivery of this channel reached; empty means from the beginning. A ``window`` is fetched
    again whatever was taken, and moves no watermark; a channel of files understands it as dates of
    names or times. ``look`` asks for about so many rows and no more, only to see what they are.
    """

    marks: frozenset[Mark] = frozenset()
    watermark: str = ""
    window: Window | None = None
    look: int = 0


@dataclass(frozen=True)
class Extract:
    """A delivery that was fetched: what is to be remembered of it, and its complete file.

    ``files`` are those of a delivery of several files, in the order of the candidate's.
    """

    candidate: Candidate
    file: Path
    files: tuple[Path, ...] = ()

    def locate(self, part: Part) -> Path:
        """The file that holds these bytes of the delivery."""
        return self.files[self.candidate.files.index(part)] if self.files else self.file


@dataclass(frozen=True)
class Described:
    """What a source says of one of its columns; ``key_position`` counts from 1, 0 is no key."""

    name: str
    type: str = ""
    nullable: bool = True
    key_position: int = 0
    comment: str = ""


class Pull(ABC):
    """One channel of one feed.

    Args:
        feed: Whose deliveries.
        server: Where they come from.
        spool: The channel's own folder; nobody else uses it while this object pulls.
        inbox: The site's inbox, for sources that are files there.

    ``refused`` and ``unfinished`` tell after a pull what was left and why: those need somebody who
    acts, these need only time.
    """

    def __init__(self, feed: Feed, server: Server, spool: Path, *, inbox: Path) -> None:
        self.feed = feed
        self.server = server
        self.spool = spool
        self.inbox = inbox
        self.refused: list[Remark] = []
        self.unfinished: list[Remark] = []

    @abstractmethod
    def pull(self, memory: Memory) -> Generator[Extract, None, None]:
        """Bring what is new, oldest first.

        The caller commits each extract before it asks for the next one, and removes its file; it
        may stop at any time by closing the generator. What a killed process left in the folder is
        continued or thrown away.

        Raises:
            ChannelError: The counterpart cannot be reached or answers wrongly.
            UsageError: The credentials say nothing.
            LakeError: The folder cannot be written.
        """

    def describe(self) -> tuple[Described, ...]:
        """What the source says of its columns; nothing where it has no word for them.

        Raises:
            ChannelError: The counterpart cannot be reached or answers wrongly.
        """
        return ()


def pull_channel(feed: Feed, server: Server, spool: Path, *, inbox: Path) -> Pull:
    """The channel of a feed's server; its folder is made."""
    module, name = CHANNELS[server.type]
    found = getattr(importlib.import_module(f"dagster_project.ingest.channels.{module}"), name)
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    return cast("Pull", found(feed, server, spool, inbox=inbox))
