"""The lineage of a site is held against DuckDB's own binder, and its coverage is a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
import sqlglot
from sqlglot import exp

from dagster_project.components.steps.lineage_check import check
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Table
from dagster_project.lineage.columns import ModelLineage, lineage_of
from dagster_project.lineage.typed import Difference, engine_types
from dagster_project.settings import Duty

BASE = {"silver.a": {"k": "VARCHAR", "x": "BIGINT"}, "silver.b": {"k": "VARCHAR", "z": "BIGINT"}}
CONTRACT = Table(name="t", layer="gold", title="表", version="1.0.0")


@dataclass(frozen=True)
class Draft:
    """A model that no file holds."""

    text: str
    table: str = "gold.t"
    contract: Table = CONTRACT

    @property
    def query(self) -> exp.Query:
        """The parsed text."""
        return cast("exp.Query", sqlglot.parse_one(self.text, read="duckdb"))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tables that it reads."""
        return tuple({f"{one.db}.{one.name}" for one in self.query.find_all(exp.Table)})


def differences(text: str, known: ModelLineage) -> list[Difference]:
    """What the engine says against the lineage of one SELECT."""
    return engine_types([Draft(text)], BASE, {known.table: known}, lambda _: text)[1]


@pytest.mark.parametrize("duty", ["collect", "receive"])
def test_the_lineage_of_a_site_is_whole_and_true(
    duty: Duty, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every column of every table has an origin, and the engine makes just these columns."""
    workshop = Workshop.at(tmp_path_factory.mktemp(duty), duty)
    found = check(workshop)
    assert found.problems == ()
    assert (found.covered, found.share) == (found.columns, "100.0")
    assert found.types.keys() == workshop.graph.models.keys()
    for table, types in found.types.items():
        told = {column.name: column.duck_type for column in workshop.described(table)}
        said = {name: kind.replace(" WITH TIME ZONE", "") for name, kind in types.items()}
        assert said == told


@pytest.mark.parametrize(
    ("text", "told", "line", "word"),
    [
        ("SELECT\n  x,\n  COLUMNS('k')\nFROM silver.a", "x _col_1", 3, "the column k"),
        ('SELECT\n  x,\n  k AS "K"\nFROM silver.a', "x k", 3, "the column K"),
        ("SELECT\n  k,\n  x / 2 AS half\nFROM silver.a", "k half", 3, "half is a floating number"),
        ("SELECT\n  MAX(x) AS n\nFROM silver.a\nGROUP BY 7", "n", 1, "the engine refuses it"),
    ],
)
def test_a_difference_is_named_with_its_line(text: str, told: str, line: int, word: str) -> None:
    """What the engine makes otherwise, or in floating numbers, is told by line and column."""
    found = differences(text, ModelLineage("gold.t", tuple(told.split()), ()))
    assert [one.line for one in found] == [line]
    assert word in found[0].what
    assert found[0].fix


def test_an_agreeing_model_has_no_difference() -> None:
    """Names, order and exact types as the lineage has them."""
    text = "SELECT k, CAST(SUM(x) AS BIGINT) AS n FROM silver.a GROUP BY k"
    assert differences(text, lineage_of("gold.t", text, BASE)) == []


@pytest.mark.parametrize(
    "value",
    [
        "CAST(SUM(CAST(x AS DECIMAL(9, 2)) // 2) AS BIGINT)",
        "CAST(SUM(0.1 * FLOOR(x)) AS DECIMAL(9, 2))",
        "COUNT(*) FILTER (WHERE x > 999999999999999999999999999999999999999)",
        "CAST(SUM(EPOCH(CAST(k AS TIMESTAMP))) AS BIGINT)",
        "CAST(QUANTILE_CONT(x, 0.5) AS BIGINT)",
    ],
)
def test_a_floating_number_on_the_way_is_a_difference(value: str) -> None:
    """The engine's own plan says where it leaves exact numbers, whatever the result is cast to."""
    text = f"SELECT k, {value} AS v FROM silver.a GROUP BY k"
    (found,) = differences(text, lineage_of("gold.t", Draft(text).query, BASE))
    assert "floating numbers on the way" in found.what


@pytest.mark.parametrize(
    "value",
    [
        "CAST(SUM(x // 2) AS BIGINT)",
        "CAST(SUM(x * 0.01) AS DECIMAL(9, 2))",
        "COUNT(*) FILTER (WHERE CAST(k AS DATE) > DATE '2026-01-01' - INTERVAL '15' YEAR)",
    ],
)
def test_exact_numbers_are_no_difference(value: str) -> None:
    """Whole numbers, decimals, and days that an interval moves."""
    text = f"SELECT k, {value} AS v FROM silver.a GROUP BY k"
    assert differences(text, lineage_of("gold.t", Draft(text).query, BASE)) == []
