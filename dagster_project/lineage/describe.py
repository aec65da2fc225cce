"""Every column of every table, with title, unit, code list and level, inherited along lineage.

A contract describes only the columns that are made in its table. A column that passes through
unchanged takes everything from its source; one that is computed takes at least the highest level of
what flows into it, unless the contract says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from sqlglot import exp

from dagster_project.contracts.model import Column, Contracts, Level, LogicalType, Table
from dagster_project.lake.ops import TABLES
from dagster_project.lineage.columns import Edge, ModelLineage, lineage_of

TECHNICAL: Mapping[str, str] = {
    "_batch_id": "VARCHAR",
    "_sheet": "VARCHAR",
    "_source_row": "BIGINT",
    "_record_hash": "VARCHAR",
    "_delivered_at": "TIMESTAMPTZ",
    "_is_deleted": "BOOLEAN",
}
LOGICAL: Mapping[str, LogicalType] = {
    "BIGINT": "integer",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPTZ": "timestamp",
}
Given = Mapping[str, Sequence[Column]]
"""Tables that no model of the site makes, with their columns."""
LEVELS: tuple[Level, ...] = ("L1", "L2", "L3", "L4")


class SqlModel(Protocol):
    """What this room needs to know of a model."""

    @property
    def table(self) -> str:
        """``layer.name``."""

    @property
    def query(self) -> exp.Query:
        """The parsed SELECT."""

    @property
    def contract(self) -> Table:
        """The contract of the table."""


def base_schema(contracts: Contracts) -> dict[str, dict[str, str]]:
    """Columns and types of the tables that no model makes: silver (of the feeds) and ops."""
    schema: dict[str, dict[str, str]] = {
        f"silver.{feed.name}": {c.name: c.duck_type for c in feed.columns} | dict(TECHNICAL)
        for feed in contracts.feeds.values()
    }
    for name, table in TABLES.items():
        schema[f"ops.{name}"] = {column: kind for column, kind, _ in table.columns}
    return schema


class Reader:
    """Reads the lineage of one site's models, each after its inputs.

    Args:
        contracts: Describe the feeds and the models' tables.
        given: Further tables that no model makes: at a city, what counties sent.
    """

    def __init__(self, contracts: Contracts, given: Given = MappingProxyType({})) -> None:
        self.schema: dict[str, dict[str, str]] = base_schema(contracts)
        for name, columns in given.items():
            self.schema[name] = {column.name: column.duck_type for column in columns}

    def read(self, model: SqlModel) -> ModelLineage:
        """The lineage of the next model.

        Raises:
            ModelError: It reads a column that does not exist, or cannot be followed.
        """
        found = lineage_of(model.table, model.query, self.schema)
        made = {column.name: column.duck_type for column in model.contract.columns}
        self.schema[model.table] = {name: made.get(name, "UNKNOWN") for name in found.columns}
        return found


def lineages(
    models: Iterable[SqlModel], contracts: Contracts, given: Given = MappingProxyType({})
) -> dict[str, ModelLineage]:
    """The lineage of every model, given in an order in which each comes after its inputs.

    Raises:
        ModelError: A model reads a column that does not exist.
    """
    reader = Reader(contracts, given)
    return {model.table: reader.read(model) for model in models}


def described(
    models: Sequence[SqlModel],
    contracts: Contracts,
    known: Mapping[str, ModelLineage],
    given: Given = MappingProxyType({}),
) -> dict[str, tuple[Column, ...]]:
    """Every column of every model's table, in the table's order, fully described."""
    tables: dict[str, dict[str, Column]] = {
        f"silver.{feed.name}": {c.name: c for c in feed.columns}
        for feed in contracts.feeds.values()
    }
    for name, table in TABLES.items():
        tables[f"ops.{name}"] = {
            column: _ops_column(column, kind, title) for column, kind, title in table.columns
        }
    for name, columns in given.items():
        tables[name] = {column.name: column for column in columns}
    result: dict[str, tuple[Column, ...]] = {}
    for model in models:
        own = {column.name: column for column in model.contract.columns}
        lineage = known[model.table]
        columns = tuple(
            own.get(name) or _inherited(name, lineage, tables) for name in lineage.columns
        )
        result[model.table] = columns
        tables[model.table] = {column.name: column for column in columns}
    return result


def _inherited(
    name: str, lineage: ModelLineage, tables: Mapping[str, Mapping[str, Column]]
) -> Column:
    edges = lineage.sources(name)
    ranked = tuple(e for e in lineage.edges if e.column == name and e.kind == "window")
    sources = _columns(edges, tables)
    levels = [one.level for one in (*sources, *_columns(ranked, tables))]
    level: Level = max(levels, key=LEVELS.index, default="L2")
    if not sources:
        # What only a window decides is a place in its order.
        return Column(name=name, title=name, type="integer" if ranked else "string", level=level)
    first = sources[0]
    if all(edge.kind == "identity" for edge in edges):
        return replace(first, name=name, level=level, key_position=0, required=False)
    return Column(name=name, title=name, type=first.type, level=level)


def _columns(edges: Iterable[Edge], tables: Mapping[str, Mapping[str, Column]]) -> list[Column]:
    found = (tables.get(edge.source_table, {}).get(edge.source_column) for edge in edges)
    return [column for column in found if column is not None]


def _ops_column(name: str, kind: str, title: str) -> Column:
    if kind.startswith("DECIMAL"):
        precision, scale = kind[len("DECIMAL(") : -1].split(",")
        return Column(
            name=name, title=title, type="decimal", precision=int(precision), scale=int(scale)
        )
    return Column(name=name, title=title, type=LOGICAL.get(kind, "string"))
