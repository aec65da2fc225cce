"""A second opinion on a workbook: sampled cells are read again with openpyxl.

Spreadsheet readers have returned another row's value for an empty cell without any error. Two
libraries that agree on first, last and some middle rows make that unlikely; a disagreement
refuses the file.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
from openpyxl.utils import get_column_letter

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.values import as_text

CELLS = 12_000
"""openpyxl streams about this many cells in a tenth of a second; rows beyond are not sampled."""
PICKED = 16
MAX_STRINGS = 8 << 20
"""openpyxl loads all shared strings; above this size the check would cost more than the read."""
ROUND = 11
"""Significant digits in which two numbers must agree (libraries round the last ones)."""

_ERROR = re.compile(r"#(?:N/A|REF!|DIV/0!|VALUE!|NAME\?|NULL!|NUM!|SPILL!|GETTING_DATA)")
_ESCAPE = re.compile(r"_x[0-9A-Fa-f]{4}_")


class CrossCheck:
    """Compares sampled rows of one workbook."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self.warnings: list[str] = []

    @staticmethod
    def picks(height: int, width: int) -> frozenset[int]:
        """Rows to sample: the first, the last within reach, and some between, evenly spaced."""
        reach = min(height, max(PICKED, CELLS // max(width, 1)))
        return frozenset(1 + n * (reach - 1) // (PICKED - 1) for n in range(PICKED))

    def compare(self, sheet: str, sample: Mapping[int, Sequence[str]]) -> None:
        """Read the sampled rows again.

        Raises:
            DeliveryError: A cell is read differently.
        """
        if not sample or not self._affordable(sheet):
            return
        last = max(sample)
        # A landed file is named by its hash; openpyxl asks a path, but no stream, for a suffix.
        with warnings.catch_warnings(), self._path.open("rb") as stream:
            warnings.simplefilter("ignore")  # extensions that openpyxl does not know
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            try:
                rows = book[sheet].iter_rows(min_row=1, max_row=last, values_only=True)
                for row, values in enumerate(rows, start=1):
                    if row in sample:
                        self._same(sheet, row, sample[row], [as_text(v) for v in values])  # type: ignore[arg-type]
            finally:
                book.close()

    def _affordable(self, sheet: str) -> bool:
        with zipfile.ZipFile(self._path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        if sizes.get("xl/sharedStrings.xml", 0) <= MAX_STRINGS:
            return True
        self.warnings.append(
            f"{self._name}, sheet {sheet}: too large for the second reader; "
            "no sample was cross-checked."
        )
        return False

    def _same(self, sheet: str, row: int, ours: Sequence[str], theirs: Sequence[str]) -> None:
        width = max(len(ours), len(theirs))
        pairs = zip(_padded(ours, width), _padded(theirs, width), strict=True)
        for position, (one, other) in enumerate(pairs, start=1):
            if not agree(one, other):
                raise DeliveryError(
                    "two libraries read this cell differently",
                    where=f"{self._name}, sheet {sheet}, row {row}, "
                    f"column {get_column_letter(position)}",
                    todo="Open the workbook in Excel or WPS, save it again, and deliver that file",
                )


def agree(one: str, other: str) -> bool:
    """Whether two readings of one cell are the same value."""
    if one == other or _ERROR.fullmatch(other) or _ESCAPE.search(other):
        return True
    if one.replace("\r\n", "\n") == other.replace("\r\n", "\n"):
        return True
    try:
        return f"{float(one):.{ROUND}g}" == f"{float(other):.{ROUND}g}"
    except ValueError:
        return False


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]
