"""Small cells of a report are blanked, with partners, so that no total gives one back.

A count below the contract's minimum is blanked (primary). Wherever a published total's group would
then hold exactly one blank, the smallest count still shown in it is blanked too (secondary), and so
on until nothing changes. Blanks only grow, so this ends. Which tables count persons is the
contract's word, not this module's; what several groups taken together reveal is not judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import SmallCells, Table
from dagster_project.errors import ModelError

FLAG = "suppressed"
Cell = tuple[int, int]


@dataclass(frozen=True)
class Suppression:
    """How many cells were blanked, by cause."""

    primary: int
    secondary: int


def suppress(con: duckdb.DuckDBPyConnection, relation: str, table: Table) -> Suppression:
    """Blank the small cells of ``relation`` in place, as ``table.small_cells`` says.

    Args:
        con: Where the relation lives.
        relation: A writable table with the contract's columns, in the report's order.
        table: The report's contract; its key names the dimensions.

    Raises:
        ModelError: The relation lacks a column, or the flag column.
    """
    rules = table.small_cells
    if rules is None:
        return Suppression(0, 0)
    found = [str(row[0]) for row in con.execute(f"DESCRIBE {relation}").fetchall()]
    needed = {FLAG, *rules.columns, *(name for group in rules.totals for name in group)}
    if missing := sorted(needed - set(found)):
        raise ModelError(
            f"small cells of {table.layer}.{table.name} name columns that it does not have "
            f"({', '.join(missing)})",
            where=table.path,
            todo=f"Add them to the SELECT (the flag is `FALSE AS {FLAG}`), or correct smallCells",
        )
    names = (*_dimensions(rules), *rules.columns)
    rows = con.execute(
        f"SELECT rowid, {', '.join(_quoted(name) for name in names)} FROM {relation} ORDER BY rowid"
    ).fetchall()
    split = 1 + len(_dimensions(rules))
    counts = [list(row[split:]) for row in rows]
    primary = {
        (i, j)
        for i, line in enumerate(counts)
        for j, count in enumerate(line)
        if count is not None and count < rules.minimum
    }
    groups = _groups([row[1:split] for row in rows], rules)
    blank = blanked(counts, groups, primary)
    _write(con, relation, rules, [int(row[0]) for row in rows], blank)
    return Suppression(len(primary), len(blank) - len(primary))


def blanked(
    counts: Sequence[Sequence[int | None]], groups: Sequence[Sequence[Cell]], primary: set[Cell]
) -> set[Cell]:
    """Grow ``primary`` until no group holds exactly one blank.

    Among the counts still shown in a group the smallest becomes the partner; between equals, the
    one whose own groups hold the least (a part rather than a total), then the first in the report.
    A group with no other count to blank protects nothing and is left alone.

    Args:
        counts: Rows of counts.
        groups: Cells whose sum is published, or one of which is the sum of the others.
        primary: Cells that must be blank.
    """
    blank = set(primary)
    member: dict[Cell, list[int]] = {}
    for number, group in enumerate(groups):
        for cell in group:
            member.setdefault(cell, []).append(number)
    sums = [sum(counts[i][j] or 0 for i, j in group) for group in groups]

    def cost(cell: Cell) -> tuple[int, int, Cell]:
        return counts[cell[0]][cell[1]] or 0, sum(sums[n] for n in member[cell]), cell

    waiting = list(range(len(groups)))
    while waiting:
        group = groups[waiting.pop()]
        shown = [(i, j) for i, j in group if (i, j) not in blank and counts[i][j] is not None]
        if shown and sum(cell in blank for cell in group) == 1:
            partner = min(shown, key=cost)
            blank.add(partner)
            waiting.extend(member[partner])
    return blank


def _dimensions(rules: SmallCells) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in rules.totals for name in group))


def _groups(keys: Sequence[Sequence[object]], rules: SmallCells) -> list[list[Cell]]:
    """Per count column and published total: the rows that agree on the total's columns."""
    names = _dimensions(rules)
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for j in range(len(rules.columns)):
        for number, total in enumerate(rules.totals):
            at = [names.index(name) for name in total]
            for i, key in enumerate(keys):
                groups.setdefault((j, number, *(key[k] for k in at)), []).append((i, j))
    return list(groups.values())


def _write(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    rules: SmallCells,
    rowids: Sequence[int],
    blank: set[Cell],
) -> None:
    for j, name in enumerate(rules.columns):
        lines = [rowids[i] for i, column in sorted(blank) if column == j]
        con.execute(
            f"UPDATE {relation} SET {_quoted(name)} = NULL, {FLAG} = TRUE "
            "WHERE rowid IN (SELECT UNNEST(?::BIGINT[]))",
            [lines],
        )


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")
