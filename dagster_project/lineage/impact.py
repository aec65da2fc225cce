"""What is made from a column: every column of every model's table that it reaches.

Pure: it walks the lineage that ``columns`` read from the SQL, forward. Where a table's rows and
columns really come from in a file is ``trace``'s question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from dagster_project.lineage.columns import ROWS, Edge, ModelLineage

How = Literal["value", "rows"]
Titles = Mapping[tuple[str, str], str]
"""``(gold.town, town_name)`` -> 乡镇名称."""
Keys = Mapping[str, Collection[str]]


@dataclass(frozen=True, order=True)
class Affected:
    """One column that depends on another, at any distance.

    ``how`` is ``value`` when the other's values flow into it on some way, ``rows`` when it only
    decides which rows count.
    """

    table: str
    column: str
    how: How
    title: str = ""

    @property
    def layer(self) -> str:
        """gold, report or city."""
        return self.table.partition(".")[0]


def downstream(
    lineages: Mapping[str, ModelLineage],
    table: str,
    columns: Iterable[str],
    *,
    keys: Keys = MappingProxyType({}),
    titles: Titles = MappingProxyType({}),
) -> tuple[Affected, ...]:
    """Every column that some columns of one table reach.

    Args:
        lineages: The lineage of every model by its table, inputs first.
        table: The table that the columns are of, with its layer: ``silver.house``.
        columns: Its columns; ``*`` means that it is about which rows the table has.
        keys: The columns that the rows of each model's table are grouped by: where one of them
            changes, every figure of the table counts other rows.
        titles: Titles of columns, for people.

    Returns:
        The columns in the order of the models and of their tables.
    """
    reached: dict[tuple[str, str], How] = {(table, column): "value" for column in columns}
    found: list[Affected] = []
    for name, lineage in lineages.items():
        ways = {column: _way(lineage, column, reached) for column in lineage.columns}
        if any(ways[column] for column in keys.get(name, ())):
            ways = {column: way or "rows" for column, way in ways.items()}
        for column, how in ways.items():
            if how:
                reached[name, column] = how
                found.append(Affected(name, column, how, titles.get((name, column), "")))
        if all(ways.values()):
            # A condition or a key was reached: the table may have other rows.
            reached[name, ROWS] = "rows"
    return tuple(found)


def _way(lineage: ModelLineage, column: str, reached: Mapping[tuple[str, str], How]) -> How | None:
    ways = {
        _step(edge, reached.get((edge.source_table, edge.source_column), "rows"))
        for edge in lineage.edges
        if edge.column == column
        and {(edge.source_table, edge.source_column), (edge.source_table, ROWS)} & reached.keys()
    }
    return "value" if "value" in ways else "rows" if ways else None


def _step(edge: Edge, how: How) -> How:
    """What one edge makes of it: along a condition, or a count of rows, no value flows."""
    return "rows" if edge.kind in {"filter", "join"} or edge.source_column == ROWS else how
