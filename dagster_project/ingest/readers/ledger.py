"""The books of one file: what was set aside, and that every record is accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dagster_project.errors import LakeError
from dagster_project.ingest.readers.result import (
    Container,
    ControlTotal,
    Dialect,
    DroppedRow,
    Format,
    SheetRead,
)
from dagster_project.ingest.readers.table.marks import as_line

if TYPE_CHECKING:
    from dagster_project.ingest.readers.table.rows import Classifier


@dataclass
class Ledger:
    """What accumulates while a file is read."""

    sheets: list[SheetRead] = field(default_factory=list)
    dropped: list[DroppedRow] = field(default_factory=list)
    control_totals: list[ControlTotal] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    format: Format | Literal[""] = ""
    container: Container = ""
    encoding: str = ""
    evidence: str = ""
    dialect: Dialect | None = None

    def sets_aside(self, classifier: Classifier, row: int, cells: Sequence[str]) -> bool:
        """Enter a record that is no data; say whether it was one."""
        kind = classifier.kind(row, cells)
        if kind is None:
            return False
        self.dropped.append(DroppedRow(classifier.layout.sheet, row, kind, as_line(cells)))
        if kind == "total":
            self.control_totals += classifier.control_totals(cells, row)
        return True

    def close_sheet(self, sheet: SheetRead, *, where: str) -> None:
        """Enter a sheet whose records are all accounted for.

        Raises:
            LakeError: Rows, dropped records and the header are not all of the sheet's records.
        """
        dropped = sum(1 for row in self.dropped if row.sheet == sheet.name)
        headers = sheet.header_rows if sheet.header_row else 0
        if sheet.rows + dropped + headers != sheet.records:
            raise LakeError(
                f"the reader lost count: {sheet.records} records, but {sheet.rows} rows, "
                f"{dropped} dropped and {headers} header",
                where=where,
                todo="Nothing was kept; report this file's shape as a fault of the reader",
            )
        self.sheets.append(sheet)
