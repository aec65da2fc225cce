"""The rules every column brings along: their names, dimensions and order, not their SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dagster_project.contracts.model import Column, Feed, Rule, Severity


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
GARBLED = CellRule("row.garbled", "", "garbled", "normativity")
"""A row with characters that were lost for ever before it was delivered (锟斤拷)."""
FORMULA = CellRule("row.formula", "", "formula", "normativity")
"""A row with a formula that has no stored value."""
DEFECTS = (RAGGED, GARBLED, FORMULA)
"""Rules of rows that the reader marked: such a row has that one reason only."""
REPEATED = "key.repeated"
"""The rule of a batch that no key stands twice in it; such rows are merged, and counted."""
CONTROL_TOTALS = "control_totals_agree"
"""The rule of a delivery whose own totals are those of its rows."""
MASKABLE = frozenset({"resident_id", "phone", "uscc"})
"""Formats whose values are delivered with hidden parts: nobody can be found by such a value."""


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
    defects = (rule.id for rule in DEFECTS)
    place = [place_rule(feed).id] if feed.coordinates else []
    return (*defects, *generated, *(rule.id for rule in feed.rules), *place)


def place_rule(feed: Feed) -> Rule:
    """The warning of a feed with coordinates: the place is outside the contract's rectangle.

    Raises:
        ValueError: The feed declares no coordinates.
    """
    place = feed.coordinates
    if place is None:
        raise ValueError(feed.name)
    west, south, east, north = place.within
    return Rule(
        id=f"{place.longitude}.place",
        expression=f"{place.longitude} BETWEEN {west} AND {east}"
        f" AND {place.latitude} BETWEEN {south} AND {north}",
        message=f"坐标在范围（{west}, {south}, {east}, {north}）之外",
        dimension="accuracy",
        severity="warn",
        columns=(place.longitude, place.latitude),
    )


def _kinds(column: Column) -> Iterator[tuple[str, str, Severity]]:
    if column.required:
        yield "required", "completeness", "fail"
    if column.type != "string":
        yield "type", "normativity", "fail"
    yield from _lost_kinds(column)
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


def _is_free_key(column: Column) -> bool:
    """Whether a key may hold any text: what is hidden in it would make two records one."""
    return column.is_key and not column.pattern


def _lost_kinds(column: Column) -> Iterator[tuple[str, str, Severity]]:
    """Values that are not wrong but incomplete: the sender must deliver them once more."""
    is_code = column.type == "string" and not (column.textual or column.codes or column.format)
    if column.format in MASKABLE or (is_code and (column.level == "L4" or _is_free_key(column))):
        yield "masked", "completeness", "fail"
    if column.format == "resident_id" or (is_code and (column.level == "L4" or not column.pattern)):
        yield "rounded", "accuracy", "fail"
    if column.share == "percent":
        yield "share", "accuracy", "fail"
