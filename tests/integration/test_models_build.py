"""Building tables in a real lake: only what changed is written, and everything is on record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts import load
from dagster_project.contracts.model import Column
from dagster_project.errors import ModelError
from dagster_project.lake import Lake, Writer
from dagster_project.lineage.describe import base_schema, described, lineages
from dagster_project.paths import Home, schemas_dir, sql_dir
from dagster_project.privacy.suppress import suppress
from dagster_project.settings import Settings
from dagster_project.transform.models import (
    BuildResult,
    Parameters,
    build,
    load_models,
    parameters_of,
    register_feeds,
)
from dagster_project.transform.models.content import content_hash

CONTRACTS = load(schemas_dir())
GRAPH = load_models(sql_dir(), CONTRACTS)
TITLES = described(
    list(GRAPH.models.values()), CONTRACTS, lineages(GRAPH.models.values(), CONTRACTS)
)
NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
PARAMETERS = Parameters(NOON, date(2026, 5, 31), "140321")
HOUSES = (*GRAPH.upstream("report.house_by_town"), "report.house_by_town")
HOUSE = "INSERT INTO silver.house (house_code, village_code, usage, area_m2, _is_deleted) VALUES {}"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A lake with every silver table, two houses, and the catalogue of feeds."""
    with Lake(Home(tmp_path), Settings()).writer("testing models") as writer:
        with writer.transaction("silver"):
            for table, columns in base_schema(CONTRACTS).items():
                if table.startswith("silver."):
                    body = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
                    writer.con.execute(f"CREATE TABLE {table} ({body})")
            writer.con.execute(HOUSE.format("('h1', '140321100001', '10', 80.5, false)"))
            register_feeds(writer.con, CONTRACTS)
        yield writer


def make(
    writer: Writer, table: str, minute: int, parameters: Parameters = PARAMETERS
) -> BuildResult:
    """Build one table in a transaction of its own, at a minute past noon."""
    with writer.transaction(f"build {table}"):
        return build(
            writer.con,
            GRAPH.model(table),
            parameters,
            run_id=f"run-{minute}",
            built_at=NOON + timedelta(minutes=minute),
            suppress=suppress,
            columns=TITLES[table],
        )


def make_all(writer: Writer, minute: int, tables: Iterable[str] = HOUSES) -> dict[str, BuildResult]:
    """Build tables, in order; by default those that lead to the report on houses."""
    return {table: make(writer, table, minute) for table in tables}


def builds(writer: Writer) -> int:
    """How many builds are on record."""
    row = writer.con.execute("SELECT COUNT(*) FROM ops.model_build").fetchone()
    return row[0] if row else 0


def test_a_second_run_evaluates_and_writes_nothing(writer: Writer) -> None:
    """Nothing new: no evaluation, no snapshot, no record, the same content hashes."""
    first = make_all(writer, 1, GRAPH.models)
    before = builds(writer)
    second = make_all(writer, 2, GRAPH.models)
    assert all(result.evaluated and result.changed for result in first.values())
    assert not any(result.evaluated or result.changed for result in second.values())
    assert builds(writer) == before == len(GRAPH.models)
    assert {n: r.content_hash for n, r in first.items()} == {
        n: r.content_hash for n, r in second.items()
    }


def test_a_change_that_changes_nothing_stops_where_it_ends(writer: Writer) -> None:
    """A new silver row that no figure counts evaluates its readers and nothing below them."""
    make_all(writer, 1)
    with writer.transaction("a deleted house"):
        writer.con.execute(HOUSE.format("('h2', '140321100001', '10', 9.5, true)"))
    again = make_all(writer, 2)
    evaluated = {name for name, result in again.items() if result.evaluated}
    assert evaluated == {"gold.house_by_town_usage", "gold.town"}
    assert not any(result.changed for result in again.values())


def test_a_changed_row_reaches_the_report(writer: Writer) -> None:
    """A new house changes the gold table and the report, and nothing else."""
    make_all(writer, 1)
    with writer.transaction("a house"):
        writer.con.execute(HOUSE.format("('h2', '140321100001', '20', 9.5, false)"))
    again = make_all(writer, 2)
    assert {name for name, result in again.items() if result.changed} == {
        "gold.house_by_town_usage",
        "report.house_by_town",
    }
    row = writer.con.execute(
        "SELECT house_cnt, area_sqm FROM report.house_by_town "
        "WHERE town_code = '140321000000' AND usage = 'all'"
    ).fetchone()
    assert row is not None
    assert (row[0], str(row[1])) == (2, "90.00")


def test_only_used_parameters_cause_a_build(writer: Writer) -> None:
    """Another day means nothing to a table that does not ask for the day."""
    tables = ("gold.house_by_town_usage", "gold.population_by_town_sex_age")
    make_all(writer, 1, tables)
    later = Parameters(NOON + timedelta(days=1), date(2026, 6, 1), "140321")
    assert not make(writer, "gold.house_by_town_usage", 2, later).evaluated
    result = make(writer, "gold.population_by_town_sex_age", 2, later)
    assert (result.evaluated, result.changed) == (True, False)
    found = parameters_of(writer.con, GRAPH, "report.population_by_town", PARAMETERS)
    assert found.day == date(2026, 6, 1)
    assert found.cut_off_at == NOON


def test_tables_carry_chinese_comments(writer: Writer) -> None:
    """Whoever opens the lake reads titles, inherited ones too."""
    make_all(writer, 1)
    found = dict(
        writer.con.execute(
            "SELECT column_name, comment FROM duckdb_columns() "
            "WHERE schema_name = 'report' AND table_name = 'house_by_town'"
        ).fetchall()
    )
    assert found["town_name"] == "乡镇名称"
    assert found["house_cnt"] == "房屋数"


def test_a_report_of_persons_is_never_built_unsuppressed(writer: Writer) -> None:
    """Forgetting suppression is an error, not a leak."""
    with (
        pytest.raises(ModelError, match="without small-cell suppression"),
        writer.transaction("build"),
    ):
        build(
            writer.con,
            GRAPH.model("report.population_by_town"),
            PARAMETERS,
            run_id="r",
            built_at=NOON,
        )


def test_a_failed_build_leaves_the_table_as_it_was(writer: Writer) -> None:
    """A result that breaks the contract is refused, and nothing of it stays."""
    make_all(writer, 1)
    before = content_hash(writer.con, "gold.house_by_town_usage")
    with writer.transaction("a house of no usage"):
        writer.con.execute("ALTER TABLE silver.house DROP COLUMN area_m2")
    with pytest.raises(ModelError, match=r"sql/gold/house_by_town_usage\.sql: the SELECT"):
        make(writer, "gold.house_by_town_usage", 2)
    assert content_hash(writer.con, "gold.house_by_town_usage") == before


def test_the_catalogue_is_written_only_when_it_changed(writer: Writer) -> None:
    """Registering the same contracts twice writes once, feeds never delivered included."""
    with writer.transaction("again"):
        assert not register_feeds(writer.con, CONTRACTS)
    row = writer.con.execute("SELECT COUNT(*) FROM ops.feed").fetchone()
    assert row is not None
    assert row[0] == len(CONTRACTS.feeds)


def test_the_content_hash_knows_every_value_and_no_order() -> None:
    """Order and time zone do not enter; a value, a name, a type, a NULL or a boundary does."""
    with duckdb.connect() as con:
        seen = []
        for sql in (
            "SELECT * FROM (VALUES ('ab', 'c'), ('x', NULL)) AS t(a, b)",
            "SELECT * FROM (VALUES ('a', 'bc'), ('x', NULL)) AS t(a, b)",
            "SELECT * FROM (VALUES ('ab', 'c'), ('x', '')) AS t(a, b)",
            "SELECT * FROM (VALUES ('ab', 'c'), ('x', NULL)) AS t(a, c)",
            "SELECT * FROM (VALUES ('ab', 'c'), ('x', NULL), ('x', NULL)) AS t(a, b)",
            "SELECT a, b::VARCHAR[] AS b FROM (VALUES ('ab', ['c']), ('x', NULL)) AS t(a, b)",
        ):
            con.execute(f"CREATE OR REPLACE TEMP TABLE h AS {sql}")
            seen.append(content_hash(con, "h")[0])
        assert len(set(seen)) == len(seen)
        other = "SELECT * FROM (VALUES ('x', NULL), ('ab', 'c')) AS t(a, b)"
        con.execute(f"CREATE OR REPLACE TEMP TABLE h AS {other}")
        assert content_hash(con, "h")[0] == seen[0]
        hashes = set()
        for zone in ("UTC", "Asia/Shanghai"):
            con.execute(f"SET TimeZone = '{zone}'")
            instant = "SELECT TIMESTAMPTZ '2026-05-31 12:00:00+00' AS t"
            con.execute(f"CREATE OR REPLACE TEMP TABLE h AS {instant}")
            hashes.add(content_hash(con, "h")[0])
        assert len(hashes) == 1


def test_titles_cover_every_column() -> None:
    """Every built column is described, so that comments and packages have titles."""
    assert all(isinstance(c, Column) and c.title for columns in TITLES.values() for c in columns)
