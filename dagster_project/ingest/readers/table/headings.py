"""One or several lines of titles -> one title per column, flattened as ``父_子``.

Which lines are the header is decided in ``header`` and ``generic``; here they are only joined.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Protocol

from dagster_project.ingest.readers.table.marks import BLANKS, is_blank

MOST = 3
"""A header has at most this many lines."""
JOIN = "_"
MARK_AS_TEXT = "ï»¿"
"""A byte order mark of UTF-8 that was read as Latin letters and saved as such."""

_WRAP = re.compile(r"\s*[\r\n]+\s*")

Chain = tuple[str, ...]
"""A column's titles from the top line down: no empty text, and none twice running."""


class Span(Protocol):
    """A merged range of cells; rows and columns count from 1, both ends belong to it."""

    @property
    def top(self) -> int:
        """First row."""

    @property
    def left(self) -> int:
        """First column."""

    @property
    def bottom(self) -> int:
        """Last row."""

    @property
    def right(self) -> int:
        """Last column."""


def chains(
    lines: Sequence[Sequence[str]], *, first_row: int, merges: Sequence[Span] = ()
) -> list[Chain]:
    """The titles above each column.

    A merged title belongs to all the columns that it spans. Where nothing is merged (text tables),
    a title that stands alone above several titles of the next line belongs to all of them.

    Args:
        lines: The header's records, top first.
        first_row: The number of the first of them.
        merges: The sheet's merged ranges.
    """
    width = max((len(line) for line in lines), default=0)
    rows = [[_text(cell) for cell in line] + [""] * (width - len(line)) for line in lines]
    last_row = first_row + len(rows) - 1
    spans = [span for span in merges if first_row <= span.top <= last_row]
    for span in spans:
        text = rows[span.top - first_row][span.left - 1] if span.left <= width else ""
        for row in range(span.top, min(span.bottom, last_row) + 1):
            for column in range(span.left, min(span.right, width) + 1):
                rows[row - first_row][column - 1] = text
    if not spans:
        for upper, lower in itertools.pairwise(rows):
            _spread(upper, lower)
    return [_chain([row[column] for row in rows]) for column in range(width)]


def title(chain: Chain) -> str:
    """The flattened title; empty for a column without any."""
    return JOIN.join(chain)


def spells_parents(upper: Sequence[str], lower: Sequence[str]) -> bool:
    """Whether one line of a text table holds titles over the titles of the next line.

    Every column with a title in both lines must begin a group: an upper title, then blanks beside
    it, over titles below. Two ordinary lines (titles over data) never look so.
    """
    width = max(len(upper), len(lower))
    above = [*upper, *[""] * (width - len(upper))]
    below = [*lower, *[""] * (width - len(lower))]
    groups = 0
    for column in range(width):
        if is_blank(above[column]) or is_blank(below[column]):
            continue
        beside = column + 1
        if beside >= width or not is_blank(above[beside]) or is_blank(below[beside]):
            return False
        groups += 1
    return groups > 0


def _text(cell: str) -> str:
    """A title in one line, without blanks and byte order marks around it."""
    return _WRAP.sub("", cell.strip(BLANKS).removeprefix(MARK_AS_TEXT))


def _spread(upper: list[str], lower: Sequence[str]) -> None:
    """Let a title reach over the blanks to its right that have titles below them."""
    for column in range(1, len(upper)):
        has_group = bool(upper[column - 1]) and bool(lower[column - 1])
        if not upper[column] and lower[column] and has_group:
            upper[column] = upper[column - 1]


def _chain(cells: Sequence[str]) -> Chain:
    kept: list[str] = []
    for cell in cells:
        if cell and (not kept or kept[-1] != cell):
            kept.append(cell)
    return tuple(kept)
