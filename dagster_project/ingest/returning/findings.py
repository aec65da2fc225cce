"""What is to be said of a table's rows, and the words that a copy adds to it.

Plain values; no file is read or written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dagster_project.contracts.words import RETURN_COLUMNS
from dagster_project.ingest.readers.table.header import Layout


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a row; without ``columns`` it is the whole row."""

    sentence: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A row's case: its number and all that was found; of several cases the numbers in a row."""

    number: str
    findings: tuple[Finding, ...]

    @property
    def opinion(self) -> str:
        """All sentences in one cell."""
        return "；".join(finding.sentence for finding in self.findings)

    def by_column(self) -> dict[str, list[str]]:
        """The sentences of each named column."""
        named: dict[str, list[str]] = {}
        for finding in self.findings:
            for column in finding.columns:
                named.setdefault(column, []).append(finding.sentence)
        return named

    @property
    def of_the_row(self) -> list[str]:
        """The sentences about the whole row."""
        return [finding.sentence for finding in self.findings if not finding.columns]


Cases = Mapping[tuple[str, int], Case]
"""Cases by sheet (empty for text files) and record number, as the reader counts them."""


@dataclass
class Copy:
    """What was written: rows with a case, marked cells, and what the receiver must know of it."""

    kind: Literal["csv", "xlsx"] = "xlsx"
    rows: int = 0
    cells: int = 0
    remarks: list[str] = field(default_factory=list)


def return_columns(layout: Layout) -> tuple[int, ...]:
    """Where a table that was returned before has the two columns, from 0; else nothing."""
    at = [
        next((n for n, text in enumerate(layout.titles) if text.strip().endswith(title)), -1)
        for title in RETURN_COLUMNS
    ]
    return () if -1 in at else tuple(at)
