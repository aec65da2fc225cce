"""How a feed's step went, in counts: what Dagster, the ledger and the command line tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from dagster_project.components.steps.checks import CheckAnswer

COUNTS = ("read", "accepted", "rejected", "duplicate", "superseded", "dropped")


@dataclass
class FeedOutcome:
    """What a feed's step did: counts, never cells. ``deleted`` records lack in a full snapshot.

    ``failures`` are channels that could not be asked; a failure that ``is_transient`` may pass by
    itself. ``reason`` says why nothing was done at all.
    """

    feed: str
    status: str = "skipped"
    deliveries: int = 0
    batches: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    deleted: int = 0
    score: Decimal | None = None
    error: str = ""
    is_transient: bool = False
    reason: str = ""
    failed_checks: set[str] = field(default_factory=set)
    checks: Sequence[CheckAnswer] = ()
    bronze_rows: int = 0
    silver_rows: int = 0
    quarantined: int = 0
    version: str = ""
