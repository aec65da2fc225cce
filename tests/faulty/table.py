"""The table of expectations: what an auditor reads in ``expected/*.yaml``, in types."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "expected"
COLUMNS = ("编号", "姓名", "乡镇", "金额", "备注")
NOT_IN_ONE_FILE = {
    "D25": "departments contradict each other: two feeds are needed to see it",
    "D29": "a snapshot taken for an increment: two deliveries are needed to see it",
}
"""Rows of the table of dirt that no single file can show."""


@dataclass(frozen=True)
class Row:
    """One row as text; ``extra`` are the values kept beside the columns, in their order."""

    row: int
    cells: tuple[str | None, ...]
    defect: str | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class SheetExpected:
    """One sheet of the verdict."""

    records: int
    data_rows: int
    name: str | None = None
    state: str = "visible"
    header_line: int = 1
    header_rows: int = 1
    columns: tuple[str, ...] = COLUMNS
    set_aside: int = 0
    hidden_rows: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    defects: dict[str, int] = field(default_factory=dict)
    control_totals: tuple[tuple[Any, ...], ...] = ()
    units: dict[str, str] | None = None
    rows: tuple[Row, ...] | None = None


@dataclass(frozen=True)
class Expected:
    """One file, read with one contract or with none."""

    file: str
    fault: str = ""
    shows: str = ""
    domain: tuple[str, ...] = ()
    contract: str = ""
    format: str = "csv"
    container: str = ""
    encoding: str = ""
    dialect: tuple[str, str, str] | None = None
    sheets: tuple[SheetExpected, ...] = ()
    refused: dict[str, Any] | None = None
    warns: bool = False
    repeated: int = 0
    apart: bool = False
    values: tuple[dict[str, Any], ...] | None = None

    @property
    def title(self) -> str:
        """How the case is called."""
        return f"{self.file} by {self.contract}" if self.contract else self.file


@cache
def expectations() -> tuple[Expected, ...]:
    """Every case of the table, in the files' order."""
    cases = [
        _expected(entry)
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    return tuple(cases)


def _expected(entry: dict[str, Any]) -> Expected:
    made = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    made["sheets"] = tuple(_sheet(sheet) for sheet in entry.get("sheets", ()))
    if "values" in entry:
        made["values"] = tuple(_spread(entry["values"]))
    return Expected(**made)


def _sheet(entry: dict[str, Any]) -> SheetExpected:
    made = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    if "rows" in entry:
        made["rows"] = tuple(_row(row) for row in entry["rows"])
    made["control_totals"] = tuple(tuple(total) for total in entry.get("control_totals", ()))
    return SheetExpected(**made)


def _row(entry: list[Any] | dict[str, Any]) -> Row:
    if isinstance(entry, list):
        return Row(entry[0], tuple(_cell(cell) for cell in entry[1:]))
    cells = tuple(_cell(cell) for cell in entry["cells"])
    return Row(entry["row"], cells, entry.get("defect"), tuple(entry.get("extra", ())))


def _cell(cell: Any) -> str | None:
    if isinstance(cell, dict):
        return str(cell["repeated"]) * int(cell["times"])
    if cell is not None and not isinstance(cell, str):
        message = f"write {cell!r} in quotes: cells are text"
        raise TypeError(message)
    return cell


def _spread(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``rows: [2, 20]`` says the same of every row from 2 to 20."""
    spread = []
    for entry in entries:
        first, last = entry.get("rows", (entry.get("row"),) * 2)
        spread += [{**entry, "row": row} for row in range(first, last + 1)]
    return spread
