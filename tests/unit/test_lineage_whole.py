"""The lineage of a whole site: complete, in order, with the rules and repairs of contracts."""

from __future__ import annotations

import pytest

from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.rules import REPEATED
from dagster_project.lineage.columns import ROWS, Edge, ModelLineage, coverage


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelLineage]:
    """The lineage of every table of a county."""
    return Workshop.at(tmp_path_factory.mktemp("county")).whole


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelLineage]:
    """The lineage of every table of a site that receives."""
    return Workshop.at(tmp_path_factory.mktemp("city"), "receive").whole


def _edge(lineage: ModelLineage, column: str, table: str, source: str, kind: str) -> Edge | None:
    wanted = (column, table, source, kind)
    found = (e for e in lineage.edges if (e.column, e.source_table, e.source_column) == wanted[:3])
    return next((edge for edge in found if edge.kind == kind), None)


def test_every_column_of_a_county_has_an_origin(county: dict[str, ModelLineage]) -> None:
    """Bronze, silver, gold and report are covered to the last column."""
    covered, total = coverage(list(county.values()))
    assert covered == total
    assert {name.partition(".")[0] for name in county} == {"bronze", "silver", "gold", "report"}


@pytest.mark.parametrize("site", ["county", "city"])
def test_every_edge_begins_at_a_column_that_is_there(
    site: str, request: pytest.FixtureRequest
) -> None:
    """No edge names a column that its table does not have; each table comes after its inputs."""
    tables: dict[str, ModelLineage] = request.getfixturevalue(site)
    seen: set[str] = set()
    for name, lineage in tables.items():
        seen.add(name)
        for edge in lineage.edges:
            assert edge.column in lineage.columns
            if edge.source_table in tables:
                assert edge.source_table in seen
                known = {*tables[edge.source_table].columns, ROWS}
                assert edge.source_column in known
            else:
                assert edge.source_table.partition(".")[0] in {"landing", "ops", "report"}


def test_a_silver_column_names_its_repairs_and_rules(county: dict[str, ModelLineage]) -> None:
    """What may change a cell stands on its edge, what may reject its row on the others."""
    payment = county["silver.payment"]
    status = _edge(payment, "status", "bronze.payment", "status", "transformation")
    assert status is not None
    assert {"code_synonym", "zero_pad"} <= set(status.by)
    rejecting = _edge(payment, "amount", "bronze.payment", "status", "filter")
    assert rejecting is not None
    assert {"status.code", "paid_has_time"} <= set(rejecting.by)
    assert _edge(payment, "amount", "bronze.payment", "pay_no", "join") == Edge(
        "amount", "bronze.payment", "pay_no", "join", (REPEATED,)
    )
    parent = _edge(payment, "amount", "silver.contract", "contract_no", "filter")
    assert parent is not None
    assert parent.by == ("contract_no.reference",)


def test_a_header_is_where_a_column_begins(county: dict[str, ModelLineage]) -> None:
    """Bronze holds the cells as they are, below the contract's title."""
    assert county["bronze.payment"].sources("pay_no") == (
        Edge("pay_no", "landing.payment", "支付单号", "identity"),
    )


def test_a_place_comes_from_both_of_its_columns(county: dict[str, ModelLineage]) -> None:
    """Longitude and latitude are exchanged where they were mixed up."""
    component = county["silver.component"]
    exchanged = _edge(component, "lon", "bronze.component", "lat", "transformation")
    assert exchanged is not None
    assert "swapped" in exchanged.by


def test_a_received_column_is_the_report_s(city: dict[str, ModelLineage]) -> None:
    """What a package brings is the report's column, unchanged; the rest is its header's."""
    table = city["city.population_by_town"]
    assert table.sources("resident_cnt") == (
        Edge("resident_cnt", "report.population_by_town", "resident_cnt", "identity"),
    )
    assert table.sources("revision") == (Edge("revision", "ops.received", "revision", "identity"),)
    assert coverage(list(city.values()))[0] == coverage(list(city.values()))[1]
