"""How an interface is asked for more, and when it is done: none, page, offset, cursor or next.

What is asked next stands in a position that can be kept. Pages that do not fit together make the
walk begin again with the number of records that the interface really gives; a walk that cannot be
right ends in an error, never in fewer records.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster_project.ingest.channels.interface.answer import Answer

BARREN = 10
"""So many pages without a record may follow one another before a cursor is taken for endless."""
ROWS = 500
"""Records asked for at once where the contract does not say it."""

Position = dict[str, Any]


class AgainError(Exception):
    """The walk must begin again, with this number of records per page (0: as many as before)."""

    def __init__(self, why: str, size: int = 0) -> None:
        super().__init__(why)
        self.why, self.size = why, size


class EndlessError(Exception):
    """An interface that gives the same again and again; the sentence says what."""


@dataclass(frozen=True)
class Seen:
    """What came so far, this page included; ``repeated``: an earlier page was the very same."""

    answer: Answer
    rows: int
    pages: int
    total: int | None
    repeated: bool


class Paging(ABC):
    """One style of paging.

    Args:
        words: ``request.paging`` of the contract.
    """

    can_resume = True
    """Whether a position is good on its own, without a stated number of records."""

    def __init__(self, words: Mapping[str, Any]) -> None:
        self.words = words
        self.size = int(words.get("rows", ROWS)) if "size" in words else int(words.get("rows", 0))

    def first(self) -> Position:
        """Where the walk begins."""
        return {}

    def parameters(self, _position: Position) -> dict[str, str]:
        """What is asked at a position, besides the contract's own parameters."""
        return self._sized({})

    @abstractmethod
    def following(self, position: Position, seen: Seen) -> Position | None:
        """Where to go on; None at the end.

        Raises:
            AgainError: The pages do not fit together.
            EndlessError: They do not end.
        """

    def _sized(self, parameters: dict[str, str]) -> dict[str, str]:
        word = self.words.get("size")
        return {**parameters, word: str(self.size)} if word and self.size else parameters


class Whole(Paging):
    """One answer holds everything."""

    def following(self, _position: Position, _seen: Seen) -> None:
        """Nothing follows."""


class Counted(Paging):
    """Pages by number, or by the number of their first record."""

    can_resume = False

    def following(self, position: Position, seen: Seen) -> Position | None:
        """The next page; without a stated number of records only an empty page is the end."""
        rows = seen.answer.rows
        if seen.total is not None:
            if seen.rows >= seen.total:
                return None
            if not rows:
                raise AgainError("a page before the last one is empty")
        if not rows:
            return None
        if seen.repeated and seen.total is None:
            if seen.pages > 2 and position["short"]:  # noqa: PLR2004 - two different pages
                return None
            raise EndlessError(f"the same records whatever `{self._word}` says")
        self._fits(position, seen)
        return self._after(position, rows)

    @property
    def _word(self) -> str:
        return str(self.words.get("page") or self.words.get("offset") or "page")

    def _fits(self, position: Position, seen: Seen) -> None:
        """Hold a page against the size that was asked for."""

    @abstractmethod
    def _after(self, position: Position, rows: int) -> Position: ...


class Pages(Counted):
    """Pages by number: every page must have the size that was asked for, or the walk is wrong."""

    def first(self) -> Position:
        """The first page."""
        return {"page": int(self.words.get("first", 1)), "short": 0}

    def parameters(self, position: Position) -> dict[str, str]:
        """The page's number and size."""
        return self._sized({self._word: str(position["page"])})

    def _fits(self, position: Position, seen: Seen) -> None:
        rows = seen.answer.rows
        if not self.size:
            self.size = rows
        if position["short"]:
            raise AgainError("a page before the last one is short", position["short"])
        if rows > self.size:
            raise AgainError("a page has more records than were asked for", rows)
        if rows < self.size and seen.total is not None:
            raise AgainError("a page before the last one is short", rows)

    def _after(self, position: Position, rows: int) -> Position:
        return {"page": position["page"] + 1, "short": rows if rows < self.size else 0}


class Offsets(Counted):
    """Pages by the number of their first record: what counts is how many came."""

    def first(self) -> Position:
        """The first record."""
        return {"offset": int(self.words.get("first", 0)), "short": 0}

    def parameters(self, position: Position) -> dict[str, str]:
        """The first record's number and the size."""
        return self._sized({self._word: str(position["offset"])})

    def _after(self, position: Position, rows: int) -> Position:
        return {"offset": position["offset"] + rows, "short": 0}


@dataclass
class _Trail:
    """Where a walk that the interface leads has been."""

    been: set[str] = field(default_factory=set)
    barren: int = 0

    def step(self, to: str, seen: Seen) -> None:
        """Go on.

        Raises:
            EndlessError: It was there, or finds nothing for long.
        """
        self.barren = 0 if seen.answer.rows else self.barren + 1
        if to in self.been or self.barren > BARREN:
            raise EndlessError("pages without end")
        self.been.add(to)


class Cursors(Paging):
    """Every answer names a cursor for the next one; the last names none."""

    def __init__(self, words: Mapping[str, Any]) -> None:
        super().__init__(words)
        self._trail = _Trail()

    def parameters(self, position: Position) -> dict[str, str]:
        """The cursor, except at the beginning."""
        cursor = position.get("cursor")
        return self._sized({self.words.get("parameter", "cursor"): cursor} if cursor else {})

    def following(self, _position: Position, seen: Seen) -> Position | None:
        """Where the answer's cursor leads."""
        if not seen.answer.cursor:
            return None
        self._trail.step(seen.answer.cursor, seen)
        return {"cursor": seen.answer.cursor}


class Links(Paging):
    """Every answer names the address of the next one; the last names none."""

    def __init__(self, words: Mapping[str, Any]) -> None:
        super().__init__(words)
        self._trail = _Trail()

    def following(self, _position: Position, seen: Seen) -> Position | None:
        """Where the answer's link leads."""
        if not seen.answer.next:
            return None
        self._trail.step(seen.answer.next, seen)
        return {"next": seen.answer.next}


STYLES: Mapping[str, type[Paging]] = {
    "none": Whole,
    "page": Pages,
    "offset": Offsets,
    "cursor": Cursors,
    "next": Links,
}
