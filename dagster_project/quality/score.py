"""The score: the six dimensions of GB/T 36344, each a share, weighted; and what each rule costs.

``sql/gold/quality_by_feed_day.sql`` says the same in SQL for every feed and day; a test holds the
two together. Which checks count, and since when, is the models' matter.

A dimension is passed checks / checks, in hundredths of a per cent, half up. The score is the mean
of the dimensions that were checked, by their weights, rounded the same way: it can be recomputed
from published figures. What was not checked has no share, and its weight falls on the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

CENT = Decimal("0.01")
FINE = Decimal("0.0001")
WHOLE = 10_000
"""A whole in hundredths of a per cent, or of a point."""
RECORDS = frozenset({"normativity", "completeness", "accuracy", "consistency"})
"""Dimensions of the records themselves: where none was checked there is nothing to be scored."""
GRADES = ((9000, "1"), (8000, "2"), (7000, "3"), (6000, "4"), (0, "5"))
"""The least score of each grade of the code list ``quality_grade``, in hundredths of a point."""


@dataclass(frozen=True)
class Checked:
    """How often a rule of a dimension was asked and failed.

    ``weight`` is how many checks one question stands for: a period that falls due concerns every
    record of its feed, a row rule one row.
    """

    dimension: str
    checked: int
    failed: int
    weight: int = 1


def shares(checks: Iterable[Checked]) -> dict[str, tuple[int, int]]:
    """Passed checks and checks of each dimension that was checked."""
    passed: dict[str, int] = defaultdict(int)
    asked: dict[str, int] = defaultdict(int)
    for one in checks:
        passed[one.dimension] += (one.checked - one.failed) * one.weight
        asked[one.dimension] += one.checked * one.weight
    return {name: (passed[name], count) for name, count in asked.items() if count}


def score(checks: Iterable[Checked], weights: Mapping[str, int]) -> Decimal | None:
    """The weighted score out of 100, two decimals; None where no record was checked."""
    parts = {n: share for n, share in shares(checks).items() if weights.get(n)}
    total = sum(weights[name] for name in parts)
    if not RECORDS & parts.keys():
        return None
    points = sum(weights[name] * _rounded(*share) for name, share in parts.items())
    return _half_up(points, total) * CENT


def grade(value: Decimal) -> str:
    """The grade of a score: 1 the best, 5 the worst."""
    return next(code for least, code in GRADES if value >= least * CENT)


def points(checks: Sequence[Checked], weights: Mapping[str, int]) -> list[Decimal]:
    """What each of the checks costs, in points; they add up to 100 minus the score exactly.

    A rule's true cost has no end of decimals. Each is cut to four of them, and what is left over
    goes to those that lost most by it, the first of equals.
    """
    total = score(checks, weights)
    if total is None:
        return [Decimal(0) for _ in checks]
    parts = {n: share for n, share in shares(checks).items() if weights.get(n)}
    weight = sum(weights[name] for name in parts)
    exact = [
        Fraction(WHOLE * weights[one.dimension] * one.failed * one.weight, weight * asked)
        if (asked := parts.get(one.dimension, (0, 0))[1])
        else Fraction(0)
        for one in checks
    ]
    return [Decimal(one) * FINE for one in _shared_out(int((100 - total) / FINE), exact)]


def _shared_out(whole: int, parts: Sequence[Fraction]) -> list[int]:
    """A whole number in the proportion of the parts, by the greatest remainder."""
    total = sum(parts, Fraction(0))
    if not total:
        return [0 for _ in parts]
    ideal = [part * whole / total for part in parts]
    floors = [int(one) for one in ideal]
    order = sorted(range(len(parts)), key=lambda at: (floors[at] - ideal[at], at))
    for at in order[: whole - sum(floors)]:
        floors[at] += 1
    return floors


def _rounded(passed: int, checked: int) -> int:
    return _half_up(WHOLE * passed, checked)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
