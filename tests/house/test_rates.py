"""Every rate of a report says how it is rounded, and its SQL does exactly that."""

from __future__ import annotations

import random
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import cast

import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column
from dagster_project.contracts.rounding import Rounding
from dagster_project.paths import PROJECT
from dagster_project.settings import Settings

SMALL = 25
MANY = 1_000


@cache
def workshop() -> Workshop:
    """The checkout's own contracts and SQL; nothing is opened."""
    from dagster_project.paths import Home  # noqa: PLC0415

    home = Home(Path("/nowhere"))
    return Workshop(home, Settings(), "collect", PROJECT / "schemas", PROJECT / "sql")


def rates() -> list[tuple[str, Column]]:
    """Every column of a report that is a rate, by its name or its contract."""
    graph = workshop().graph
    return [
        (table, column)
        for table in sorted(graph.models)
        if table.startswith("report.")
        for column in workshop().described(table)
        if column.rounding or column.name.endswith("_pct")
    ]


RATES = {f"{table}.{column.name}": (table, column) for table, column in rates()}


@pytest.mark.parametrize("name", RATES)
def test_a_rate_says_what_it_is_made_of(name: str) -> None:
    """Its two columns stand beside it, so that whoever has the report can compute it."""
    table, column = RATES[name]
    rounding = column.rounding
    assert rounding is not None, f"{name} does not say how it is rounded"
    beside = {one.name for one in workshop().described(table)}
    assert {rounding.numerator, rounding.denominator} <= beside
    assert rounding.scale == column.scale


def origin(table: str, names: tuple[str, str, str]) -> tuple[str, tuple[str, str, str]]:
    """Where a rate is computed: here, or in the one table below that all three come from."""
    value, *parts = names
    projected = {one.alias_or_name: one for one in select_of(table).selects}
    read = {one.name for one in projected[value].find_all(exp.Column)}
    if set(parts) <= read:
        return table, names
    below = [workshop().lineage(table).sources(name) for name in names]
    tables = {edge.source_table for edges in below for edge in edges}
    assert len(tables) == 1, f"{table}.{value} is made in {tables}"
    moved = tuple(
        next(edge.source_column for edge in edges if alike(edge.source_column, name))
        for edges, name in zip(below, names, strict=True)
    )
    return origin(tables.pop(), cast("tuple[str, str, str]", moved))


def alike(source: str, name: str) -> bool:
    """``normativity_passed_cnt`` comes from ``passed_cnt``; another column picks the row."""
    return name.endswith(source.rpartition("_")[2])


def select_of(table: str) -> exp.Query:
    """A model's SELECT."""
    return workshop().graph.models[table].query


@cache
def cases() -> list[tuple[int, int]]:
    """Every small pair, and large ones; among them are exact halves, zeros and empty rates."""
    chance = random.Random(7)  # noqa: S311 - figures of a test
    wholes = [chance.randint(1, 10**9) for _ in range(MANY)]
    large = [(chance.randint(0, 2 * whole), whole) for whole in wholes]
    halves = [(n, 20_000) for n in range(1, 400, 2)] + [(27_865, 28_984), (302, 317)]
    return [(n, d) for d in range(SMALL) for n in range(SMALL)] + large + halves


@pytest.mark.parametrize("name", RATES)
def test_the_sql_rounds_as_the_contract_says(name: str) -> None:
    """Its expression, evaluated by the engine over thousands of pairs, against exact fractions."""
    table, column = RATES[name]
    rounding = column.rounding
    assert rounding is not None
    place, (value, top, bottom) = origin(
        table, (column.name, rounding.numerator, rounding.denominator)
    )
    projected = {one.alias_or_name: one for one in select_of(place).selects}
    expression = projected[value].unalias().copy()
    for one in expression.find_all(exp.Column):
        one.set("table", None)
    kind = "DECIMAL(18, 2)" if top.endswith("_yuan") else "BIGINT"
    given = [(n, d) for n, d in cases() if d or "NULLIF" in expression.sql("duckdb")]
    tops, bottoms = zip(*given, strict=True)
    with duckdb.connect() as con:
        con.register("pairs", pa.table({"place": range(len(given)), "n": tops, "d": bottoms}))
        made = con.execute(
            f"SELECT {expression.sql('duckdb')} FROM (SELECT place, n::{kind} AS {top},"
            f" d::{kind} AS {bottom} FROM pairs) ORDER BY place"
        ).fetchall()
    expected = [rounding.rate(n, d) for n, d in given]
    wrong = [
        (pair, got, want)
        for pair, (got,), want in zip(given, made, expected, strict=True)
        if got != want
    ]
    assert wrong == []


def test_the_published_figures_mix_both_rules() -> None:
    """The reason why a rate says it: these two stand in one published table."""
    cut, up = Rounding("truncate", "a", "b"), Rounding("half_up", "a", "b")
    assert cut.rate(27_865, 28_984) == Decimal("96.13")
    assert up.rate(27_865, 28_984) == Decimal("96.14")
    assert up.rate(302, 317) == Decimal("95.27")
    assert cut.rate(302, 317) == Decimal("95.26")
    assert up.rate(1, 0) is None
    assert up.rate(None, 5) is None
    assert (up.rate(1, 20_000), cut.rate(1, 20_000)) == (Decimal("0.01"), Decimal("0.00"))
