"""How a delivered table's shape differs from its contract, and what the contract says to do then.

Pure: what was counted in a file comes in as numbers, findings go out as data. No cell's value is in
a finding; the one exception are codes of a code list, short and of columns that are not personal.
Counting is ``components.steps.arriving.measures``' work, changing the contract is ``amend``'s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any

from dagster_project.contracts.model import DRIFT_KINDS, Column, DriftAction, DriftKind, Feed

LIKENESS = 0.5
"""Two titles are alike from this ratio of common characters on."""
FITTING = 0.9
"""Cells of this share fit a column: the unknown column may be the missing one."""
FAILING = 0.2
"""From this share of failing cells on a column has narrowed, if it was ``SOUND`` before."""
SOUND = 0.05
FEWEST = 20
"""Below this number of cells nothing is concluded from them."""
CODE_CELLS = 3
"""A value outside a code list is a new code when it stands in as many cells."""
CODES = 20
"""As many new codes are named, no more."""
MEDIAN, QUARTILE = 0.1, 0.3
"""How far a median, and a quartile, may be from a power of ten times what it was."""
RAGGED = 0.5
"""A headerless table has changed its columns when this share of its rows has another width."""
_CODE_LIKE = re.compile(r"[0-9A-Za-z\u4e00-\u9fff\u3400-\u4dbf（）()/、.\-]{1,16}")
_UNIT = re.compile(r"(?<=.)[(（][^()（）]*[)）]$")
_LONG_NUMBER = re.compile(r"[0-9]{7,}")


@dataclass(frozen=True)
class Finding:
    """One difference. ``column`` is the contract's, ``title`` the file's; either may be empty.

    ``candidate`` is the other half of a renaming: the title that a missing column may have now.
    ``evidence`` holds counts and shares, and new codes under ``codes``.
    """

    kind: DriftKind
    column: str
    title: str
    candidate: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    severity: DriftAction = "pause"

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two findings the same one, whatever was counted."""
        return self.kind, self.column, self.candidate or self.title, *self.evidence.get("codes", ())

    def data(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {**asdict(self), "evidence": dict(self.evidence)}

    @staticmethod
    def of(data: Mapping[str, Any]) -> Finding:
        """From what JSON kept."""
        return Finding(**data)


@dataclass(frozen=True)
class Fit:
    """How the cells of an unknown column go with a missing one.

    ``filled`` cells were looked at, ``valid`` of them obey the missing column's rules, ``held`` of
    them are values that silver already holds in that column. ``telling`` says that the rules would
    refuse most other texts: a type, a format, a pattern or a code list.
    """

    filled: int
    valid: int
    held: int = 0
    telling: bool = False

    @property
    def share(self) -> float:
        """The share of valid cells."""
        return self.valid / self.filled if self.filled else 0.0

    @property
    def known(self) -> float:
        """The share of cells that silver holds."""
        return self.held / self.filled if self.filled else 0.0


@dataclass(frozen=True)
class Failures:
    """How many cells of a column broke one rule, in this file and in those before it."""

    rule: str
    checked: int
    failed: int
    checked_before: int
    failed_before: int


@dataclass(frozen=True)
class Quartiles:
    """The spread of a numeric column: how many values, and the three quartiles."""

    rows: int
    low: float
    median: float
    high: float


def policy(feed: Feed, kind: DriftKind) -> DriftAction:
    """What the contract says to do about a kind of difference."""
    return feed.drift.get(kind, DRIFT_KINDS[kind])


def columns_changed(
    feed: Feed,
    missing: Sequence[str],
    unknown: Sequence[str],
    fits: Mapping[tuple[str, str], Fit] = MappingProxyType({}),
    fold: Callable[[str], str] = str,
) -> list[Finding]:
    """Which columns were renamed, which are missing, which are new.

    Args:
        feed: The contract.
        missing: Names of its columns that the file lacks.
        unknown: Titles of the file that the contract lacks.
        fits: For a missing column and an unknown title, what the cells say.
        fold: How titles are made comparable.
    """
    absent = [column for column in feed.columns if column.name in missing]
    pairs = _pairs(absent, unknown, fits, fold)
    taken = {pair.column.name: pair for pair in pairs}
    found = [_absent(feed, column, taken.get(column.name)) for column in absent]
    spent = {pair.title for pair in pairs if pair.is_sure}
    found += [
        Finding("added", "", title, severity=policy(feed, "added"))
        for title in unknown
        if title not in spent
    ]
    return found


def _absent(feed: Feed, column: Column, pair: _Pair | None) -> Finding:
    """A column that the file lacks: under another title, or not at all."""
    needed = column.required or column.is_key
    kind: DriftKind = "renamed" if pair and pair.is_sure else "missing"
    action: DriftAction = policy(feed, kind)
    if kind == "missing" and not needed:
        action = "note"
    elif needed and action == "note":
        # Nothing can be merged without it: it can be waited for or refused, not overlooked.
        action = "refuse"
    evidence: dict[str, Any] = {"required": needed}
    return Finding(
        kind,
        column.name,
        column.title,
        pair.title if pair else "",
        {**evidence, **(pair.evidence if pair else {})},
        action,
    )


@dataclass(frozen=True)
class _Pair:
    """A missing column and the title that it may have now."""

    column: Column
    title: str
    likeness: float
    fit: Fit | None
    rivals: int = 0

    @property
    def score(self) -> float:
        """How much speaks for the pair, from 0 to 1."""
        says = max(self.fit.share if self.fit.telling else 0.0, self.fit.known) if self.fit else 0.5
        return 0.6 * self.likeness + 0.4 * says

    @property
    def is_sure(self) -> bool:
        """Titles that are alike and cells that do not contradict; or cells that say it alone."""
        fit = self.fit
        if fit is None or fit.filled < CODE_CELLS:
            return self.likeness >= LIKENESS
        if self.likeness >= LIKENESS:
            return fit.share >= LIKENESS
        if fit.filled < FEWEST:
            return False
        return fit.share >= FITTING and (fit.known >= LIKENESS or _is_specific(self.column))

    @property
    def evidence(self) -> dict[str, Any]:
        """The numbers that speak for the pair."""
        numbers: dict[str, Any] = {"likeness": round(self.likeness, 2)}
        if self.fit:
            fit = self.fit
            numbers |= {"filled": fit.filled, "valid": fit.valid, "held": fit.held}
        if self.rivals:
            numbers["rivals"] = self.rivals
        return numbers


def _is_specific(column: Column) -> bool:
    """Whether only this sort of column has such cells: dates and numbers are too common."""
    return bool(column.format or column.codes or column.pattern)


def _pairs(
    absent: Sequence[Column],
    unknown: Sequence[str],
    fits: Mapping[tuple[str, str], Fit],
    fold: Callable[[str], str],
) -> list[_Pair]:
    """One title for one column, the likeliest first."""
    every = [
        _Pair(column, title, likeness(title, column, fold), fits.get((column.name, title)))
        for column in absent
        for title in unknown
    ]
    every = [pair for pair in every if pair.is_sure or pair.likeness > LIKENESS / 2]
    every.sort(key=lambda pair: (not pair.is_sure, -pair.score, pair.column.name, pair.title))
    chosen: dict[str, _Pair] = {}
    for pair in every:
        used = {one.title for one in chosen.values()}
        if pair.column.name in chosen or pair.title in used:
            continue
        rivals = sum(
            1
            for other in every
            if other is not pair
            and other.is_sure
            and (other.column is pair.column or other.title == pair.title)
            and pair.score - other.score < MEDIAN
        )
        chosen[pair.column.name] = _Pair(pair.column, pair.title, pair.likeness, pair.fit, rivals)
    return list(chosen.values())


def likeness(title: str, column: Column, fold: Callable[[str], str] = str) -> float:
    """How alike a title is to any spelling of a column's header: 0 nothing, 1 the same.

    A unit in brackets at a title's end says nothing about which column it is.
    """
    spellings = {_UNIT.sub("", fold(one)) for one in (column.title, *column.aliases)}
    asked = _UNIT.sub("", fold(title))
    return max(SequenceMatcher(None, asked, one).ratio() for one in spellings)


def narrowed(feed: Feed, failures: Iterable[Failures]) -> Iterator[Finding]:
    """Columns of which many cells fail now that did not before: type, length or form changed."""
    for one in failures:
        if min(one.checked, one.checked_before) < FEWEST:
            continue
        share, before = one.failed / one.checked, one.failed_before / one.checked_before
        if share < FAILING or before > SOUND:
            continue
        column = feed.column(one.rule.partition(".")[0])
        evidence = asdict(one) | {"share": round(share, 3), "share_before": round(before, 3)}
        action = policy(feed, "narrowed")
        yield Finding("narrowed", column.name, column.title, "", evidence, action)


def grown(feed: Feed, column: Column, cells: Mapping[str, int]) -> Finding | None:
    """A code list that lacks values which stand in several cells.

    Args:
        feed: The contract.
        column: A column with a code list.
        cells: Values that are no spelling of the list, and how often each stands in the file.
    """
    often = {value: count for value, count in cells.items() if count >= CODE_CELLS}
    if not often:
        return None
    evidence: dict[str, Any] = {
        "list": column.codes,
        "cells": sum(often.values()),
        "values": len(often),
    }
    if column.level in {"L1", "L2"}:
        ranked = sorted(often, key=lambda value: (-often[value], value))
        evidence["codes"] = [value for value in ranked if is_code_like(value)][:CODES]
    return Finding("codes", column.name, column.title, "", evidence, policy(feed, "codes"))


def is_code_like(value: str) -> bool:
    """Whether a value may be named: short, and neither a long number nor free text."""
    return bool(_CODE_LIKE.fullmatch(value)) and not _LONG_NUMBER.search(value)


def rescaled(feed: Feed, column: Column, here: Quartiles, before: Quartiles) -> Finding | None:
    """A numeric column that is a power of ten larger or smaller than what silver holds."""
    if min(here.rows, before.rows) < FEWEST or here.median * before.median <= 0:
        return None
    power = round(math.log10(here.median / before.median))
    factor = 10.0**power
    if power == 0 or not _is_about(here.median, before.median * factor, MEDIAN):
        return None
    for quartile, was in ((here.low, before.low), (here.high, before.high)):
        if not _is_about(quartile, was * factor, QUARTILE):
            return None
    evidence = {
        "power": power,
        "ratio": float(f"{here.median / before.median:.4g}"),
        "rows": here.rows,
        "rows_before": before.rows,
    }
    return Finding("unit", column.name, column.title, "", evidence, policy(feed, "unit"))


def _is_about(value: float, wanted: float, tolerance: float) -> bool:
    return abs(value - wanted) <= tolerance * abs(wanted)


def reshaped(feed: Feed, rows: int, ragged: int) -> Finding | None:
    """A table without titles most of whose rows have not as many cells as the contract columns."""
    if not feed.headerless or not rows or ragged / rows < RAGGED:
        return None
    evidence = {"rows": rows, "ragged": ragged, "columns": len(feed.columns)}
    return Finding("width", "", "", "", evidence, policy(feed, "width"))
