"""What a suite is, as plain data: expectations, the rows they ask, and the frame they look at.

Making suites of contracts is ``expectations``' work, running them ``gx``'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal, localcontext
from typing import Any, Literal

from dagster_project.contracts.model import Column
from dagster_project.contracts.own_words import INEXACT, MOST_DIGITS

Of = Literal["text", "read", "filled", "valid", "value", "typed"]
"""What of a cell a frame's column holds.

``text``: its clean text. ``read``: true, or NULL where a text stands that cannot be typed.
``filled``: true, or NULL where the cell is empty and no rule spoke of it. ``valid``: its typed
value, NULL where any rule of the cell spoke. ``value``: the same, also where the asked rule itself
spoke. ``typed``: its typed value, whatever rules say.
"""


@dataclass(frozen=True)
class Asked:
    """One column of the frame: its name there, the table's column, and what of it is asked.

    ``rule_id`` is the rule that asks. With ``digits`` a decimal is given as a whole number of its
    last digit, of which so many are behind the point: Great Expectations compares decimals with
    floats. ``-1`` gives every value as it is.
    """

    name: str
    column: str
    of: Of = "valid"
    rule_id: str = ""
    digits: int = -1


@dataclass(frozen=True)
class Guard:
    """Only rows are asked whose ``column`` is so; ``values`` go with ``in``."""

    column: str
    kind: Literal["null", "not_null", "in"]
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expectation:
    """One expectation of a table.

    ``kind`` is the class name in Great Expectations; ``arguments`` are its keywords, ``guards`` the
    conditions of the rows that are asked. ``asked`` are the frame's columns that both name.
    ``is_own`` marks one that the county wrote itself; its rows may be chosen by ``condition``, as
    Great Expectations writes it.
    """

    rule_id: str
    kind: str
    arguments: Mapping[str, Any]
    sentence: str
    column: str = ""
    severity: str = "fail"
    asked: tuple[Asked, ...] = ()
    guards: tuple[Guard, ...] = ()
    is_own: bool = False
    condition: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Suite:
    """Every expectation of one table, with its Chinese title."""

    name: str
    title: str
    expectations: tuple[Expectation, ...]

    @property
    def asked(self) -> tuple[Asked, ...]:
        """The columns of the frame that it looks at, each once."""
        return tuple(dict.fromkeys(a for e in self.expectations for a in e.asked))


def is_comparable(column: Column) -> bool:
    """Whether Great Expectations compares such values exactly with a constant."""
    if column.type == "decimal":
        return column.precision <= MOST_DIGITS
    return column.type in {"integer", "date", "timestamp"}


def bound(column: Column, text: str, rounding: str) -> int | date | datetime | None:
    """An end of a range as the frame's column has it; of a finer one the next value inside.

    Raises:
        ValueError: Great Expectations makes a float of it that is another number.
    """
    if not text:
        return None
    if column.type == "date":
        return date.fromisoformat(text)
    if column.type == "timestamp":
        return datetime.fromisoformat(text)
    with localcontext(prec=60):
        power = column.scale if column.type == "decimal" else 0
        made = int(Decimal(text).scaleb(power).to_integral_value(rounding))
    if abs(made) >= INEXACT:
        raise ValueError(text)
    return made


def to_json(suite: Suite) -> str:
    """The suite as text for another process of ours; dates are marked."""
    return json.dumps(asdict(suite), ensure_ascii=False, default=_marked)


def from_json(text: str) -> Suite:
    """The suite that ``to_json`` wrote."""
    data = json.loads(text, object_hook=_unmarked)
    return Suite(data["name"], data["title"], tuple(_expectation(e) for e in data["expectations"]))


def _expectation(data: dict[str, Any]) -> Expectation:
    asked = tuple(Asked(**one) for one in data.pop("asked"))
    guards = tuple(Guard(**{**one, "values": tuple(one["values"])}) for one in data.pop("guards"))
    return Expectation(**data, asked=asked, guards=guards)


def _marked(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"$timestamp": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    raise TypeError


def _unmarked(data: dict[str, Any]) -> Any:
    if data.keys() == {"$timestamp"}:
        return datetime.fromisoformat(data["$timestamp"])
    if data.keys() == {"$date"}:
        return date.fromisoformat(data["$date"])
    return data
