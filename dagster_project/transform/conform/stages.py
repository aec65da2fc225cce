"""Names of the columns that the stages of a conforming statement add for each contract column."""

from __future__ import annotations

from dagster_project.contracts.model import Column
from dagster_project.transform.conform.ast import Node, col


def raw(column: Column) -> Node:
    """The stage column of the cell as sent."""
    return col(column.name)


def stage(column: Column, letter: str) -> Node:
    """A stage column: k plain, w folded, t text, v value, x aux, f failure, r repairs, p parent."""
    return col(stage_name(column.name, letter))


def stage_name(name: str, letter: str) -> str:
    """Its name; ``$`` cannot stand in a contract's column name."""
    return f"{name}${letter}"
