"""The inbox folder: departments put files in, feeds claim them by patterns.

Only names and sizes are looked at; contents are the readers' work.
"""

from __future__ import annotations

import os
import stat
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError, UsageError
from dagster_project.ingest.channels.base import Candidate, Channel, Discovery, Mark, Part, Remark
from dagster_project.ingest.channels.grouping import grouped
from dagster_project.ingest.channels.manifests import is_manifest, read_manifest

SETTLED_AFTER_S = 2.0
"""A file that was touched this recently is looked at twice before it is taken."""

SECOND_LOOK_AFTER_S = 0.5

TEMPORARY = (
    ".*", "~*", "*~", "*.part", "*.partial", "*.tmp", "*.temp", "*.filepart", "*.crdownload",
    "*.download", "*.swp", "thumbs.db", "desktop.ini",
)  # fmt: skip
"""Names that office programs, browsers and file transfers use for unfinished or private files."""


def folded(path: str) -> str:
    """A path as patterns see it: one Unicode form, one case (``实有人口.XLSX`` is a workbook)."""
    return unicodedata.normalize("NFC", path).casefold()


def matches(path: str, pattern: str) -> bool:
    """Whether a relative path matches a glob; ``*`` stays in its folder, ``**`` spans folders."""
    return _parts_match(folded(path).split("/"), folded(pattern).split("/"))


def _parts_match(path: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_parts_match(path[n:], pattern[1:]) for n in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _parts_match(path[1:], pattern[1:])


class InboxChannel(Channel):
    """A folder, with or without subfolders.

    Args:
        root: The inbox folder; it need not exist yet (then it is empty).
        wait: Called with the seconds to pass before the second look at a fresh file.
    """

    def __init__(self, root: Path, *, wait: Callable[[float], None] = time.sleep) -> None:
        self.root = root.resolve()
        self._wait = wait

    def discover(
        self, feeds: Iterable[Feed], known: Collection[Mark], *, now: datetime
    ) -> Discovery:
        """Look once at the folder.

        Candidates come in the order of their paths, so that a day's files are taken in the order
        of the dates in their names and never in the order of their clocks, which a copy changes.

        Raises:
            UsageError: The inbox is not a readable folder.
        """
        contracts = {feed.name: feed for feed in feeds}
        patterns = [(name, one) for name, feed in contracts.items() for one in feed.patterns]

        def claim(path: str) -> list[str]:
            return sorted({name for name, pattern in patterns if matches(path, pattern)})

        # A database that is one file is no delivery: its own channel reads it.
        databases = {
            folded(server.path)
            for feed in contracts.values()
            for server in feed.pulled
            if server.type == "sqlite"
        }
        unclaimed, refused, found, manifests = [], [], [], []
        for path in self._files():
            if folded(path.removesuffix("-wal").removesuffix("-shm")) in databases:
                continue
            claims = ["a manifest"] if is_manifest(path) else claim(path)
            if (remark := self._refusal(path, claims)) is not None:
                refused.append(remark)
            elif not claims:
                unclaimed.append(Remark(path, _sentence(path, *UNCLAIMED)))
            elif (candidate := self._look(claims[0], path)) is None:
                continue
            elif is_manifest(path):
                manifests.append(read_manifest(self.root, candidate.files[0]))
            else:
                found.append(candidate)
        marks = frozenset(known)
        made = grouped(found, manifests, contracts, claim, marks)
        fresh = [c for c in made.candidates if not c.is_known(marks)]
        settled, unfinished = self._settle(fresh, now)
        return Discovery(
            candidates=tuple(settled),
            known=tuple(c for c in made.candidates if c.is_known(marks)),
            unclaimed=tuple(unclaimed),
            refused=(*refused, *made.refused),
            unfinished=tuple(sorted([*unfinished, *made.unfinished])),
        )

    def locate(self, part: Part | Candidate) -> Path:
        """The file that holds these bytes of a candidate.

        Raises:
            DeliveryError: The path leads out of the inbox.
        """
        if not self._contained(part.path):
            raise DeliveryError(LEADS_OUT[0], where=part.path, todo=LEADS_OUT[1])
        return self.root / part.path

    def _files(self) -> Iterator[str]:
        """Relative paths of all files that are neither hidden nor temporary, sorted."""
        if not self.root.exists():
            return
        try:
            next(self.root.iterdir(), None)
        except OSError as error:
            raise UsageError(
                f"the inbox cannot be read ({error.strerror})",
                where=str(self.root),
                todo="Check the folder's name and permissions in site.yaml",
            ) from error
        paths = []
        for folder, subfolders, names in os.walk(self.root, followlinks=False):
            subfolders[:] = [name for name in subfolders if not is_temporary(name)]
            base = Path(folder).relative_to(self.root)
            paths += [(base / name).as_posix() for name in names if not is_temporary(name)]
        yield from sorted(paths)

    def _refusal(self, path: str, claims: list[str]) -> Remark | None:
        """Why nobody can take a file."""
        if (shown := spelled(path)) != path:
            return Remark(shown, _sentence(shown, *UNPRINTABLE))
        if not self._contained(path):
            return Remark(path, _sentence(path, *LEADS_OUT))
        if len(claims) > 1:
            what = f"this file is claimed by several feeds ({', '.join(claims)})"
            return Remark(path, _sentence(path, what, NARROW))
        if claims and not self._plain(path):
            return Remark(path, _sentence(path, *NO_FILE))
        return None

    def _contained(self, path: str) -> bool:
        try:
            return (self.root / path).resolve().is_relative_to(self.root)
        except (OSError, RuntimeError):  # a link that leads to itself
            return False

    def _plain(self, path: str) -> bool:
        """Whether it is a regular file; opening a pipe would wait for its writer for ever."""
        try:
            return stat.S_ISREG((self.root / path).stat().st_mode)
        except FileNotFoundError:
            return not (self.root / path).is_symlink()  # gone: nothing to complain of
        except OSError:
            return False

    def _look(self, feed: str, path: str) -> Candidate | None:
        """Size and time of a file, or nothing when it has gone."""
        try:
            found = (self.root / path).stat()
        except OSError:
            return None
        return Candidate(feed, path, found.st_size, found.st_mtime_ns)

    def _is_still(self, part: Part) -> bool:
        """Whether a file is as it was at the first look."""
        found = self._look("", part.path)
        return found is not None and found.mark == part.mark

    def _settle(
        self, fresh: list[Candidate], now: datetime
    ) -> tuple[list[Candidate], list[Remark]]:
        """Separate finished files from those that are still being written."""
        threshold = (now.timestamp() - SETTLED_AFTER_S) * 1e9
        young = [c for c in fresh if c.mtime_ns > threshold]
        if young:
            self._wait(SECOND_LOOK_AFTER_S)
        moving = {c for c in young if not all(map(self._is_still, (*c.files, *c.manifest)))}
        remarks = [Remark(c.path, _sentence(c.path, *UNFINISHED)) for c in sorted(moving)]
        return [c for c in fresh if c not in moving], remarks


LEADS_OUT = (
    "this link leads out of the inbox and is not followed",
    "Deliver the file itself",
)
NO_FILE = (
    "this is no plain file, or it cannot be reached, and was not read",
    "Deliver the file itself, readable by this user",
)
UNPRINTABLE = (
    "this file's name holds line breaks, control characters or bytes that are not UTF-8",
    "Rename it; archives made on Windows are unpacked with their GBK names converted",
)
UNCLAIMED = (
    "this file matches no feed's pattern and was not read",
    "Rename it as its feed's contract says (servers.path), or add a contract for it",
)
NARROW = "Narrow the patterns (servers.path) of these contracts so that one feed remains"
UNFINISHED = (
    "this file is still being written and was left for the next run",
    "Nothing to do if the upload goes on; otherwise deliver it again",
)


def _sentence(path: str, what: str, todo: str) -> str:
    return str(DeliveryError(what, where=path, todo=todo))


def spelled(path: str) -> str:
    """A path with characters that no screen, log or ledger can hold written as escapes."""
    return "".join(
        one.encode("unicode_escape").decode()
        if unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}
        else one
        for one in path
    )


def is_temporary(name: str) -> bool:
    """Whether a file's or folder's name says that it is unfinished or private."""
    return any(fnmatchcase(folded(name), pattern) for pattern in TEMPORARY)
