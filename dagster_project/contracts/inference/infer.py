"""A profiled table -> the draft of its contract, with the reason for every word.

Writing it down is ``write``'s matter; whether the file flows through it is tried by the caller,
who may loosen it (``loosened``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dagster_project.contracts.inference import codes, keys, privacy, titles, types
from dagster_project.contracts.inference.dictionary import Dictionary, folded
from dagster_project.contracts.inference.guess import (
    SUFFICIENT,
    Draft,
    Guess,
    percent,
)
from dagster_project.contracts.inference.profiles import ColumnProfile, TableProfile
from dagster_project.contracts.inference.vocabulary import Vocabulary, slug
from dagster_project.contracts.model import Column, Coordinates
from dagster_project.contracts.words import RESERVED

TRUTHS = frozenset({"no", "yes", "on", "off", "y", "n", "null", "true", "false"})
"""YAML takes these for something else than a name."""
OURS, FAULTS = 0.02, 0.15
"""A bound of our own that rejects more rows, and a rule that rejects more, is left out."""
SHOWN = 8
"""So many columns without an English word are named."""
CONTAINED = 0.99
"""A column whose values are nearly all keys of another feed refers to it."""
_BLANKS = re.compile(r"\s+")


def inferred(
    profile: TableProfile,
    dictionary: Dictionary,
    vocabulary: Vocabulary,
    *,
    table: str = "",
    key: Sequence[str] = (),
) -> Draft:
    """The draft of a contract.

    Args:
        profile: The table as it was counted.
        dictionary: What other contracts know.
        vocabulary: Words of titles.
        table: The table's title.
        key: Titles or names of the key's columns, if somebody named them.

    Raises:
        ContractError: No key was found or the named one is not there.
    """
    names = _names(profile, dictionary, vocabulary)
    guesses = {
        column.title: _column(column, names[column.title], dictionary, table)
        for column in profile.columns
    }
    keyed, why = keys.key_of(profile, guesses, key)
    ask = "" if key else keys.doubt(keyed, guesses)
    for position, title in enumerate(keyed, start=1):
        guesses[title] = guesses[title].said(
            f"key: {why}", ask, key_position=position, required=True, open_end=False
        )
    made = privacy.settled(list(guesses.values()), profile.columns)
    return Draft(
        made,
        order_by=_order_by(made),
        coordinates=_coordinates(made, dictionary),
        notes=tuple(_notes(made, profile)),
    )


def _column(
    profile: ColumnProfile, name: tuple[str, str], dictionary: Dictionary, table: str
) -> Guess:
    known = dictionary.known(profile.spoken)
    title = _BLANKS.sub("", profile.spoken)
    alias = _BLANKS.sub("", profile.title)
    aliases = (alias,) if alias.casefold() not in {title.casefold(), name[0]} else ()
    guess = Guess(
        Column(name[0], title or name[0], "string", aliases=aliases),
        ask=name[1],
        header=profile.title,
    )
    if not profile.filled and known and known.codes and known.type in {"string", "boolean"}:
        guess = guess.said("empty in the sample: as other contracts say", type=known.type,
                           codes=known.codes, pad=known.pad)  # fmt: skip
    else:
        guess = _coded(profile, guess, known, dictionary, table)
    guess = _spelled_title(guess, profile)
    guess = _required(profile, guess)
    guess = _nulls(profile, guess)
    guess = _parent(profile, guess, known, dictionary)
    return privacy.level_of(profile, guess, known)


def _coded(
    profile: ColumnProfile, guess: Guess, known: Column | None, dictionary: Dictionary, table: str
) -> Guess:
    """A flag, a code list, or a type."""
    match, possible = codes.chosen(profile, dictionary, table)
    title = profile.spoken
    hinted = bool(titles.FLAG.search(title) or (known and known.type == "boolean"))
    told = match is not None and match.topic >= codes.ALIKE
    counted = bool(titles.COUNT.search(title) or titles.ORDINAL.search(title))
    if not told and (hinted or not counted) and codes.is_flag(profile, dictionary, hinted=hinted):
        return guess.said("only spellings of yes and no", type="boolean", codes=codes.FLAGS)
    if match is not None:
        why = f"{percent(match.covered)} in the code list {match.codes}"
        return guess.said(why, codes=match.codes, pad=match.pad)
    made = types.typed(profile, guess, known)
    few = 1 < len(profile.words) <= 12 and profile.filled >= SUFFICIENT  # noqa: PLR2004
    if possible and made.column.type in {"string", "integer"} and not made.column.format:
        return made.said(ask=f"codes: {' or '.join(possible)}?")
    if few and made.column.textual and len(profile.words) * 10 < profile.filled:
        return made.said(ask=f"only {len(profile.words)} different values: a code list?")
    return made


def _spelled_title(guess: Guess, profile: ColumnProfile) -> Guess:
    """Without the unit in brackets that the column's own unit says, or that readers know."""
    plain, unit = titles.without_unit(guess.column.title)
    if unit and guess.column.type in {"integer", "decimal"} and guess.column.unit and profile.unit:
        return guess.said(title=plain)
    return guess


def _required(profile: ColumnProfile, guess: Guess) -> Guess:
    source = profile.source
    if source and source.nullable is False and profile.filled == profile.rows:
        return guess.said("not null at the source", required=True)
    if profile.rows >= SUFFICIENT and profile.filled == profile.rows:
        return guess.said("never empty", required=True)
    return guess


def _nulls(profile: ColumnProfile, guess: Guess) -> Guess:
    """Spellings of nothing that no other column has, where the column's kind cannot mean them."""
    seen = [text for text, count in profile.oddities.items() if count]
    if guess.column.textual and not guess.column.format:
        seen = [text for text in seen if text != "0"]
    if guess.column.format != "phone":
        seen = [text for text in seen if text != "0"]
    if not seen:
        return guess
    return guess.said("further spellings of no value", nulls=tuple(seen))


def _parent(
    profile: ColumnProfile, guess: Guess, known: Column | None, dictionary: Dictionary
) -> Guess:
    """A reference: because the lake holds the values, or because contracts say so of the title."""
    if profile.parents:
        parent, share = max(profile.parents.items(), key=lambda one: one[1])
        if share >= CONTAINED:
            made = replace(guess, parent=parent)
            return made.said(f"{percent(share)} are keys of {parent}", max_length=0, pattern="")
        return guess
    said = dictionary.parents.get(folded(profile.spoken), "")
    if known is not None and known.reference is not None:
        said = f"{known.reference.feed}.{known.reference.column}"
    if said and guess.column.type == "string" and not guess.column.codes:
        return guess.said(ask=f"the same as {said}? Then add the relationship")
    return guess


def _names(
    profile: TableProfile, dictionary: Dictionary, vocabulary: Vocabulary
) -> dict[str, tuple[str, str]]:
    """A name of its own for every title, and what to ask where no word was known."""
    made: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for number, column in enumerate(profile.columns, start=1):
        spoken, known = column.spoken, dictionary.known(column.spoken)
        name = vocabulary.words.get(spoken, "")
        name = name or (known.name if known and known.title == spoken else "")
        name = name or vocabulary.english(spoken) or (known.name if known else "")
        name = name or slug(column.title if column.title.isascii() else "")
        ask = "" if name else "the name wants a better word"
        name = (name or f"c{number:02d}")[:60].strip("_")
        if name in RESERVED:
            name = f"{name}_value"
        if name in TRUTHS:
            name = f"record_{name}"
        base, again = name, 2
        while name in taken:
            name, again = f"{base}_{again}", again + 1
        taken.add(name)
        made[column.title] = (name, ask)
    return made


def _order_by(guesses: Sequence[Guess]) -> str:
    """The time of the last change, where a title says so."""
    for guess in guesses:
        column = guess.column
        if column.type in {"timestamp", "date"} and (
            titles.UPDATED.search(column.title) or titles.UPDATED.search(guess.header)
        ):
            return column.name
    return ""


def _coordinates(guesses: Sequence[Guess], dictionary: Dictionary) -> Coordinates | None:
    """One pair of longitude and latitude, within the county's own rectangle."""
    decimals = [g.column for g in guesses if g.column.type == "decimal"]
    east = [c for c in decimals if titles.LONGITUDE.search(c.title)]
    north = [c for c in decimals if titles.LATITUDE.search(c.title)]
    if len(east) != 1 or len(north) != 1 or not dictionary.place:
        return None
    return Coordinates(east[0].name, north[0].name, dictionary.place.within)


def _notes(guesses: Sequence[Guess], profile: TableProfile) -> list[str]:
    made = []
    if profile.rows < SUFFICIENT:
        made.append(f"only {profile.rows} rows: look at what is required and how long texts may be")
    unnamed = [g.column.title for g in guesses if re.fullmatch(r"c\d\d+", g.column.name)]
    if unnamed:
        shown = "、".join(unnamed[:SHOWN]) + (" …" if len(unnamed) > SHOWN else "")
        made.append(f"columns whose name wants a better word: {len(unnamed)} ({shown})")
    return made


def loosened(draft: Draft, rejects: Mapping[str, float]) -> tuple[Draft, tuple[str, ...]]:
    """The draft without rules of its own that reject more than a few rows.

    Args:
        draft: The draft.
        rejects: Rule id -> the share of rows that it would reject.

    Returns:
        The draft, and in words what was loosened. What is left rejects rows that are wrong by all
        evidence: their number is told.
    """
    said: list[str] = []
    for rule, share in rejects.items():
        name, _, kind = rule.partition(".")
        if share <= (OURS if kind in {"length", "pattern", "range", "required"} else FAULTS):
            continue
        guess = next((g for g in draft.columns if g.column.name == name), None)
        if guess is None or (kind == "required" and guess.column.is_key):
            continue
        made = _without(guess, kind)
        if made is not None:
            said.append(f"{guess.column.title}: {kind} would reject {percent(share)}, left out")
            draft = draft.with_column(name, made)
    return draft, tuple(said)


def _without(guess: Guess, kind: str) -> Guess | None:
    """A guess without the word that makes a rule; None where there is nothing to take away."""
    words: dict[str, dict[str, Any]] = {
        "required": {"required": False},
        "length": {"max_length": 0},
        "pattern": {"pattern": ""},
        "range": {"minimum": "", "maximum": "", "share": ""},
        "format": {"format": ""},
        "masked": {"format": ""},
        "rounded": {"format": ""},
        "code": {"codes": "", "pad": 0},
        "share": {"share": ""},
        "type": {"type": "string", "unit": "", "codes": "", "share": "", "minimum": "",
                 "maximum": "", "partial": "", "open_end": False},
    }  # fmt: skip
    found = words.get(kind, {})
    changes = any(getattr(guess.column, name) != value for name, value in found.items())
    return guess.said(f"{kind} left out", **found) if changes else None
