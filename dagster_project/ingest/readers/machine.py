"""What formats of machines (``json``, ``parquet``) share: where columns go, and rows of bronze.

No titles, totals, notes or blank lines are looked for in them: every record is a row of data. How
a format is parsed is its own room's matter; a reader does::

    table = SourceTable(feed, batch_id, where=name, ledger=ledger)
    table.see(names)                                   # once, or whenever new columns appear
    rows = write((table.frame(texts) for texts in batches), table.empty(), out)
    table.close(rows, lenient=lenient)                 # refuses what lacks, enters the counts

``texts`` has one String column per column of the source, named as there; columns may differ from
batch to batch. A source without a contract names all of its columns at the start (``names``).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from dagster_project.contracts.model import Column, Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import COLUMNS
from dagster_project.ingest.readers.result import Defect, SheetRead
from dagster_project.ingest.readers.table.damage import defects
from dagster_project.ingest.readers.table.generic import ad_hoc
from dagster_project.ingest.readers.table.header import Layout, Spelled, lacks
from dagster_project.ingest.readers.table.headings import JOIN
from dagster_project.ingest.readers.table.shape import (
    DEFECT,
    EXTRA,
    FLAGS,
    SOURCE_ROW,
    SURPLUS,
    Shape,
    no_rows,
)

SHEET = ""
SPARSE = 32
"""Above so many unknown columns, ``_extra`` names only those that a row fills."""
SHAPES = 256
"""So many sets of columns are remembered."""
_OURS = frozenset({EXTRA, DEFECT, SOURCE_ROW, SURPLUS, FLAGS, "_sheet", "_batch_id"})
_DOT = re.compile(r"\.")
_NUL = "\x00"


class SourceTable:
    """One table of a machine format while it is read.

    Args:
        feed: The contract; None for a table that is shaped by its own names.
        batch_id: The batch that the rows belong to.
        where: The file, for sentences.
        ledger: Where to keep the books.
        names: All columns of the source, where there is no contract.
    """

    def __init__(
        self,
        feed: Feed | None,
        batch_id: str,
        *,
        where: str,
        ledger: Ledger,
        names: Sequence[str] = (),
    ) -> None:
        self.where, self.records = where, 0
        self._batch_id, self._ledger = batch_id, ledger
        self._places: dict[str, tuple[str, bool]] = {}
        self._units: dict[str, str] = {}
        self._filled: set[str] = set()
        self._defects: Counter[Defect] = Counter()
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._nuls = 0
        self._spelled = None if feed is None else Spelled(feed)
        self.feed = feed or ad_hoc(self._own(names))

    def empty(self) -> pl.DataFrame:
        """The columns of bronze, without rows."""
        return no_rows(self.feed)

    def see(self, names: Iterable[str]) -> None:
        """Find the places of columns that the source turns out to have.

        Raises:
            DeliveryError: Two of them are one column of the contract, or there are too many.
        """
        for name in names:
            if name not in self._places:
                self._places[name] = self._place(name)
        if len(self._places) > COLUMNS:
            raise DeliveryError(
                f"the records have {len(self._places)} different fields; no more than {COLUMNS} "
                "columns are read",
                where=self.where,
                todo="Deliver a table; perhaps its keys were written as field names",
                reason="too_large",
            )

    def frame(self, texts: pl.DataFrame) -> pl.DataFrame:
        """The next records as rows of bronze; an empty text is NULL, as in every other format."""
        self.see(texts.columns)
        shape = self._shape(tuple(texts.columns))
        rows = self._without_nuls(texts.rename(dict(zip(texts.columns, shape.positions,
                                                        strict=True))))  # fmt: skip
        rows = rows.with_columns(pl.when(pl.all() != "").then(pl.all()))
        numbers = pl.int_range(self.records + 1, self.records + texts.height + 1, eager=True)
        self.records += texts.height
        marks = defects(rows, shape.known)
        if marks is not None:
            self._defects.update(marks.drop_nulls().to_list())
        made = shape.regular(rows.with_columns(numbers.alias(SOURCE_ROW)), marks)
        unknown = self._note_filled(rows, shape)
        if len(unknown) <= SPARSE:
            return made
        return made.with_columns(_sparse(rows, unknown).alias(EXTRA))

    def close(self, rows: int, *, lenient: bool) -> None:
        """Enter what was read into the ledger.

        Raises:
            DeliveryError: A required column is in no record, and this is not lenient.
            LakeError: Records were lost.
        """
        missing = self.missing(lenient=lenient)
        ledger, unknown = self._ledger, self._unknown()
        if self._nuls:
            ledger.warnings.append(
                f"{self.where}: NUL characters were removed from {self._nuls} cells."
            )
        if mangled := self._defects["mojibake"]:
            ledger.warnings.append(
                f"{self.where}: {mangled} rows hold text that was decoded wrongly before it was "
                "sent (å¹³ for 平); it is restored where that is proven."
            )
        units = {} if self._spelled is None else self._spelled.foreign(self._units)
        ledger.missing += missing
        ledger.unknown += unknown
        ledger.units |= units
        sheet = SheetRead(
            SHEET, 0, tuple(self._places), self.records, rows, header_rows=0, units=units,
            defects=dict(self._defects),
        )  # fmt: skip
        ledger.close_sheet(sheet, where=self.where)

    def missing(self, *, lenient: bool) -> list[str]:
        """The contract's columns that the source lacks; nothing is known of one without any.

        Raises:
            DeliveryError: A required one is among them, and this is not lenient.
        """
        if not self._places:
            return []
        found = {name for name, known in self._places.values() if known}
        absent = [column for column in self.feed.columns if column.name not in found]
        if not lenient and any(column.required or column.is_key for column in absent):
            names = [name if known else "" for name, known in self._places.values()]
            raise lacks(absent, list(self._places), names, where=self.where)
        return [column.name for column in absent]

    def _own(self, names: Sequence[str]) -> list[str]:
        """The names of a table without a contract; ours and blank ones get a number."""
        for at, name in enumerate(names, start=1):
            own = f"_column_{at}" if name in _OURS or not name.strip() else name
            self._places[name] = own, True
        self.see(())
        return [name for name, _ in self._places.values()]

    def _place(self, source: str) -> tuple[str, bool]:
        """The contract column that a column of the source is, or its own name in ``_extra``."""
        name, unit = named(self._spelled, source) if self._spelled else ("", "")
        if not name:
            plain = source in _OURS or not source.strip()
            return (f"_column_{len(self._places) + 1}" if plain else source), False
        other = next((s for s, place in self._places.items() if place == (name, True)), None)
        if other is not None:
            column: Column = self.feed.column(name)
            raise DeliveryError(
                f"fields {other} and {source} are both {column.title} ({name})",
                where=self.where,
                todo="Send one of them only, or take the synonym out of the contract",
                reason="columns_ambiguous",
            )
        if unit:
            self._units[name] = unit
        return name, True

    def _shape(self, names: tuple[str, ...]) -> Shape:
        """How rows with these columns become rows of bronze."""
        if names not in self._shapes:
            if len(self._shapes) >= SHAPES:
                self._shapes.clear()
            places = [self._places[name] for name in names]
            layout = Layout(
                SHEET, 0, names, tuple(place for place, _ in places),
                tuple(known for _, known in places), (), self.feed,
            )  # fmt: skip
            self._shapes[names] = Shape(layout, self._batch_id)
        return self._shapes[names]

    def _without_nuls(self, rows: pl.DataFrame) -> pl.DataFrame:
        """NULs are in no cell of a text table either; engines end a text at them."""
        spoilt = [c.name for c in rows if c.str.contains(_NUL, literal=True).any()]
        if not spoilt:
            return rows
        hit = rows.select(pl.col(spoilt).str.contains(_NUL, literal=True).sum())
        self._nuls += sum(int(n or 0) for n in hit.row(0))
        return rows.with_columns(pl.col(spoilt).str.replace_all(_NUL, "", literal=True))

    def _note_filled(self, rows: pl.DataFrame, shape: Shape) -> dict[str, str]:
        """The unknown columns (position -> name in ``_extra``); those with a cell are noted."""
        layout = shape.layout
        known = zip(shape.positions, layout.titles, layout.names, layout.known, strict=True)
        unknown = {at: (title, name) for at, title, name, is_known in known if not is_known}
        self._filled |= {
            title for at, (title, _) in unknown.items() if rows[at].null_count() < rows.height
        }
        return {at: name for at, (_, name) in unknown.items()}

    def _unknown(self) -> list[str]:
        """Names that the contract lacks; not that of an object that is NULL in some records."""
        inner = {name[: dot.start()] for name in self._places for dot in _DOT.finditer(name)}
        return [
            place
            for name, (place, known) in self._places.items()
            if not known and (name in self._filled or name not in inner)
        ]


def named(spelled: Spelled, source: str) -> tuple[str, str]:
    """The contract's column and the unit that a field says: ``a.b`` as it stands, or ``a_b``."""
    spellings = dict.fromkeys((source, source.replace(".", JOIN)))
    return next((found for s in spellings if (found := spelled.column((s,)))[0]), ("", ""))


def _sparse(rows: pl.DataFrame, unknown: Mapping[str, str]) -> pl.Series:
    """The filled unknown cells of each row as JSON: many columns, few of them in one row."""
    names = list(unknown.values())
    cells = rows.select(list(unknown)).iter_rows()
    said = ({n: cell for n, cell in zip(names, row, strict=True) if cell} for row in cells)
    return pl.Series([json.dumps(one, ensure_ascii=False) if one else None for one in said],
                     dtype=pl.String)  # fmt: skip
