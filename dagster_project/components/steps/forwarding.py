"""Handing lineage events on, after a run and between runs, where a site says whom to.

How it is done is ``lineage.forwarding``'s work.
"""

from __future__ import annotations

import structlog

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lineage.events.forwarding import Forwarded, forward, recall, waiting

_log = structlog.get_logger(__name__)


def forward_events(workshop: Workshop) -> Forwarded | None:
    """Hand on what waits; None where the site names no lineage server. It stops nobody."""
    server = workshop.site.lineage
    if server is None:
        return None
    try:
        done = forward(workshop.home, server, clock.now())
    except OSError as error:
        _log.warning("events not handed on", why=error.strerror)
        return None
    if done.last_error:
        _log.warning("events not handed on", why=done.last_error)
    return done


def events_due(workshop: Workshop) -> bool:
    """Whether events wait and the server may be asked."""
    server = workshop.site.lineage
    if server is None or not waiting(workshop.home, server):
        return False
    return recall(workshop.home).is_due(clock.now())
