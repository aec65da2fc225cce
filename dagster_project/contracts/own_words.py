"""What may stand in a county's own suite: expectations, their arguments, conditions of rows.

A closed list, because Great Expectations also knows expectations that run SQL, that load modules,
that keep cells in their results, and conditions that pandas evaluates as code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from dagster_project.contracts.linear import linear
from dagster_project.contracts.model import Column, LogicalType
from dagster_project.contracts.rowsql import pattern_fault

Argument = Literal["share", "count", "flag", "bound", "pattern", "values", "ignore"]
"""What an argument is: ``bound`` is an end of a range in the column's own type."""

ANY: Final[frozenset[LogicalType]] = frozenset()
ORDERED: Final[frozenset[LogicalType]] = frozenset({"integer", "decimal", "date", "timestamp"})
NUMBERS: Final[frozenset[LogicalType]] = frozenset({"integer", "decimal"})
STRINGS: Final[frozenset[LogicalType]] = frozenset({"string"})
LISTED: Final[frozenset[LogicalType]] = frozenset({"string", "integer"})
IGNORE: Final = frozenset({
    "both_values_are_missing", "either_value_is_missing", "neither", "never",
    "all_values_are_missing", "any_value_is_missing",
})  # fmt: skip
NO_CONDITION: Final = "it is no condition; write an object with `type` comparison, nullity, and, or"
MOST_VALUES: Final = 1_000
LONGEST: Final = 500
DEEPEST: Final = 10
MOST_DIGITS: Final = 18
"""A decimal of so many digits is a 64-bit whole number of its last digit."""
INEXACT: Final = 2**53
"""Great Expectations makes a float of a bound: from here on it may be another number."""
OPERATORS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "IN", "NOT_IN"})
ODD: Final = frozenset("`\\'\"\r\n@")
"""Characters that a condition of rows may not hold: it is written into a query's text."""


@dataclass(frozen=True)
class Kind:
    """One expectation: its class, the arguments that name columns, and the others.

    ``one_of``: at least one of them is needed. ``title``: what a page says of it by itself.
    """

    name: str
    title: str
    columns: tuple[str, ...] = ("column",)
    types: frozenset[LogicalType] = ANY
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


COMMON: Final[dict[str, Argument]] = {"mostly": "share"}
_ENDS: Final[dict[str, Argument]] = {
    "min_value": "bound",
    "max_value": "bound",
    "strict_min": "flag",
    "strict_max": "flag",
}
_COUNTS: Final[dict[str, Argument]] = {"min_value": "count", "max_value": "count"}
_SHARES: Final[dict[str, Argument]] = {"min_value": "share", "max_value": "share"}
_EITHER: Final = ("min_value", "max_value")
_PAIR: Final = ("column_A", "column_B")

KINDS: Final[dict[str, Kind]] = {
    "expect_column_values_to_not_be_null": Kind("ExpectColumnValuesToNotBeNull", "不为空"),
    "expect_column_values_to_be_null": Kind("ExpectColumnValuesToBeNull", "为空"),
    "expect_column_values_to_be_unique": Kind("ExpectColumnValuesToBeUnique", "不重复"),
    "expect_column_values_to_be_in_set": Kind(
        "ExpectColumnValuesToBeInSet",
        "在所列取值内",
        types=LISTED,
        arguments={"value_set": "values"},
        needs=("value_set",),
    ),
    "expect_column_values_to_not_be_in_set": Kind(
        "ExpectColumnValuesToNotBeInSet",
        "不在所列取值内",
        types=LISTED,
        arguments={"value_set": "values"},
        needs=("value_set",),
    ),
    "expect_column_values_to_be_between": Kind(
        "ExpectColumnValuesToBeBetween",
        "在规定范围内",
        types=ORDERED,
        arguments=_ENDS,
        one_of=_EITHER,
    ),
    "expect_column_value_lengths_to_be_between": Kind(
        "ExpectColumnValueLengthsToBeBetween",
        "字数在规定范围内",
        types=STRINGS,
        arguments=_COUNTS,
        one_of=_EITHER,
    ),
    "expect_column_values_to_match_regex": Kind(
        "ExpectColumnValuesToMatchRegex",
        "符合规定写法",
        types=STRINGS,
        arguments={"regex": "pattern"},
        needs=("regex",),
    ),
    "expect_column_values_to_not_match_regex": Kind(
        "ExpectColumnValuesToNotMatchRegex",
        "不出现所列写法",
        types=STRINGS,
        arguments={"regex": "pattern"},
        needs=("regex",),
    ),
    "expect_column_pair_values_to_be_equal": Kind(
        "ExpectColumnPairValuesToBeEqual",
        "两者相等",
        columns=_PAIR,
        arguments={"ignore_row_if": "ignore"},
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": Kind(
        "ExpectColumnPairValuesAToBeGreaterThanB",
        "前者大于后者",
        columns=_PAIR,
        types=ORDERED,
        arguments={"or_equal": "flag", "ignore_row_if": "ignore"},
    ),
    "expect_compound_columns_to_be_unique": Kind(
        "ExpectCompoundColumnsToBeUnique",
        "合起来不重复",
        columns=("column_list",),
        arguments={"ignore_row_if": "ignore"},
    ),
    "expect_select_column_values_to_be_unique_within_record": Kind(
        "ExpectSelectColumnValuesToBeUniqueWithinRecord",
        "同一行内互不相同",
        columns=("column_list",),
        arguments={"ignore_row_if": "ignore"},
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": Kind(
        "ExpectColumnProportionOfNonNullValuesToBeBetween",
        "的填写率在规定范围内",
        arguments=_SHARES,
        one_of=_EITHER,
    ),
    "expect_column_proportion_of_unique_values_to_be_between": Kind(
        "ExpectColumnProportionOfUniqueValuesToBeBetween",
        "的不同值占比在规定范围内",
        arguments=_SHARES,
        one_of=_EITHER,
    ),
    "expect_table_row_count_to_be_between": Kind(
        "ExpectTableRowCountToBeBetween",
        "行数在规定范围内",
        columns=(),
        arguments=_COUNTS,
        one_of=_EITHER,
    ),
}


def argument_fault(argument: Argument, value: object, column: Column | None) -> str:
    """What is wrong with an argument's value, as a sentence; empty when nothing is."""
    if argument in {"values", "bound"}:
        judged = _values_fault if argument == "values" else _bound_fault
        return judged(value, column) if column else ""
    if argument == "pattern":
        return _pattern_fault(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    fits, todo = {
        "share": (_is_number(value) and 0 <= value <= 1, "write a share from 0 to 1"),  # type: ignore[operator]
        "count": (is_whole, "write a whole number from 0"),
        "flag": (isinstance(value, bool), "write true or false"),
        "ignore": (
            isinstance(value, str) and value in IGNORE,
            f"write one of {', '.join(sorted(IGNORE))}",
        ),
    }[argument]
    return "" if fits else todo


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _pattern_fault(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST:
        return f"it is no pattern of 1 to {LONGEST} characters; shorten it"
    if complaint := pattern_fault(value):
        return f"it is no pattern ({complaint}); correct it"
    if not linear(value):
        return (
            "it looks around, refers back, has flags or names classes of letters, which may take"
            " for ever or be read differently; write it with lists, repetitions and alternatives"
        )
    return ""


def _values_fault(value: object, column: Column) -> str:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
        return f"write a list of 1 to {MOST_VALUES:,} values"
    kind: type = str if column.type == "string" else int
    fits = all(isinstance(one, kind) and not isinstance(one, bool) for one in value)
    return "" if fits else f"`{column.name}` is a {column.type}; write such values only"


def _bound_fault(value: object, column: Column) -> str:
    if column.type == "decimal" and column.precision > MOST_DIGITS:
        return f"`{column.name}` has more than {MOST_DIGITS} digits; such are not compared exactly"
    if column.type in {"integer", "decimal"}:
        fits = _is_number(value)
        digits = column.scale if column.type == "decimal" else 0
        # Compared by its places first: a number of a billion digits is never written out.
        number = Decimal(value) if fits else Decimal(0)  # type: ignore[arg-type]
        if number.adjusted() > MOST_DIGITS or abs(number) * 10**digits >= INEXACT:
            return "it is larger than what is compared exactly; leave it out"
    else:
        fits = isinstance(value, str) and _is_moment(value, column)
    return "" if fits else f"`{column.name}` is a {column.type}; write such a value"


def _is_moment(text: str, column: Column) -> bool:
    try:
        if column.type == "date":
            date.fromisoformat(text)
        else:
            return datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return False
    return True


def condition_fault(value: object, columns: Mapping[str, Column], depth: int = 0) -> str:
    """What is wrong with a condition of rows, as a sentence; empty when nothing is.

    Args:
        value: The condition as the suite has it.
        columns: The contract's columns by their names.
        depth: How deep it lies within others.
    """
    if isinstance(value, str):
        return (
            "a condition as text is code that pandas runs; write Great Expectations' object with"
            " `type`, `column`, `operator` and `parameter`"
        )
    if not isinstance(value, dict) or depth > DEEPEST:
        return NO_CONDITION
    kind, keys = value.get("type"), value.keys()
    if isinstance(kind, str) and kind in {"and", "or"} and keys == {"type", "conditions"}:
        parts = value["conditions"]
        if not isinstance(parts, list) or not 0 < len(parts) <= DEEPEST:
            return f"write 1 to {DEEPEST} conditions"
        return next((f for p in parts if (f := condition_fault(p, columns, depth + 1))), "")
    said = value.get("column")
    column = columns.get(str(said.get("name"))) if isinstance(said, dict) else None
    fault = NO_CONDITION
    if column is None:
        fault = "its `column` is no column of the contract; correct it"
    elif kind == "nullity" and keys == {"type", "column", "is_null"}:
        fault = "" if isinstance(value["is_null"], bool) else "`is_null` is true or false"
    elif kind == "comparison" and keys == {"type", "column", "operator", "parameter"}:
        fault = _comparison_fault(value, column)
    return fault


def _comparison_fault(value: Mapping[str, Any], column: Column) -> str:
    operator, parameter = value["operator"], value["parameter"]
    if not isinstance(operator, str) or operator not in OPERATORS:
        return f"write one of {', '.join(sorted(OPERATORS))} as its `operator`"
    if column.type not in LISTED:
        return f"`{column.name}` is a {column.type}; rows are chosen by strings and integers only"
    listed = parameter if operator in {"IN", "NOT_IN"} else [parameter]
    if fault := _values_fault(listed, column):
        return f"its `parameter`: {fault}"
    if any(isinstance(one, str) and (ODD & set(one) or len(one) > LONGEST) for one in listed):
        return "its `parameter` holds quotes, backslashes, `@` or line breaks; leave them out"
    return ""
