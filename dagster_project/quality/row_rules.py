"""Row rules that Great Expectations can repeat exactly, and how; the others stay ours alone.

A rule is read as ``part OR part OR …``: the row fails when every part is FALSE. The last part
becomes the expectation, the others become conditions of the rows that are asked. Parts are
comparisons of a column with a constant or with a column of the same type, lists of codes, and
whether a cell is filled. Functions, arithmetic and NOT are not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

from sqlglot import exp

from dagster_project.contracts.model import Column, Feed, Rule
from dagster_project.contracts.rowsql import parse
from dagster_project.quality.suite import (
    Asked,
    Expectation,
    Guard,
    bound,
    is_comparable,
)

TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.LT: exp.GT,
    exp.GTE: exp.LTE,
    exp.LTE: exp.GTE,
    exp.EQ: exp.EQ,
}
ONE_DAY = "DATE"
BETWEEN = "ExpectColumnValuesToBeBetween"


class _UnrepeatableError(Exception):
    """A part for which Great Expectations has no exact words."""


@dataclass(frozen=True)
class _Part:
    """One part: as an expectation, and its opposite as a condition (where it has one)."""

    kind: str
    arguments: dict[str, Any]
    asked: tuple[Asked, ...]
    guard: Guard | None = None


def repeated(rule: Rule, feed: Feed, delivered_at: datetime) -> Expectation | None:
    """The expectation that fails for the same rows as the rule; nothing if there is none."""
    tree = parse(rule.expression)
    if tree is None:
        return None
    reader = _Reader(feed, delivered_at)
    try:
        parts = sorted((reader.part(node) for node in _parts(tree)), key=lambda p: p.guard is None)
    except (_UnrepeatableError, KeyError, ValueError, InvalidOperation):
        return None
    *before, last = parts
    guards = tuple(part.guard for part in before if part.guard)
    if len(guards) < len(before):
        return None
    return Expectation(
        rule.id,
        last.kind,
        last.arguments,
        rule.message,
        severity=rule.severity,
        asked=tuple(dict.fromkeys(asked for part in parts for asked in part.asked)),
        guards=guards,
    )


def _parts(tree: exp.Expr) -> Iterator[exp.Expr]:
    while isinstance(tree, exp.Paren):
        tree = tree.this
    if isinstance(tree, exp.Or):
        yield from _parts(tree.left)
        yield from _parts(tree.right)
    else:
        yield tree


@dataclass(frozen=True)
class _Reader:
    feed: Feed
    delivered_at: datetime

    def part(self, node: exp.Expr) -> _Part:
        """What one part says."""
        wrong = False
        while isinstance(node, exp.Not | exp.Paren):
            wrong ^= isinstance(node, exp.Not)
            node = node.this
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return self._nullity(self._column(node.this), filled=wrong)
        if isinstance(node, exp.In) and node.expressions and not node.args.get("query"):
            values = tuple(self._string(value) for value in node.expressions)
            return self._listed(self._column(node.this), values, inside=not wrong)
        if wrong:
            raise _UnrepeatableError
        if isinstance(node, exp.EQ | exp.NEQ) and _is_string(node.expression):
            values = (self._string(node.expression),)
            return self._listed(self._column(node.this), values, inside=isinstance(node, exp.EQ))
        return self._comparison(node)

    def _column(self, node: exp.Expr) -> Column:
        while isinstance(node, exp.Paren):
            node = node.this
        if not isinstance(node, exp.Column):
            raise _UnrepeatableError
        return self.feed.column(node.name)

    def _string(self, node: exp.Expr) -> str:
        if not _is_string(node):
            raise _UnrepeatableError
        return str(node.this)

    def _nullity(self, column: Column, *, filled: bool) -> _Part:
        """Of a cell that another rule spoke of, a row rule knows neither."""
        if not filled:
            asked = Asked(column.name, column.name)
            guard = Guard(asked.name, "not_null")
            return _Part("ExpectColumnValuesToBeNull", {"column": asked.name}, (asked,), guard)
        asked = Asked(f"_filled_{column.name}", column.name, "filled")
        guard = Guard(asked.name, "null")
        return _Part("ExpectColumnValuesToNotBeNull", {"column": asked.name}, (asked,), guard)

    def _listed(self, column: Column, values: tuple[str, ...], *, inside: bool) -> _Part:
        if column.type != "string":
            raise _UnrepeatableError
        asked = Asked(column.name, column.name)
        kind = "ExpectColumnValuesToBeInSet" if inside else "ExpectColumnValuesToNotBeInSet"
        # pandas takes NULL for a value outside of every list, SQL does not.
        guard = None if inside else Guard(asked.name, "in", values)
        arguments = {"column": asked.name, "value_set": list(values)}
        return _Part(kind, arguments, (asked,), guard)

    def _comparison(self, node: exp.Expr) -> _Part:
        if not isinstance(node, exp.GT | exp.GTE | exp.LT | exp.LTE | exp.EQ | exp.NEQ):
            raise _UnrepeatableError
        left, right = node.left, node.right
        kind: type[exp.Expr] = type(node)
        if isinstance(right, exp.Column) and isinstance(left, exp.Column):
            return self._pair(self._column(left), self._column(right), kind)
        if isinstance(right, exp.Column):
            left, right, kind = right, left, TURNED[kind]
        return self._constant(self._column(left), right, kind)

    def _pair(self, left: Column, right: Column, kind: type[exp.Expr]) -> _Part:
        if left.type != right.type:
            raise _UnrepeatableError
        asked = (Asked(left.name, left.name), Asked(right.name, right.name))
        if kind is exp.NEQ:
            names = [left.name, right.name]
            arguments: dict[str, Any] = {"column_list": names}
            arguments["ignore_row_if"] = "any_value_is_missing"
            return _Part("ExpectSelectColumnValuesToBeUniqueWithinRecord", arguments, asked)
        ordered = left.type in {"integer", "decimal", "date", "timestamp"}
        if kind in {exp.LT, exp.LTE}:
            left, right, kind = right, left, TURNED[kind]
        arguments = {"column_A": left.name, "column_B": right.name}
        arguments["ignore_row_if"] = "either_value_is_missing"
        if kind is exp.EQ:
            return _Part("ExpectColumnPairValuesToBeEqual", arguments, asked)
        if not ordered:
            raise _UnrepeatableError
        arguments["or_equal"] = kind is exp.GTE
        return _Part("ExpectColumnPairValuesAToBeGreaterThanB", arguments, asked)

    def _constant(self, column: Column, node: exp.Expr, kind: type[exp.Expr]) -> _Part:
        if not is_comparable(column) or kind is exp.NEQ:
            raise _UnrepeatableError
        text = self._moment(node, column) if column.type in {"date", "timestamp"} else _digits(node)
        low, high = bound(column, text, ROUND_CEILING), bound(column, text, ROUND_FLOOR)
        strict = kind in {exp.GT, exp.LT}
        if low != high and (strict or kind is exp.EQ):
            raise _UnrepeatableError
        asked = Asked(column.name, column.name)
        if column.type == "decimal":
            asked = Asked(f"_digits_{column.name}", column.name, digits=column.scale)
        arguments: dict[str, Any] = {"column": asked.name}
        if kind in {exp.GT, exp.GTE, exp.EQ}:
            arguments |= {"min_value": low, "strict_min": strict}
        if kind in {exp.LT, exp.LTE, exp.EQ}:
            arguments |= {"max_value": high, "strict_max": strict}
        return _Part(BETWEEN, arguments, (asked,))

    def _moment(self, node: exp.Expr, column: Column) -> str:
        """A constant of a column's own type, in ISO form; a date is never compared with a time."""
        is_cast = isinstance(node, exp.Cast)
        inner = node.this if is_cast else node
        kind = node.args["to"].this.name if is_cast else "TIMESTAMP"
        if isinstance(inner, exp.Placeholder):
            at = self.delivered_at.date() if kind == ONE_DAY else self.delivered_at
        elif is_cast and _is_string(inner):
            at = datetime.fromisoformat(str(inner.this))
            at = at.date() if kind == ONE_DAY else at
        else:
            raise _UnrepeatableError
        if (column.type == "date") != (type(at) is date):
            raise _UnrepeatableError
        return at.isoformat()


def _is_string(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


def _digits(node: exp.Expr) -> str:
    """A number's text."""
    sign = ""
    if isinstance(node, exp.Neg):
        sign, node = "-", node.this
    if not isinstance(node, exp.Literal) or node.is_string:
        raise _UnrepeatableError
    return str(Decimal(sign + str(node.this)))
