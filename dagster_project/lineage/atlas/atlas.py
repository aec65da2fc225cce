"""Tables and columns with what people call them, over the network of their lineage.

It finds what somebody named and gives names back; nothing here opens a lake or draws anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from dagster_project.contracts.model import Column
from dagster_project.errors import UsageError
from dagster_project.lineage.columns import ROWS
from dagster_project.lineage.walk import Network, Spot
from dagster_project.written import nearest

LAYERS: Mapping[str, str] = {
    "landing": "来件",
    "bronze": "原始",
    "silver": "清洗",
    "ops": "台账",
    "gold": "指标",
    "report": "上报",
    "city": "市级",
}
"""Layers in the order in which data walk, with their Chinese names."""
FIRST = ("report", "gold", "silver", "city", "bronze", "ops", "landing")
"""Where a table named without its layer is looked for."""
KINDS: Mapping[str, str] = {
    "identity": "原样",
    "transformation": "转换",
    "aggregation": "汇总",
    "filter": "筛选",
    "join": "关联",
    "group": "分组",
    "window": "窗口",
}
"""Kinds of edges in Chinese."""


@dataclass(frozen=True)
class Card:
    """What is to be said of a table.

    ``department`` is whose feed it is, empty for what the site makes itself. ``rows`` and ``at``
    (when it was last built or merged) are None where no lake tells. ``sql`` is the model's text.
    """

    table: str
    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    department: str = ""
    department_code: str = ""
    description: str = ""
    version: str = ""
    contract: str = ""
    path: str = ""
    sql: str = ""
    rows: int | None = None
    at: datetime | None = None

    @property
    def layer(self) -> str:
        """landing, bronze, silver, ops, gold, report or city."""
        return self.table.partition(".")[0]

    @property
    def name(self) -> str:
        """The table's name without its layer."""
        return self.table.partition(".")[2]

    @property
    def level(self) -> str:
        """The level of its most personal column."""
        return max((column.level for column in self.columns), default="L1")


@dataclass(frozen=True)
class Atlas:
    """Every table of a site, and how they are made from each other."""

    network: Network
    cards: Mapping[str, Card]
    departments: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _columns(self) -> Mapping[Spot, Column]:
        return {
            (card.table, column.name): column
            for card in self.cards.values()
            for column in card.columns
        }

    def column(self, spot: Spot) -> Column | None:
        """A column's description; None for a table's rows."""
        return self._columns.get(spot)

    def title(self, spot: Spot) -> str:
        """What people call a column; empty where it has no name but its own."""
        if spot[1] == ROWS:
            return "行"
        column = self.column(spot)
        return column.title if column and column.title != spot[1] else ""

    def table_title(self, table: str) -> str:
        """What people call a table."""
        return self.cards[table].title if table in self.cards else ""

    def find(self, said: str) -> tuple[str, str]:
        """The table, and the column if one is named, that somebody means.

        Names and Chinese titles will do; a layer may be left out.

        Returns:
            ``(gold.town, town_code)``; an empty column where a table is meant.

        Raises:
            UsageError: There is no such table or column.
        """
        tables = list(self._tables(said))
        if not tables:
            known = [*self.cards, *(card.name for card in self.cards.values())]
            raise UsageError(
                f"there is no table {said}{nearest(_without_column(said), known)}",
                todo="Name it as LAYER.TABLE or LAYER.TABLE.COLUMN; `countylake feeds` and"
                " `countylake catalogue` list names, and `countylake config check` the models that"
                " are refused and so have no lineage",
            )
        for table, column in tables:
            if not column:
                return table, ""
            if found := self._named(table, column):
                return table, found
        table, column = tables[0]
        names = [one.name for one in self.cards[table].columns]
        raise UsageError(
            f"{table} has no column {column}{nearest(column, names)}",
            todo=f"It has {', '.join(names)}",
        )

    def starts(self, table: str, column: str) -> tuple[Spot, ...]:
        """Where a walk begins: at a column, or at all columns and the rows of a table."""
        if column:
            return ((table, column),)
        names = dict.fromkeys(one.name for one in self.cards[table].columns)
        return (*((table, name) for name in names), (table, ROWS))

    def _tables(self, said: str) -> Iterator[tuple[str, str]]:
        """Every table that may be meant, with what is left of the words."""
        layer, _, rest = said.strip().partition(".")
        if layer in LAYERS:
            name, _, column = rest.partition(".")
            yield from ((card.table, column) for card in self._called(name, [layer]))
            return
        name, _, column = said.strip().partition(".")
        yield from ((card.table, column) for card in self._called(name, FIRST))

    def _called(self, name: str, layers: Iterable[str]) -> Iterator[Card]:
        for layer in layers:
            if card := self.cards.get(f"{layer}.{name}"):
                yield card
        for layer in layers:
            yield from (
                card for card in self.cards.values() if card.layer == layer and card.title == name
            )

    def _named(self, table: str, said: str) -> str:
        if said == ROWS:
            return ROWS
        columns = self.cards[table].columns
        by_name = [one.name for one in columns if one.name == said]
        return next(iter([*by_name, *(one.name for one in columns if one.title == said)]), "")


def _without_column(said: str) -> str:
    parts = said.split(".")
    return ".".join(parts[:2]) if parts[0] in LAYERS else parts[0]
