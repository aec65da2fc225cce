"""Rows whose characters were lost or mangled before the file was sent, found among many at once.

Byte-wise search in text files is ``text``'s; mending is conform's, with a record of every repair.
"""

from __future__ import annotations

import polars as pl

LOST = ("锟斤拷", "\ufffd", "烫烫烫", "屯屯屯")
"""What remains of characters that a wrong conversion destroyed for ever."""

MANGLED = (
    "[\u00c2-\u00f4]"
    "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)
"""UTF-8 bytes that were read as Latin letters (``å¹³``): a lead byte and what follows it."""


ASKED = "???"
"""How a cell begins of which a program could write no character at all."""


def is_unwritten(columns: list[str]) -> pl.Expr:
    """Whether one of a row's cells is question marks alone, three or more."""
    alone = pl.col(columns).str.contains(r"^\?{3,}$").fill_null(value=False)
    return pl.any_horizontal(pl.lit(value=False), alone)


def defects(rows: pl.DataFrame, columns: list[str]) -> pl.Series | None:
    """For each row ``garbled``, ``mojibake`` or NULL; None when no row has either.

    Only columns with anything outside ASCII are looked at, and cells of question marks alone.
    """
    foreign = [name for name in columns if _is_foreign(rows[name])]
    asked = [name for name in columns if rows[name].str.starts_with(ASKED).any()]
    if not foreign and not asked:
        return None
    lost = pl.any_horizontal(
        is_unwritten(asked), pl.col(foreign).str.contains_any(list(LOST)).fill_null(value=False)
    )
    mangled = pl.any_horizontal(
        pl.lit(value=False), pl.col(foreign).str.contains(MANGLED).fill_null(value=False)
    )
    marks = rows.select(
        pl.when(lost).then(pl.lit("garbled")).when(mangled).then(pl.lit("mojibake")).alias("mark")
    )["mark"]
    return marks if marks.null_count() < len(marks) else None


def _is_foreign(column: pl.Series) -> bool:
    sizes = column.str.len_bytes().sum() or 0
    return int(sizes) > int(column.str.len_chars().sum() or 0)
