"""Words that only a report's contract has; ``model`` hands them on.

What a period is and which one a value names is ``report_period``'s matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PeriodKind = Literal["daily", "monthly", "quarterly", "yearly"]


@dataclass(frozen=True)
class SmallCells:
    """Small-cell suppression of a report: counts of persons below ``minimum`` are blanked.

    ``columns`` are the counts; ``totals`` are the groups whose sums are published: within each
    group either no cell or at least two are blank.
    """

    columns: tuple[str, ...]
    totals: tuple[tuple[str, ...], ...]
    minimum: int = 5
