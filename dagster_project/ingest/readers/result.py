"""What reading a file yields besides its rows. Plain data; nothing is computed from cells here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["csv", "xlsx", "xls", "xlsb", "ods", "html", "xml2003", "json", "parquet"]
"""What a file is by its content: ``csv`` is any delimited text, ``json`` also JSON Lines;
``html`` and ``xml2003`` (XML Spreadsheet 2003) are what only pretends to be ``.xls``."""
Container = Literal["", "gzip", "zip"]
Kind = Literal["title", "blank", "total", "footnote", "repeated_header", "example"]
Defect = Literal["ragged", "garbled", "formula", "mojibake"]
LineEnd = Literal["", "LF", "CRLF", "CR", "CRCRLF", "mixed"]
SheetState = Literal["visible", "hidden", "very_hidden"]

SET_ASIDE: tuple[Defect, ...] = ("ragged", "garbled", "formula")
"""Defects that put a row aside: another number of cells than the header, characters that are lost
for ever, a formula without a stored value. ``mojibake`` only asks that its cells be looked at."""


@dataclass(frozen=True)
class Dialect:
    """How a text table is written: delimiter, quote (empty where no cell is quoted), line ends."""

    delimiter: str = ","
    quote: str = ""
    line_end: LineEnd = ""


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

    ``header_row`` is the last row of titles (0 where there is none) and ``header_rows`` how many
    there are. ``records`` counts every record of the sheet independently of how it was classified;
    ``rows`` are those that were written, ``defects`` counts the marked ones among them. ``units``
    are those that the sheet states and that are not the contract's own.
    """

    name: str
    header_row: int
    titles: tuple[str, ...]
    records: int
    rows: int
    header_rows: int = 1
    state: SheetState = "visible"
    defects: Mapping[Defect, int] = field(default_factory=dict)
    hidden_rows: int = 0
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def set_aside(self) -> int:
        """Rows that were written, but will be quarantined for a defect."""
        return sum(self.defects.get(defect, 0) for defect in SET_ASIDE)


@dataclass(frozen=True)
class ReadResult:
    """The verdict on one file; its rows are in the Parquet file that ``read`` wrote.

    ``encoding`` is Python's codec name, empty for workbooks. ``missing`` are contract columns
    (optional ones) that the file lacks, ``unknown`` are titles that the contract lacks. ``units``
    are the units that the file states for columns, where it states any.
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
    container: Container = ""
    evidence: str = ""
    dialect: Dialect | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Records delivered, without the header rows: what the conservation law starts from."""
        return self.rows + len(self.dropped)
