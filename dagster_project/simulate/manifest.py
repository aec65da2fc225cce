"""What must become of every file: written while faults are planted, never read back from files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dagster_project.simulate.plants import Plant


@dataclass
class FeedManifest:
    """One file's expected books.

    ``rows`` holds one entry per planted row. ``read`` counts data rows and dropped rows, never the
    header; ``read = accepted + rejected + duplicate + superseded + dropped``. ``unplanted`` are
    faults that a short file cannot bear.
    """

    feed: str
    file: str = ""
    sha256: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    cross: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    control_totals: list[dict[str, str | int]] = field(default_factory=list)
    unplanted: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def truth(self, rows: int) -> None:
        """Enter rows of the truth, to be accepted."""
        self.counts["accepted"] += rows

    def planted(self, plant: Plant, *, sheet: str, row: int) -> None:
        """Enter a planted row; one changed in place was entered as truth already."""
        if not plant.in_place:
            self.counts[plant.verdict] += 1
        entry: dict[str, Any] = {"row": row, "verdict": plant.verdict}
        if sheet:
            entry["sheet"] = sheet
        if plant.reasons:
            entry["warnings" if plant.is_warning else "reasons"] = list(plant.reasons)
            self._books_of(plant).update(plant.reasons)
        if plant.repairs:
            entry["repairs"] = [list(repair) for repair in plant.repairs]
            for column, rule, kind in plant.repairs:
                book = self.logged if kind == "logged" else self.counted
                book[f"{column}.{rule}"] += 1
        self.rows.append(entry)

    def _books_of(self, plant: Plant) -> Counter[str]:
        if not plant.is_warning:
            return self.rules
        return self.cross if plant.is_table else self.warnings

    def drop(self, kind: str, *, sheet: str, row: int) -> None:
        """Enter a row that is no data."""
        self.counts["dropped"] += 1
        self.dropped[kind] += 1
        entry: dict[str, Any] = {"row": row, "verdict": "dropped", "kind": kind}
        if sheet:
            entry["sheet"] = sheet
        self.rows.append(entry)

    @property
    def read(self) -> int:
        """Data rows and dropped rows."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """The manifest's form in the JSON file."""
        order = ("accepted", "rejected", "duplicate", "superseded", "dropped")
        return {
            "file": self.file,
            "sha256": self.sha256,
            "read": self.read,
            **{verdict: self.counts[verdict] for verdict in order},
            "rules": dict(sorted(self.rules.items())),
            "unplanted": self.unplanted,
            "warnings": dict(sorted(self.warnings.items())),
            "cross_warnings": dict(sorted(self.cross.items())),
            "repairs_logged": dict(sorted(self.logged.items())),
            "repairs_counted": dict(sorted(self.counted.items())),
            "dropped_kinds": dict(sorted(self.dropped.items())),
            "control_totals": self.control_totals,
            "rows": sorted(self.rows, key=lambda entry: (entry.get("sheet", ""), entry["row"])),
        }
