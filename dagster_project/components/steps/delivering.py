"""Meeting the parent: what goes up and comes down together, whether it is time, how it stands.

How packages travel is ``reporting.outbox``'s matter, how corrections do ``correcting.asked``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.components.steps.correcting.asked import meet
from dagster_project.components.steps.relaying import pass_on
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.reporting.answers import contradictions
from dagster_project.reporting.links.folder import FolderLink, clear
from dagster_project.reporting.links.memory import LinkMemory, recall
from dagster_project.reporting.meeting import Exchange, trace_of
from dagster_project.reporting.outbox import deliver as exchange
from dagster_project.reporting.sealed import Sealed, sealed_packages

IDLE = timedelta(hours=1)
"""So often the parent is asked what it wants when nothing waits here."""
ANSWERED = timedelta(minutes=30)
"""So often it is asked for answers to what it has."""


@dataclass(frozen=True)
class Standing:
    """How delivery stands. ``waiting``: ids that the parent did not settle yet."""

    link: LinkMemory
    waiting: tuple[str, ...] = ()
    waiting_since: datetime | None = None
    rejected: tuple[Sealed, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def told(self) -> dict[str, Any]:
        """As ``status`` shows it."""
        return {
            "waiting": list(self.waiting),
            "waiting_since": self.waiting_since,
            "rejected": [one.package_id for one in self.rejected],
            "contradictions": list(self.contradictions),
            **self.link.model_dump(),
        }


def deliver(
    workshop: Workshop,
    *,
    at: datetime | None = None,
    to: Path | None = None,
    is_urgent: bool = False,
) -> Exchange:
    """Take every package that the parent lacks up, and bring its answers down.

    What the parent asks for comes down, too, and what the departments answered goes up. A site
    to which others report passes their packages on.

    Args:
        workshop: The site.
        at: The present instant.
        to: Any other folder, such as a stick's, that is carried to the parent and back.
        is_urgent: Whether to try although the last meetings failed.

    Raises:
        UsageError: ``to`` is no folder.
        LakeError, LakeBusyError: The lake cannot be read or written.
    """
    link, own = None, None
    if to is not None:
        if not to.is_dir():
            raise UsageError(
                "there is no such folder", where=str(to), todo="Mount the stick, or name another"
            )
        own = to / workshop.site.code
        own.mkdir(exist_ok=True)
        link = FolderLink(own)
    done = exchange(
        workshop.lake,
        workshop.site,
        at=at,
        link=link,
        is_urgent=is_urgent,
        also=lambda open_link: [*meet(workshop, open_link), *pass_on(workshop, open_link)],
    )
    if own is not None and not done.fault:
        clear(own, _over(workshop, done))
    return done


def _over(workshop: Workshop, done: Exchange) -> set[str]:
    """Our packages that the parent decided on and does not lack: a stick need not hold them."""
    with workshop.lake.reader() as con:
        settled = [one for one in sealed_packages(con) if one.is_settled]
    lacking = {*done.waiting, *done.delivered}
    return {
        one.package_id
        for one in settled
        if one.outcome == "rejected" or one.package_id not in lacking
    }


def due(workshop: Workshop, at: datetime) -> str:
    """Why the parent should be met now, as a clause; empty when there is no reason.

    The lake is looked into only when the link may be tried.
    """
    site, home = workshop.site, workshop.home
    there = site.has_address or site.folder(home, "exchange").is_dir()
    memory = recall(home)
    if not (site.parent and there and home.catalog.exists() and memory.is_due(at)):
        return ""
    last = memory.last_attempt_at
    if last is None or not timedelta() <= at - last < IDLE:
        return "the parent was not met for an hour"
    waiting = standing(workshop).waiting
    if any(not trace_of(home, one).exists() for one in waiting):
        return f"{len(waiting)} packages wait, some of which were never sent"
    if waiting and (memory.failures or at - last >= ANSWERED):
        return f"{len(waiting)} packages wait for an answer"
    return ""


def standing(workshop: Workshop) -> Standing:
    """How delivery stands at this instant."""
    if not workshop.home.catalog.exists():
        return Standing(recall(workshop.home))
    with workshop.lake.reader() as con:
        return standing_of(workshop, con)


def standing_of(workshop: Workshop, con: duckdb.DuckDBPyConnection) -> Standing:
    """How delivery stands, from a reader's connection."""
    chain, wrong = sealed_packages(con), contradictions(con)
    waiting = [one for one in chain if not one.is_settled]
    return Standing(
        link=recall(workshop.home),
        waiting=tuple(one.package_id for one in waiting),
        waiting_since=min((one.sealed_at for one in waiting), default=None),
        rejected=tuple(one for one in chain if one.outcome == "rejected" and _stands(one, chain)),
        contradictions=tuple(str(one) for one in wrong),
    )


def _stands(one: Sealed, chain: list[Sealed]) -> bool:
    """Whether nothing was sealed since in the place of what was refused."""
    stem = one.package_id.rpartition("-r")[0]
    return not any(
        later.package_no > one.package_no and later.package_id.rpartition("-r")[0] == stem
        for later in chain
    )
