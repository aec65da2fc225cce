"""Walking lineage over many tables: what a column is made from, and what is made from it.

Pure: it knows tables, columns and edges. Titles, contracts and screens are known further up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Literal

from dagster_project.errors import ModelError
from dagster_project.lineage.columns import ROWS, Edge, ModelLineage

VALUES = frozenset({"identity", "transformation", "aggregation"})
"""Kinds of edges along which values flow; along all others a column only decides about rows."""
How = Literal["value", "rows"]
Direction = Literal["up", "down"]
Spot = tuple[str, str]
"""A table and one of its columns; ``*`` means the table's rows."""
Keys = Mapping[str, Collection[str]]


@dataclass(frozen=True, order=True)
class Link:
    """One edge of a way: a column of one table that reaches a column of the next.

    ``how`` is ``value`` where values of the walk's start (or, upwards, values that end in it) flow
    along it. ``by`` are the repairs and rules that act on it, where they are known.
    """

    source_table: str
    source_column: str
    table: str
    column: str
    kind: str
    how: How
    by: tuple[str, ...] = ()

    @property
    def source(self) -> Spot:
        """Where it comes from."""
        return self.source_table, self.source_column

    @property
    def target(self) -> Spot:
        """Where it goes."""
        return self.table, self.column


@dataclass(frozen=True)
class Reached:
    """How a spot is reached, and over how many tables."""

    how: How
    distance: int


@dataclass(frozen=True)
class Walk:
    """Everything that a walk reached, nearest first, and the edges that it went along."""

    direction: Direction
    starts: tuple[Spot, ...]
    reached: Mapping[Spot, Reached]
    links: tuple[Link, ...]

    @cached_property
    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """The tables that were reached with the columns that were, nearest first."""
        found: dict[str, list[str]] = {}
        for table, column in self.reached:
            found.setdefault(table, []).append(column)
        return {table: tuple(columns) for table, columns in found.items()}


@dataclass(frozen=True)
class Network:
    """The lineage of many tables.

    ``keys`` are the columns that the rows of a table are grouped by: where one of them changes,
    every figure of the table counts other rows.
    """

    lineages: Mapping[str, ModelLineage]
    keys: Keys = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every table that is made, each after what it is made from.

        Raises:
            ModelError: Tables are made from each other in a circle.
        """
        graph = {name: sorted(self.inputs(name)) for name in self.lineages}
        try:
            ordered = tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            raise ModelError(
                f"tables are made from each other: {' -> '.join(error.args[1])}",
                todo="Take one of the references out",
            ) from error
        return tuple(name for name in ordered if name in self.lineages)

    def inputs(self, table: str) -> frozenset[str]:
        """The tables that a table is made from directly."""
        return self._inputs.get(table, frozenset())

    @cached_property
    def _inputs(self) -> Mapping[str, frozenset[str]]:
        return {
            name: frozenset(edge.source_table for edge in lineage.edges) - {name}
            for name, lineage in self.lineages.items()
        }

    @cached_property
    def _edges(self) -> Mapping[Spot, tuple[Edge, ...]]:
        found: dict[Spot, list[Edge]] = {}
        for name, lineage in self.lineages.items():
            for edge in lineage.edges:
                found.setdefault((name, edge.column), []).append(edge)
        return {spot: tuple(edges) for spot, edges in found.items()}

    def sources(self, spot: Spot) -> tuple[Edge, ...]:
        """The edges that end in a spot; those of ``*`` are what decides about the table's rows."""
        table, column = spot
        if column != ROWS:
            return self._edges.get(spot, ())
        lineage = self.lineages.get(table)
        if lineage is None:
            return ()
        deciding = {
            (edge.source_table, edge.source_column, edge.kind): replace(edge, column=ROWS)
            for edge in lineage.edges
            if edge.kind not in VALUES and edge.source_column != ROWS
        }
        giving = {edge.source_table for edge in lineage.edges if edge.kind in VALUES}
        # A layer's table has the rows of its namesake a layer below; others only lend them values.
        same = {name for name in giving if name.partition(".")[2] == table.partition(".")[2]}
        begun = same or giving or self.inputs(table)
        rows = (Edge(ROWS, name, ROWS, "identity") for name in sorted(begun))
        return (*rows, *deciding.values())

    def walk(self, direction: Direction, starts: Iterable[Spot], depth: int = 0) -> Walk:
        """Everything upstream or downstream of some spots.

        Args:
            direction: ``up`` to what they are made from, ``down`` to what is made from them.
            starts: Where to begin.
            depth: Over so many tables at most; 0 means to the end.
        """
        begin = tuple(dict.fromkeys(starts))
        return self._up(begin, depth) if direction == "up" else self._down(begin, depth)

    def origins(self, spot: Spot) -> frozenset[Spot]:
        """Everything whose values make up a spot, counted rows among them; itself left out."""
        return frozenset(self._behind((spot,), 0, values_only=True)) - {spot}

    def _up(self, starts: tuple[Spot, ...], depth: int) -> Walk:
        flowing = self._behind(starts, depth, values_only=True)
        every = self._behind(starts, depth, values_only=False)
        reached = {
            spot: Reached("value", flowing[spot]) if spot in flowing else Reached("rows", distance)
            for spot, distance in every.items()
        }
        links: dict[Link, None] = {}
        for spot, distance in every.items():
            if depth and distance >= depth:
                continue
            for edge in self.sources(spot):
                how: How = "value" if spot in flowing and _flows(edge) else "rows"
                links[_link(edge, spot, how)] = None
        return Walk("up", starts, _nearest(reached, starts), tuple(links))

    def _behind(
        self, starts: tuple[Spot, ...], depth: int, *, values_only: bool
    ) -> dict[Spot, int]:
        """Every spot upstream with its distance, nearest first."""
        seen = dict.fromkeys(starts, 0)
        queue = list(starts)
        for spot in queue:
            if depth and seen[spot] >= depth:
                continue
            for edge in self.sources(spot):
                source = (edge.source_table, edge.source_column)
                if source not in seen and (_flows(edge) or not values_only):
                    seen[source] = seen[spot] + 1
                    queue.append(source)
        return seen

    def _down(self, starts: tuple[Spot, ...], depth: int) -> Walk:
        reached: dict[Spot, Reached] = {spot: Reached("value", 0) for spot in starts}
        links: list[Link] = []
        for name in self.order:
            lineage = self.lineages[name]
            if not any((table in self.inputs(name)) for table, _ in reached):
                continue
            fresh: dict[Spot, Reached] = {}
            for column in lineage.columns:
                found = list(self._steps((name, column), reached, depth))
                links += [link for link, _ in found]
                if found and (name, column) not in reached:
                    fresh[name, column] = _best(step for _, step in found)
            if any((name, column) in fresh for column in self.keys.get(name, ())):
                nearest = min(step.distance for step in fresh.values())
                for column in lineage.columns:
                    fresh.setdefault((name, column), Reached("rows", nearest))
            reached |= {spot: step for spot, step in fresh.items() if spot not in reached}
            if fresh and all((name, column) in reached for column in lineage.columns):
                # A condition or a key was reached: the table may have other rows.
                nearest = min(step.distance for step in fresh.values())
                reached.setdefault((name, ROWS), Reached("rows", nearest))
        return Walk("down", starts, _nearest(reached, starts), tuple(links))

    def _steps(
        self, spot: Spot, reached: Mapping[Spot, Reached], depth: int
    ) -> Iterator[tuple[Link, Reached]]:
        for edge in self._edges.get(spot, ()):
            known = reached.get((edge.source_table, edge.source_column))
            whole = reached.get((edge.source_table, ROWS))
            origin = known or whole
            if origin is None or (depth and origin.distance >= depth):
                continue
            passes = _flows(edge) and known and edge.source_column != ROWS
            how: How = origin.how if passes else "rows"
            yield _link(edge, spot, how), Reached(how, origin.distance + 1)


def _flows(edge: Edge) -> bool:
    """Whether it makes the value: other than a condition, which only decides which rows count."""
    return edge.kind in VALUES


def _link(edge: Edge, target: Spot, how: How) -> Link:
    by = tuple(getattr(edge, "by", ()))
    return Link(edge.source_table, edge.source_column, *target, edge.kind, how, by)


def _best(steps: Iterable[Reached]) -> Reached:
    """The nearest step along which values flow, else the nearest."""
    return min(steps, key=lambda step: (step.how != "value", step.distance))


def _nearest(reached: Mapping[Spot, Reached], starts: Collection[Spot]) -> dict[Spot, Reached]:
    rest = {spot: step for spot, step in reached.items() if spot not in starts}
    return dict(sorted(rest.items(), key=lambda one: one[1].distance))
