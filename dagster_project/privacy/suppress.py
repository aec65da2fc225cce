"""Small cells of a report are blanked, with partners, so that no total gives one back.

A count below the contract's minimum is blanked (primary). Wherever a published total's group would
then hold exactly one blank, the smallest count still shown in it is blanked too (secondary), and so
on until nothing changes; then the same is done for blanks that several groups taken together give
back. Blanks only grow, so this ends. Which tables count persons is the contract's word, not this
module's; ranges that a blank is known to lie in are not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
from sqlglot import exp

from dagster_project.contracts.model import Table
from dagster_project.contracts.report_words import SmallCells
from dagster_project.errors import ModelError
from dagster_project.privacy.derivable import Cell, Equation, derivable

FLAG = "suppressed"


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
    equations = _equations([row[1:split] for row in rows], counts, rules)
    blank = blanked(counts, equations, primary)
    _write(con, relation, rules, [int(row[0]) for row in rows], blank)
    return Suppression(len(primary), len(blank) - len(primary))


def blanked(
    counts: Sequence[Sequence[int | None]], equations: Sequence[Equation], primary: set[Cell]
) -> set[Cell]:
    """Grow ``primary`` until the published sums give no blank back.

    Among the counts still shown in a group the smallest becomes the partner; between equals, the
    one whose own groups hold the least (a part rather than a total), then the first in the report.
    A group with no other count to blank protects nothing and is left alone.

    Args:
        counts: Rows of counts.
        equations: The groups of cells whose sum is published, each cell with 1, or -1 for the
            total where that is a cell of the report too.
        primary: Cells that must be blank.
    """
    blank = set(primary)
    member: dict[Cell, list[int]] = {}
    for number, equation in enumerate(equations):
        for cell in equation:
            member.setdefault(cell, []).append(number)
    sums = [sum(counts[i][j] or 0 for i, j in equation) for equation in equations]

    def partner(numbers: Sequence[int]) -> Cell | None:
        shown = {
            (i, j)
            for number in numbers
            for i, j in equations[number]
            if (i, j) not in blank and counts[i][j] is not None
        }
        return min(
            shown,
            key=lambda cell: (counts[cell[0]][cell[1]], sum(sums[n] for n in member[cell]), cell),
            default=None,
        )

    waiting = list(range(len(equations)))
    while True:
        while waiting:
            number = waiting.pop()
            if sum(cell in blank for cell in equations[number]) == 1 and (one := partner([number])):
                blank.add(one)
                waiting.extend(member[one])
        for cell in sorted(derivable(equations, blank)):
            if one := partner(member[cell]):
                blank.add(one)
                waiting.extend(member[one])
                break
        else:
            return blank


def _dimensions(rules: SmallCells) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in rules.totals for name in group))


def _equations(
    keys: Sequence[Sequence[object]], counts: Sequence[Sequence[int | None]], rules: SmallCells
) -> list[Equation]:
    """Per count column and published total: the rows that agree on the total's columns."""
    names = _dimensions(rules)
    equations: list[Equation] = []
    for j in range(len(rules.columns)):
        for total in rules.totals:
            at = [names.index(name) for name in total]
            rest = [k for k in range(len(names)) if k not in at]
            groups: dict[tuple[object, ...], list[int]] = {}
            for i, key in enumerate(keys):
                groups.setdefault(tuple(key[k] for k in at), []).append(i)
            marked = {i: tuple(keys[i][k] for k in rest) for i in range(len(keys))}
            mark = _total_mark(list(groups.values()), marked, [line[j] for line in counts])
            equations += [
                {(i, j): -1 if marked[i] == mark else 1 for i in group} for group in groups.values()
            ]
    return equations


def _total_mark(
    groups: Sequence[Sequence[int]], marked: Mapping[int, object], counts: Sequence[int | None]
) -> object:
    """What marks the rows that are their group's own sum; None when totals are not in the report.

    A contract names the columns of a total and not its mark, so the mark is what every group's
    numbers agree on.
    """
    candidates = set(marked.values())
    for group in groups:
        whole = sum(counts[i] or 0 for i in group)
        candidates &= {marked[i] for i in group if 2 * (counts[i] or 0) == whole}
    return min(candidates, key=str, default=None)


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
