"""One materialization as others hear of it: a START before, and COMPLETE, FAIL or ABORT after.

What an event holds is said by ``told`` for each kind of step. An event that cannot be written stops
no step: the lake's own commits are the record, events are for others to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lineage.events import events
from dagster_project.lineage.events import log as event_log
from dagster_project.lineage.events.events import Work

WITHIN = {"collect": "county_day", "receive": "city_receive"}
"""The job that materializations belong to, by what the site does."""
_log = structlog.get_logger(__name__)


@dataclass
class Telling:
    """One run of a job; ``work`` grows until its end is told."""

    workshop: Workshop
    work: Work
    is_begun: bool = False
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    def begin(self) -> None:
        """Tell the START, once."""
        if not self.is_begun:
            self.is_begun = True
            self._safely(self._start)

    def add(self, known: Callable[[], Mapping[str, Any]]) -> None:
        """Remember what has become known: it gives fields of ``Work``."""
        self._safely(lambda: self._know(known()))

    def end(self, event: Callable[[Work], str]) -> None:
        """Tell the end; the run's marker goes away with it."""
        with self._open:
            self._safely(lambda: event_log.append(self.workshop.home, [event(self.work)]))

    def _start(self) -> None:
        close_killed(self.workshop)
        start = events.started(self.work, clock.now())
        home, run_id = self.workshop.home, self.work.event_run_id
        self._open.enter_context(event_log.marked(home, run_id, start))

    def _know(self, known: Mapping[str, Any]) -> None:
        self.work = replace(self.work, **known)

    def _safely(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - telling others stops no step
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            work = self.work
            _log.warning("events not written", run_id=work.run_id, job=work.job, why=why)


@contextmanager
def telling(
    workshop: Workshop,
    work: Work,
    *,
    at_once: bool = True,
    undecided: tuple[type[Exception], ...] = (),
    hidden: Sequence[str] = (),
) -> Iterator[Telling]:
    """Tell of the block: its START, and its end when the block ends.

    Args:
        workshop: The site.
        work: What is known before.
        at_once: Whether the START is told now; otherwise the block tells it when there is work to
            do, and nothing at all is told of a block that did nothing.
        undecided: What the block raises when a person must decide before the work can be done.
        hidden: Names that no event may hold: those of delivered files.
    """
    own = f"{work.part} {clock.now().isoformat()}".strip()
    told = Telling(workshop, replace(work, part=own, within=WITHIN[workshop.duty]))
    if at_once:
        told.begin()
    try:
        yield told
    except undecided as held:
        told.begin()
        kind = getattr(held, "kind", "")
        why = f"The delivery is held ({kind}): a person must decide."
        told.end(lambda work: events.stopped(_bare(work), clock.now(), why))
        raise
    except BaseException as error:
        failure = error
        told.begin()
        told.end(lambda work: events.failed(_bare(work), clock.now(), failure, hidden))
        raise
    if told.is_begun:
        told.end(lambda work: events.completed(work, clock.now()))


def close_killed(workshop: Workshop) -> list[str]:
    """Tell the end of every run whose process was killed before it could."""
    return event_log.close_killed(workshop.home, lambda start: events.aborted(start, clock.now()))


def _bare(work: Work) -> Work:
    """What is told of a run that made nothing: the names of what it would have made."""
    return replace(work, outputs=[replace(one, version="") for one in work.outputs])
