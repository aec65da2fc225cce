"""Every folder beside this file is one test of one model: inputs as CSV, expected rows as YAML.

``inputs/<layer>.<table>.csv`` holds only the columns that matter; all others are NULL, and
``_is_deleted`` is false, and what sites sent is accepted and current. ``expect.yaml`` names the
table, the parameters and the rows, in order, with the columns that are compared. Models between the
inputs and the table are built on the way.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Contracts
from dagster_project.contracts.reader import load
from dagster_project.lineage.describe import base_schema
from dagster_project.paths import schemas_dir, sql_dir
from dagster_project.privacy.suppress import suppress
from dagster_project.transform.models import Graph, Parameters, load_models
from dagster_project.transform.models.build import check_contract
from dagster_project.transform.models.content import describe

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/expect.yaml"))
CONTRACTS = load(schemas_dir())
GRAPH = load_models(sql_dir(), CONTRACTS)
RECEIVING = Workshop.at(HERE / "no home", "receive")
USUAL = {
    "silver": {"_is_deleted": "false"},
    "city": {"revision": "1", "is_current": "true"},
    "ops.received": {"outcome": "accepted", "kind": "report", "revision": "1"},
}


def graph_of(table: str) -> Graph:
    """The models of the duty that a table belongs to."""
    return RECEIVING.graph if table.startswith("city.") else GRAPH


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database with every silver and ops table, and those of what sites sent."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for layer in ("silver", "ops", "gold", "report", "city"):
        con.execute(f"CREATE SCHEMA {layer}")
    given = {
        name: {
            column.name: "TIMESTAMPTZ" if column.type == "timestamp" else column.duck_type
            for column in columns
        }
        for name, columns in RECEIVING.given.items()
    }
    for table, columns in {**base_schema(CONTRACTS), **given}.items():
        body = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        con.execute(f"CREATE TABLE {table} ({body})")
    yield con
    con.close()


def fill(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Insert one CSV; an empty cell is NULL."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        cells = {name: value or None for name, value in row.items()}
        cells = USUAL.get(path.stem, USUAL.get(path.stem.partition(".")[0], {})) | cells
        marks = ", ".join("?" * len(cells))
        names = ", ".join(f'"{name}"' for name in cells)
        con.execute(f"INSERT INTO {path.stem} ({names}) VALUES ({marks})", list(cells.values()))


def make(con: duckdb.DuckDBPyConnection, graph: Graph, table: str, parameters: Parameters) -> None:
    """Build a table and what it needs as the pipeline does, small cells included."""
    for name in (*graph.upstream(table), table):
        model = graph.model(name)
        con.execute(f"CREATE TABLE {name} AS {model.sql(parameters)}")
        suppress(con, name, model.contract)
        check_contract(con, name, model, describe(con, name))


@pytest.mark.parametrize("case", CASES)
def test_model_gives_the_expected_rows(con: duckdb.DuckDBPyConnection, case: str) -> None:
    """The model's rows, in its own order, are those of the folder's expect.yaml."""
    expect: dict[str, Any] = yaml.safe_load((HERE / case / "expect.yaml").read_text("utf-8"))
    for path in sorted((HERE / case / "inputs").glob("*.csv")):
        fill(con, path)
    given = expect["parameters"]
    parameters = Parameters(
        datetime.fromisoformat(given["cut_off_at"]), given["day"], str(given["site_code"])
    )
    make(con, graph_of(expect["table"]), expect["table"], parameters)
    names = list(expect["rows"][0])
    order = ", ".join(f'"{name}"' for name in names)
    found = con.execute(f"SELECT {order} FROM {expect['table']} ORDER BY rowid").fetchall()
    assert [[shown(cell) for cell in row] for row in found] == [
        [shown(cell) for cell in row.values()] for row in expect["rows"]
    ]


def shown(cell: object) -> str:
    """A cell as the YAML writes it: exact decimals, instants in UTC."""
    return cell.isoformat() if isinstance(cell, datetime) else str(cell)


def test_every_contract_and_every_model_load() -> None:
    """No contract and no model of the checkout is refused."""
    assert isinstance(CONTRACTS, Contracts)
    problems = (*CONTRACTS.problems, *GRAPH.problems, *RECEIVING.graph.problems)
    assert [str(problem) for problem in problems] == []


def test_every_model_has_a_folder() -> None:
    """Each report, and each other table that no test goes through, has its own rows."""
    reached = set()
    for case in CASES:
        table = yaml.safe_load((HERE / case / "expect.yaml").read_text("utf-8"))["table"]
        reached |= {table, *graph_of(table).upstream(table)}
    assert {*GRAPH.models, *RECEIVING.graph.models} - reached == set()
