"""Records that are no data, found among many at once: only suspicious ones are looked at closely.

What makes a record suspicious is decided here, what it is by ``rows``, what becomes of it by the
ledger. Records above the header and records of another width are no matter of this module.
"""

from __future__ import annotations

import polars as pl

from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.table.marks import BLANKS, LABEL
from dagster_project.ingest.readers.table.rows import Classifier
from dagster_project.ingest.readers.table.shape import SOURCE_ROW

PLAIN = r"^[0-9A-Za-z]"
"""How no label begins: a test that is far cheaper than the label's own."""


class Sieve:
    """Sets aside what is no data among the records of one table."""

    def __init__(self, classifier: Classifier, ledger: Ledger, positions: list[str]) -> None:
        self._classifier, self._ledger, self._positions = classifier, ledger, positions
        self._asked = [classifier.layout.row + 1, *classifier.across]
        layout = classifier.layout
        known = (*layout.lines, *layout.above)
        lines = ([cell.strip(BLANKS) for cell in line] for line in known)
        self._first_titles = [next(filter(None, line)) for line in lines if any(line)]

    def data(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of ``frame`` that are data; empty cells are NULL, ``_source_row`` numbers them.

        A record is looked at when its first filled cell reads like a label or like the header's,
        or when it has none.
        """
        first = frame[self._positions[0]]
        plain = first.str.contains(PLAIN).fill_null(value=False)
        plain &= ~frame[SOURCE_ROW].is_in(self._asked)
        plain &= ~first.str.ends_with("计").fill_null(value=False)
        for title in self._first_titles:
            if title[:1].isascii():
                plain &= ~first.str.starts_with(title).fill_null(value=False)
        if plain.all():
            return frame
        suspects = self._suspects(frame.filter(~plain))
        dropped = [
            row
            for *cells, row in suspects.select(*self._positions, SOURCE_ROW).iter_rows()
            if self._ledger.sets_aside(self._classifier, row, [cell or "" for cell in cells])
        ]
        return frame.filter(~pl.col(SOURCE_ROW).is_in(dropped)) if dropped else frame

    def _suspects(self, frame: pl.DataFrame) -> pl.DataFrame:
        first = frame[self._positions[0]].str.strip_chars(BLANKS)
        hollow = first.is_null() | (first == "")
        suspects = [self._labelled(frame.filter(~hollow), first.filter(~hollow))]
        if hollow.any():
            below = frame.filter(hollow)
            cells = [pl.col(name).str.strip_chars(BLANKS) for name in self._positions]
            filled = pl.coalesce(pl.when(cell != "").then(cell) for cell in cells)
            suspects.append(self._labelled(below, below.select(filled.alias("first"))["first"]))
        return pl.concat(suspects)

    def _labelled(self, frame: pl.DataFrame, label: pl.Series) -> pl.DataFrame:
        odd = (
            frame[SOURCE_ROW].is_in(self._asked)
            | label.is_null()
            | label.is_in(self._first_titles)
            | label.str.contains(LABEL)
        )
        return frame.filter(odd.fill_null(value=True))
