"""A workbook's sheets to rows: which sheets hold the table, where its header is, what is set aside.

How the kinds of workbooks are opened is ``books``' matter; only what a sheet stores is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from dagster_project.contracts.model import Feed
from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books import Book, Sheet, opened
from dagster_project.ingest.readers.books.crosscheck import CrossCheck
from dagster_project.ingest.readers.detect import SAVE_AS
from dagster_project.ingest.readers.ledger import Ledger
from dagster_project.ingest.readers.limits import Limits
from dagster_project.ingest.readers.result import DroppedRow, Format, Kind, SheetRead
from dagster_project.ingest.readers.sink import Ahead, write
from dagster_project.ingest.readers.table.damage import defects
from dagster_project.ingest.readers.table.generic import find_table, united
from dagster_project.ingest.readers.table.header import SEARCHED, Layout, find_header, resemblance
from dagster_project.ingest.readers.table.marks import EXAMPLE_SHEET, GUIDE_SHEET, as_line, is_blank
from dagster_project.ingest.readers.table.rows import Classifier
from dagster_project.ingest.readers.table.shape import (
    FORMULA,
    HIDDEN_ROW,
    HIDDEN_SHEET,
    SOURCE_ROW,
    Row,
    Shape,
    flagged,
    no_rows,
)
from dagster_project.ingest.readers.table.sieve import Sieve

FOREIGN = 0.3
"""A short sheet that names fewer of the contract's columns is no table of the feed (a guide)."""


@dataclass
class Workbook:
    """One workbook while it is read; without a contract every sheet with a header is read."""

    feed: Feed | None
    batch_id: str
    name: str
    ledger: Ledger
    limits: Limits = field(default_factory=Limits)
    lenient: bool = False

    def read(self, path: Path, kind: Format, out: Path) -> int:
        """Read the workbook's sheets into ``out``, as the contract says.

        Returns:
            The number of rows written.

        Raises:
            DeliveryError: The workbook is damaged, has no sheet with a header, or its cells are
                read differently by two libraries.
        """
        with opened(path, kind, name=self.name, limits=self.limits) as book:
            self.ledger.warnings += book.warnings
            tables = self._tables(book)
            check = CrossCheck(path, self.name, kind)
            with Ahead(self._frames(tables, check)) as frames:
                rows = write(frames, no_rows(tables[0][1].feed), out)
        order = [sheet.name for sheet in book.sheets]
        self.ledger.sheets.sort(key=lambda sheet: order.index(sheet.name))
        return rows

    def _tables(self, book: Book) -> list[tuple[Sheet, Layout]]:
        """The sheets that hold the table, with their headers, before any row is read."""
        found, refused = list[tuple[Sheet, Layout]](), list[DeliveryError]()
        chosen = self._chosen(book)
        for sheet in chosen:
            try:
                if layout := self._layout(sheet, alone=len(chosen) == 1):
                    found.append((sheet, layout))
            except DeliveryError as error:
                if self.feed is not None:
                    raise
                refused.append(error)
        if refused and not found:
            raise refused[0]
        self.ledger.warnings += [f"{why} The sheet was left out." for why in refused]
        if not found:
            about = f"a table of {self.feed.name}" if self.feed else "a table"
            raise DeliveryError(
                f"no sheet of the workbook holds {about}",
                where=self.name,
                todo="Deliver the table with its header row",
                reason="no_header",
            )
        if self.feed is None:
            feed = united([layout for _, layout in found])
            found = [(sheet, replace(layout, feed=feed)) for sheet, layout in found]
        self._state_units(found)
        return found

    def _state_units(self, tables: Sequence[tuple[Sheet, Layout]]) -> None:
        """One unit per column for the whole file: a figure is multiplied once."""
        for sheet, layout in tables:
            for name, layouts_unit in layout.units.items():
                if self.ledger.units.setdefault(name, layouts_unit) != layouts_unit:
                    self._disagree(sheet, name)
        if self.feed is not None:
            for sheet, layout in tables:
                for name in set(self.ledger.units) - set(layout.units):
                    self._disagree(sheet, name)

    def _disagree(self, sheet: Sheet, column: str) -> None:
        if self.feed is not None:
            raise DeliveryError(
                f"the sheets of the file state different units for column {column}",
                where=sheet.where,
                todo="Write the same unit in every sheet's header and deliver the file again",
                reason="units_conflict",
            )

    def _chosen(self, book: Book) -> list[Sheet]:
        """The sheets to read; what is left out is said."""
        if not book.sheets:
            raise DeliveryError(
                "the workbook has no worksheet", where=self.name, todo=SAVE_AS, reason="no_text"
            )
        if self.feed is None or self.feed.sheets == "all":
            return list(book.sheets)
        if self.feed.sheets == "named":
            chosen = [sheet for sheet in book.sheets if sheet.name in self.feed.sheet_names]
            lacking = [
                name for name in self.feed.sheet_names if name not in {s.name for s in chosen}
            ]
            if lacking:
                raise DeliveryError(
                    f"the workbook lacks the sheet {'、'.join(lacking)}",
                    where=self.name,
                    todo="Deliver it with the sheets that the contract names",
                    reason="columns_missing",
                )
        else:
            visible = (sheet for sheet in book.sheets if sheet.state == "visible")
            chosen = [next(visible, book.sheets[0])]
        if others := [sheet.name for sheet in book.sheets if sheet not in chosen]:
            self.ledger.warnings.append(
                f"{self.name}: only sheet {'、'.join(sheet.name for sheet in chosen)} was read, as "
                f"the contract says; left out: {', '.join(others)}."
            )
        return chosen

    def _layout(self, sheet: Sheet, *, alone: bool) -> Layout | None:
        """The sheet's header; None for an empty sheet, a guide or an example among several."""
        head = sheet.head(SEARCHED)
        empty = all(is_blank(cell) for _, cells in head for cell in cells)
        optional = not alone or (self.feed is not None and self.feed.sheets == "all")
        if optional and EXAMPLE_SHEET.search(sheet.name) and not empty:
            self._set_aside(sheet, "example")
            return None
        if optional and sheet.height <= SEARCHED and (empty or self._is_foreign(sheet, head)):
            self._set_aside(sheet, "title")
            return None
        if empty:
            raise DeliveryError(
                f"the sheet holds no text in its first {len(head)} rows",
                where=sheet.where,
                todo="Export it again and deliver it",
                reason="no_text",
            )
        if self.feed is None:
            return find_table(head, sheet=sheet.name, where=sheet.where, merges=sheet.merges)
        return find_header(
            head,
            self.feed,
            sheet=sheet.name,
            where=sheet.where,
            merges=sheet.merges,
            lenient=self.lenient,
        )

    def _is_foreign(self, sheet: Sheet, head: Sequence[Row]) -> bool:
        """Whether a short sheet is a guide and no table."""
        if self.feed is not None:
            return not self.feed.headerless and resemblance(head, self.feed) < FOREIGN
        try:
            layout = find_table(head, sheet=sheet.name, where=sheet.where, merges=sheet.merges)
        except DeliveryError:
            return True
        return bool(GUIDE_SHEET.search(sheet.name)) or sum(layout.known) == 1

    def _set_aside(self, sheet: Sheet, kind: Kind) -> None:
        """Enter every row of a sheet that holds no table."""
        rows = sheet.head(sheet.height)
        for row, cells in rows:
            said: Kind = "blank" if all(is_blank(cell) for cell in cells) else kind
            self.ledger.dropped.append(DroppedRow(sheet.name, row, said, as_line(cells)))
        if any(not is_blank(cell) for _, cells in rows for cell in cells):
            what = "is an example" if kind == "example" else "holds no table"
            self.ledger.warnings.append(
                f"{sheet.where}: {what}; its {len(rows)} rows were set aside as text."
            )
        read = SheetRead(sheet.name, 0, (), len(rows), 0, header_rows=0, state=sheet.state)
        self.ledger.close_sheet(read, where=sheet.where)

    def _frames(
        self, tables: Sequence[tuple[Sheet, Layout]], check: CrossCheck
    ) -> Iterator[pl.DataFrame]:
        for sheet, layout in tables:
            yield from _Table(sheet, layout, self.ledger).rows(self.batch_id)
        samples = {sheet.name: sheet.sample(sheets=len(tables)) for sheet, _ in tables}
        self.ledger.warnings += check.compare(samples)


@dataclass
class _Table:
    """One sheet with its header while its rows are read."""

    sheet: Sheet
    layout: Layout
    ledger: Ledger

    def rows(self, batch_id: str) -> Iterator[pl.DataFrame]:
        """The data rows in the form of bronze; what is no data is entered into the ledger."""
        sheet, layout = self.sheet, self.layout
        shape = Shape(layout, batch_id)
        wide = [m for m in sheet.merges if m.left == 1 and m.right >= max(layout.width, 2)]
        across = frozenset(m.top for m in wide if m.top == m.bottom > layout.row)
        classifier = Classifier.of(layout.feed, layout, across=across)
        sieve = Sieve(classifier, self.ledger, shape.positions)
        for row, cells in sheet.head(layout.first_row - 1) if layout.row else ():
            self.ledger.sets_aside(classifier, row, cells)
        records, rows = layout.row, 0
        marks = list[pl.Series]()
        hidden = 0
        for frame in sheet.frames(shape.positions, after=layout.row):
            data = sieve.data(frame)
            defect = self._defects(data, shape)
            records, rows = records + frame.height, rows + data.height
            if defect is not None:
                marks.append(defect)
            made = shape.regular(data, defect)
            if sheet.state != "visible":
                made = flagged(made, HIDDEN_SHEET)
            elif sheet.hidden_rows:
                hidden += int(made[SOURCE_ROW].is_in(list(sheet.hidden_rows)).sum())
                made = flagged(made, HIDDEN_ROW, sheet.hidden_rows)
            yield made
        self._close(records, rows, marks, hidden)

    def _defects(self, data: pl.DataFrame, shape: Shape) -> pl.Series | None:
        """Rows with lost characters, or with a formula that was never computed."""
        found = defects(data, shape.known)
        known = {n + 1 for n, is_known in enumerate(self.layout.known) if is_known}
        waiting = [row for row, cells in self.sheet.formulas.items() if known & set(cells)]
        if not waiting:
            return found
        formula = data[SOURCE_ROW].is_in(waiting)
        if not formula.any():
            return found
        others = found if found is not None else pl.Series([None], dtype=pl.String)
        return data.select(pl.when(formula).then(pl.lit(FORMULA)).otherwise(others).alias("mark"))[
            "mark"
        ]

    def _close(self, records: int, rows: int, marks: Sequence[pl.Series], hidden: int) -> None:
        sheet, layout, ledger = self.sheet, self.layout, self.ledger
        ledger.missing += layout.missing
        ledger.unknown += layout.unknown_titled
        if sheet.state != "visible":
            ledger.warnings.append(
                f"{sheet.where}: the sheet is hidden; its {rows} rows were read."
            )
        if filled := sheet.filled(layout.row):
            ledger.warnings.append(
                f"{sheet.where}: {len(filled)} merged cells give their text to the rows they span."
            )
        if hidden:
            ledger.warnings.append(
                f"{sheet.where}: {hidden} rows are hidden or filtered away; they were read, too."
            )
        counts = pl.concat(marks).drop_nulls().value_counts().rows() if marks else []
        read = SheetRead(
            sheet.name,
            layout.row,
            layout.titles,
            records,
            rows,
            header_rows=layout.header_rows,
            state=sheet.state,
            defects=dict(counts),
            hidden_rows=hidden,
            units=layout.units,
        )
        ledger.close_sheet(read, where=sheet.where)
