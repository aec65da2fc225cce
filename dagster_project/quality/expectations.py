"""Contract -> expectations, as plain data. Running them is ``gx``'s work.

An expectation carries the id of the rule it repeats, so that both opinions can be compared.
Check digits and row rules have no counterpart in Great Expectations and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dagster_project.contracts.model import CodeList, Column, Contracts, Feed, Table
from dagster_project.contracts.rules import MASKABLE


@dataclass(frozen=True)
class Expectation:
    """One expectation of a table.

    ``kind`` is the class name in Great Expectations; ``arguments`` are its keywords.
    """

    rule_id: str
    kind: str
    arguments: Mapping[str, Any]
    sentence: str
    column: str = ""
    severity: str = "fail"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it looks at."""
        listed = self.arguments.get("column_list") or [self.arguments.get("column", "")]
        return tuple(name for name in listed if name)


@dataclass(frozen=True)
class Suite:
    """Every expectation of one table, with its Chinese title."""

    name: str
    title: str
    expectations: tuple[Expectation, ...]


def _of_column(column: Column, codes: Mapping[str, CodeList]) -> Iterator[Expectation]:
    """The expectations that repeat a column's cell rules."""

    def made(rule: str, kind: str, sentence: str, **arguments: Any) -> Expectation:
        text = f"{column.title}（{column.name}）{sentence}"
        arguments["column"] = column.name
        return Expectation(f"{column.name}.{rule}", kind, arguments, text, column.name)

    if column.required and column.type == "string":
        yield made("required", "ExpectColumnValuesToNotBeNull", "必填")
    elif column.required:
        # A typed cell is empty when nothing stood there, and when what stood there is no such type.
        yield made("present", "ExpectColumnValuesToNotBeNull", "必填且可识别")
    if column.max_length:
        yield made(
            "length",
            "ExpectColumnValueLengthsToBeBetween",
            f"不超过 {column.max_length} 个字符",
            max_value=column.max_length,
        )
    if column.pattern:
        yield made(
            "pattern",
            "ExpectColumnValuesToMatchRegex",
            f"符合格式 {column.pattern}",
            regex=_pattern(column),
        )
    if column.codes in codes and column.type != "boolean":
        listed = codes[column.codes].codes
        yield made(
            "code",
            "ExpectColumnValuesToBeInSet",
            f"取值在代码表 {column.codes} 内",
            value_set=list(listed),
        )
    if (column.minimum or column.maximum) and column.type in {"integer", "decimal"}:
        low, high = column.minimum or None, column.maximum or None
        yield made(
            "range",
            "ExpectColumnValuesToBeBetween",
            f"在 {low or '-∞'} 与 {high or '+∞'} 之间",
            min_value=None if low is None else float(low),
            max_value=None if high is None else float(high),
        )


def _pattern(column: Column) -> str:
    """The column's pattern; a hidden value has a reason of its own (``.masked``) and passes."""
    if column.format not in MASKABLE:
        return column.pattern
    hidden = r"\*{2,}" if column.format == "uscc" else r"\*{2,}|[Xx]{4,}"
    return f"(?:{column.pattern})|^.*(?:{hidden})"


def for_feed(feed: Feed, contracts: Contracts) -> Suite:
    """The suite of an arriving batch of a feed."""
    found = tuple(e for column in feed.columns for e in _of_column(column, contracts.codes))
    return Suite(feed.name, feed.title, found)


def for_table(table: Table, contracts: Contracts, columns: tuple[str, ...]) -> Suite:
    """The suite of a report table whose columns, as built, are ``columns``."""
    described = [column for column in table.columns if column.name in columns]
    found = [e for column in described for e in _of_column(column, contracts.codes)]
    if table.key:
        found.append(
            Expectation(
                "key.unique",
                "ExpectCompoundColumnsToBeUnique"
                if len(table.key) > 1
                else "ExpectColumnValuesToBeUnique",
                {"column_list": list(table.key)}
                if len(table.key) > 1
                else {"column": table.key[0]},
                f"主键 {'、'.join(table.key)} 唯一",
            )
        )
    found.append(
        Expectation(
            "table.not_empty",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 1},
            "至少有一行",
            severity="warn",
        )
    )
    return Suite(f"{table.layer}.{table.name}", table.title, tuple(found))
