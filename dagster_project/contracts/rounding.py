"""How a rate is rounded: which two columns it is made of, how many digits, and which way.

The published figures of counties mix truncation and rounding, so that a rate says which it is. That
the SQL does what the contract says is proved by tests; here a rate is only described, and computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

Rule = Literal["half_up", "truncate"]


@dataclass(frozen=True)
class Rounding:
    """``numerator`` ÷ ``denominator`` × ``times``, to ``scale`` digits after the point.

    ``half_up`` takes a half up, ``truncate`` cuts off; both are meant of what is not negative. A
    rate of nothing (a denominator of zero) is empty.
    """

    rule: Rule
    numerator: str
    denominator: str
    scale: int = 2
    times: int = 100

    @classmethod
    def of(cls, value: Mapping[str, Any] | None) -> Rounding | None:
        """From a contract's word, if it has one."""
        return cls(**value) if value else None

    def rate(
        self, numerator: Decimal | int | None, denominator: Decimal | int | None
    ) -> Decimal | None:
        """The rate as it must be published."""
        if numerator is None or not denominator:
            return None
        exact = Fraction(numerator) / Fraction(denominator) * self.times * 10**self.scale
        half = Fraction(1, 2) if self.rule == "half_up" else Fraction(0)
        whole = (exact + half).__floor__()
        return Decimal(whole).scaleb(-self.scale)
