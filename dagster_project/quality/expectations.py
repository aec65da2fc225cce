"""Contract -> expectations, as plain data, with the county's own ones behind them.

An expectation carries the id of the rule it repeats, so that both opinions can be compared row by
row. It is repeated exactly or not at all: formats with check digits, hidden and rounded numbers,
ratios of unclear unit, references and whatever ``row_rules`` cannot say are ours alone.

What an expectation looks at is a column of a frame that the caller makes (``Asked``): a cell is
asked a rule only where no earlier rule of the same cell spoke, as ``contracts.cell_rules`` has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any

from dagster_project.contracts.linear import linear
from dagster_project.contracts.model import CodeList, Column, Contracts, Feed, Table
from dagster_project.contracts.rules import cell_rules
from dagster_project.quality.own import own
from dagster_project.quality.row_rules import repeated
from dagster_project.quality.suite import (
    Asked,
    Expectation,
    Of,
    Suite,
    bound,
    is_comparable,
)


@dataclass(frozen=True)
class _Maker:
    """Makes the expectations of one column."""

    column: Column
    codes: Mapping[str, CodeList] = field(default_factory=dict)

    def rule(
        self, name: str, kind: str, sentence: str, of: Of = "value", **arguments: Any
    ) -> Expectation:
        """The expectation that repeats the rule ``<column>.<name>``."""
        rule_id = f"{self.column.name}.{name}"
        digits = self.column.scale if name == "range" and self.column.type == "decimal" else -1
        asked = Asked(f"_{name}_{self.column.name}", self.column.name, of, rule_id, digits)
        return Expectation(
            rule_id,
            kind,
            {**arguments, "column": asked.name},
            f"{self.column.title}（{self.column.name}）{sentence}",
            self.column.name,
            asked=(asked,),
        )

    def all(self) -> Iterator[Expectation]:
        """What repeats the column's cell rules, in their order."""
        made = {
            "required": self.required,
            "type": self.type,
            "length": self.length,
            "pattern": self.pattern,
            "code": self.code,
            "range": self.range,
        }
        for rule in cell_rules(self.column):
            if rule.kind in made:
                yield from made[rule.kind]()

    def required(self) -> Iterator[Expectation]:
        """Something must stand there."""
        yield self.rule("required", "ExpectColumnValuesToNotBeNull", "必填", "text")

    def type(self) -> Iterator[Expectation]:
        """What stands there must be of the type."""
        yield self.rule("type", "ExpectColumnValuesToNotBeNull", "填写的内容可识别", "read")

    def length(self) -> Iterator[Expectation]:
        """At most so many characters."""
        longest = self.column.max_length
        kind = "ExpectColumnValueLengthsToBeBetween"
        yield self.rule("length", kind, f"不超过 {longest} 个字符", max_value=longest)

    def pattern(self) -> Iterator[Expectation]:
        """The pattern is found, wherever it has a form that pandas reads as DuckDB does."""
        spelled = linear(self.column.pattern)
        if self.column.type == "string" and spelled:
            sentence = f"符合格式 {self.column.pattern}"
            yield self.rule("pattern", "ExpectColumnValuesToMatchRegex", sentence, regex=spelled)

    def code(self) -> Iterator[Expectation]:
        """A code of the list."""
        if self.column.codes in self.codes and self.column.type == "string":
            code_list = self.codes[self.column.codes]
            listed, name = list(code_list.codes), code_list.title or code_list.name
            sentence = f"取值在代码表“{name}”内"
            yield self.rule("code", "ExpectColumnValuesToBeInSet", sentence, value_set=listed)

    def range(self) -> Iterator[Expectation]:
        """Between both ends, which belong to it."""
        column = self.column
        if not is_comparable(column):
            return
        low, high = column.minimum, column.maximum
        try:
            first, last = bound(column, low, ROUND_CEILING), bound(column, high, ROUND_FLOOR)
        except ValueError:
            return
        yield self.rule(
            "range",
            "ExpectColumnValuesToBeBetween",
            _between(low, high),
            min_value=first,
            max_value=last,
        )


def for_feed(feed: Feed, contracts: Contracts, delivered_at: datetime) -> Suite:
    """The suite of an arriving batch of a feed.

    Args:
        feed: The contract.
        contracts: Its code lists are looked up in them.
        delivered_at: When the batch came, on the county's clock and without zone.
    """
    found = [e for column in feed.columns for e in _Maker(column, contracts.codes).all()]
    found += [made for rule in feed.rules if (made := repeated(rule, feed, delivered_at))]
    found += [own(one, feed) for one in contracts.suites.get(feed.name, ())]
    return Suite(feed.name, feed.title, tuple(found))


def for_table(table: Table, contracts: Contracts, columns: tuple[str, ...]) -> Suite:
    """The suite of a report table whose columns, as built, are ``columns``."""
    described = [column for column in table.columns if column.name in columns]
    found = [e for column in described for e in _Maker(column, contracts.codes).all()]
    found = [e for e in found if not e.rule_id.endswith(".type")]  # a built table is typed
    if table.key:
        keyed = tuple(Asked(name, name) for name in table.key)
        several = len(keyed) > 1
        found.append(
            Expectation(
                "key.unique",
                "ExpectCompoundColumnsToBeUnique" if several else "ExpectColumnValuesToBeUnique",
                {"column_list": list(table.key)} if several else {"column": table.key[0]},
                f"主键 {'、'.join(table.key)} 唯一",
                asked=keyed,
            )
        )
    if not table.may_be_empty:
        found.append(_filled())
    return Suite(f"{table.layer}.{table.name}", table.title, tuple(found))


def _filled() -> Expectation:
    """A table that always has something to say."""
    return Expectation(
        "table.not_empty",
        "ExpectTableRowCountToBeBetween",
        {"min_value": 1},
        "至少有一行",
        severity="warn",
    )


def _between(low: str, high: str) -> str:
    if low and high:
        return f"在 {low} 与 {high} 之间"
    return f"不小于 {low}" if low else f"不大于 {high}"
