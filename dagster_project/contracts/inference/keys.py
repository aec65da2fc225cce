"""Which columns tell a table's rows apart: the business key, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dagster_project.contracts.inference.guess import Guess, percent
from dagster_project.contracts.inference.profiles import KeyCandidate, TableProfile
from dagster_project.contracts.inference.titles import ORDINAL, POSITION, is_moment, key_likeness
from dagster_project.errors import ContractError

UNIQUE = 0.97
"""So many of the different rows have a key of their own; the rest are newer versions and faults."""
FILLED = 0.98
"""A key column is empty in at most the rest of the rows: those are rejected."""


def key_of(
    profile: TableProfile, guesses: Mapping[str, Guess], chosen: Sequence[str] = ()
) -> tuple[tuple[str, ...], str]:
    """The titles of the key's columns, and why.

    Args:
        profile: The table.
        guesses: What is guessed of each column, by title.
        chosen: Titles or names that somebody named with ``--key``.

    Raises:
        ContractError: Nothing is unique, or the chosen columns are not there.
    """
    if chosen:
        return tuple(_chosen(one, guesses) for one in chosen), "named with --key"
    said = _said(profile)
    if said:
        return said, "the source says it is the primary key"
    if not profile.rows:
        return _first(guesses), "the table is empty: by the titles alone"
    good = [c for c in profile.keys if c.share >= UNIQUE and _is_fit(c, profile, guesses)]
    if not good:
        raise _none(profile, guesses)
    good = [candidate for candidate in good if not _is_moment(candidate)] or good
    size = min(len(candidate.titles) for candidate in good)
    order = {column.title: n for n, column in enumerate(profile.columns)}
    best = max(
        (candidate for candidate in good if len(candidate.titles) == size),
        key=lambda c: (
            not _is_position(c),
            sum(_weight(title, guesses) for title in c.titles),
            round(c.share, 2),
            -sum(order[title] for title in c.titles),
        ),
    )
    share = percent(best.share)
    return best.titles, f"{share} of the different rows differ in it"


def doubt(keyed: Sequence[str], guesses: Mapping[str, Guess]) -> str:
    """What to ask of a key that was found; empty where nothing speaks against it."""
    if len(keyed) > 1:
        return ""
    if POSITION.search(keyed[0].strip()):
        return "a row's place in the file, or does the record keep it?"
    if guesses[keyed[0]].column.textual:
        return "a free text as the key: is there no number?"
    return ""


def _is_position(candidate: KeyCandidate) -> bool:
    """Whether it is only the rows' numbers, which say nothing of whose row it is."""
    return len(candidate.titles) == 1 and bool(POSITION.search(candidate.titles[0].strip()))


def _is_moment(candidate: KeyCandidate) -> bool:
    """Whether it is only a time, in which rows happen to differ."""
    return len(candidate.titles) == 1 and is_moment(candidate.titles[0])


def _chosen(said: str, guesses: Mapping[str, Guess]) -> str:
    for title, guess in guesses.items():
        if said in {title, guess.column.name, guess.column.title}:
            return title
    raise ContractError(
        f"the table has no column {said}",
        where="--key",
        todo=f"There are: {'、'.join(guesses)}",
    )


def _said(profile: TableProfile) -> tuple[str, ...]:
    keyed = [c for c in profile.columns if c.source and c.source.key_position]
    keyed.sort(key=lambda c: c.source.key_position if c.source else 0)
    return tuple(column.title for column in keyed)


def _first(guesses: Mapping[str, Guess]) -> tuple[str, ...]:
    return (max(guesses, key=key_likeness),)


def _weight(title: str, guesses: Mapping[str, Guess]) -> int:
    """Numbers of things first; a person's number or a free text should not be a key."""
    column = guesses[title].column
    if column.textual:
        return -4
    weight = key_likeness(column.title)
    if column.codes:
        # A kind of thing is no thing.
        weight -= 3
    if column.type in {"date", "timestamp", "decimal"}:
        weight -= 2
    return weight - (2 if column.level == "L4" else 1 if column.level == "L3" else 0)


def _is_fit(candidate: KeyCandidate, profile: TableProfile, guesses: Mapping[str, Guess]) -> bool:
    """A key's cells are never empty and of a type that says what is the same."""
    for title in candidate.titles:
        if _unfit(title, profile, guesses):
            return False
        column = guesses[title].column
        if column.textual and len(candidate.titles) > 1 and not ORDINAL.search(title):
            return False
    return True


def _unfit(title: str, profile: TableProfile, guesses: Mapping[str, Guess]) -> bool:
    return profile.column(title).full < FILLED or guesses[title].column.type in {
        "boolean",
        "decimal",
    }


def _none(profile: TableProfile, guesses: Mapping[str, Guess]) -> ContractError:
    nearest = max(profile.keys, key=lambda c: c.share, default=None)
    near = ""
    if nearest:
        near = f"; the nearest is {'+'.join(nearest.titles)} with {percent(nearest.share)}"
        unfit = [title for title in nearest.titles if _unfit(title, profile, guesses)]
        if unfit and nearest.share >= UNIQUE:
            near += f", but {'、'.join(unfit)} is empty in places, or an amount or a yes and no"
    again = profile.rows - profile.distinct
    same = f"; {again:,} of {profile.rows:,} rows repeat another one word for word" if again else ""
    return ContractError(
        f"no column and no combination of up to four tells the rows apart{near}{same}",
        where="the key",
        todo="Ask the department which columns identify a record and name them with --key a,b;"
        " if rows have no identity at all, have the department add a number of its own"
        " (a number made here would change with every delivery)",
    )
