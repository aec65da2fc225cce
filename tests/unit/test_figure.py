"""Figures that are made by comparing rows: opened with all rows that they are compared with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from dagster_project.contracts.model import Table
from dagster_project.lineage.opening.figure import Asked, Figure, Grounds, open_figure
from dagster_project.lineage.packages import Share, feeds_giving, shares

SCHEMA = {"city.told": dict.fromkeys(("site", "kind", "cnt", "package_id"), "UNKNOWN")}
RANKED = """
WITH best AS (
  SELECT site, kind, MAX(cnt) AS cnt FROM city.told AS told GROUP BY site, kind
)
SELECT
  site,
  kind,
  cnt,
  RANK() OVER (PARTITION BY kind ORDER BY cnt DESC) AS place,
  COUNT(*) OVER () AS all_cnt
FROM best
"""


@dataclass(frozen=True)
class Model:
    """As much of a model as is needed to open it."""

    table: str
    query: exp.Query
    contract: Table


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Four sites, two kinds, several packages each."""
    con = duckdb.connect()
    con.execute("CREATE SCHEMA city")
    con.execute(
        "CREATE TABLE city.told AS SELECT site, kind, site * 10 - step AS cnt,"
        " site || '-' || step AS package_id FROM range(1, 5) AS s(site),"
        " (VALUES ('a'), ('b')) AS k(kind), range(2) AS t(step)"
    )
    con.execute(f"CREATE TABLE city.ranked AS {RANKED}")
    yield con
    con.close()


def opened(con: duckdb.DuckDBPyConnection, column: str) -> Figure:
    """One figure of the third site's kind a."""
    query = sqlglot.parse_one(RANKED, read="duckdb")
    assert isinstance(query, exp.Query)
    contract = Table("ranked", "city", "排名", "1.0.0", key=("site", "kind"))
    models = {"city.ranked": Model("city.ranked", query, contract)}
    columns = ("site", "kind", "cnt", "place", "all_cnt")
    schema = {**SCHEMA, "city.ranked": dict.fromkeys(columns, "UNKNOWN")}
    grounds = Grounds(models, schema, {}, {"city.told": ("site", "kind", "package_id")})
    return open_figure(con, grounds, Asked("city.ranked", {"site": "3", "kind": "a"}, column))


@pytest.mark.parametrize(
    ("column", "figure", "rows"), [("cnt", 30, 2), ("place", 2, 8), ("all_cnt", 8, 8)]
)
def test_a_rank_is_made_of_all_that_it_is_compared_with(
    con: duckdb.DuckDBPyConnection, column: str, figure: int, rows: int
) -> None:
    """A plain figure needs its own rows, a rank those of its partition, a count over all, all."""
    found = opened(con, column)
    assert (found.shown, found.recomputed, found.equal) == (figure, figure, True)
    assert sum(one.rows for one in shares(con, found, SCHEMA)) == rows


def test_rows_are_told_apart_by_the_package_they_came_in(con: duckdb.DuckDBPyConnection) -> None:
    """Each package with its rows; a table without the column is the site's own."""
    found = opened(con, "cnt")
    assert shares(con, found, SCHEMA) == [
        Share("city.told", "3-0", 1),
        Share("city.told", "3-1", 1),
    ]
    own = {"city.told": {"site": "UNKNOWN"}}
    assert shares(con, found, own) == [Share("city.told", "", 2)]


def test_lineage_tells_which_feeds_give_a_column_its_values() -> None:
    """From a report through gold and silver; a count of rows takes all that make the rows."""

    def event(table: str, **fields: tuple[str, str]) -> str:
        told = ", ".join(
            f'"{name}": {{"inputFields": [{{"name": "{source}", "field": "{column}"}}]}}'
            for name, (source, column) in fields.items()
        )
        facets = f'{{"columnLineage": {{"fields": {{{told}}}}}}}'
        return f'{{"outputs": [{{"name": "{table}", "facets": {facets}}}]}}'

    events = [
        event("report.r", cnt=("gold.g", "cnt"), town=("silver.division", "code")),
        event("gold.g", cnt=("silver.house", "*")),
        event("silver.house", code=("bronze.house", "code")),
        event("silver.division", code=("bronze.division", "code")),
    ]
    assert feeds_giving(events, "report.r", ["cnt"]) == ("house",)
    assert feeds_giving(events, "report.r", ["town"]) == ("division",)
    assert feeds_giving(events, "report.r", []) == ()


def test_rows_of_a_feed_that_are_counted_come_from_no_register() -> None:
    """Where a feed's cells were looked up in a register matters to those cells, not to a count."""
    fields = {
        "town": [("bronze.house", "town"), ("silver.division", "code")],
        "_seen": [("ops.delivery", "received_at")],
    }
    events = [
        event_of("report.r", {"cnt": [("silver.house", "*")], "town": [("silver.house", "town")]}),
        event_of("silver.house", fields),
        event_of("silver.division", {"code": [("bronze.division", "code")]}),
    ]
    assert feeds_giving(events, "report.r", ["cnt"]) == ("house",)
    assert feeds_giving(events, "report.r", ["town"]) == ("division", "house")


def event_of(table: str, fields: dict[str, list[tuple[str, str]]]) -> str:
    """The lineage of a table as a package tells it."""
    told = {
        name: {"inputFields": [{"name": table, "field": column} for table, column in sources]}
        for name, sources in fields.items()
    }
    return json.dumps({"outputs": [{"name": table, "facets": {"columnLineage": {"fields": told}}}]})


def test_a_package_is_told_by_the_rows_that_give(con: duckdb.DuckDBPyConnection) -> None:
    """What a total was picked out by - here the newest of all rows - is counted apart."""
    query = (
        "WITH newest AS (SELECT site, MAX(cnt) AS cnt FROM city.told AS told GROUP BY site)"
        " SELECT told.site AS site, SUM(told.cnt) AS total FROM city.told AS told"
        " INNER JOIN newest ON newest.site = told.site AND newest.cnt = told.cnt"
        " WHERE told.kind = 'a' GROUP BY told.site"
    )
    con.execute(f"CREATE TABLE city.newest AS {query}")
    tree = sqlglot.parse_one(query, read="duckdb")
    assert isinstance(tree, exp.Query)
    model = Model("city.newest", tree, Table("newest", "city", "最新", "1.0.0", key=("site",)))
    schema = {**SCHEMA, "city.newest": dict.fromkeys(("site", "total"), "UNKNOWN")}
    grounds = Grounds({"city.newest": model}, schema, {}, {})
    found = open_figure(con, grounds, Asked("city.newest", {"site": "3"}, "total"))
    assert (found.shown, found.equal) == (30, True)
    assert shares(con, found, SCHEMA) == [
        Share("city.told", "3-0", 1, 1),
        Share("city.told", "3-1", 0, 2),
    ]
