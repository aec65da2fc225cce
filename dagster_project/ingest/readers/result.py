"""What reading a file yields besides its rows. Plain data; nothing is computed from cells here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "xlsx"]
Kind = Literal["title", "blank", "total", "footnote"]


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A record that is no data; ``text`` is the record as one CSV line."""

    sheet: str
    row: int
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """What a totals row states for one numeric column, as text."""

    sheet: str
    row: int
    column: str
    stated: str


@dataclass(frozen=True)
class SheetRead:
    """One table of the file: its header's record number, its titles and its number of rows.

    ``records`` counts every record of the sheet independently of how it was classified.
    """

    name: str
    header_row: int
    titles: tuple[str, ...]
    records: int
    rows: int


@dataclass(frozen=True)
class ReadResult:
    """The verdict on one file; its rows are in the Parquet file that ``read`` wrote.

    ``encoding`` is Python's codec name, empty for workbooks. ``missing`` are contract columns
    (optional ones) that the file lacks, ``unknown`` are titles that the contract lacks.
    """

    sha256: str
    format: Format
    encoding: str
    sheets: tuple[SheetRead, ...]
    dropped: tuple[DroppedRow, ...]
    control_totals: tuple[ControlTotal, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    warnings: tuple[str, ...]
    rows: int

    @property
    def read(self) -> int:
        """Records delivered, without the header rows: what the conservation law starts from."""
        return self.rows + len(self.dropped)
