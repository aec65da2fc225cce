"""When a report's figures look odd beside its sender's earlier ones: a part of ``quality.yaml``.

What is done about it is the receiver's business; nothing here compares figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DOUBTS: Mapping[str, str] = {
    "rows": "the number of rows is far from what is usual",
    "total": "a column's total is far from what is usual",
    "zero": "a total that never was is 0",
    "shrunk": "a total that only grows is smaller than before",
    "control": "a published total is not the sum of its parts",
    "cut_off": "the cut-off lies before that of an earlier package",
}
"""What can be doubted, by the word that a policy uses for it."""


@dataclass(frozen=True)
class Plausibility:
    """The section as read, or what holds without it.

    A figure is compared with the median of the last ``periods`` periods of the same site and
    report, once there are ``least`` of them; it is odd when it differs by more than ``share``, and
    a total by at least ``change`` as well: of few records any share is soon missed. ``watched``
    names, by report, the columns whose totals are compared; of a report not named, all are.
    ``growing`` names, by report, the columns whose totals never shrink. A doubt in ``reject`` is a
    reason to refuse the package; every other one is a remark on an accepted package.
    """

    periods: int = 6
    least: int = 3
    share: float = 0.5
    change: int = 10
    watched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    growing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reject: tuple[str, ...] = ()


def plausibility_of(said: Mapping[str, Any]) -> Plausibility:
    """The section ``plausibility``, whose form was checked already; what it leaves out is usual.

    Raises:
        ValueError: More periods are asked for than are looked at; the message says what to write.
    """
    usual = Plausibility()
    found = Plausibility(
        periods=int(said.get("periods", usual.periods)),
        least=int(said.get("least", usual.least)),
        share=float(said.get("share", usual.share)),
        change=int(said.get("change", usual.change)),
        watched=_columns(said.get("watched")),
        growing=_columns(said.get("growing")),
        reject=tuple(said.get("reject") or ()),
    )
    if found.least > found.periods:
        raise ValueError("`least` is more than `periods`; write a smaller number")
    return found


def _columns(said: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    return {report: tuple(columns or ()) for report, columns in (said or {}).items()}
