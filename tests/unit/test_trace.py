"""One figure opened into rows of files: exactly the right rows, and the same figure from them."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts import load
from dagster_project.errors import UsageError
from dagster_project.lineage.describe import base_schema, lineages
from dagster_project.lineage.opening.figure import Asked, Openings
from dagster_project.lineage.trace import SourceRow, Trace, grounds_of, trace, traced
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.privacy.suppress import suppress
from dagster_project.transform.models import Parameters, load_models

CONTRACTS = load(schemas_dir())
GRAPH = load_models(sql_dir(), CONTRACTS)
LINEAGES = lineages(GRAPH.models.values(), CONTRACTS)
PARAMETERS = Parameters(datetime(2026, 5, 31, 12, 30, tzinfo=UTC), date(2026, 5, 31), "140321")
TOWNS = {"140321100000": "冠山镇", "140321101000": "冶西镇"}
VILLAGES = ("140321100001", "140321100002", "140321101201")
# row of the file, village, usage, area, rent status, deleted
HOUSES = [
    (row, village, usage, Decimal(row) / 4, rent, row % 7 == 0)
    for row, (village, usage, rent) in enumerate(
        itertools.islice(itertools.cycle(itertools.product(VILLAGES, ("10", "20"), "012")), 40), 2
    )
]
PAYMENTS = [
    (row, "AB"[row % 2], Decimal(row * 100 + 5) / 100, str(row % 5)) for row in range(2, 30)
]


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small county: towns, houses, organisations, payments, and all gold and report tables."""
    path = tmp_path_factory.mktemp("small") / "county.duckdb"
    con = duckdb.connect(path)
    con.execute("SET TimeZone = 'UTC'")
    for layer in ("bronze", "silver", "ops", "gold", "report"):
        con.execute(f"CREATE SCHEMA {layer}")
    for table, columns in base_schema(CONTRACTS).items():
        body = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        con.execute(f"CREATE TABLE {table} ({body})")
    put(
        con,
        "division",
        [(n, c, t, False) for n, (c, t) in enumerate(TOWNS.items(), 2)],
        "code name",
    )
    rows = [(r, v, u, a, s, f"h{r}", d) for r, v, u, a, s, d in HOUSES]
    put(con, "house", rows, "village_code usage area_m2 rent_status house_code")
    orgs = [(2, "A", "140321100000", "1", True, False), (3, "B", "140321101000", "1", False, False)]
    put(con, "collective_org", orgs, "org_code town_code status books_separated")
    paid = [(r, f"p{r}", o, a, m, "50", False) for r, o, a, m in PAYMENTS]
    put(con, "payment", paid, "pay_no org_code amount pay_method status")
    for feed in CONTRACTS.feeds:
        place = "_batch_id, _sheet, _source_row"
        con.execute(f"CREATE TABLE bronze.{feed} AS SELECT {place} FROM silver.{feed}")
        con.execute(
            "INSERT INTO ops.batch (batch_id, feed, path, sha256) VALUES (?, ?, ?, ?)",
            [f"batch-{feed}", feed, f"部门/{feed}.csv", f"sha-{feed}"],
        )
    for name, model in GRAPH.models.items():
        con.execute(f"CREATE TABLE {name} AS {model.sql(PARAMETERS)}")
        suppress(con, name, model.contract)
    con.close()
    return path


@pytest.fixture
def con(county: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the small county, to be changed."""
    with duckdb.connect(shutil.copy(county, tmp_path)) as con:
        con.execute("SET TimeZone = 'UTC'; SET threads = 1")  # the statements are tiny
        yield con


def put(
    con: duckdb.DuckDBPyConnection, feed: str, rows: list[tuple[object, ...]], columns: str
) -> None:
    """Insert silver rows: the file's row number first, whether they are deleted last."""
    names = f"_source_row, {', '.join(columns.split())}, _is_deleted, _batch_id, _sheet"
    marks = ", ".join("?" * (len(columns.split()) + 2))
    con.executemany(
        f"INSERT INTO silver.{feed} ({names}) VALUES ({marks}, 'batch-{feed}', '')", rows
    )


def opened(con: duckdb.DuckDBPyConnection, table: str, column: str, where: dict[str, str]) -> Trace:
    """Trace one figure of the small county."""
    literals = PARAMETERS.literals()
    return trace(con, GRAPH, CONTRACTS, LINEAGES, literals, table, where, column)


def giving(found: Trace) -> list[SourceRow]:
    """The rows whose values flow into the figure."""
    return [row for row in found.rows if not row.deciding]


def in_town(village: str, town: str) -> bool:
    """Whether a village lies in a town, or the town is the whole county."""
    return town == "140321000000" or village[:9] == town[:9]


@pytest.mark.parametrize("usage", ["10", "20", "all"])
@pytest.mark.parametrize("town", ["140321000000", "140321100000", "140321101000"])
def test_a_report_figure_opens_to_exactly_its_rows(
    con: duckdb.DuckDBPyConnection, town: str, usage: str
) -> None:
    """Rented houses of a town and usage: the file rows are those that a plain loop finds."""
    oracle = [
        row
        for row, village, kind, _, rent, deleted in HOUSES
        if in_town(village, town) and usage in {kind, "all"} and rent == "1" and not deleted
    ]
    found = opened(con, "report.house_by_town", "rented_cnt", {"town_code": town, "usage": usage})
    assert [row.row for row in giving(found)] == sorted(oracle)
    assert found.figure == found.recomputed == len(oracle) == found.row_count
    assert found.equal
    assert not oracle or found.files[0].path == "部门/house.csv"


def test_a_figure_opens_to_the_files_of_a_batch_of_several(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """A row says the file that it came in and the sheet of that file, not the manifest's name."""
    odd = "_source_row % 2 = 1"
    for table in ("silver", "bronze"):
        for name, rows in (("甲.csv", f"NOT {odd}"), ("乙.xlsx/一", odd)):
            con.execute(f"UPDATE {table}.house SET _sheet = '{name}' WHERE {rows}")
    for name in ("甲.csv", "乙.xlsx"):
        con.execute(
            "INSERT INTO ops.batch_file (batch_id, feed, sheet_prefix, path, sha256)"
            " VALUES ('batch-house', 'house', ?, ?, ?)",
            [name, f"部门/{name}", f"sha-{name}"],
        )
    where = {"town_code": "140321000000", "usage": "all"}
    found = opened(con, "report.house_by_town", "rented_cnt", where)
    assert {(one.path, one.sha256) for one in found.files if not one.deciding} == {
        ("部门/甲.csv", "sha-甲.csv"),
        ("部门/乙.xlsx", "sha-乙.xlsx"),
    }
    assert {(one.path, one.sheet, one.row % 2) for one in giving(found)} == {
        ("部门/甲.csv", "", 0),
        ("部门/乙.xlsx", "一", 1),
    }
    assert found.equal


def test_a_sum_of_money_opens_through_a_join(con: duckdb.DuckDBPyConnection) -> None:
    """Cash of a town: only the cash payments of its organisations, and their exact sum."""
    cash = [(row, amount) for row, org, amount, method in PAYMENTS if org == "A" and method == "4"]
    found = opened(con, "report.three_assets", "cash_yuan", {"town_code": "140321100000"})
    assert {row.row for row in giving(found)} == {row for row, _ in cash}
    assert {row.table for row in giving(found)} == {"silver.payment"}
    assert found.figure == found.recomputed == sum(amount for _, amount in cash)


def test_a_rate_opens_to_its_numerator_and_denominator(con: duckdb.DuckDBPyConnection) -> None:
    """The cash share is made of every payment, and is computed again exactly."""
    found = opened(con, "report.three_assets", "cash_pct", {"town_code": "140321000000"})
    assert found.row_count == len(PAYMENTS)
    assert found.equal


@pytest.mark.parametrize(
    ("rows", "least"), [(1, 30), pytest.param(10**6, 100, marks=pytest.mark.thorough)]
)
def test_every_figure_of_every_table_is_equal(
    con: duckdb.DuckDBPyConnection, rows: int, least: int
) -> None:
    """Each figure of (some rows of) each table from files opens and agrees, zeros included."""
    checked = 0
    grounds = grounds_of(GRAPH, CONTRACTS, LINEAGES, PARAMETERS.literals())
    openings = Openings(con, grounds)
    for name, model in GRAPH.models.items():
        if any(table.startswith("ops.") for table in base_tables(name)):
            continue
        key = model.contract.key
        figures = [c.name for c in model.contract.columns if c.unit and c.name not in key]
        query = f"SELECT {', '.join(key)} FROM {name} ORDER BY ALL LIMIT {rows}"
        for row in con.execute(query).fetchall():
            for column in figures:
                asked = Asked(name, dict(zip(key, map(str, row), strict=True)), column)
                found = traced(con, asked, openings.open(asked))
                assert found.equal, (name, row, column, found.figure, found.recomputed)
                checked += 1
    assert checked > least


def base_tables(name: str) -> set[str]:
    """The tables below a model that no model makes."""
    names = {
        table for model in (*GRAPH.upstream(name), name) for table in GRAPH.model(model).inputs
    }
    return names - set(GRAPH.models)


def test_a_changed_silver_row_is_noticed(con: duckdb.DuckDBPyConnection) -> None:
    """A figure whose source rows were changed after it was made no longer agrees."""
    where = {"town_code": "140321000000", "usage": "10"}
    con.execute("UPDATE silver.house SET area_m2 = area_m2 + 0.01 WHERE _source_row = 2")
    assert not opened(con, "report.house_by_town", "area_sqm", where).equal


def test_a_changed_row_number_is_noticed(con: duckdb.DuckDBPyConnection) -> None:
    """A silver row whose bronze row is not there makes the trace fail."""
    where = {"town_code": "140321000000", "usage": "10"}
    con.execute("UPDATE bronze.house SET _source_row = 999 WHERE _source_row = 2")
    found = opened(con, "report.house_by_town", "house_cnt", where)
    assert (found.missing, found.equal) == (1, False)
    assert found.figure == found.recomputed


def test_a_figure_about_the_programme_opens_to_its_ledger(con: duckdb.DuckDBPyConnection) -> None:
    """Rows read on a day: those of the task's runs, whose ledger rows are named as such."""
    con.execute("INSERT INTO ops.feed (feed, title) VALUES ('house', '房屋'), ('asset', '资产')")
    con.execute(
        "INSERT INTO ops.task_run (task, kind, status, day, finished_at, read)"
        " SELECT task, 'feed', 'success', DATE '2026-05-31',"
        " TIMESTAMPTZ '2026-05-31 01:00:00+00', read"
        " FROM (VALUES ('house', 3), ('house', 4), ('asset', 5)) AS runs(task, read)"
    )
    model = GRAPH.model("report.task_execution")
    con.execute(f"INSERT INTO {model.table} {model.sql(PARAMETERS)}")
    found = opened(con, model.table, "read_cnt", {"task": "house"})
    assert (found.figure, found.recomputed, found.equal) == (7, 7, True)
    told = {one.table: one.rows for one in found.ledgers if not one.deciding}
    assert told == {"ops.task_run": 2}


@pytest.mark.parametrize(
    ("table", "column", "where", "sentence"),
    [
        ("report.nothing", "n", {}, "there is no table report.nothing"),
        ("report.house_by_town", "n", {}, "has no column n"),
        ("report.house_by_town", "usage", {}, "usage names the rows"),
        ("report.house_by_town", "house_cnt", {"usage": "10"}, "one is needed"),
        ("report.house_by_town", "house_cnt", {"usage": "x"}, "0 rows"),
    ],
)
def test_a_wrong_question_is_answered(
    con: duckdb.DuckDBPyConnection, table: str, column: str, where: dict[str, str], sentence: str
) -> None:
    """A question that names no single figure is refused with what to do."""
    with pytest.raises(UsageError, match=sentence):
        opened(con, table, column, where)
