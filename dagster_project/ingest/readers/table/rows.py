"""What a record is: data, blank, a title, a repeated header, an example, totals, a footnote.

A record is set aside only when it cannot be data: a record whose other key columns are filled is
data whatever its first cell says. Values are not judged here; labels are in ``marks``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dagster_project.contracts.model import Feed
from dagster_project.ingest.readers.result import ControlTotal, Kind
from dagster_project.ingest.readers.table.header import Layout
from dagster_project.ingest.readers.table.marks import (
    AMOUNT,
    BLANKS,
    FOOTNOTE_CELLS,
    is_blank,
    is_example,
    is_footnote,
    is_part,
    is_ruler,
    is_sum_of,
    is_total,
    numbers_columns,
)


@dataclass(frozen=True)
class Classifier:
    """Classifies the records around one header.

    ``keys`` are the positions of the business key; ``numeric`` those of columns whose totals can
    be compared. ``across`` are the rows whose one cell is merged over the whole table.
    """

    layout: Layout
    keys: tuple[int, ...]
    numeric: tuple[tuple[int, str], ...]
    headings: frozenset[tuple[str, ...]] = frozenset()
    titles: frozenset[tuple[str, ...]] = frozenset()
    across: frozenset[int] = frozenset()

    @classmethod
    def of(cls, feed: Feed, layout: Layout, *, across: frozenset[int] = frozenset()) -> Classifier:
        """The classifier of a feed's table with this layout."""
        typed = {c.name for c in feed.columns if c.type in {"integer", "decimal"}}
        summable = typed if typed or feed.key else {c.name for c in feed.columns}
        positions = {name: n for n, name in enumerate(layout.names)}
        return cls(
            layout=layout,
            keys=tuple(positions[name] for name in feed.key if name in positions),
            numeric=tuple((n, name) for name, n in positions.items() if name in summable),
            headings=frozenset(_compared(line) for line in layout.lines),
            titles=frozenset(_compared(line) for line in layout.above if layout.width > 1),
            across=across,
        )

    def kind(self, row: int, cells: Sequence[str]) -> Kind | None:
        """What a record is, or None when it is data. Records above the header are titles."""
        label = next((n for n, cell in enumerate(cells) if not is_blank(cell)), None)
        if label is None:
            return "blank"
        if row < self.layout.first_row:
            return "title"
        if _compared(cells) in self.headings:
            return "repeated_header"
        if _compared(cells) in self.titles:
            return "title"
        if row == self.layout.row + 1 and self.layout.row and numbers_columns(cells):
            return "title"
        return self._labelled(label, cells) or ("footnote" if row in self.across else None)

    def _labelled(self, label: int, cells: Sequence[str]) -> Kind | None:
        """What a record is by its first filled cell, below the header."""
        said = cells[label]
        filled = [cell for cell in cells if not is_blank(cell)]
        if all(map(is_ruler, filled)):
            return "footnote"
        if is_example(said):
            return "example"
        others = [n for n in self.keys if n != label]
        if others and all(n < len(cells) and not is_blank(cells[n]) for n in others):
            return None
        if is_total(said) or (is_sum_of(said) and _states_numbers(filled[1:])):
            return "total"
        return "footnote" if is_footnote(said) and len(filled) <= FOOTNOTE_CELLS else None

    def control_totals(self, cells: Sequence[str], row: int) -> Iterator[ControlTotal]:
        """What a totals row states for the numeric columns; a part or a mean states no sum."""
        if is_part(next(cell for cell in cells if not is_blank(cell))):
            return
        for position, name in self.numeric:
            cell = cells[position].strip(BLANKS) if position < len(cells) else ""
            if cell and (self.keys or AMOUNT.fullmatch(cell)):
                yield ControlTotal(self.layout.sheet, row, name, cell)


def _states_numbers(cells: Sequence[str]) -> bool:
    """Whether there are cells and all of them state numbers."""
    return bool(cells) and all(AMOUNT.fullmatch(cell.strip(BLANKS)) for cell in cells)


def _compared(cells: Sequence[str]) -> tuple[str, ...]:
    """A record as headings are compared: without blanks around cells and empty cells at its end."""
    stripped = [cell.strip(BLANKS) for cell in cells]
    while stripped and not stripped[-1]:
        stripped.pop()
    return tuple(stripped)
