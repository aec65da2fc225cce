"""A second opinion on a workbook: sampled cells are read again, with openpyxl or xlrd.

Spreadsheet readers have returned another row's value for an empty cell without any error. Two
libraries that agree on first, last and some middle rows make that unlikely; a disagreement
refuses the file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from openpyxl.utils import get_column_letter

from dagster_project.errors import DeliveryError
from dagster_project.ingest.readers.books.second import SecondReader, TooFarError
from dagster_project.ingest.readers.books.second_xls import SecondXlsReader
from dagster_project.ingest.readers.books.values import as_text
from dagster_project.ingest.readers.result import Format

CELLS = 12_000
"""openpyxl passes about this many cells of a workbook in a twentieth of a second; rows beyond are
not sampled."""
PICKED = 16
ROUND = 11
"""Significant digits in which two numbers must agree (libraries round the last ones)."""

_ERROR = re.compile(r"#(?:N/A|REF!|DIV/0!|VALUE!|NAME\?|NULL!|NUM!|SPILL!|GETTING_DATA)")
WHITE = " \t\r\n"
"""White space at a text's ends is the workbook's to keep or not (``xml:space``): no difference."""
_ESCAPE = re.compile(r"_x[0-9A-Fa-f]{4}_")


_READERS: Mapping[Format, type[SecondReader | SecondXlsReader]] = {
    "xlsx": SecondReader,
    "xls": SecondXlsReader,
}

Sample = Mapping[int, Sequence[str]]
"""Rows of a sheet by number, as text."""


class CrossCheck:
    """Compares sampled rows of one workbook."""

    def __init__(self, path: Path, name: str, kind: Format = "xlsx") -> None:
        self._path, self._name, self._kind = path, name, kind

    @staticmethod
    def picks(height: int, width: int, sheets: int = 1) -> frozenset[int]:
        """Rows to sample: the first, the last within reach, and some between, evenly spaced."""
        reach = min(height, max(PICKED, CELLS // max(width * sheets, 1)))
        return frozenset(1 + n * (reach - 1) // (PICKED - 1) for n in range(PICKED))

    def compare(self, samples: Mapping[str, Sample]) -> list[str]:
        """Read the sampled rows of each sheet again.

        Texts that are no library's reading (HTML, XML, OpenDocument) are not compared.

        Returns:
            Warnings that name the sheets that could not be compared.

        Raises:
            DeliveryError: A cell is read differently.
        """
        if self._kind == "xlsb":
            return [f"{self._name}: no second library reads .xlsb; it was not cross-checked."]
        if self._kind not in _READERS:
            return []
        try:
            return self._compare(samples)
        except DeliveryError:
            raise
        except Exception as error:  # noqa: BLE001 - they fail in many ways; calamine did not
            kind = type(error).__name__
            return [f"{self._name}: the second reader cannot open it ({kind}); not cross-checked."]

    def _compare(self, samples: Mapping[str, Sample]) -> list[str]:
        unread = list[str]()
        with warnings.catch_warnings(), _READERS[self._kind](self._path) as reader:
            warnings.simplefilter("ignore")  # extensions that openpyxl does not know
            for sheet, sample in samples.items():
                try:
                    for row, cells in reader.rows(sheet, frozenset(sample)):
                        self._same(sheet, row, sample[row], [as_text(cell) for cell in cells])
                except TooFarError:
                    unread.append(sheet)
        return [
            f"{self._name}, sheet {sheet}: too large for the second reader; "
            "its sample was not cross-checked to the end."
            for sheet in unread
        ]

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
                    reason="read_differently",
                )


def agree(one: str, other: str) -> bool:
    """Whether two readings of one cell are the same value."""
    if one == other or _ERROR.fullmatch(other) or _ESCAPE.search(other):
        return True
    if one.replace("\r\n", "\n").strip(WHITE) == other.replace("\r\n", "\n").strip(WHITE):
        return True
    try:
        return f"{float(one):.{ROUND}g}" == f"{float(other):.{ROUND}g}"
    except ValueError:
        return False


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))]
