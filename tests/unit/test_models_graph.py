"""``sql/`` becomes a graph: order from the SQL, layers held, bad models named and left out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dagster_project.contracts import load
from dagster_project.contracts.model import Contracts, Table
from dagster_project.errors import ModelError
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.transform.models import Graph, Parameters, load_models

REAL = load(schemas_dir())
NAMES = ("a", "b", "c", "d")


def graph(folder: Path, files: dict[str, str]) -> Graph:
    """Load models from files of these texts; every table has a contract of its own."""
    for name, text in files.items():
        path = folder / f"{name.replace('.', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tables = {
        (layer, name): Table(name=name, layer=layer, title=name, version="1.0.0", key=("k",))
        for layer in ("gold", "report")
        for name in NAMES
    }
    return load_models(folder, Contracts(feeds=REAL.feeds, tables=tables, codes={}))


def test_the_checkout_loads_without_a_problem() -> None:
    """Every model of the checkout has a contract, reads what exists and comes after it."""
    found = load_models(sql_dir(), REAL)
    assert [str(problem) for problem in found.problems] == []
    seen: set[str] = set()
    for name, model in found.models.items():
        assert set(model.inputs) & set(found.models) <= seen, name
        seen.add(name)


def test_order_comes_from_the_sql(tmp_path: Path) -> None:
    """A model comes after what it reads, whatever the names say."""
    found = graph(
        tmp_path,
        {
            "gold.a": "SELECT k FROM gold.c",
            "gold.c": "SELECT code AS k FROM silver.division WHERE NOT _is_deleted",
            "report.b": "SELECT k FROM gold.a ORDER BY k",
        },
    )
    assert list(found.models) == ["gold.c", "gold.a", "report.b"]
    assert found.upstream("report.b") == ("gold.c", "gold.a")
    assert found.models["gold.c"].inputs == ("silver.division",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SELECT k FROM silver.house ORDER BY k", "may not read silver.house"),
        ("SELECT k FROM bronze.house ORDER BY k", "may not read bronze.house"),
        ("SELECT k FROM house ORDER BY k", "'house' has no layer"),
        ("SELECT k FROM gold.nothing ORDER BY k", "which no feed and no model makes"),
        ("SELECT CAST(:now AS DATE) AS k", "No run gives the parameter :now"),
        ("SELECT 1 AS k; SELECT 2 AS k", "exactly one SELECT"),
        ("DROP TABLE gold.a", "exactly one SELECT"),
        ("SELECT FROM", "cannot be read"),
    ],
)
def test_a_bad_model_is_named_and_the_others_load(tmp_path: Path, text: str, sentence: str) -> None:
    """The problem says file and what to change; a model that reads the bad one goes too."""
    found = graph(
        tmp_path,
        {
            "gold.a": "SELECT code AS k FROM silver.division WHERE NOT _is_deleted",
            "report.b": text,
            "report.c": "SELECT k FROM report.b ORDER BY k",
        },
    )
    assert list(found.models) == ["gold.a"]
    assert {problem.path for problem in found.problems} == {"sql/report/b.sql", "sql/report/c.sql"}
    assert sentence in found.problems[0].sentence


def test_a_model_without_a_contract_is_refused(tmp_path: Path) -> None:
    """Every table has a contract, and the sentence says which file to write."""
    found = graph(tmp_path, {"gold.x": "SELECT 1 AS k"})
    assert "Write schemas/gold/x.yaml" in found.problems[0].sentence


def test_a_circle_is_named(tmp_path: Path) -> None:
    """Models that read one another are all named; the rest loads."""
    found = graph(
        tmp_path,
        {
            "gold.a": "SELECT k FROM gold.b",
            "gold.b": "SELECT k FROM gold.a",
            "gold.c": "SELECT code AS k FROM silver.division WHERE NOT _is_deleted",
        },
    )
    assert list(found.models) == ["gold.c"]
    assert {problem.path for problem in found.problems} == {"sql/gold/a.sql", "sql/gold/b.sql"}


def test_parameters_become_typed_literals(tmp_path: Path) -> None:
    """The SQL that runs holds no placeholder; instants are written in UTC."""
    text = "SELECT CAST(:site_code AS VARCHAR) AS k FROM ops.batch WHERE committed_at < :cut_off_at"
    model = graph(tmp_path, {"gold.a": text}).model("gold.a")
    assert model.parameters == ("cut_off_at", "site_code")
    sql = model.sql(Parameters(datetime(2026, 5, 31, 12, tzinfo=UTC), date(2026, 5, 31), "140321"))
    assert "CAST('140321' AS TEXT) AS k" in sql
    assert "CAST('2026-05-31 12:00:00+00:00' AS TIMESTAMPTZ)" in sql


def test_comments_and_blanks_do_not_change_the_hash(tmp_path: Path) -> None:
    """Only what the SQL means decides whether a table must be built anew."""
    one = graph(tmp_path / "1", {"gold.a": "SELECT code AS k FROM silver.division"})
    two = graph(tmp_path / "2", {"gold.a": "-- why\nselect code as k\n  from silver.division"})
    assert one.model("gold.a").hash == two.model("gold.a").hash


def test_an_unknown_table_is_a_sentence() -> None:
    """Asking for a table that no model makes lists those that exist."""
    with pytest.raises(ModelError, match=r"no SQL model makes the table gold\.x.*Known tables"):
        load_models(sql_dir(), REAL).model("gold.x")
