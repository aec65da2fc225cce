"""A column that is being inferred: its words so far, and why each was chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dagster_project.contracts.model import Column, Coordinates

BELIEVED = 0.95
"""A kind or a list that this share of a column's cells obeys is believed."""
EXPECTED = 0.85
"""It is enough where the title says the same."""
SUFFICIENT = 30
"""From fewer rows nothing is concluded about what is never empty or always different."""


@dataclass(frozen=True)
class Guess:
    """One column as it would be written.

    ``why`` is the evidence in short words; ``ask`` is what a person should decide, and becomes a
    comment. ``parent`` is a reference as ``feed.column``.
    """

    column: Column
    why: tuple[str, ...] = ()
    ask: str = ""
    parent: str = ""
    header: str = ""

    def said(self, why: str = "", ask: str = "", **words: Any) -> Guess:
        """The guess with more words and the reason for them."""
        return replace(
            self,
            column=replace(self.column, **words),
            why=(*self.why, why) if why else self.why,
            ask=ask or self.ask,
        )


@dataclass(frozen=True)
class Draft:
    """A contract before it is written."""

    columns: tuple[Guess, ...]
    order_by: str = ""
    coordinates: Coordinates | None = None
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> Guess:
        """The guess of that name.

        Raises:
            KeyError: No such column.
        """
        for guess in self.columns:
            if guess.column.name == name:
                return guess
        raise KeyError(name)

    def with_column(self, name: str, guess: Guess) -> Draft:
        """The draft with one column replaced."""
        made = tuple(guess if one.column.name == name else one for one in self.columns)
        return replace(self, columns=made)

    def without(self, name: str) -> Draft:
        """The draft with one column left out."""
        return replace(self, columns=tuple(g for g in self.columns if g.column.name != name))


def percent(share: float) -> str:
    """A share for people: 100 % only where it is all of them.

    >>> percent(1.0), percent(0.99999), percent(0.5)
    ('100 %', '99.9 %', '50 %')
    """
    if share >= 1:
        return "100 %"
    return f"{min(round(share * 100, 1), 99.9):g} %"
