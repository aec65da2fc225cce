"""What the receiver itself says of a report: its own contract, against which packages are judged.

It reads no contract file: who composes a site hands in the tables and columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dagster_project.contracts.model import CodeList, Column, Table
from dagster_project.contracts.plausibility import Plausibility
from dagster_project.contracts.report_words import SmallCells

PERSONAL = ("L3", "L4")
"""Levels of columns that never travel (see the glossary: levels)."""
Shapes = Mapping[str, Sequence[Column]]
"""The columns of each report, with everything that they inherit."""


@dataclass(frozen=True)
class Agreed:
    """The receiver's contract of one report.

    ``columns`` are all of them; ``own`` those that the contract itself describes, whose limits
    (code list, range, pattern, required) bind the values. ``codes`` are the allowed values by
    column. An empty ``version`` asks for exactly these columns, whatever the sender's version is.
    """

    columns: tuple[Column, ...]
    own: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    title: str = ""
    version: str = ""
    hash: str = ""
    period: str = ""
    period_column: str = ""
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    small_cells: SmallCells | None = None
    plausibility: Plausibility = field(default_factory=Plausibility)


Agreement = Mapping[str, Agreed]
"""The receiver's contracts by report."""


def agreed(
    table: Table,
    columns: Sequence[Column],
    codes: Mapping[str, CodeList],
    plausibility: Plausibility | None = None,
) -> Agreed:
    """The receiver's contract of a report.

    Args:
        table: The contract.
        columns: All columns of the report, with what they inherit.
        codes: The code lists by name.
        plausibility: What of a report's figures looks odd.
    """
    return Agreed(
        columns=tuple(columns),
        own=table.columns,
        key=table.key,
        title=table.title,
        version=table.version,
        hash=table.hash,
        period=table.period,
        period_column=table.period_column,
        codes={
            column.name: frozenset(codes[column.codes].codes)
            for column in table.columns
            if column.codes in codes
        },
        small_cells=table.small_cells,
        plausibility=plausibility or Plausibility(),
    )


def shapes_of(agreement: Agreement | None) -> Shapes:
    """The columns alone."""
    return {name: one.columns for name, one in (agreement or {}).items()}
