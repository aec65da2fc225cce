"""How two tables of one report differ, as sentences with keys, columns and both figures.

Reports hold aggregates only, with small cells blanked, so that their figures may be told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

_MOST = 10


def differences(sealed: pa.Table, made: pa.Table, key: Sequence[str], where: str) -> Iterator[str]:
    """What differs, the first of each kind by name; the rest is counted.

    Args:
        sealed: The rows that the package holds.
        made: The rows as they came out again.
        key: The columns that name a row.
        where: Begins each sentence.
    """
    kinds = [{leaf.name: str(leaf.type) for leaf in one.schema} for one in (sealed, made)]
    if list(kinds[0].items()) != list(kinds[1].items()):
        for name in sorted(kinds[0].keys() | kinds[1].keys()):
            one, other = (each.get(name, "absent") for each in kinds)
            if one != other:
                yield f"{where}: column {name} is {one} in the package and {other} made again."
        if kinds[0] == kinds[1]:
            yield f"{where}: its columns come in another order made again."
        return
    then, now = (_by_key(table, key) for table in (sealed, made))
    told = [*_rows(then, now), *_cells(then, now)]
    for sentence in told[:_MOST]:
        yield f"{where}: {sentence}."
    if len(told) > _MOST:
        yield f"{where}: {len(told) - _MOST:,} more figures or rows differ."
    if not told:
        yield f"{where}: its rows come in another order made again."


Rows = dict[tuple[str, ...], dict[str, Any]]


def _by_key(table: pa.Table, key: Sequence[str]) -> Rows:
    """Rows by their key; rows of one key are numbered."""
    seen: Counter[tuple[str, ...]] = Counter()
    found: Rows = {}
    for row in table.to_pylist():
        name = tuple(f"{column}={row[column]}" for column in key if column in row)
        seen[name] += 1
        found[(*name, f"#{seen[name]}") if not name or seen[name] > 1 else name] = row
    return found


def _rows(sealed: Rows, made: Rows) -> Iterator[str]:
    for name in sealed.keys() - made.keys():
        yield f"row {' '.join(name)} is in the package and does not come out again"
    for name in made.keys() - sealed.keys():
        yield f"row {' '.join(name)} comes out again and is not in the package"


def _cells(sealed: Rows, made: Rows) -> Iterator[str]:
    for name, row in sealed.items():
        for column, cell in row.items() if name in made else ():
            if cell != made[name][column]:
                yield (
                    f"row {' '.join(name)} column {column} is {_shown(cell)} in the package and"
                    f" {_shown(made[name][column])} made again"
                )


def _shown(cell: object) -> str:
    return "NULL" if cell is None else str(cell)[:100]
