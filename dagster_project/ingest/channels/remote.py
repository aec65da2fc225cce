"""A server that has files: what a channel of files asks of it, whatever its protocol.

Which of its files are taken is told in ``remote_files``; the protocols are ``sftp`` and ``s3``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import ClassVar

from dagster_project.errors import CountyLakeError
from dagster_project.ingest.channels.download import Entry
from dagster_project.ingest.channels.inbox import is_temporary, matches

DEEPEST = 32
"""Files below so many folders are not looked for."""


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
        named = (part for part in below if part not in {".", ".."})
        return not any(map(is_temporary, named)) and matches(path, self.pattern)

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


CHANGED = (
    "this file changed while it was being looked at or fetched, and was left for the next look",
    "Nothing to do if the upload goes on; otherwise deliver it again",
)


def changed(entry: Entry) -> FileLeftError:
    """A file that is no longer the one that was listed."""
    return FileLeftError(CHANGED[0], where=entry.path, todo=CHANGED[1], again=True)


def split_location(location: str) -> tuple[str, str]:
    """Host or bucket, and path without its leading slash; ``?`` and ``#`` belong to the path."""
    authority, _, path = location.partition("://")[2].partition("/")
    return authority, path
