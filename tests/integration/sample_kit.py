"""Which cells of the sealed packages are opened: every column often, the awkward ones always."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from figure_kit import KEYS, Said, key_of

from dagster_project.lineage.trace import SourceRow
from tests.oracle.packages import Package

EACH = 2
"""So many cells of every kind of every column, where there are as many."""
WIDE = {"aggregation_status": 1, "aggregation_summary": 1}
"""Reports of dozens of columns, whose figures rest on every ledger: fewer of each."""
SUPPRESSED = {"population_by_town"}
"""Reports whose small cells are withheld: only there a lacking count is one of them."""


@dataclass(frozen=True)
class Cell:
    """One figure of one package; ``value`` is what the package holds."""

    package: Package
    key: tuple[str, ...]
    column: str
    value: Any

    @property
    def where(self) -> dict[str, str]:
        """What picks out its row."""
        return dict(zip(KEYS[self.package.report], self.key, strict=True))


def is_total(cell: Cell) -> bool:
    """A row that is the sum of others."""
    return any(part == "all" or part.endswith("000000") for part in cell.key)


KINDS: Mapping[str, Callable[[Cell], bool]] = {
    "any": lambda _: True,
    "zero": lambda cell: cell.value is not None and cell.value == 0,
    "empty": lambda cell: cell.value is None,
    "total": is_total,
    "withheld": lambda cell: cell.value is None and cell.package.report in SUPPRESSED,
}
"""Cells that must be among those that are opened."""


def cells(packages: Sequence[Package]) -> list[Cell]:
    """Every figure of some packages; key columns name rows and are none."""
    return [
        Cell(package, key_of(package.report, row), column, row[column])
        for package in packages
        for row in package.rows
        for column in package.columns
        if column not in KEYS[package.report]
    ]


def sampled(packages: Sequence[Package], most: int, seed: int) -> list[Cell]:
    """At most so many cells of each report: of each column some of every kind, then any."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    chosen: dict[Cell, None] = {}
    for report in sorted({one.report for one in packages}):
        mine = cells([one for one in packages if one.report == report])
        dice.shuffle(mine)
        columns = dict.fromkeys(cell.column for cell in mine)
        wanted: dict[Cell, None] = {}
        for kind in KINDS.values():
            for column in columns:
                fit = [cell for cell in mine if cell.column == column and kind(cell)]
                wanted |= dict.fromkeys(fit[: WIDE.get(report, EACH)])
        room = 0 if report in WIDE else max(most - len(wanted), 0)
        wanted |= dict.fromkeys([cell for cell in mine if cell not in wanted][:room])
        chosen |= wanted
    return list(chosen)


def has_its_rows(said: Said, cell: Cell, found: Iterable[SourceRow]) -> bool:
    """Whether the opened rows that give a count or sum its value are those of the oracle.

    The oracle keeps rows of the figures by town; of any other it cannot say.
    """
    mine = said.support.get(cell.package.report, {}).get(cell.key, {}).get(cell.column)
    if mine is None:
        return True
    rows = {(one.path, one.sheet, one.row) for one in found if not one.deciding}
    return rows == {(one.file, one.sheet, one.row) for one in mine}
