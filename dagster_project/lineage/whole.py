"""The lineage of every table of a site, from the header of a file to the last report.

It puts together what ``feeds`` reads from contracts and ``columns`` reads from SQL. Walking it is
``impact``'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from dagster_project.contracts.model import Contracts, Feed
from dagster_project.lineage.columns import Edge, ModelLineage
from dagster_project.lineage.describe import Given
from dagster_project.lineage.feeds import Repairs, bronze_lineage, silver_lineage

RECEIVED = "ops.received"
REGISTER = "ops.child"
OWN = frozenset({"site_code", "period", "revision", "package_id"})
"""Columns of every received table that its package's signed header fills."""


def whole(
    contracts: Contracts,
    models: Mapping[str, ModelLineage],
    given: Given = MappingProxyType({}),
    repairs: Mapping[str, Repairs] = MappingProxyType({}),
) -> dict[str, ModelLineage]:
    """The lineage of every table that a site makes, each after what it is made from.

    Files are tables, too: ``landing.<feed>`` has the headers that the contract names, and ``*``
    stands for a file's rows. Ledgers (``ops``) are where lineage ends.

    Args:
        contracts: The feeds.
        models: The lineage of every model of the site, in order.
        given: At a site that receives: the tables that no model makes. Such a site has no feeds;
            what it received begins at ``report.<report>`` of the site that sent it.
        repairs: By feed, the repairs that its columns may need.
    """
    made: dict[str, ModelLineage] = {}
    if given:
        made.update({one.table: one for one in _received(given)})
    else:
        made.update({one.table: one for one in map(bronze_lineage, contracts.feeds.values())})
        for feed in _in_order(contracts):
            one = silver_lineage(feed, contracts, repairs.get(feed.name, {}))
            made[one.table] = one
    return made | dict(models)


def _in_order(contracts: Contracts) -> Iterator[Feed]:
    """The feeds, each after the registers that it refers to; a circle is left as it stands."""
    feeds = contracts.feeds
    graph = {
        name: {
            column.reference.feed
            for column in feed.columns
            if column.reference and column.reference.feed in feeds.keys() - {name}
        }
        for name, feed in feeds.items()
    }
    try:
        names: Collection[str] = tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        names = feeds
    yield from (feeds[name] for name in names)


def _received(given: Given) -> Iterator[ModelLineage]:
    """What children sent: the report's own columns, and what the package says of itself."""
    for table, columns in given.items():
        layer, _, name = table.partition(".")
        if layer != "city":
            continue
        names = tuple(column.name for column in columns)
        edges = [edge for one in names for edge in _of_package(name, one)]
        edges += [Edge(one, RECEIVED, "outcome", "filter") for one in names]
        yield ModelLineage(table, names, tuple(sorted(edges)))


def _of_package(report: str, column: str) -> Iterator[Edge]:
    if column == "is_current":
        yield from (Edge(column, RECEIVED, one, "aggregation") for one in ("revision", "kind"))
    elif column == "site_name":
        yield Edge(column, REGISTER, column, "identity")
    elif column in OWN:
        yield Edge(column, RECEIVED, column, "identity")
    else:
        yield Edge(column, f"report.{report}", column, "identity")
