"""Names of divisions in the place of their codes: 冠山镇 is 140321100000 (domain D26).

A feed whose contract names its ``nameColumn`` is a register: a cell of another feed that refers to
one of its records may hold the record's name. The name is looked up among the live records; one
that two records have, or none, stays as it stands and meets the reference rule. Words of code
lists are ``codes``' matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlglot import exp

from dagster_project.contracts.model import Column, Contracts
from dagster_project.transform.conform.ast import (
    Node,
    alias,
    all_of,
    case,
    col,
    eq,
    fn,
    ge,
    negate,
    not_null,
    null,
    text,
)
from dagster_project.transform.conform.repair import Repair
from dagster_project.transform.conform.stages import stage, stage_name

FIRST_HAN = "\u4e00"
"""Codes are digits and letters, names are Chinese: no code is looked up."""


def named(columns: Iterable[Column], contracts: Contracts) -> dict[str, str]:
    """The columns that may hold a name, with the register's column of names."""
    made = {}
    for column in columns:
        parent = contracts.feeds.get(column.reference.feed) if column.reference else None
        if parent and parent.name_column and column.type == "string":
            made[column.name] = parent.name_column
    return made


def coded(
    columns: Iterable[Column], names: Mapping[str, str], ready: Collection[str], source: exp.Select
) -> exp.Select:
    """The typed rows with codes in place of names; ``<column>$n`` is a code that was looked up.

    Args:
        columns: The columns of the rows.
        names: As of ``named``.
        ready: Columns whose register can be looked up now.
        source: Rows with the stage v.
    """
    asked = [column for column in columns if column.name in names]
    if not asked:
        return source
    codes = [_code_of(c, names[c.name]) if c.name in ready else null() for c in asked]
    found = [alias(code, stage_name(c.name, "n")) for c, code in zip(asked, codes, strict=True)]
    inner = exp.select(exp.Star(), *found, copy=False).from_(source.subquery("s", copy=False))
    values = [
        alias(fn("coalesce", col(stage_name(c.name, "n")), stage(c, "v")), stage_name(c.name, "v"))
        for c in asked
    ]
    whole = exp.select(exp.Star(replace=values), copy=False)
    return whole.from_(inner.subquery("s", copy=False), copy=False)


def repair(column: Column) -> Repair:
    """That a name became its code."""
    happened = not_null(col(stage_name(column.name, "n")))
    return Repair("code_synonym", logged=True, happened=happened, always=True)


def _code_of(column: Column, name: str) -> Node:
    """The code of the one live record of that name; NULL for a code, and for any other text."""
    parent = column.reference
    assert parent is not None  # noqa: S101 - only columns with a reference are asked
    table = exp.table_(parent.feed, db="silver", catalog="lake", quoted=True)
    code = alias(fn("min", col(parent.column)), "code")
    unique = exp.select(alias(col(name), "name"), code).from_(table)
    unique = unique.where(all_of([negate(col("_is_deleted")), not_null(col(name))]))
    unique = unique.group_by(col(name)).having(eq(fn("count", col(parent.column)), 1))
    pairs = fn("map", fn("list", col("name")), fn("list", col("code")))
    register = exp.Subquery(this=exp.select(pairs).from_(unique.subquery("register")))
    value = stage(column, "v")
    return case([(ge(value, text(FIRST_HAN)), fn("map_extract_value", register, value))])
