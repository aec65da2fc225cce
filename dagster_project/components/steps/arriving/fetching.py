"""What a feed's own channels bring, fetched without the lake's lock and taken piece by piece.

Each extract is one transaction that also keeps the watermark it reached: a process that is killed
before it fetches the same again, one that is killed after goes on behind it. How one delivery is
taken stands in ``desk``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

import structlog

from dagster_project.components.steps.arriving import deliveries
from dagster_project.components.steps.arriving.desk import Desk
from dagster_project.components.steps.arriving.holds import holds, pausing
from dagster_project.components.steps.arriving.taking import prepare
from dagster_project.components.steps.checks import KEYS, ROWS
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.outcome import FeedOutcome
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed, Server
from dagster_project.errors import ChannelError, CountyLakeError, LakeBusyError, LakeError
from dagster_project.ingest.channels.pull import Extract, Memory, Window, pull_channel

BACKOFF_S = (2.0, 8.0)
"""So long a step waits before it asks again a counterpart that was cut off or busy."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Fetch:
    """One feed's fetching.

    Args:
        window: A range that is fetched again; without it what is new.
        wait: Called with the seconds to pass before a counterpart is asked again.
    """

    workshop: Workshop
    feed: Feed
    occasion: Occasion
    done: FeedOutcome
    window: Window | None = None
    wait: Callable[[float], None] = time.sleep

    def all(self) -> None:
        """Every channel of the feed; one that cannot be reached keeps no other from being asked."""
        for server in self.feed.pulled:
            try:
                self._patiently(server)
            except LakeBusyError:
                raise
            except CountyLakeError as error:
                # Whatever it is, the feed's other channels may be well.
                self.done.failures.append(str(error))
                passing = error.transient if isinstance(error, ChannelError) else False
                self.done.is_transient |= passing or isinstance(error, LakeError)
                _log.warning(
                    "channel failed",
                    run_id=self.occasion.run_id,
                    feed=self.feed.name,
                    channel=server.name,
                    kind=type(error).__name__,
                )

    def _patiently(self, server: Server) -> None:
        """Ask again what may succeed a little later; what was taken before stays taken."""
        for pause in (*BACKOFF_S, None):
            try:
                self._pull(server)
            except ChannelError as error:
                if not error.transient or pause is None:
                    raise
                self.wait(pause)
            else:
                return

    def _pull(self, server: Server) -> None:
        memory = self._memory(server)
        if memory is None:
            return
        site, home = self.workshop.site, self.workshop.home
        channel = pull_channel(
            self.feed,
            server,
            home.spool / self.feed.name / server.name,
            inbox=site.folder(home, "inbox"),
        )
        with closing(channel.pull(memory)) as extracts:
            for extract in extracts:
                troubles = len(self.done.refused) + len(self.done.held)
                self._take(extract, _column(server))
                extract.file.unlink(missing_ok=True)
                stopped = len(self.done.refused) + len(self.done.held) > troubles
                if stopped and (server.watermark or self._pauses()):
                    return  # what comes later must not overtake it
        self.done.failures += [remark.sentence for remark in channel.refused]
        _log.info(
            "channel asked",
            run_id=self.occasion.run_id,
            feed=self.feed.name,
            channel=server.name,
            refused=len(channel.refused),
            unfinished=len(channel.unfinished),
        )

    def _memory(self, server: Server) -> Memory | None:
        """What the channel must know; nothing when a decision has to be waited for."""
        with self.workshop.lake.writer(f"looking up {self.feed.name}") as writer:
            prepare(self.workshop, writer, self.feed, self.occasion)
            con = writer.con
            waiting = holds(con, self.feed.name) if server.watermark else []
            hold = pausing(con, self.feed.name) or (waiting[0] if waiting else None)
            if hold is not None:
                self.done.held.append(
                    f"The channel {server.name} of {self.feed.name} is not asked until hold"
                    f" {hold.hold_id} is decided."
                )
                return None
            return Memory(
                marks=frozenset(deliveries.known_marks(con, self.feed.name)),
                watermark=deliveries.watermark(con, self.feed.name, server.name, _column(server)),
                window=self.window,
            )

    def _pauses(self) -> bool:
        """Whether a decision is waited for that keeps later deliveries waiting."""
        with self.workshop.lake.writer(f"looking up {self.feed.name}") as writer:
            return pausing(writer.con, self.feed.name) is not None

    def _take(self, extract: Extract, column: str) -> None:
        with self.workshop.lake.writer(f"taking {self.feed.name}") as writer:
            plan = self.workshop.plan(self.feed.name)
            desk = Desk(self.workshop, writer, plan, self.occasion, self.done)
            origin = replace(extract.candidate.origin, column=column)
            if self.window is not None:
                # Whatever a channel says of a range's end, it is not how far the source was read.
                origin = replace(origin, until="")
            try:
                desk.take(extract.locate, replace(extract.candidate, origin=origin))
            except LakeError:
                # Which law would have been broken stands in the sentence; nothing was committed.
                self.done.failed_checks |= {ROWS, KEYS}
                raise


def _column(server: Server) -> str:
    """Where a channel's watermarks stand; those of another column say nothing of this one."""
    if server.watermark is None:
        return ""
    return f"{server.table}.{server.watermark.column}" if server.table else server.watermark.column
