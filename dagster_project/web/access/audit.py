"""One line for every access to the interface, also for refused ones: who, what, when, how much.

A line is handed to the system in one write before the request is over, so that the end of this
process loses none; within a second it is forced onto the disk. Where a line cannot be written,
nothing is answered until it can. A full file is put aside and never removed: how long accesses
are kept is the site's own rule. No secret stands in it, no value that was asked for, only names
of forms and of packages.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dagster_project.clock import now, utc_text
from dagster_project.paths import Home

FILE = "access.ndjson"
MODE = 0o600
SYNC_S = 1.0
MOST_BYTES = 16 << 20
_MOST_WAITING = 1000


@dataclass(frozen=True)
class Access:
    """One access. ``of``: the child or package in its path, where it has the form of one.

    ``sent``, ``received``: bytes of bodies. ``id`` stands in the answer, too.
    """

    at: str
    id: str
    token: str
    site: str
    method: str
    route: str
    of: str
    status: int
    sent: int
    received: int
    ms: int
    address: str


class Audit:
    """The access log of one home; several processes may add to it.

    Args:
        home: Whose.
        most_bytes: How large a file grows before it is put aside.
    """

    def __init__(self, home: Home, most_bytes: int = MOST_BYTES) -> None:
        self._path = home.logs / FILE
        self._most = most_bytes
        self._guard = threading.Lock()
        self._fd = -1
        self._waiting: list[bytes] = []
        self._syncing: threading.Timer | None = None

    def add(self, access: Access) -> None:
        """Write a line; one that cannot be written waits for the next attempt."""
        line = json.dumps(asdict(access), ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._guard:
            self._waiting = [*self._waiting, line.encode()][-_MOST_WAITING:]
            self._write()

    def ready(self) -> bool:
        """Whether every line so far was written."""
        with self._guard:
            if self._waiting:
                self._write()
            return not self._waiting

    def close(self) -> None:
        """Force what was written onto the disk."""
        with self._guard:
            if self._syncing is not None:
                self._syncing.cancel()
            self._sync()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _write(self) -> None:
        try:
            while self._waiting:
                self._open()
                line = self._waiting[0]
                if os.write(self._fd, line) != len(line):
                    os.write(self._fd, b"\n")
                    return
                self._waiting.pop(0)
        except OSError:
            return
        if self._syncing is None:
            self._syncing = threading.Timer(SYNC_S, self._sync_late)
            self._syncing.daemon = True
            self._syncing.start()

    def _sync_late(self) -> None:
        with self._guard:
            self._sync()

    def _sync(self) -> None:
        self._syncing = None
        if self._fd >= 0:
            os.fsync(self._fd)

    def _open(self) -> None:
        """Have the file open that lies there now; put a full one aside."""
        if self._fd >= 0 and self._is_current() and os.fstat(self._fd).st_size < self._most:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with (self._path.parent / f".{FILE}.lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._path.exists() and self._path.stat().st_size >= self._most:
                self._path.rename(self._path.with_name(f"access-{now():%Y%m%dT%H%M%S%f}.ndjson"))
            if self._fd >= 0:
                os.fsync(self._fd)
                os.close(self._fd)
                self._fd = -1
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self._path, flags, MODE)

    def _is_current(self) -> bool:
        try:
            there, mine = self._path.stat(), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def accesses(home: Home, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """The lines of a home's access log, oldest first; a torn last line is left out."""
    first = utc_text(since) if since else ""
    for path in _files(home.logs):
        with path.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                if isinstance(told, dict) and str(told.get("at", "")) >= first:
                    yield told


def _files(logs: Path) -> list[Path]:
    return [*sorted(logs.glob("access-*.ndjson")), *logs.glob(FILE)]
