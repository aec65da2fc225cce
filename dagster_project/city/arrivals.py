"""Packages that come over a line: put into the exchange folder that a stick or a share would fill.

Whether it was pushed or pulled, a package enters by the one door, and only reception judges it.
What is remembered beside is which archive it came in, so that the same one is known again, and
our copy can go once it is accepted. Nothing is verified here but that it is an archive.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from dagster_project.errors import PackageError
from dagster_project.paths import Home
from dagster_project.protocol import dsse
from dagster_project.protocol.acknowledgement import SUFFIX, Acknowledgement
from dagster_project.protocol.archive import Source, unpack
from dagster_project.protocol.canonical import sha256_bytes
from dagster_project.protocol.folders import (
    Limits,
    only_one,
    place,
    read_untrusted,
    seal_tree,
    write_file,
)
from dagster_project.protocol.manifest import PACKAGE_ID, SIGNATURE

UP, DOWN, ARRIVED = "up", "down", ".arrived"
ANSWER_BYTES = 64 << 10
REJECTED_KEPT = timedelta(days=30)
"""What was refused stays for as long: a key that is announced late lets it be judged anew."""
State = Literal["waiting", "held", "accepted", "rejected"]
ANY = 1 << 53
"""Above every number of a package: the ledger is not asked."""
_HASH_BYTES = 64
_ABANDONED_S = 24 * 3600.0


@dataclass(frozen=True)
class Arrived:
    """What became of an archive: ``is_new`` if it lies in the folder only now."""

    package_id: str
    state: State
    is_new: bool


@dataclass(frozen=True)
class Door:
    """The exchange folder of one child of one home."""

    home: Home
    code: str

    @property
    def folder(self) -> Path:
        """The child's exchange folder."""
        return self.home.exchange / self.code

    def check(self) -> None:
        """Make sure that the folders are plain ones.

        Raises:
            PackageError: One of them leads elsewhere.
        """
        for path in (self.folder, self.folder / UP, self.folder / DOWN, self.folder / ARRIVED):
            if path.is_symlink():
                raise PackageError(
                    "an exchange folder must not be a link",
                    where=str(path),
                    todo="Make it a plain folder",
                )

    def lying(self) -> list[str]:
        """The ids of packages that lie in the ``up`` folder."""
        up = self.folder / UP
        found = up.iterdir() if up.is_dir() else iter(())
        return sorted(path.name for path in found if PACKAGE_ID.match(path.name))

    def waiting(self, head_no: int = ANY) -> list[str]:
        """Those of them on which nothing was decided yet, or that wait for an earlier number."""
        return [name for name in self.lying() if self.state(name, head_no) in {"waiting", "held"}]

    def state(self, package_id: str, head_no: int = ANY) -> State:
        """What was decided on a package, as its answer says.

        Args:
            package_id: Which.
            head_no: The last number that the ledger knows of its sender. An answer that tells of
                later ones is older than a lake that was brought back from a backup.
        """
        found = self.answer(package_id)
        if found is None or found.head_no > head_no:
            return "waiting"
        mark = self._mark(package_id)
        with contextlib.suppress(FileNotFoundError):
            answered = datetime.fromisoformat(found.acknowledged_at).timestamp()
            if found.outcome == "rejected" and mark.stat().st_mtime > answered:
                return "waiting"
        return found.outcome

    def answer(self, package_id: str) -> Acknowledgement | None:
        """Our own answer to a package; it is ours and not verified again."""
        data = read_untrusted(self.folder / DOWN, package_id + SUFFIX, ANSWER_BYTES)
        if data is None:
            return None
        with contextlib.suppress(PackageError, ValueError):
            _, payload = dsse.unverified(data, package_id)
            return Acknowledgement.model_validate_json(payload)
        return None

    def take(
        self, package_id: str, stream: Source, sha256: str, limits: Limits, head_no: int = ANY
    ) -> Arrived:
        """Put a package into the ``up`` folder, whole or not at all.

        The same archive again changes nothing. Another one replaces what was not accepted yet.

        Args:
            package_id: Its name, which fits ``PACKAGE_ID``.
            stream: The archive.
            sha256: Its hash.
            limits: The most that it may bring.
            head_no: The last number that the ledger knows of its sender.

        Raises:
            PackageError: It is no archive of a package, or another one was accepted.
            OSError: The disk refuses.
        """
        self.check()
        target, known = self.folder / UP / package_id, self._known(package_id)
        state = self.state(package_id, head_no)
        if known == sha256 and (state == "accepted" or target.is_dir()):
            return Arrived(package_id, state, is_new=False)
        part = self.folder / UP / f".{package_id}.{uuid.uuid4().hex}.new"
        try:
            copied = unpack(stream, part, limits)
            if copied.problems or SIGNATURE not in copied.paths:
                raise PackageError(
                    copied.problems[0] if copied.problems else "the package is not signed",
                    where=package_id,
                    todo="Send the sealed package",
                )
            if state == "accepted" and not self._is_accepted(part, package_id):
                raise OtherBytesError(package_id)
            if state == "accepted" or self._is_same(part, target):
                write_file(self._mark(package_id), sha256.encode())
                return Arrived(package_id, state, is_new=False)
            seal_tree(part)
            write_file(self._mark(package_id), sha256.encode())
            self._replace(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return Arrived(package_id, "waiting", is_new=True)

    def lying_archive(self, package_id: str) -> str:
        """The hash of the archive in which a package came that still lies there; else empty."""
        target = self.folder / UP / package_id
        is_there = target.is_dir() and not target.is_symlink()
        return self._known(package_id) if is_there else ""

    def clear(self, at: datetime) -> list[str]:
        """Remove what came over a line and was accepted, or refused long ago; call it alone.

        Returns:
            The ids of packages whose copy is gone.
        """
        gone = []
        for name in self.lying():
            if self._known(name) and self._is_over(name, at):
                with _aside(self.folder / UP / name):
                    gone.append(name)
        for left in (self.folder / UP).glob(".*.new"):
            if at.timestamp() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
        return gone

    def _is_over(self, package_id: str, at: datetime) -> bool:
        found = self.answer(package_id)
        if found is None or self.state(package_id) not in {"accepted", "rejected"}:
            return False
        age = at - datetime.fromisoformat(found.acknowledged_at)
        return found.outcome == "accepted" or age > REJECTED_KEPT

    def _mark(self, package_id: str) -> Path:
        return self.folder / ARRIVED / package_id

    def _known(self, package_id: str) -> str:
        """The hash of the archive in which a package came last; empty if over no line."""
        data = read_untrusted(self.folder / ARRIVED, package_id, _HASH_BYTES)
        return data.decode("ascii", errors="replace") if data else ""

    def _is_same(self, part: Path, target: Path) -> bool:
        """Whether a share or a stick brought the same; a copy that broke on the way is another."""
        if not target.is_dir() or target.is_symlink():
            return False
        for path in sorted(part.rglob("*"), reverse=True):  # the signature first
            if path.is_file():
                place, ours = target / path.relative_to(part), path.read_bytes()
                if read_untrusted(place.parent, place.name, len(ours) + 1) != ours:
                    return False
        return True

    def _is_accepted(self, part: Path, package_id: str) -> bool:
        """Whether this is what was accepted, perhaps signed anew since."""
        found = self.answer(package_id)
        _, payload = dsse.unverified((part / SIGNATURE).read_bytes(), package_id)
        return found is not None and sha256_bytes(payload) == found.package_hash

    def _replace(self, part: Path, target: Path) -> None:
        if target.exists():
            with _aside(target):
                place(part, target)
        else:
            place(part, target)


class OtherBytesError(PackageError):
    """Another package of that name was accepted."""

    def __init__(self, package_id: str) -> None:
        super().__init__(
            "another package of that name was accepted",
            where=package_id,
            todo="Seal a further revision",
        )


def clear(home: Home, codes: list[str], at: datetime) -> None:
    """Remove what is no longer needed of what came over a line, unless somebody is receiving."""
    with only_one(home.exchange / ".receiving") as alone:
        for code in codes if alone else ():
            door = Door(home, code)
            with contextlib.suppress(PackageError, OSError):
                door.check()
                door.clear(at)


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[None]:
    """Take a folder out of sight in one step, then remove it."""
    hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    path.rename(hidden)
    try:
        yield
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
