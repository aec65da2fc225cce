"""How personal a column is (GB/T 43697 in this county's four levels) and how it is masked.

Cells speak first, then the title, then other contracts, and the strictest of them counts. A level
is a proposal: whoever answers for the data confirms it.
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster_project.contracts.inference.guess import Guess, percent
from dagster_project.contracts.inference.profiles import ColumnProfile
from dagster_project.contracts.inference.titles import COUNT, PERSONAL_TABLE, PRIVATE, THING
from dagster_project.contracts.inference.types import MONTHS
from dagster_project.contracts.model import Column, Level

Verdict = tuple[Level, str, str]
"""Level, mask, and why."""
NAMED = 0.8
"""Texts are names of persons when this share of them begins with a surname."""
EVERY, MOSTLY = 0.9, 0.5
"""A row is about a person when nearly each has a person's number, or most have a plain 姓名."""
OPEN: Verdict = ("L2", "none", "")


def level_of(profile: ColumnProfile, guess: Guess, known: Column | None) -> Guess:
    """The guess with its level and mask."""
    verdicts = [OPEN, _by_cells(profile, guess.column), _by_title(guess.column)]
    if known is not None:
        verdicts.append((known.level, known.mask, "as other contracts say"))
    level, mask, why = max(verdicts, key=lambda one: (one[0], one[1] != "none"))
    if level in {"L3", "L4"}:
        mask = _fitting(mask, guess.column)
    return guess.said(why, level=level, mask=mask)


def settled(guesses: Sequence[Guess], profiles: Sequence[ColumnProfile]) -> tuple[Guess, ...]:
    """Kinds, times and places of business records are open where no row is about a person."""
    if _is_personal(guesses, profiles):
        return tuple(guesses)
    return tuple(g.said(level="L1") if _is_open(g.column) else g for g in guesses)


def _by_cells(profile: ColumnProfile, column: Column) -> Verdict:
    shape = profile.shape
    if column.format == "resident_id":
        return "L4", "id", f"{percent(profile.fit('resident_id'))} valid citizen ids"
    if shape.luhn >= NAMED:
        return "L4", "account", f"{percent(shape.luhn)} valid card numbers"
    if column.format == "phone":
        return "L3", "phone", f"{percent(profile.fit('phone'))} phone numbers"
    if column.format == "person_name":
        return "L3", "name", f"{percent(shape.surnames)} begin with a surname"
    if column.textual and shape.private > 0:
        return "L3", "drop", "texts hold phone or id numbers"
    return OPEN


def _by_title(column: Column) -> Verdict:
    if column.type in {"integer", "boolean"} or COUNT.search(column.title):
        return OPEN
    for one in PRIVATE:
        if one.expression.search(column.title):
            if one.level == "L2":
                return OPEN
            return one.level, one.mask, f"the title says {one.what}"
    return OPEN


def _fitting(mask: str, column: Column) -> str:
    """A mask that the column's type can bear; names and numbers are texts, years are of days."""
    if mask == "none":
        mask = "year" if column.type in {"date", "timestamp"} else "drop"
    if mask == "year":
        return mask if column.type in {"date", "timestamp"} else "drop"
    if column.codes or column.type != "string":
        return "drop"
    return mask


def _is_personal(guesses: Sequence[Guess], profiles: Sequence[ColumnProfile]) -> bool:
    """Whether each row is about a person: its key, a number in each row or a title says so."""
    pairs = list(zip(guesses, profiles, strict=True))
    if any(g.column.is_key and g.column.level in {"L3", "L4"} for g, _ in pairs):
        return True
    if any(g.column.mask == "id" and p.full >= EVERY for g, p in pairs):
        return True
    return any(PERSONAL_TABLE.fullmatch(p.spoken) and p.full >= MOSTLY for _, p in pairs)


def _is_open(column: Column) -> bool:
    """Columns that name nobody: kinds, days, flags, measures, official codes, names of things."""
    if column.level != "L2":
        return False
    if column.codes or column.type in {"boolean", "date", "timestamp", "integer"}:
        return True
    if column.type == "decimal":
        return column.unit not in {"元", "°"}
    if column.pattern == MONTHS:
        return True
    if column.textual:
        return bool(THING.search(column.title))
    return bool(column.reference) or column.title.endswith(("代码", "编码", "标识码"))
