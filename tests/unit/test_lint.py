"""The lint of SQL models: every model of the checkout passes, every forbidden form is found."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts import load
from dagster_project.lineage.lint import Finding, lint, lint_file
from dagster_project.paths import schemas_dir, sql_dir

FILES = sorted(sql_dir().glob("*/*.sql"))
CONTRACTS = load(schemas_dir())
TABLES = CONTRACTS.tables

WRONG = {
    "clock": "SELECT CURRENT_DATE AS a, b FROM gold.t ORDER BY b",
    "chance": "SELECT RANDOM() AS a, b FROM gold.t ORDER BY b",
    "float": "SELECT CAST(SUM(CAST(a AS DOUBLE)) AS BIGINT) AS a FROM gold.t ORDER BY a",
    "unordered-aggregate": "SELECT STRING_AGG(a, ',') AS a FROM gold.t ORDER BY a",
    "unordered-window": (
        "SELECT a, ROW_NUMBER() OVER (PARTITION BY a) AS n FROM gold.t ORDER BY a, n"
    ),
    "unordered-limit": ("WITH few AS (SELECT a FROM gold.t LIMIT 3) SELECT a FROM few ORDER BY a"),
    "distinct-on": "SELECT DISTINCT ON (a) a, b FROM gold.t ORDER BY a, b",
    "approximate": "SELECT APPROX_COUNT_DISTINCT(a) AS a FROM gold.t ORDER BY a",
    "union-by-name": "SELECT a FROM gold.t UNION BY NAME SELECT a FROM gold.u ORDER BY a",
    "lateral": "SELECT a FROM gold.t, LATERAL (SELECT t.a AS b) AS l ORDER BY a",
    "columns-expression": "SELECT COLUMNS('a.*') FROM gold.t ORDER BY a",
    "pivot": "SELECT a FROM gold.t PIVOT (MAX(b) FOR c IN (1, 2)) ORDER BY a",
    "not-a-select": "PIVOT gold.t ON a USING MAX(b)",
    "unnest": "SELECT UNNEST(a) AS a FROM gold.t ORDER BY a",
    "natural-join": "SELECT a FROM gold.t NATURAL JOIN gold.u ORDER BY a",
    "recursive": (
        "WITH RECURSIVE r AS (SELECT a FROM gold.t UNION SELECT a FROM r) "
        "SELECT a FROM r ORDER BY a"
    ),
    "select-star": "SELECT * FROM gold.t ORDER BY a",
    "unnamed-column": "SELECT a || 'x', b FROM gold.t ORDER BY b",
    "deleted-rows": "SELECT a FROM silver.t WHERE a > 1 ORDER BY a",
    "uncast-sum": "SELECT SUM(a) AS a FROM gold.t ORDER BY a",
    "uncast-trunc": "SELECT DATE_TRUNC('month', a) AS a FROM gold.t ORDER BY a",
    "date-diff": "SELECT DATE_DIFF('month', a, b) AS a FROM gold.t ORDER BY a",
    "day-of-week": "SELECT DAYOFWEEK(a) AS a FROM gold.t ORDER BY a",
    "extract": "SELECT EXTRACT(EPOCH FROM a) AS a FROM gold.t ORDER BY a",
    "try-cast": "SELECT TRY_CAST(a AS INTEGER) AS a FROM gold.t ORDER BY a",
    "regexp-replace": "SELECT REGEXP_REPLACE(a, 'b', 'c') AS a FROM gold.t ORDER BY a",
    "percentile": "SELECT MEDIAN(a) AS a FROM gold.t ORDER BY a",
    "nested-value": "SELECT {'b': b} AS a FROM gold.t ORDER BY a",
    "asof-join": "SELECT t.a FROM gold.t ASOF JOIN gold.u ON t.a >= u.a ORDER BY a",
    "group-by-all": "SELECT a, COUNT(*) AS n FROM gold.t GROUP BY ALL ORDER BY a",
    "no-order": "SELECT a FROM gold.t",
    "partial-order": "SELECT a, b FROM gold.t ORDER BY b",
    "unreadable": "SELECT FROM WHERE",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_model_passes(path: Path) -> None:
    """No SQL of the checkout breaks a rule of the house."""
    layer = path.parent.name
    table = next(t for (where, name), t in TABLES.items() if (where, name) == (layer, path.stem))
    entities = CONTRACTS.items.entities
    found = lint_file(path, layer, f"sql/{layer}/{path.name}", key=table.key, entities=entities)
    assert [str(finding) for finding in found] == []


@pytest.mark.parametrize("code", WRONG)
def test_a_forbidden_form_is_found(code: str) -> None:
    """Each forbidden form is found, with a reason and what to write instead."""
    found = {finding.code: finding for finding in lint(WRONG[code], "report", "x.sql", key=["a"])}
    assert code in found
    assert found[code].reason
    assert found[code].fix


def test_every_function_that_changes_its_mind_is_law() -> None:
    """No function of the engine whose answer may differ from query to query passes."""
    with duckdb.connect() as con:
        names = con.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'scalar'"
            " AND stability <> 'CONSISTENT' AND regexp_full_match(function_name, '[a-z_0-9]+')"
        ).fetchall()
    passing = [
        name
        for (name,) in names
        if not any(one.is_law for one in lint(f"SELECT {name}() AS a FROM gold.t", "gold", "x"))
    ]
    assert len(names) > 20
    assert passing == []


@pytest.mark.parametrize(
    "value",
    [
        "SUM(a) OVER (ROWS 1 PRECEDING)",
        "ROW_NUMBER() OVER (ORDER BY 1)",
        "NTILE(3) OVER ()",
        "SIN(a)",
        "1e3",
        "a ** 2",
        "CURRENT_USER",
        "CURRENT_SETTING('threads')",
        "REGR_SLOPE(a, b)",
        "PERCENT_RANK() OVER (ORDER BY a)",
        "EPOCH(a)",
        "a COLLATE NOCASE",
        "LIST_DISTINCT(LIST(a ORDER BY a))",
    ],
)
def test_what_differs_by_machine_or_order_is_law(value: str) -> None:
    """Floating curves, the session, and windows whose rows stand in no order."""
    found = lint(f"SELECT {value} AS a FROM gold.t", "gold", "x")
    assert any(one.is_law for one in found)


def test_a_named_window_has_its_order() -> None:
    """The order of a window that the query names is the window's own."""
    text = "SELECT ROW_NUMBER() OVER w AS n FROM gold.t WINDOW w AS (ORDER BY a)"
    assert lint(text, "gold", "x.sql") == []


def test_a_finding_names_file_and_line() -> None:
    """A finding points at the line that must be changed."""
    text = "SELECT\n  a,\n  NOW() AS b\nFROM gold.t\nORDER BY a"
    assert lint(text, "report", "sql/report/x.sql") == [
        Finding(
            "sql/report/x.sql",
            3,
            "clock",
            "the result would be another on another day",
            "Use :cut_off_at or :day",
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        (
            "SELECT s.a FROM silver.s AS s JOIN silver.t AS t ON NOT t._is_deleted "
            "WHERE NOT s._is_deleted"
        ),
        "SELECT a FROM silver.s WHERE NOT _is_deleted AND a > 1",
        "SELECT STRING_AGG(a, ',' ORDER BY a) AS a FROM gold.t",
        "SELECT CAST(SUM(a) AS BIGINT) // 2 AS a FROM gold.t",
        "WITH t AS (SELECT * FROM gold.t) SELECT a FROM t",
    ],
)
def test_an_allowed_form_passes(text: str) -> None:
    """The form that the fix recommends is not a finding itself."""
    assert lint(text, "gold", "x.sql") == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT s.a FROM silver.s AS s JOIN silver.t AS t ON t.a = s.a WHERE NOT s._is_deleted",
        "SELECT a FROM silver.s WHERE NOT _is_deleted OR a > 1",
        "SELECT a FROM silver.s -- WHERE NOT _is_deleted",
    ],
)
def test_deleted_rows_are_kept_out_of_every_source(text: str) -> None:
    """Each silver table needs its own condition, in every case and not in a comment."""
    assert [finding.code for finding in lint(text, "gold", "x.sql")] == ["deleted-rows"]


def test_an_entity_holds_living_rows_only() -> None:
    """Nothing is to be left out of a table that has one row per living key."""
    text = "SELECT p.id_no FROM silver.person AS p"
    assert lint(text, "gold", "x.sql", entities=["person"]) == []
    assert [one.code for one in lint(text, "gold", "x.sql")] == ["deleted-rows"]
