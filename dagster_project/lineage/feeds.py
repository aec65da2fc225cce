"""Column lineage of a feed, read from its contract: the file's header, bronze, silver.

A column of silver is its bronze cell, repaired and typed; which rows there are is decided by the
rules that reject, by the records that others refer to, and by the key along which the newest
record wins. Which repairs a column may need is told by the caller; what happened to a single cell
is ``trace``'s question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from dagster_project.contracts.model import Column, Contracts, Feed
from dagster_project.contracts.rules import DEFECTS, REPEATED, cell_rules, place_rule
from dagster_project.lineage.columns import ROWS, Edge, Kind, ModelLineage

Repairs = Mapping[str, Sequence[str]]
"""Column -> the repairs that its cells may need."""
PLACE = ("_sheet", "_source_row", "_batch_id")
BRONZE = ("_extra", "_defect", *PLACE)
SILVER = ("_batch_id", "_sheet", "_source_row", "_record_hash", "_delivered_at", "_is_deleted")
NAMED = "code_synonym"
"""The repair by which a record's name becomes its code."""


def bronze_lineage(feed: Feed) -> ModelLineage:
    """The lineage of ``bronze.<feed>``: each cell as the file has it, by its column's title."""
    landing = f"landing.{feed.name}"
    edges = [Edge(one.name, landing, one.title or one.name, "identity") for one in feed.columns]
    edges += [Edge(name, landing, ROWS, "transformation") for name in BRONZE]
    names = (*(one.name for one in feed.columns), *BRONZE)
    return ModelLineage(f"bronze.{feed.name}", names, tuple(sorted(edges)))


def silver_lineage(
    feed: Feed, contracts: Contracts, repairs: Repairs = MappingProxyType({})
) -> ModelLineage:
    """The lineage of ``silver.<feed>``.

    Args:
        feed: Its contract.
        contracts: All contracts: a register's names may stand in place of its codes.
        repairs: The repairs that each column may need.
    """
    edges: list[Edge] = []
    for column in feed.columns:
        edges += _values(feed, column, contracts, repairs.get(column.name, ()))
    edges += _technical(feed, edges)
    names = (*(one.name for one in feed.columns), *SILVER)
    rows = tuple(_rows(feed))
    edges += [Edge(name, *source, by) for name in names for source, by in rows]
    return ModelLineage(f"silver.{feed.name}", names, tuple(sorted(edges)))


def _values(
    feed: Feed, column: Column, contracts: Contracts, repairs: Sequence[str]
) -> Iterator[Edge]:
    """Where a column's values come from, with the repairs and warnings that look at its cells."""
    bronze = f"bronze.{feed.name}"
    repaired = tuple(dict.fromkeys(repairs))
    by = (*repaired, *_rules(feed, column.name, "warn"))
    kept = column.type == "string" and not repaired
    yield Edge(column.name, bronze, column.name, "identity" if kept else "transformation", by)
    place = feed.coordinates
    if place and column.name in (place.longitude, place.latitude):
        other = place.latitude if column.name == place.longitude else place.longitude
        both = tuple(one for one in repaired if one in {"swapped", "zero", "datum"})
        yield Edge(column.name, bronze, other, "transformation", both)
    parent = contracts.feeds.get(column.reference.feed) if column.reference else None
    if column.reference and parent and parent.name_column and column.type == "string":
        register = f"silver.{parent.name}"
        for name in (column.reference.column, parent.name_column):
            yield Edge(column.name, register, name, "transformation", (NAMED,))
        yield Edge(column.name, register, "_is_deleted", "filter", (NAMED,))


def _rules(feed: Feed, column: str, severity: str) -> tuple[str, ...]:
    """The rules of a severity that look at a column's cells, in the order they are asked."""
    own = [feed.column(column)]
    found = [rule.id for one in own for rule in cell_rules(one) if rule.severity == severity]
    rules = (*feed.rules, *([place_rule(feed)] if feed.coordinates else []))
    found += [one.id for one in rules if one.severity == severity and column in one.columns]
    return tuple(found)


def _technical(feed: Feed, values: Sequence[Edge]) -> Iterator[Edge]:
    bronze = f"bronze.{feed.name}"
    yield from (Edge(name, bronze, name, "identity") for name in PLACE)
    sources = {(one.source_table, one.source_column) for one in values if one.kind != "filter"}
    yield from (Edge("_record_hash", *source, "transformation") for source in sorted(sources))
    yield Edge("_delivered_at", "ops.delivery", "received_at", "identity")
    yield Edge("_is_deleted", bronze, ROWS, "aggregation")


def _rows(feed: Feed) -> Iterator[tuple[tuple[str, str, Kind], tuple[str, ...]]]:
    """What decides which rows there are, and by which rules."""
    bronze = f"bronze.{feed.name}"
    yield (bronze, "_defect", "filter"), tuple(rule.id for rule in DEFECTS)
    parents: dict[tuple[str, str], list[str]] = defaultdict(list)
    for column in feed.columns:
        if rejecting := _rules(feed, column.name, "fail"):
            yield (bronze, column.name, "filter"), rejecting
        if column.reference and column.reference.rejects:
            parent = f"silver.{column.reference.feed}"
            for name in (column.reference.column, "_is_deleted"):
                parents[parent, name].append(f"{column.name}.reference")
    for (parent, name), rules in parents.items():
        yield (parent, name, "filter"), tuple(rules)
    for name in feed.key:
        yield (bronze, name, "join"), (REPEATED,)
    if feed.order_by:
        yield (bronze, feed.order_by, "window"), ()
