"""``schemas/quality.yaml``: weights, gate, deadlines, assessment, plausibility, thresholds.

What a county decides about quality once, for all its feeds. Which rules there are, contracts say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dagster_project.contracts.assessment import Assessment
from dagster_project.contracts.plausibility import Plausibility

CaseKind = Literal["fail", "warn", "held", "late", "disagreement", "correction"]
"""What a case is about, as far as its deadline depends on it."""

DIMENSIONS = (
    "normativity",
    "completeness",
    "accuracy",
    "consistency",
    "timeliness",
    "accessibility",
)
"""The six dimensions of GB/T 36344, in its order."""


@dataclass(frozen=True)
class Policy:
    """The file as read, or what holds without one.

    ``weights`` are of the dimensions, out of any sum. ``share`` is the share of rejected rows above
    which a delivery is held where its contract does not say. ``deadlines`` are working days.
    ``thresholds`` are parameter -> value as SQL text, by ``feed.rule``.
    """

    weights: Mapping[str, int] = field(
        default_factory=lambda: dict(zip(DIMENSIONS, (15, 25, 25, 15, 15, 5), strict=True))
    )
    share: float = 0.1
    deadlines: Mapping[CaseKind, int] = field(
        default_factory=lambda: {
            "fail": 5,
            "warn": 10,
            "held": 2,
            "late": 1,
            "disagreement": 5,
            "correction": 10,
        }
    )
    assessment: Assessment = field(default_factory=Assessment)
    plausibility: Plausibility = field(default_factory=Plausibility)
    thresholds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    path: str = ""

    def hash_of(self, feed: str, file_hash: str) -> str:
        """What a feed's contract amounts to: its file, and the thresholds that are set for it."""
        own = {
            rule: dict(values)
            for rule, values in sorted(self.thresholds.items())
            if rule.startswith(f"{feed}.")
        }
        if not own:
            return file_hash
        told = json.dumps(own, sort_keys=True)
        return hashlib.sha256(f"{file_hash}{told}".encode()).hexdigest()
