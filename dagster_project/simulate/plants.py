"""What can be planted in a file, as plain values; where it lands is the planter's matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dagster_project.simulate.county import County

Cells = dict[str, str | None]
Verdict = Literal["accepted", "rejected", "duplicate", "superseded", "dropped"]


@dataclass(frozen=True)
class Turn:
    """One planting: its running number in the feed, and the county around it."""

    serial: int
    county: County


Change = Callable[[Cells, Turn], Cells | None]
"""The cells to change in a row, or None when the row does not suit."""


@dataclass(frozen=True)
class Plant:
    """One kind of thing to plant.

    ``verdict`` says what must become of the planted row. ``in_place`` changes a row of the truth
    (repairs and warnings); otherwise an extra row is added, a changed copy of a true one.
    ``is_truth`` says that the change is what the department means: it must arrive as it stands.
    ``is_table`` says that the rule is asked over silver, not of the batch.
    ``repairs`` are (column, repair id, ``logged`` or ``counted``). ``raw`` is pasted behind a text
    file's line. ``may_lack_rows`` lets a small file do without it.
    """

    name: str
    verdict: Verdict
    change: Change
    in_place: bool = False
    is_warning: bool = False
    is_truth: bool = False
    is_table: bool = False
    reasons: tuple[str, ...] = ()
    repairs: tuple[tuple[str, str, str], ...] = ()
    raw: str = ""
    may_lack_rows: bool = False


@dataclass(frozen=True)
class Kit:
    """What one feed adds to the general faults.

    ``new_key`` gives a copied row a key of its own. ``rules`` break the contract's own rules, by
    rule id; rules of records together are planted where the kit has them. ``older`` makes the
    earlier version of a row.
    """

    new_key: Change
    rules: Mapping[str, Change] = field(default_factory=dict)
    older: Change | None = None


def put(**cells: str | None) -> Change:
    """Always the same cells."""
    return lambda _row, _turn: dict(cells)


def where(test: Callable[[Cells], bool], change: Change) -> Change:
    """The change, only of rows that pass the test."""
    return lambda row, turn: change(row, turn) if test(row) else None
