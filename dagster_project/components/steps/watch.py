"""A cheap look at the inbox: whether anything lies there that no run has seen."""

from __future__ import annotations

import hashlib

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.ingest.channels import InboxChannel


def inbox_state(workshop: Workshop) -> tuple[str, int]:
    """A fingerprint of the finished files that feeds claim, and how many they are."""
    channel = InboxChannel(workshop.site.folder(workshop.home, "inbox"))
    seen = channel.discover(workshop.contracts.feeds.values(), (), now=clock.now())
    marks = sorted(candidate.mark for candidate in seen.candidates)
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:32], len(marks)
