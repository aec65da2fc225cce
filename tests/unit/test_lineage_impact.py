"""What a column reaches: forward through the lineage of every model, as values or as rows."""

from __future__ import annotations

from dagster_project.contracts import load
from dagster_project.lineage.columns import Schema, lineage_of
from dagster_project.lineage.describe import lineages
from dagster_project.lineage.impact import Affected, downstream
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.transform.models import load_models

SCHEMA: dict[str, dict[str, str]] = {
    "silver.a": {"k": "VARCHAR", "town": "VARCHAR", "x": "BIGINT", "y": "BIGINT"}
}
GOLD = """SELECT town, COUNT(*) AS n, SUM(x) AS total, COUNT(*) FILTER (WHERE y > 1) AS few
FROM silver.a GROUP BY town"""
REPORT = "SELECT town, n, total, few FROM gold.a_by_town"
CONTRACTS = load(schemas_dir())
GRAPH = load_models(sql_dir(), CONTRACTS)


def reached(*columns: str) -> set[tuple[str, str, str]]:
    """Table, column and way of everything that columns of ``silver.a`` reach."""
    schema: Schema = {**SCHEMA, "gold.a_by_town": dict.fromkeys(("town", "n", "total", "few"), "")}
    models = {
        "gold.a_by_town": lineage_of("gold.a_by_town", GOLD, schema),
        "report.a": lineage_of("report.a", REPORT, schema),
    }
    keys = {"gold.a_by_town": ("town",), "report.a": ("town",)}
    found = downstream(models, "silver.a", columns, keys=keys)
    return {(one.table, one.column, one.how) for one in found}


def test_a_value_is_followed_through_every_model() -> None:
    """A summed column reaches its sum, and the report's copy of it, and nothing else."""
    assert reached("x") == {("gold.a_by_town", "total", "value"), ("report.a", "total", "value")}


def test_a_condition_reaches_the_figure_that_it_counts() -> None:
    """A column in a FILTER decides which rows count, without a value of its own."""
    assert reached("y") == {("gold.a_by_town", "few", "rows"), ("report.a", "few", "rows")}


def test_a_key_reaches_every_figure_of_its_table() -> None:
    """Where the rows are grouped by a column, every figure counts other rows."""
    assert {(table, how) for table, column, how in reached("town") if column != "town"} == {
        ("gold.a_by_town", "rows"),
        ("report.a", "rows"),
    }
    assert ("report.a", "town", "value") in reached("town")
    assert len(reached("town")) == 2 * 4


def test_rows_reach_everything_that_reads_the_table() -> None:
    """A table that may lose its rows changes every figure made from it."""
    assert {(table, column) for table, column, _ in reached("*")} == {
        (table, column)
        for table in ("gold.a_by_town", "report.a")
        for column in ("town", "n", "total", "few")
    }


def test_a_column_that_nothing_reads_reaches_nothing() -> None:
    """An unused column affects no figure."""
    assert reached("k") == set()


def test_the_house_s_area_reaches_the_report_s_area_with_its_title() -> None:
    """On the repository's own models: from silver through gold into the report."""
    found = downstream(
        lineages(GRAPH.models.values(), CONTRACTS),
        "silver.house",
        ["area_m2"],
        keys={name: model.contract.key for name, model in GRAPH.models.items()},
        titles={("report.house_by_town", "area_sqm"): "建筑面积"},
    )
    assert found == (
        Affected("gold.house_by_town_usage", "area_sqm", "value"),
        Affected("report.house_by_town", "area_sqm", "value", "建筑面积"),
    )
    assert [one.layer for one in found] == ["gold", "report"]
