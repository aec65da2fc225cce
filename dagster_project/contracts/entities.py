"""What a data item is, in types: who is its source, who else supplies it, under which key.

Reading and judging ``schemas/items.yaml`` is the work of ``items``, not of this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster_project.contracts.model import Column

OTHERS = "*"
"""In a map: every value that the map does not name."""


@dataclass(frozen=True)
class Source:
    """One feed's column that supplies an item.

    ``map`` turns its values into the item's where the two are written differently; a value that is
    not in it says nothing. With ``blank`` an empty cell says that there is nothing; without it an
    empty cell says nothing.
    """

    feed: str
    column: str
    map: Mapping[str, str] = field(default_factory=dict)
    blank: bool = False

    def __str__(self) -> str:
        """``feed.column``."""
        return f"{self.feed}.{self.column}"


@dataclass(frozen=True)
class Item:
    """One attribute of an entity; the first of its ``sources`` is the 数源部门's.

    ``column`` is the item in the entity's table: its level is the highest of all sources, its mask
    that of the source which asks for most.
    """

    name: str
    title: str
    sources: tuple[Source, ...]
    column: Column
    line: int = 0


@dataclass(frozen=True)
class Entity:
    """What several departments keep data of: persons by ``id_no``, houses by ``house_code``.

    ``feeds`` names the column in which each feed holds the entity's key; a feed may have many rows
    of one key. The table is ``silver.<name>``; ``columns`` are all of its columns, the key first.
    """

    name: str
    title: str
    version: str
    key: Column
    feeds: Mapping[str, str]
    items: tuple[Item, ...]
    columns: tuple[Column, ...]
    description: str = ""
    path: str = ""
    line: int = 0
    hash: str = ""

    def item(self, name: str) -> Item | None:
        """The item of that name, if the entity has one."""
        return next((item for item in self.items if item.name == name), None)


@dataclass(frozen=True)
class DataItems:
    """Everything that ``schemas/items.yaml`` says and that could be read.

    ``separate`` are pairs of ``feed.column`` that look alike and are different things.
    """

    entities: Mapping[str, Entity] = field(default_factory=dict)
    separate: frozenset[frozenset[str]] = frozenset()
    path: str = ""
