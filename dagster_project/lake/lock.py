"""The one writer lock of a home: a flock whose file says who holds it.

A killed holder leaves nothing locked: the kernel drops its flock. What is done under the lock
is not known here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dagster_project.clock import now
from dagster_project.errors import LakeBusyError
from dagster_project.lake.failures import sentences

OnWait = Callable[[str], None]

_POLL_S = 0.05


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, why and since when (UTC)."""

    pid: int
    why: str
    since: str

    def __str__(self) -> str:
        """``ingest population (process 42, since 2026-11-22T02:00:00Z)``."""
        return f"{self.why} (process {self.pid}, since {self.since})"


class HomeLock:
    """One lock file. Reentrant within a thread; other threads and processes wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.RLock()
        self._depth = 0
        self._fd = -1
        self._holder: Holder | None = None

    @contextlib.contextmanager
    def hold(self, why: str, timeout_s: float, on_wait: OnWait | None = None) -> Iterator[None]:
        """Hold the lock for the block.

        Args:
            why: What the holder does, as others will read it.
            timeout_s: Seconds to wait.
            on_wait: Called with a sentence when another holder must be waited for.

        Raises:
            LakeBusyError: The lock was not free within the time.
        """
        deadline = time.monotonic() + timeout_s
        self._take_thread(deadline, on_wait)
        try:
            if self._depth == 0:
                with sentences(self.path):
                    self._take_file(why, deadline, on_wait)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._release()
        finally:
            self._thread.release()

    def _take_thread(self, deadline: float, on_wait: OnWait | None) -> None:
        if self._thread.acquire(blocking=False):
            return
        if on_wait:
            on_wait(_waiting(self._holder))
        if not self._thread.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise _busy(self.path, self._holder)

    def _take_file(self, why: str, deadline: float, on_wait: OnWait | None) -> None:
        told: Holder | bool | None = False
        while not self._try_file():
            holder = read_holder(self.path)
            if on_wait and holder != told:
                on_wait(_waiting(holder))
                told = holder
            if time.monotonic() >= deadline:
                raise _busy(self.path, holder)
            time.sleep(_POLL_S)
        self._holder = Holder(os.getpid(), why, now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(asdict(self._holder), ensure_ascii=False).encode(), 0)

    def _try_file(self) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The home may have been removed and made again while we waited.
            if os.fstat(fd).st_ino == self.path.stat().st_ino:
                self._fd, fd = fd, -1
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            if fd >= 0:
                os.close(fd)
        return False

    def _release(self) -> None:
        fd, self._fd, self._holder = self._fd, -1, None
        try:
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)

    def _after_fork(self) -> None:
        """The child of a fork holds nothing; its copy of the descriptor must not outlive us."""
        if self._fd >= 0:
            os.close(self._fd)
        self.__init__(self.path)  # type: ignore[misc]


def read_holder(path: Path) -> Holder | None:
    """Who wrote itself into a lock file; None if nobody did (yet). It may be a dead process."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def lock_for(path: Path) -> HomeLock:
    """The process's one lock object for a lock file."""
    with _guard:
        return _locks.setdefault(path.resolve(), HomeLock(path.resolve()))


def _waiting(holder: Holder | None) -> str:
    return f"waiting for the lake: held by {holder or 'another process'}"


def _busy(path: Path, holder: Holder | None) -> LakeBusyError:
    return LakeBusyError(
        f"the lake is held by {holder or 'another process'} for too long",
        where=str(path),
        todo="Wait until it has finished, or raise COUNTYLAKE_LOCK_TIMEOUT_S",
    )


def _forget() -> None:
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()
    for lock in _locks.values():
        lock._after_fork()  # noqa: SLF001


_locks: dict[Path, HomeLock] = {}
_guard = threading.Lock()
os.register_at_fork(after_in_child=_forget)
