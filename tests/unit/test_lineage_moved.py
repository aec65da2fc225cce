"""Lineage by experiment: whatever moves an output has an edge to it, or the query is refused."""

from __future__ import annotations

import random

import pytest
import sqlglot
from sqlglot import exp

from dagster_project.errors import ModelError
from dagster_project.lineage.columns import lineage_of
from dagster_project.lineage.lint import lint
from tests.lineage_kit import Lab, unexplained
from tests.lineage_queries import EXACT, REFUSED, SCHEMA, Maker, written

QUICK = 40


@pytest.fixture(scope="module")
def lab() -> Lab:
    """Small random tables."""
    return Lab(SCHEMA, random.Random(7))  # noqa: S311 - not a secret


def tried(lab: Lab, sql: str, tries: int) -> set[tuple[str, str, str]]:
    """What moved without an edge; the names are held against the engine's as well."""
    lineage = lineage_of("gold.t", sql, SCHEMA)
    tree = sqlglot.parse_one(sql, read="duckdb")
    reads = sorted({f"{one.db}.{one.name}" for one in tree.find_all(exp.Table) if one.db})
    for table in reads:
        lab.fill(table, lab.world()[table])
    assert tuple(lab.ask(sql)) == lineage.columns
    return unexplained(lineage, lab.changes(sql, reads, tries))


@pytest.mark.parametrize("sql", written(EXACT))
def test_whatever_moves_an_output_has_an_edge(lab: Lab, sql: str) -> None:
    """Each construct is followed to every column that can move what it yields."""
    assert tried(lab, sql, 1) == set()


@pytest.mark.parametrize("sql", written(REFUSED))
def test_what_is_resolved_wrongly_is_refused(sql: str) -> None:
    """A construct that lineage would get wrong is law of the lint, or cannot be followed."""
    law = [one for one in lint(sql, "gold", "sql/gold/t.sql") if one.is_law]
    if not law:
        with pytest.raises(ModelError, match=r"sql/gold/t\.sql:1: "):
            lineage_of("gold.t", sql, SCHEMA)


def test_made_queries_are_followed(lab: Lab) -> None:
    """Joins, unions, groups, windows and subqueries put together by chance."""
    maker = Maker(random.Random(11))  # noqa: S311 - not a secret
    for _ in range(QUICK):
        sql = maker.query()
        assert tried(lab, sql, 1) == set(), sql


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_many_made_queries_are_followed(lab: Lab, seed: int) -> None:
    """The same with thousands of changes."""
    maker = Maker(random.Random(seed))  # noqa: S311 - not a secret
    for _ in range(75):
        sql = maker.query()
        assert tried(lab, sql, 2) == set(), sql
