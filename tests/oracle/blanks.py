"""Cells that a report withholds: are they those that its contract's words ask for, and enough?

A count below the minimum is withheld, and partners with it, so that no published total gives one
back. Which partner a report takes is its own choice between equals; that each is needed and small
is judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from tests.oracle.forms import report_form
from tests.oracle.towns import ALL, Table

Cell = tuple[tuple[str, ...], str]
Group = dict[Cell, int]


def groups(table: Table, report: str, names: Sequence[str], whole: str) -> list[Group]:
    """The published sums: parts count 1, the total that is a cell itself counts -1."""
    words = report_form(report)["custom"]["smallCells"]
    totals: Mapping[str, str] = {name: whole if name == "town_code" else ALL for name in names}
    found: dict[tuple[Any, ...], Group] = {}
    for column in words["columns"]:
        for number, agreed in enumerate(words["totals"]):
            (free,) = (name for name in names if name not in agreed)
            for key, row in table.items():
                at = (column, number, *(row[name] for name in agreed))
                is_total = row[free] == totals[free]
                found.setdefault(at, {})[key, column] = -1 if is_total else 1
    return list(found.values())


def faults(
    table: Table,
    shown: Mapping[tuple[str, ...], Mapping[str, Any]],
    report: str,
    names: Sequence[str],
    whole: str,
) -> list[str]:
    """What is wrong with a report's withheld cells, in sentences; empty when all is right."""
    words = report_form(report)["custom"]["smallCells"]
    columns, least = words["columns"], words["minimum"]
    blank = {(key, c) for key, row in shown.items() for c in columns if row[c] is None}
    small = {(key, c) for key, row in table.items() for c in columns if row[c] < least}
    told = [f"{cell} is small and shown" for cell in sorted(small - blank)]
    for key, row in shown.items():
        if row["suppressed"] != any((key, column) in blank for column in columns):
            told.append(f"{key} has the wrong mark")
    made = groups(table, report, names, whole)
    for key, column in sorted(blank - small):
        value = table[key][column]
        mine = [group for group in made if (key, column) in group]
        if not any(_is_smallest(group, (key, column), value, blank, table) for group in mine):
            told.append(f"{(key, column)} is withheld and is no partner")
    return told + [f"{cell} is given back by the totals" for cell in _given_back(made, blank)]


def _is_smallest(group: Group, cell: Cell, value: int, blank: set[Cell], table: Table) -> bool:
    """Whether a group has another blank, and no smaller count is shown in it."""
    others = [(key, column) for key, column in group if (key, column) != cell]
    shown = [table[key][column] for key, column in others if (key, column) not in blank]
    return any(other in blank for other in others) and all(count >= value for count in shown)


def _given_back(made: Iterable[Group], blank: set[Cell]) -> list[Cell]:
    """Blanks that the sums determine: exact elimination over the cells that are not shown."""
    pivots: dict[Cell, dict[Cell, Fraction]] = {}
    for group in made:
        row = {cell: Fraction(sign) for cell, sign in group.items() if cell in blank}
        for lead in [cell for cell in row if cell in pivots]:
            if lead in row:
                _subtract(row, pivots[lead], row[lead])
        if not row:
            continue
        lead = min(row)
        scale = row[lead]
        row = {cell: value / scale for cell, value in row.items()}
        for other in pivots.values():
            if lead in other:
                _subtract(other, row, other[lead])
        pivots[lead] = row
    return sorted(lead for lead, row in pivots.items() if len(row) == 1)


def _subtract(row: dict[Cell, Fraction], other: Mapping[Cell, Fraction], factor: Fraction) -> None:
    for cell, value in other.items():
        left = row.get(cell, Fraction(0)) - factor * value
        if left:
            row[cell] = left
        else:
            row.pop(cell, None)
