"""Questions to the replica: SELECT alone, nothing written, nothing read beside it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.components.steps.question import ask
from dagster_project.errors import UsageError
from dagster_project.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one published table."""
    home = Home(tmp_path / "county")
    (home.published / "1").mkdir(parents=True)
    (home.published / "current").symlink_to("1")
    with duckdb.connect(str(home.published / "1" / "county.duckdb")) as con:
        con.execute("CREATE TABLE town AS SELECT '冠山镇' AS name")
    return home


@pytest.mark.parametrize("query", ["FROM town", "SHOW ALL TABLES", "SELECT name FROM town;"])
def test_a_select_is_answered(home: Home, query: str) -> None:
    """Everything that only reads the replica."""
    assert len(ask(home, query, 10).rows) == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- nothing",
        "COPY (SELECT 1) TO '{published}/1/mine.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{published}/mine.csv'",
        "SELECT 1; COPY (SELECT 1) TO '{published}/mine.csv'",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{published}/mine.csv''')",
        "SELECT * FROM read_text('{published}/../secret.txt')",
        "ATTACH '{published}/mine.duckdb' AS mine",
        "SET lock_configuration = false",
    ],
)
def test_nothing_else_is_and_no_file_appears(home: Home, query: str) -> None:
    """Also not in the replica's own folder, where the masked copies lie."""
    (home.root / "secret.txt").write_text("secret", encoding="utf-8")
    before = sorted(home.root.rglob("*"))
    with pytest.raises(UsageError):
        ask(home, query.format(published=home.published), 10)
    assert sorted(home.root.rglob("*")) == before
