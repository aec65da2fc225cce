"""Store and forward: sealed packages go up when the link is there, answers come down.

The link may be down for days. A package counts as done when the parent's signed acknowledgement
says ``accepted``; until then it is sent until it lies with the parent, and afterwards again if the
parent lacks it. Nothing is sealed here, nothing damaged is sent, and nothing that comes is believed
without a signature. What one meeting does is ``meeting``'s matter, how bytes travel ``links``'.
"""

from __future__ import annotations

import random
from datetime import datetime

from dagster_project import clock
from dagster_project.lake import Lake
from dagster_project.paths import Home
from dagster_project.protocol.acknowledgement import SUFFIX
from dagster_project.protocol.folders import only_one
from dagster_project.reporting.links import link_of
from dagster_project.reporting.links.link import Link
from dagster_project.reporting.links.memory import recall
from dagster_project.reporting.meeting import Also, Exchange, Meeting, Opener, trace_of
from dagster_project.settings import Site


def deliver(
    lake: Lake,
    site: Site,
    *,
    at: datetime | None = None,
    link: Link | None = None,
    opener: Opener = link_of,
    is_urgent: bool = False,
    also: Also | None = None,
    chance: random.Random | None = None,
) -> Exchange:
    """Meet the parent: store the answers that came down, and send what it does not have.

    A missing link is not an error: the packages stay sealed and go up the next time.

    Args:
        lake: The site's lake; its lock is held only to read and to store answers.
        site: Whose outbox, and where the parent is.
        at: The present instant.
        link: Another way than the site's own, such as a stick; how it fares is not remembered.
        opener: Opens the site's own link.
        is_urgent: Whether to try although the last meetings failed.
        also: What else is to be done over the link.
        chance: Chooses the pause after a failure.

    Raises:
        LakeError, LakeBusyError: The lake cannot be read or written.
    """
    at, home = at or clock.now(), lake.home
    result = Exchange()
    if not home.catalog.exists():
        return result
    with only_one(home.outbox / ".delivering") as alone:
        if not alone:
            result.remarks.append("Another process is delivering already; nothing was sent twice.")
        memory = recall(home)
        meeting = Meeting(lake, site, at, memory, result)
        if alone and link is None and not is_urgent and not memory.is_due(at):
            result.postponed_until = memory.next_attempt_at
        elif alone:
            meeting.hold(link, opener, also, chance or random.SystemRandom())
        result.waiting = meeting.waiting()
    return result


def was_sent(home: Home, site: Site, package_id: str) -> bool:
    """Whether a package may have left this site, though the lake does not know it."""
    traces = [trace_of(home, package_id), home.acknowledgements / package_id]
    if not site.has_address:
        exchange = site.folder(home, "exchange")
        traces += [exchange / "up" / package_id, exchange / "down" / f"{package_id}{SUFFIX}"]
    return any(trace.exists() for trace in traces)
