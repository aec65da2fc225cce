"""Column lineage of SQL models: complete, exact in kind, and as DuckDB sees the columns."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import sqlglot
from sqlglot import exp

from dagster_project.contracts import load
from dagster_project.contracts.model import Table
from dagster_project.errors import ModelError
from dagster_project.lineage.columns import coverage, lineage_of, markdown
from dagster_project.lineage.describe import described, lineages
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.transform.models import load_models

SCHEMA = {
    "silver.a": {"k": "VARCHAR", "x": "BIGINT", "y": "BIGINT", "d": "DATE"},
    "silver.b": {"k": "VARCHAR", "z": "BIGINT", "_is_deleted": "BOOLEAN"},
}
CONTRACTS = load(schemas_dir())
GRAPH = load_models(sql_dir(), CONTRACTS)
LINEAGES = lineages(GRAPH.models.values(), CONTRACTS)


def edges(sql: str) -> set[tuple[str, str, str]]:
    """Output, source and kind of every edge, short."""
    found = lineage_of("gold.t", sql, SCHEMA).edges
    return {(e.column, f"{e.source_table}.{e.source_column}", e.kind) for e in found}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT x FROM silver.a", {("x", "silver.a.x", "identity")}),
        ("SELECT x AS n FROM silver.a", {("n", "silver.a.x", "identity")}),
        ("SELECT x + 1 AS n FROM silver.a", {("n", "silver.a.x", "transformation")}),
        ("SELECT MAX(x) AS n FROM silver.a", {("n", "silver.a.x", "aggregation")}),
        ("SELECT COUNT(*) AS n FROM silver.a", {("n", "silver.a.*", "aggregation")}),
        (
            "SELECT COUNT(*) FILTER (WHERE y > 1) AS n FROM silver.a",
            {("n", "silver.a.*", "aggregation"), ("n", "silver.a.y", "filter")},
        ),
        (
            "SELECT x FROM silver.a WHERE y = 1",
            {("x", "silver.a.x", "identity"), ("x", "silver.a.y", "filter")},
        ),
        (
            "SELECT a.x FROM silver.a LEFT JOIN silver.b ON b.k = a.k",
            {
                ("x", "silver.a.x", "identity"),
                ("x", "silver.a.k", "join"),
                ("x", "silver.b.k", "join"),
            },
        ),
        (
            "WITH s AS (SELECT k, SUM(x) AS n FROM silver.a GROUP BY k) SELECT n * 2 AS n FROM s",
            {("n", "silver.a.x", "aggregation"), ("n", "silver.a.k", "group")},
        ),
        (
            "SELECT k, COUNT(*) AS n FROM silver.a GROUP BY 1",
            {
                ("k", "silver.a.k", "identity"),
                ("n", "silver.a.*", "aggregation"),
                ("n", "silver.a.k", "group"),
            },
        ),
        (
            "SELECT SUM(x) FILTER (WHERE x > 1) AS n FROM silver.a",
            {("n", "silver.a.x", "aggregation"), ("n", "silver.a.x", "filter")},
        ),
        (
            "SELECT DISTINCT x, y + 1 AS y FROM silver.a",
            {
                ("x", "silver.a.x", "identity"),
                ("x", "silver.a.y", "group"),
                ("y", "silver.a.x", "group"),
                ("y", "silver.a.y", "transformation"),
                ("y", "silver.a.y", "group"),
            },
        ),
        (
            "SELECT a.x FROM silver.a CROSS JOIN silver.b",
            {("x", "silver.a.x", "identity"), ("x", "silver.b.*", "join")},
        ),
        (
            "SELECT x FROM silver.a ANTI JOIN (SELECT k FROM silver.b WHERE z > 1) AS b USING (k)",
            {
                ("x", "silver.a.x", "identity"),
                ("x", "silver.a.k", "join"),
                ("x", "silver.b.k", "join"),
                ("x", "silver.b.z", "filter"),
            },
        ),
        (
            "SELECT x FROM silver.a WHERE EXISTS (SELECT 1 FROM silver.b)",
            {("x", "silver.a.x", "identity"), ("x", "silver.b.*", "filter")},
        ),
        (
            "SELECT 1 AS one FROM silver.a",
            {("one", "silver.a.*", "filter")},
        ),
        (
            "SELECT x FROM silver.a EXCEPT SELECT z FROM silver.b",
            {
                ("x", "silver.a.x", "identity"),
                ("x", "silver.a.x", "filter"),
                ("x", "silver.b.z", "filter"),
                ("x", "silver.a.*", "filter"),
                ("x", "silver.b.*", "filter"),
            },
        ),
        (
            "SELECT x AS n FROM silver.a UNION ALL SELECT z FROM silver.b",
            {("n", "silver.a.x", "identity"), ("n", "silver.b.z", "identity")},
        ),
        (
            "SELECT x FROM silver.a WHERE EXISTS (SELECT 1 FROM silver.b WHERE b.k = a.k)",
            {
                ("x", "silver.a.x", "identity"),
                ("x", "silver.a.k", "filter"),
                ("x", "silver.b.k", "filter"),
            },
        ),
        (
            "SELECT (SELECT MAX(z) FROM silver.b) AS n FROM silver.a",
            {("n", "silver.b.z", "aggregation"), ("n", "silver.a.*", "filter")},
        ),
        (
            "SELECT ROW_NUMBER() OVER (PARTITION BY k ORDER BY d) AS n FROM silver.a",
            {
                ("n", "silver.a.k", "window"),
                ("n", "silver.a.d", "window"),
            },
        ),
        (
            "SELECT x FROM silver.a QUALIFY ROW_NUMBER() OVER (ORDER BY d) = 1",
            {("x", "silver.a.x", "identity"), ("x", "silver.a.d", "filter")},
        ),
        (
            "WITH s AS (SELECT * FROM silver.b) SELECT z FROM s",
            {("z", "silver.b.z", "identity")},
        ),
        (
            "SELECT x AS n /* silver.b.z */ FROM silver.a -- really: SELECT z FROM silver.b",
            {("n", "silver.a.x", "identity")},
        ),
    ],
)
def test_edges_are_exact(sql: str, expected: set[tuple[str, str, str]]) -> None:
    """Every construct gives exactly these edges; a comment gives none."""
    assert edges(sql) == expected


def test_every_column_of_every_model_has_an_origin() -> None:
    """Coverage over all models of the checkout is complete."""
    covered, total = coverage(list(LINEAGES.values()))
    assert {name: one.uncovered for name, one in LINEAGES.items() if one.uncovered} == {}
    assert covered == total
    assert total > 100


def test_every_column_has_a_chinese_title() -> None:
    """What no contract describes is inherited from where it was made."""
    titles = described(list(GRAPH.models.values()), CONTRACTS, LINEAGES)
    bare = [
        f"{table}.{column.name}"
        for table, columns in titles.items()
        for column in columns
        if column.title.isascii()
    ]
    assert bare == []


@dataclass(frozen=True)
class Draft:
    """A model that no file holds."""

    table: str
    query: exp.Query
    contract: Table


def test_a_passing_column_inherits_and_levels_travel() -> None:
    """Title, code list and level come along lineage; a computed column is no less secret."""
    sql = "SELECT sex AS s, MAX(birth_date) AS b FROM silver.population GROUP BY sex"
    query = sqlglot.parse_one(sql, read="duckdb")
    assert isinstance(query, exp.Query)
    model = Draft("gold.t", query, Table(name="t", layer="gold", title="表", version="1.0.0"))
    sex, born = described([model], CONTRACTS, lineages([model], CONTRACTS))["gold.t"]
    assert (sex.name, sex.title, sex.codes, sex.level) == ("s", "性别", "sex", "L2")
    assert (born.name, born.type, born.level) == ("b", "date", "L3")


def test_an_unknown_column_is_refused() -> None:
    """A model that reads a column that does not exist is refused with its name."""
    with pytest.raises(ModelError, match=r"sql/gold/t\.sql.*columns of gold\.t cannot be traced"):
        lineage_of("gold.t", "SELECT nothing FROM silver.a", SCHEMA)


def test_markdown_shows_what_decides_the_rows() -> None:
    """The markdown names each column's sources, and once what decides which rows count."""
    text = markdown(lineage_of("gold.t", "SELECT x, 1 AS one FROM silver.a WHERE y = 1", SCHEMA))
    assert "| x | `silver.a.x` | identity |" in text
    assert "| one | | constant |" in text
    assert text.endswith("Rows are decided by: `silver.a.y` (filter).")
