"""The shape of bronze: contract columns, then provenance; decided here and nowhere else.

How frames of this shape get to disk is ``sink``'s matter.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl

from dagster_project.contracts.model import Feed
from dagster_project.ingest.readers.header import Layout

SOURCE_ROW, EXTRA, DEFECT = "_source_row", "_extra", "_defect"
RAGGED = "ragged"

Row = tuple[int, Sequence[str]]


def no_rows(feed: Feed) -> pl.DataFrame:
    """The columns of bronze, without rows."""
    texts = [*(c.name for c in feed.columns), EXTRA, DEFECT, "_sheet"]
    schema = dict.fromkeys(texts, pl.String()) | {SOURCE_ROW: pl.Int64(), "_batch_id": pl.String()}
    return pl.DataFrame(schema=schema)


class Shape:
    """From the columns of one table of a file to the columns of bronze."""

    def __init__(self, feed: Feed, layout: Layout, batch_id: str) -> None:
        self.layout = layout
        self.positions = [f"c{n}" for n in range(layout.width)]
        self.schema = dict.fromkeys(self.positions, pl.String())
        at = dict(zip(layout.names, self.positions, strict=True))
        self._contract = [
            pl.col(at[c.name]).alias(c.name)
            if c.name in at and layout.known[layout.names.index(c.name)]
            else pl.lit(None, pl.String).alias(c.name)
            for c in feed.columns
        ]
        self._provenance = [
            pl.lit(layout.sheet, pl.String).alias("_sheet"),
            pl.col(SOURCE_ROW).cast(pl.Int64),
            pl.lit(batch_id, pl.String).alias("_batch_id"),
        ]
        self._unknown = [at[name] for name in layout.unknown]
        self._unknown_cells = pl.struct(
            pl.col(at[name]).alias(name) for name in layout.unknown
        ) if layout.unknown else None  # fmt: skip

    def regular(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of the right width with their numbers, empty cells already NULL."""
        extra = pl.lit(None, pl.String)
        if self._unknown_cells is not None:
            filled = pl.any_horizontal(pl.col(self._unknown).is_not_null())
            extra = pl.when(filled).then(self._unknown_cells.struct.json_encode())
        defect = pl.lit(None, pl.String).alias(DEFECT)
        return rows.select(*self._contract, extra.alias(EXTRA), defect, *self._provenance)

    def irregular(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Rows of any width: what lacks is NULL, what is too much goes to ``_surplus``."""
        width = self.layout.width
        padded = [[*(c or None for c in cells[:width])] for _, cells in rows]
        frame = pl.DataFrame(
            [row + [None] * (width - len(row)) for row in padded], self.schema, orient="row"
        )
        numbers = pl.Series(SOURCE_ROW, [n for n, _ in rows], pl.Int64)
        regular = self.regular(frame.with_columns(numbers))
        extras = [self._extra(cells) for _, cells in rows]
        ragged = [RAGGED if _is_ragged(cells, width) else None for _, cells in rows]
        return regular.with_columns(
            pl.Series(EXTRA, extras, pl.String), pl.Series(DEFECT, ragged, pl.String)
        )

    def _extra(self, cells: Sequence[str]) -> str | None:
        """Cells of unknown columns and cells beyond the last column, as JSON."""
        width = self.layout.width
        known = zip(self.layout.names, self.layout.known, cells, strict=False)
        extra: dict[str, object] = {name: cell or None for name, known, cell in known if not known}
        surplus = cells[width:]
        if not any(extra.values()) and not any(surplus):
            return None
        if any(surplus):
            extra["_surplus"] = list(surplus)
        return json.dumps(extra, ensure_ascii=False)


def _is_ragged(cells: Sequence[str], width: int) -> bool:
    """Too few cells, or filled cells beyond the last column; empty surplus cells are harmless."""
    return len(cells) < width or any(cells[width:])
