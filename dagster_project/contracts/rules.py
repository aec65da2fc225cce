"""The rules every column brings along: their names, dimensions and order, not their SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dagster_project.contracts.model import Column, Feed, Severity


@dataclass(frozen=True)
class CellRule:
    """A rule generated from a column; ``kind`` is the part of its id after the dot."""

    id: str
    column: str
    kind: str
    dimension: str
    severity: Severity = "fail"


RAGGED = CellRule("row.ragged", "", "ragged", "normativity")
"""A row with another number of cells than its header."""


def cell_rules(column: Column) -> tuple[CellRule, ...]:
    """The rules of one column, in the order in which they are asked.

    An empty cell meets only ``required``; a cell that cannot be typed meets only ``type``; a
    ``reference`` is asked of cells that met every other rule.
    """
    return tuple(
        CellRule(f"{column.name}.{kind}", column.name, kind, dimension, severity)
        for kind, dimension, severity in _kinds(column)
    )


def feed_rule_ids(feed: Feed) -> tuple[str, ...]:
    """Every rule of a feed: the rows', the columns', the contract's own."""
    generated = (rule.id for column in feed.columns for rule in cell_rules(column))
    return (RAGGED.id, *generated, *(rule.id for rule in feed.rules))


def _kinds(column: Column) -> Iterator[tuple[str, str, Severity]]:
    if column.required:
        yield "required", "completeness", "fail"
    if column.type != "string":
        yield "type", "normativity", "fail"
    if column.max_length:
        yield "length", "normativity", "fail"
    if column.pattern:
        yield "pattern", "normativity", "fail"
    if column.format:
        yield "format", "accuracy", "fail"
    if column.codes and column.type != "boolean":
        yield "code", "normativity", "fail"
    if column.minimum or column.maximum:
        yield "range", "accuracy", "fail"
    if column.reference:
        yield "reference", "consistency", "fail" if column.reference.rejects else "warn"
