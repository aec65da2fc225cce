"""How a receiving site assesses those that report to it: the section of ``schemas/quality.yaml``.

Which indicators there are and how they are counted is the SQL's matter (``sql/city``); what they
weigh, from how many cases on they count, and where a tier begins is decided by the site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

RATES: Mapping[str, str] = {
    "mounted": "挂接率",
    "collected": "应归尽归率",
    "updated": "更新及时率",
    "valid": "数据质量合格率",
    "succeeded": "任务成功率",
    "on_time": "按时完成率",
    "rectified": "问题数据整改率",
    "reported": "报送及时率",
}
"""The indicators that are a share of something, ranked and weighed; all are better when higher."""

COUNTS: Mapping[str, tuple[str, str]] = {
    "items": ("归集目录数", "项"),
    "rows": ("归集数据量（累计）", "行"),
    "period_rows": ("归集数据量（当期）", "行"),
    "empty": ("空目录数", "项"),
    "zombie": ("僵尸目录数", "项"),
}
"""The indicators that are a number of something: told, neither ranked nor weighed."""

TIERS: Mapping[str, str] = {
    "green": "绿",
    "blue": "蓝",
    "yellow": "黄",
    "orange": "橙",
    "red": "红",
}
"""The five colours, best first."""


@dataclass(frozen=True)
class Tier:
    """One colour: the score from which it is given, and its coefficient."""

    floor: Decimal
    coefficient: Decimal


@dataclass(frozen=True)
class Assessment:
    """The section as read, or what holds without it.

    ``sample`` is the number of cases below which a rate is neither ranked nor weighed.
    ``grace_hours`` go on top of a report's due time, for the way up: what was received until then
    is on time. ``weights`` are of the rates, out of any sum.
    """

    sample: int = 5
    grace_hours: int = 12
    weights: Mapping[str, int] = field(
        default_factory=lambda: dict(zip(RATES, (20, 10, 20, 20, 10, 5, 5, 10), strict=True))
    )
    tiers: Mapping[str, Tier] = field(
        default_factory=lambda: {
            "green": Tier(Decimal(90), Decimal("1.00")),
            "blue": Tier(Decimal(80), Decimal("0.95")),
            "yellow": Tier(Decimal(70), Decimal("0.90")),
            "orange": Tier(Decimal(60), Decimal("0.80")),
            "red": Tier(Decimal(0), Decimal("0.70")),
        }
    )


def assessment_of(said: Mapping[str, Any]) -> Assessment:
    """The section ``assessment``, whose form was checked already; what it leaves out is as usual.

    Raises:
        ValueError: The floors of the tiers do not fall from green to red, red does not begin at 0,
            or every weight is 0; the message says which and what to write.
    """
    usual = Assessment()
    tiers = {
        name: Tier(Decimal(str(one["from"])), Decimal(str(one["coefficient"])))
        for name, one in (said.get("tiers") or {}).items()
    }
    found = Assessment(
        sample=int(said.get("sample", usual.sample)),
        grace_hours=int(said.get("grace_hours", usual.grace_hours)),
        weights={**usual.weights, **(said.get("weights") or {})},
        tiers={name: tiers.get(name, usual.tiers[name]) for name in TIERS},
    )
    if not any(found.weights.values()):
        raise ValueError("every weight is 0; give one a number")
    floors = [tier.floor for tier in found.tiers.values()]
    if floors[-1] != 0 or any(a <= b for a, b in pairwise(floors)):
        raise ValueError(
            "the tiers must begin at falling scores, green highest, and red at 0; correct `from`"
        )
    return found
