"""The newest look at the ledgers, kept until something is committed; nobody waits for long.

A look needs the lake's lock for the moment in which the catalog is copied, and a run holds it for
longer than a request may take. So one thread looks, and whoever cannot wait is shown the look
before. What is looked at is said by whoever keeps.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Generic, Literal, TypeVar

import duckdb
import structlog

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import LakeBusyError
from dagster_project.lake import Lake

State = Literal["starting", "ready", "busy", "empty", "broken"]
STATES: tuple[State, ...] = ("starting", "ready", "busy", "empty", "broken")
"""``starting``: the first look has not ended. ``busy``: a writer holds the lake, what is shown is
older. ``empty``: no lake was made yet. ``broken``: the look met a fault."""
OLD = timedelta(minutes=5)
"""A look this old is renewed without a commit: periods end and cases become overdue by themselves.
"""
PATIENCE_S = 0.1
"""How long a look waits for the lake's lock before it is given up until the next question."""
SMALL = {"memory_limit": "512MiB", "threads": 1, "lock_timeout_s": PATIENCE_S}
"""Whoever looks leaves machine and lake to those who work."""
_log = structlog.get_logger(__name__)
_Version = tuple[int, int, int, date]
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Kept(Generic[Seen]):
    """What can be shown now, seen at an instant, and what the last attempt to look met."""

    state: State
    seen: Seen | None = None
    at: datetime | None = None
    version: _Version | None = None


class Keeper(Generic[Seen]):
    """Keeps the newest look at one site's lake. Making it opens nothing.

    Args:
        workshop: The site.
        look: Reads what is to be shown, from a connection to the newest copy.
        patience_s: Seconds to wait for the lake's lock.
    """

    def __init__(
        self,
        workshop: Workshop,
        look: Callable[[duckdb.DuckDBPyConnection], Seen],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._home, self._read = workshop.home, look
        settings = workshop.settings.model_copy(update={**SMALL, "lock_timeout_s": patience_s})
        self._lake = Lake(workshop.home, settings, on_wait=lambda _: None)
        self._kept = Kept[Seen]("starting")
        self._guard = threading.Lock()
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="look")
        self._looking: Future[None] | None = None

    def newest(self, wait_s: float) -> Kept[Seen]:
        """What the lake says now, or said at the last look that ended within the time."""
        with self._guard:
            if not self._is_newest():
                if self._looking is None or self._looking.done():
                    self._looking = self._looker.submit(self._look)
                looking = self._looking
            else:
                return self._kept
        try:
            looking.result(wait_s)
        except Late:
            _log.info("look_late", waited_s=wait_s)
        return self._kept

    def close(self) -> None:
        """Let a look that has begun end, and begin no other."""
        self._looker.shutdown()

    def _is_newest(self) -> bool:
        kept = self._kept
        return (
            kept.state == "ready"
            and kept.at is not None
            and kept.version == self._version()
            and clock.now() - kept.at < OLD
        )

    def _version(self) -> _Version | None:
        """What differs after every commit and on every day; None without a lake."""
        try:
            found = self._home.catalog.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size, clock.local_day(clock.now())

    def _look(self) -> None:
        # Asked before the look: a commit in between is seen by the next one.
        version, at, before = self._version(), clock.now(), self._kept
        if version is None:
            self._kept = Kept("empty")
            return
        try:
            with self._lake.reader() as con:
                self._kept = Kept("ready", self._read(con), at, version)
        except LakeBusyError:
            self._kept = replace(before, state="busy")
        except Exception as error:  # noqa: BLE001 - a request tells of a fault and does not fail
            # A message of the engine may quote a cell; its kind says enough for a log.
            _log.warning("look_broken", kind=type(error).__name__)
            self._kept = replace(before, state="broken")
