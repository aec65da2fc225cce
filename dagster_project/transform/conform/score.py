"""The score of a batch: six dimensions of GB/T 36344, weighted, out of 100.

Counts come from ``records``; timeliness and accessibility have no row rules of their own and count
only where a contract's rule carries them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from dagster_project.transform.conform.facts import RuleCount

WEIGHTS = {
    "normativity": 15,
    "completeness": 25,
    "accuracy": 25,
    "consistency": 15,
    "timeliness": 15,
    "accessibility": 5,
}


def score(counts: Iterable[RuleCount]) -> Decimal:
    """100 times the weighted mean of (1 - failed / checked) over the dimensions that were checked.

    Returns:
        Two decimals, half up; 100 when nothing was checked.
    """
    checked: dict[str, int] = defaultdict(int)
    failed: dict[str, int] = defaultdict(int)
    for count in counts:
        if count.kind in ("rule", "warn") and count.dimension in WEIGHTS:
            checked[count.dimension] += count.checked
            failed[count.dimension] += count.failed
    present = [name for name in WEIGHTS if checked[name]]
    if not present:
        return Decimal("100.00")
    weight = sum(WEIGHTS[name] for name in present)
    parts = (WEIGHTS[n] * (1 - Decimal(failed[n]) / Decimal(checked[n])) for n in present)
    good = sum(parts, Decimal(0))
    return (100 * good / weight).quantize(Decimal("0.01"), ROUND_HALF_UP)
