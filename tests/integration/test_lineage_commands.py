"""``countylake lineage``: what it says breaks, breaks; what it says stays, stays."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.components.steps.lineage_atlas import atlas
from dagster_project.components.steps.lineage_department import fed_by
from dagster_project.components.steps.lineage_without import without
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.lineage.atlas.atlas import Atlas
from dagster_project.lineage.describe import base_schema
from dagster_project.transform.models import Parameters
from tests.conftest import founded_county

ANY = Parameters(datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), "140321")


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A county's home without a lake: contracts and SQL are enough."""
    root = tmp_path_factory.mktemp("county")
    return founded_county(root / "home", root / "inbox")


@pytest.fixture(scope="module")
def known(county: Workshop) -> Atlas:
    """Its atlas."""
    return atlas(county.home)


def told(county: Workshop, *words: str) -> Any:
    """A command's JSON answer."""
    done = CliRunner().invoke(app, ["lineage", *words, "--home", str(county.home.root), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused_by_the_engine(county: Workshop, feed: str, column: str) -> set[str]:
    """The models that DuckDB itself cannot bind when the column is not in silver."""
    schema = base_schema(county.contracts)
    del schema[f"silver.{feed}"][column]
    gone = set()
    with duckdb.connect() as con:
        for layer in ("silver", "ops", "gold", "report", "city"):
            con.execute(f"CREATE SCHEMA {layer}")
        for table, columns in schema.items():
            body = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
            con.execute(f"CREATE TABLE {table} ({body})")
        for model in county.graph.models.values():
            try:
                con.execute(f"CREATE TABLE {model.table} AS {model.sql(ANY)}")
            except duckdb.Error:
                gone.add(model.table)
    return gone


THOROUGH = (
    *("division.name", "payment.amount", "grid.grid_code", "component.state", "asset.org_code"),
    *("house.owner_name", "hotline_order.accept_time", "collective_org.town_code"),
)


@pytest.mark.parametrize(
    "column",
    [
        "house.area_m2",
        "population.birth_date",
        *(pytest.param(one, marks=pytest.mark.thorough) for one in THOROUGH),
    ],
)
def test_what_is_said_to_break_is_what_the_engine_refuses(
    county: Workshop, known: Atlas, column: str
) -> None:
    """Exactly the models that DuckDB cannot bind without the column, no more and no fewer."""
    feed, _, name = column.partition(".")
    loss = without(known, county, column)
    city = {one.table for one in loss.broken if one.table.startswith("city.")}
    assert {one.table for one in loss.broken} - city == refused_by_the_engine(county, feed, name)
    assert not {one.table for one in loss.broken} & {one.table for one in loss.touched}
    broken = {one.table for one in loss.broken if one.table.startswith("report.")}
    assert {one.report for one in loss.reports if one.how == "not built"} == broken


def test_without_a_key_no_record_is_valid(county: Workshop, known: Atlas) -> None:
    """A key or a required column takes its whole feed along, and every rule that names it."""
    loss = without(known, county, "house.house_code")
    assert "key" in loss.why_all
    named = {(one.feed, one.id) for one in loss.rules}
    assert ("population", "house_code.reference") in named
    assert ("house", "house_code.required") in named
    assert "report.house_by_town" in {one.report for one in loss.reports}
    assert not without(known, county, "house.建筑面积").why_all


@pytest.mark.parametrize("said", ["report.house_by_town.area_sqm", "house._batch_id", "house"])
def test_only_what_a_department_delivers_can_go_away(
    county: Workshop, known: Atlas, said: str
) -> None:
    """A report's column, a technical one and a whole feed are answered with a sentence."""
    with pytest.raises(UsageError):
        without(known, county, said)


def test_a_department_s_reports_are_those_that_its_feeds_reach(known: Atlas) -> None:
    """By a part of its name; with the feeds that give, and those that nothing reads."""
    fed = fed_by(known, "住房")
    by_table = {one.table: one for one in fed.reports}
    assert fed.feeds == ("house",)
    assert "area_sqm" in by_table["report.house_by_town"].values
    assert "area_sqm" in by_table["city.house_by_town"].values
    assert "house_cnt" in by_table["report.house_by_town"].values, "a count is made of its records"
    assert "resident_cnt" not in by_table["report.population_by_town"].values
    for one in fed.reports:
        assert not set(one.values) & set(one.rows)
    with pytest.raises(UsageError, match="several departments"):
        fed_by(known, "局")
    with pytest.raises(UsageError, match="no department"):
        fed_by(known, "没有这个部门")


def test_a_report_s_figure_is_followed_to_the_title_in_the_file(county: Workshop) -> None:
    """``up`` as data: every edge joins two spots that it names."""
    answer = told(county, "up", "house_by_town.建筑面积")
    assert (answer["table"], answer["column"]) == ("report.house_by_town", "area_sqm")
    flowing = [one for one in answer["reached"] if one["how"] == "value"]
    assert flowing[-1]["table"] == "landing.house"
    assert flowing[-1]["column"] == "建筑面积"
    spots = {(one["table"], one["column"]) for one in answer["reached"]}
    spots.add((answer["table"], answer["column"]))
    ends = {(e[end]["table"], e[end]["column"]) for e in answer["edges"] for end in ("from", "to")}
    assert ends <= spots
    near = told(county, "up", "house_by_town.建筑面积", "--depth", "1")
    assert {one["distance"] for one in near["reached"]} == {1}


def test_a_file_s_title_reaches_the_city(county: Workshop) -> None:
    """``down`` goes on where the county's own tables end."""
    answer = told(county, "down", "landing.population.性别")
    assert "city.population_by_town" in {one["table"] for one in answer["reached"]}


def test_every_form_is_written(county: Workshop, tmp_path: Path) -> None:
    """Text and Mermaid name the column; the page is one file; the check finds nothing wrong."""
    home = ["--home", str(county.home.root)]
    for form, word in (("text", "silver.house.area_m2"), ("mermaid", "flowchart LR")):
        words = ["lineage", "up", "report.house_by_town.area_sqm", "--format", form, *home]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert word in done.stdout
    for words in (["without", "house.area_m2"], ["department", "公安"]):
        done = CliRunner().invoke(app, ["lineage", *words, *home])
        assert done.exit_code == 0, done.output
        assert "report." in done.stdout
    made = told(county, "page", "--out", str(tmp_path / "a" / "lineage.html"))
    assert Path(made["path"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert made["covered"] == made["columns"] > 1000
    assert told(county, "check")["problems"] == []
