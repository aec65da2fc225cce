"""A county's own expectations -> expectations of a frame; what may be in them is settled already.

They look at typed values after the repairs, whatever the contract's rules say of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any

from dagster_project.contracts.linear import linear
from dagster_project.contracts.model import Column, Feed
from dagster_project.contracts.own_expectation import OwnExpectation
from dagster_project.quality.suite import Asked, Expectation, bound

BETWEEN = "expect_column_values_to_be_between"


def own(one: OwnExpectation, feed: Feed) -> Expectation:
    """One expectation of the county, over the columns of the frame."""
    condition = None if one.condition is None else _renamed(one.condition)
    in_digits = one.type == BETWEEN
    asked = [_asked(feed.column(name), in_digits=in_digits) for name in one.columns]
    names = {a.column: a.name for a in asked}
    arguments = dict(one.arguments)
    for name in one.named:
        value = arguments[name]
        arguments[name] = [names[c] for c in value] if isinstance(value, list) else names[value]
    if in_digits:
        arguments |= _ends(one.arguments, feed.column(one.columns[0]))
    if "regex" in arguments:
        arguments["regex"] = linear(arguments["regex"])
    chosen = [_asked(feed.column(name)) for name in _columns(one.condition)]
    return Expectation(
        one.id,
        one.name,
        {name: _plain(value) for name, value in arguments.items()},
        one.sentence,
        one.columns[0] if len(one.columns) == 1 else "",
        one.severity,
        asked=tuple(dict.fromkeys([*asked, *chosen])),
        is_own=True,
        condition=condition,
    )


def _asked(column: Column, *, in_digits: bool = False) -> Asked:
    if in_digits and column.type == "decimal":
        return Asked(f"_own_digits_{column.name}", column.name, "typed", digits=column.scale)
    return Asked(f"_own_{column.name}", column.name, "typed")


def _ends(arguments: Mapping[str, Any], column: Column) -> dict[str, Any]:
    """Both ends as the frame has them; a finer one moves to the next value, in or out."""
    low, high = arguments.get("min_value"), arguments.get("max_value")
    lower = ROUND_FLOOR if arguments.get("strict_min") else ROUND_CEILING
    upper = ROUND_CEILING if arguments.get("strict_max") else ROUND_FLOOR
    return {
        "min_value": bound(column, "" if low is None else str(low), lower),
        "max_value": bound(column, "" if high is None else str(high), upper),
    }


def _plain(value: Any) -> Any:
    """JSON's numbers as Great Expectations takes them."""
    return value if isinstance(value, str | bool | int | list | None) else _number(value)


def _number(value: Any) -> Any:
    return float(value) if hasattr(value, "as_tuple") else value


def _columns(condition: Mapping[str, Any] | None) -> list[str]:
    if condition is None:
        return []
    if "conditions" in condition:
        return [name for part in condition["conditions"] for name in _columns(part)]
    return [condition["column"]["name"]]


def _renamed(condition: Mapping[str, Any]) -> dict[str, Any]:
    """The condition over the frame's columns."""
    if "conditions" in condition:
        return {**condition, "conditions": [_renamed(part) for part in condition["conditions"]]}
    return {**condition, "column": {"name": f"_own_{condition['column']['name']}"}}
