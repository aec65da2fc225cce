"""The shape of bronze: contract columns, then provenance; decided here and nowhere else.

How frames of this shape get to disk is ``sink``'s matter.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import polars as pl

from dagster_project.contracts.model import Feed
from dagster_project.ingest.readers.table.header import Layout
from dagster_project.ingest.readers.table.marks import side_block

SOURCE_ROW, EXTRA, DEFECT = "_source_row", "_extra", "_defect"
SURPLUS, FLAGS = "_surplus", "_flags"
RAGGED, FORMULA = "ragged", "formula"
HIDDEN_ROW, HIDDEN_SHEET = "hidden_row", "hidden_sheet"

Row = tuple[int, Sequence[str]]


def no_rows(feed: Feed) -> pl.DataFrame:
    """The columns of bronze, without rows."""
    texts = [*(c.name for c in feed.columns), EXTRA, DEFECT, "_sheet"]
    schema = dict.fromkeys(texts, pl.String()) | {SOURCE_ROW: pl.Int64(), "_batch_id": pl.String()}
    return pl.DataFrame(schema=schema)


class Shape:
    """From the columns of one table of a file to the columns of bronze."""

    def __init__(self, layout: Layout, batch_id: str) -> None:
        self.layout = layout
        self.positions = [f"c{n}" for n in range(layout.width)]
        self.schema = dict.fromkeys(self.positions, pl.String())
        at = dict(zip(layout.names, self.positions, strict=True))
        self._contract = [
            pl.col(at[c.name]).alias(c.name)
            if c.name in at and layout.known[layout.names.index(c.name)]
            else pl.lit(None, pl.String).alias(c.name)
            for c in layout.feed.columns
        ]
        self._provenance = [
            pl.lit(layout.sheet, pl.String).alias("_sheet"),
            pl.col(SOURCE_ROW).cast(pl.Int64),
            pl.lit(batch_id, pl.String).alias("_batch_id"),
        ]
        self.known = [at[n] for n, known in zip(layout.names, layout.known, strict=True) if known]
        self._unknown = [at[name] for name in layout.unknown]
        self._unknown_cells = pl.struct(
            pl.col(at[name]).alias(name) for name in layout.unknown
        ) if layout.unknown else None  # fmt: skip

    def regular(self, rows: pl.DataFrame, defects: pl.Series | None = None) -> pl.DataFrame:
        """Rows of the right width with their numbers, empty cells already NULL.

        Args:
            rows: Columns named by ``positions``, and the source row.
            defects: What is wrong with each row, NULL for most; None when all are well.
        """
        extra = pl.lit(None, pl.String)
        if self._unknown_cells is not None:
            filled = pl.any_horizontal(pl.col(self._unknown).is_not_null())
            extra = pl.when(filled).then(self._unknown_cells.struct.json_encode())
        defect = pl.lit(None, pl.String).alias(DEFECT)
        if defects is not None:
            rows, defect = rows.with_columns(defects.alias(DEFECT)), pl.col(DEFECT)
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
            extra[SURPLUS] = list(surplus)
        return json.dumps(extra, ensure_ascii=False)


def flagged(rows: pl.DataFrame, flag: str, numbers: Collection[int] | None = None) -> pl.DataFrame:
    """The rows of bronze with a remark in ``_extra``: all of them, or those of some numbers."""
    remark = json.dumps({FLAGS: [flag]})
    with_remark = (
        pl.when(pl.col(EXTRA).is_null())
        .then(pl.lit(remark))
        .otherwise(pl.concat_str(pl.col(EXTRA).str.strip_suffix("}"), pl.lit("," + remark[1:])))
    )
    meant = pl.lit(value=True) if numbers is None else pl.col(SOURCE_ROW).is_in(list(numbers))
    return rows.with_columns(pl.when(meant).then(with_remark).otherwise(pl.col(EXTRA)).alias(EXTRA))


def _is_ragged(cells: Sequence[str], width: int) -> bool:
    """Too few cells, or filled cells beyond the last column.

    Empty surplus cells are harmless, and so is a block of totals that stands beside the table.
    """
    return len(cells) < width or (any(cells[width:]) and not side_block(cells, width))
