"""Which blanks do all published sums, taken together, give back?

A blank is given back when the equations leave it no freedom. Elimination is done modulo a prime, so
that numbers stay small; the coefficients are 1 and -1, and no minor of a report's size reaches the
prime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PRIME = 2**61 - 1
Cell = tuple[int, int]
Equation = Mapping[Cell, int]


def derivable(equations: Sequence[Equation], blank: set[Cell]) -> set[Cell]:
    """The blanks that have one solution only.

    Args:
        equations: Sums that are known to be zero once the shown cells are moved to the other side:
            1 for a part, -1 for the total that is itself a cell of the report.
        blank: The cells that are not shown.
    """
    pivots: dict[Cell, dict[Cell, int]] = {}
    holders: dict[Cell, set[Cell]] = {}
    for equation in equations:
        row = {cell: sign % PRIME for cell, sign in equation.items() if cell in blank}
        for cell in [cell for cell in row if cell in pivots]:
            if factor := row.get(cell):
                _subtract(row, pivots[cell], factor)
        if not row:
            continue
        lead = min(row)
        inverse = pow(row[lead], -1, PRIME)
        row = {cell: value * inverse % PRIME for cell, value in row.items()}
        for other in holders.pop(lead, set()):
            target = pivots[other]
            before = set(target)
            _subtract(target, row, target[lead])
            _keep_index(holders, other, before, set(target))
        pivots[lead] = row
        _keep_index(holders, lead, set(), set(row) - {lead})
    return {cell for cell, row in pivots.items() if len(row) == 1}


def _subtract(row: dict[Cell, int], other: Mapping[Cell, int], factor: int) -> None:
    """``row -= factor * other``, keeping no zeros."""
    for cell, value in other.items():
        left = (row.get(cell, 0) - factor * value) % PRIME
        if left:
            row[cell] = left
        else:
            row.pop(cell, None)


def _keep_index(
    holders: dict[Cell, set[Cell]], pivot: Cell, before: set[Cell], after: set[Cell]
) -> None:
    """Remember which pivot rows hold which free cells."""
    for cell in before - after:
        holders.get(cell, set()).discard(pivot)
    for cell in after - before:
        if cell != pivot:
            holders.setdefault(cell, set()).add(pivot)
