"""Who runs which task now: one lock file per task, held while the task runs.

A lock that nobody holds is not running, whatever its file says: the kernel drops the lock of a
killed process, and what stays in the file tells which execution never ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.errors import LakeBusyError
from dagster_project.lake.lock import Holder, lock_for, read_holder
from dagster_project.paths import Home

RUNS = "runs"
"""Folder of the locks of whole runs."""
PATIENCE_S = 0.5
"""Asking who runs takes each lock for an instant: one that is held longer than this runs."""


@dataclass(frozen=True)
class Running:
    """One execution that has begun: its run, since when (UTC), and its process."""

    task: str
    run_id: str
    started_at: datetime
    pid: int

    def __str__(self) -> str:
        """``running since 2026-11-22T02:00:00Z in run 1a2b3c4d (process 42)``."""
        since = self.started_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"running since {since} in run {self.run_id[:8]} (process {self.pid})"


class TaskRunningError(LakeBusyError):
    """Another process runs the task."""

    def __init__(self, task: str, other: Running | None, where: str) -> None:
        self.other = other
        super().__init__(
            f"task {task} is {other or 'running in another process'}",
            where=where,
            todo="Wait until it has ended; `countylake tasks` shows it",
        )


@contextlib.contextmanager
def running(
    home: Home, task: str, run_id: str, *, patience_s: float = PATIENCE_S
) -> Iterator[Running | None]:
    """Hold a task for the block, so that no second process runs it.

    A second process is told at once, for the first may be fetching for hours; one whose task is
    short may wait with ``patience_s``.

    Yields:
        The execution before, where its process ended without ending it; else None.

    Raises:
        TaskRunningError: Another process runs the task.
    """
    path = _path(home, task)
    before = _told(task, path)
    lock = lock_for(path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.hold(run_id, patience_s))
        except LakeBusyError:
            raise TaskRunningError(task, _told(task, path), str(path)) from None
        yield before if before and before.run_id != run_id else None


def now_running(home: Home) -> dict[str, Running]:
    """Every task that runs now, in this process or another, by its name."""
    found = {path.stem: path for path in sorted(home.tasks.glob("*.lock"))}
    told = {task: _told(task, path) for task, path in found.items()}
    return {task: one for task, one in told.items() if one and _is_held(found[task])}


def abandoned(home: Home) -> dict[str, Running]:
    """Executions whose process is gone without having ended them, by task."""
    found = {path.stem: path for path in sorted(home.tasks.glob("*.lock"))}
    told = {task: _told(task, path) for task, path in found.items()}
    return {task: one for task, one in told.items() if one and not _is_held(found[task])}


def _path(home: Home, task: str) -> Path:
    return home.tasks / f"{task}.lock"


def _told(task: str, path: Path) -> Running | None:
    holder = read_holder(path)
    return _running(task, holder) if holder else None


def _running(task: str, holder: Holder) -> Running:
    since = datetime.strptime(holder.since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return Running(task, holder.why, since, holder.pid)


def _is_held(path: Path, how: int = fcntl.LOCK_SH) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alive(home: Home, run_id: str) -> Iterator[None]:
    """Hold a run's own lock for as long as its process works for it."""
    path = home.tasks / RUNS / f"{run_id}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        with contextlib.suppress(BlockingIOError):  # other processes of the run hold it still
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        os.close(descriptor)


def is_alive(home: Home, run_id: str) -> bool | None:
    """Whether a process works for a run; None if none ever said so."""
    path = home.tasks / RUNS / f"{run_id}.lock"
    return _is_held(path, fcntl.LOCK_EX) if path.exists() else None


def bury(home: Home, run_id: str) -> None:
    """Forget a run whose process is gone."""
    (home.tasks / RUNS / f"{run_id}.lock").unlink(missing_ok=True)
