"""What is made from a column: every column of every model's table that it reaches.

Pure: it walks lineage forward (see ``walk``). Where a table's rows and
columns really come from in a file is ``trace``'s question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.walk import How, Keys, Network

Titles = Mapping[tuple[str, str], str]
"""``(gold.town, town_name)`` -> 乡镇名称."""


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
    walked = Network(lineages, keys).walk("down", ((table, column) for column in columns))
    return tuple(
        Affected(name, column, walked.reached[name, column].how, titles.get((name, column), ""))
        for name, lineage in lineages.items()
        for column in lineage.columns
        if (name, column) in walked.reached
    )
