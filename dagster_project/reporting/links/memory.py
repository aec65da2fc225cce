"""What is remembered of a link between meetings, so that a dead one is not hammered.

It lies beside the packages it is about; lost or damaged, it is begun anew and nothing is lost.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_project.paths import Home
from dagster_project.protocol.folders import write_file

FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=2)
_MOST_DOUBLINGS = 20


class LinkMemory(BaseModel):
    """How the last meetings went. ``parent_*``: what the parent said of our chain, if it did."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    failures: int = 0
    last_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    last_error: str = ""
    parent_head_no: int = 0
    parent_head_hash: str = ""

    def is_due(self, at: datetime) -> bool:
        """Whether the link may be tried. A clock that was set back does not lock it for years."""
        if self.next_attempt_at is None:
            return True
        return at >= self.next_attempt_at or at < self.next_attempt_at - 2 * LONGEST_PAUSE

    def succeeded(self, at: datetime, head_no: int, head_hash: str) -> LinkMemory:
        """After a meeting that came to its end."""
        return LinkMemory(
            last_attempt_at=at,
            last_success_at=at,
            parent_head_no=head_no,
            parent_head_hash=head_hash,
        )

    def failed(
        self, at: datetime, error: str, *, backs_off: bool, after: float, chance: random.Random
    ) -> LinkMemory:
        """After a meeting that broke off.

        Args:
            at: When.
            error: Why, as a sentence.
            backs_off: Whether the next attempt waits: a random time below a bound that doubles
                with every failure, so that sites which lost one parent do not return at once.
            after: Seconds for which the parent asked to be left alone.
            chance: Chooses within the bound.
        """
        doublings = min(self.failures, _MOST_DOUBLINGS)
        bound = min(FIRST_PAUSE * 2**doublings, LONGEST_PAUSE)
        wanted = min(timedelta(seconds=after), LONGEST_PAUSE)
        pause = max(bound * chance.random(), wanted)
        return self.model_copy(
            update={
                "failures": self.failures + 1,
                "last_attempt_at": at,
                "next_attempt_at": at + pause if backs_off else None,
                "last_error": error,
            }
        )


def recall(home: Home) -> LinkMemory:
    """What is remembered; nothing if there is no such file, or it is no longer one."""
    try:
        return LinkMemory.model_validate_json(_file(home).read_bytes())
    except (OSError, ValidationError):
        return LinkMemory()


def remember(home: Home, memory: LinkMemory) -> None:
    """Write it down."""
    write_file(_file(home), memory.model_dump_json(indent=1).encode())


def _file(home: Home) -> Path:
    return home.outbox / ".link.json"
