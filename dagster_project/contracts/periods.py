"""The period that a file's name states: how contracts write it, and what a text says.

Comparing it with a file's rows is ``components.steps.arriving.doubts``'s work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dagster_project.contracts.words import RETURN_MARK


@dataclass(frozen=True)
class PeriodPattern:
    """One way to write a period.

    ``expression`` finds it with the groups y, m, d and q; a day may follow a month, and both may
    follow a year, since a whole date names its month too. ``written`` is DuckDB's format of the
    canonical text: ``2023``, ``2023-05``, ``2023-05-31``; empty for quarters (``2023-Q2``).
    """

    expression: re.Pattern[str]
    written: str = ""


_Y, _M, _D = r"(?P<y>(?:19|20)\d\d)", r"(?P<m>0[1-9]|1[0-2])", r"(?P<d>0[1-9]|[12]\d|3[01])"
_LOOSE_M, _LOOSE_D = r"(?P<m>0?[1-9]|1[0-2])", r"(?P<d>0?[1-9]|[12]\d|3[01])"


def _whole(text: str, written: str = "") -> PeriodPattern:
    return PeriodPattern(re.compile(rf"(?<!\d){text}(?!\d)"), written)


PATTERNS: Mapping[str, PeriodPattern] = {
    "YYYY": _whole(rf"{_Y}(?:{_M}(?:{_D})?)?", "%Y"),
    "YYYYMM": _whole(rf"{_Y}{_M}(?:{_D})?", "%Y-%m"),
    "YYYYMMDD": _whole(rf"{_Y}{_M}{_D}", "%Y-%m-%d"),
    "YYYY-MM": _whole(rf"{_Y}-{_M}(?:-{_D})?", "%Y-%m"),
    "YYYY-MM-DD": _whole(rf"{_Y}-{_M}-{_D}", "%Y-%m-%d"),
    "YYYY年": _whole(rf"{_Y}年", "%Y"),
    "YYYY年M月": _whole(rf"{_Y}年{_LOOSE_M}月", "%Y-%m"),
    "YYYY年M月D日": _whole(rf"{_Y}年{_LOOSE_M}月{_LOOSE_D}日", "%Y-%m-%d"),
    "YYYYQn": _whole(rf"{_Y}[Qq](?P<q>[1-4])"),
    "YYYY年第n季度": _whole(rf"{_Y}年第?(?P<q>[1-4一二三四])季度"),
}
_QUARTERS = {"一": "1", "二": "2", "三": "3", "四": "4"}


def periods_in(text: str, pattern: str) -> tuple[str, ...]:
    """Every period that a text states in that way, in canonical form, each once.

    The day that a returned copy's name adds is none.

    >>> periods_in("凭证分录_20230531.csv", "YYYYMM")
    ('2023-05',)
    """
    known = PATTERNS[pattern]
    found = (
        _canonical(match.groupdict(), known)
        for match in known.expression.finditer(text.partition(RETURN_MARK)[0])
    )
    return tuple(dict.fromkeys(found))


def _canonical(said: Mapping[str, str | None], known: PeriodPattern) -> str:
    if quarter := said.get("q"):
        return f"{said['y']}-Q{_QUARTERS.get(quarter, quarter)}"
    parts = {"%Y": said["y"], "%m": said.get("m"), "%d": said.get("d")}
    return "-".join(f"{int(parts[one] or 0):02d}" for one in known.written.split("-"))
