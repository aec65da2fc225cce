"""What verification found: faults as sentences, by package, and how much was looked at.

A fault says that something is not as it was sealed; a note says what could not be compared as
closely as it might, and why. No sentence holds a cell of a department's record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SAME_BYTES = "same bytes"
SAME_CONTENT = "content equal; engine differs"
UNSIGNED = "content equal; bytes unknown"
DIFFERENT = "different"
NOT_MADE = "not made again"
KEPT = "kept as it came"


@dataclass
class Verdict:
    """What was found of one package; ``made`` says how its figures came out again."""

    package_id: str
    report: str = ""
    made: str = NOT_MADE
    engine: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """The verdict for machines."""
        return {
            "package_id": self.package_id,
            "report": self.report,
            "made": self.made,
            "engine": self.engine,
            "faults": self.faults,
            "notes": self.notes,
        }


@dataclass
class Verified:
    """What was found of all that was asked for.

    ``faults`` and ``notes`` are those of the site: chains, answers, the lake as it stands now.
    ``looked`` counts what was looked at, by its name.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)

    @property
    def packages(self) -> int:
        """How many packages were looked at."""
        return len(self.verdicts)

    @property
    def every_fault(self) -> tuple[str, ...]:
        """Each fault once, in the order in which they were found."""
        return tuple(dict.fromkeys(self._each("faults")))

    @property
    def every_note(self) -> tuple[str, ...]:
        """Each note once, in the order in which they were found."""
        return tuple(dict.fromkeys(self._each("notes")))

    def add(self, other: Verified) -> None:
        """Take in what was found elsewhere."""
        self.verdicts += other.verdicts
        self.faults += other.faults
        self.notes += other.notes
        self.looked += other.looked

    def _each(self, kind: str) -> Iterator[str]:
        for one in self.verdicts:
            yield from getattr(one, kind)
        yield from getattr(self, kind)

    def told(self) -> dict[str, Any]:
        """All of it for machines."""
        return {
            "packages": [one.told() for one in self.verdicts],
            "faults": list(self.every_fault),
            "notes": list(self.every_note),
            "looked_at": dict(sorted(self.looked.items())),
        }
