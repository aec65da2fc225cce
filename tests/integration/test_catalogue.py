"""The catalogue of sites that hold something: the commands, the figures, and what never leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dagster_project import clock
from dagster_project.cli.main import app
from dagster_project.components.steps.catalogue.entries import catalogue, entry_of
from dagster_project.components.steps.catalogue.forms import render
from dagster_project.components.steps.notices.conditions import conditions
from dagster_project.components.steps.notices.text import line
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import PROJECT, SAMPLES
from tests.conftest import Demo

FEEDS = len(list((PROJECT / "schemas" / "feeds").glob("*.yaml")))

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def workshop(demo: Demo) -> Workshop:
    """The first county after its day."""
    return Workshop.at(demo.root / "county")


def command(workshop: Workshop, *words: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, [*words, "--home", str(workshop.home.root)])
    assert done.exit_code == 0, done.output
    return done.stdout


def asked(workshop: Workshop, query: str) -> dict[str, Any]:
    """The first row of a question to the lake."""
    with workshop.lake.reader() as con:
        found = con.execute(query)
        row = found.fetchone()
        assert row is not None
        return dict(zip([column[0] for column in found.description or []], row, strict=True))


def test_every_entry_is_mounted_and_its_rows_are_silver_s(workshop: Workshop) -> None:
    """After the samples' day nothing is empty; the rows are those of the live records."""
    found = catalogue(workshop)
    assert all(entry.is_mounted and entry.last_update_at for entry in found.entries)
    for name in ("population", "house", "payment"):
        live = asked(workshop, f"SELECT count(*) AS n FROM silver.{name} WHERE NOT _is_deleted")
        assert entry_of(found, name).rows == live["n"]


def test_the_indicators_agree_with_the_report(workshop: Workshop) -> None:
    """Gold's total and what the city gets are one set of figures."""
    gold = asked(workshop, "SELECT * FROM gold.catalogue_indicator WHERE department_code = 'all'")
    report = asked(workshop, "SELECT * FROM report.aggregation_summary")
    for name in ("item_cnt", "mounted_cnt", "mounted_pct", "on_time_pct", "empty_cnt", "row_cnt"):
        assert gold[name] == report[name], name
    assert (gold["item_cnt"], gold["zombie_cnt"]) == (FEEDS, 0)


def test_the_commands_list_show_and_export(workshop: Workshop, tmp_path: Path) -> None:
    """For people a table, for machines JSON, for others a file."""
    listed = command(workshop, "catalogue")
    assert "101001/000001" in listed
    assert f"挂接率 100.00% ({FEEDS}/{FEEDS})" in listed
    entries = json.loads(command(workshop, "catalogue", "list", "--json"))
    assert {entry["code"] for entry in entries} >= {"101001/000001", "201001/000001"}
    shown = json.loads(command(workshop, "catalogue", "show", "101001/000001", "--json"))
    assert (shown["title"], shown["is_mounted"]) == ("实有人口", True)
    assert "公民身份号码" in command(workshop, "catalogue", "show", "population")
    for form in ("csv", "json", "dcat"):
        out = tmp_path / f"out.{form}"
        command(workshop, "catalogue", "export", "--format", form, "--out", str(out))
        assert out.read_bytes() == render(catalogue(workshop), form)
    assert '"dcat:Catalog"' in command(workshop, "catalogue", "export", "--format", "dcat")


def test_notices_are_listed_where_nobody_is_told(workshop: Workshop) -> None:
    """What waits is shown to whoever asks, also without a recipient."""
    told = json.loads(command(workshop, "notify", "list", "--json"))
    assert (told["recipients"], told["notices"]) == ([], [])
    assert "nothing is due" not in command(workshop, "notify", "send", "--json")


def test_neither_catalogue_nor_notice_names_a_person(workshop: Workshop) -> None:
    """Every invented person's id, phone, name and account is searched for."""
    lists = sorted((SAMPLES / "expected").glob("*.personal.txt"))
    people = {one for path in lists for one in path.read_text("utf-8").splitlines()}
    assert len(people) > 10_000
    late = conditions(workshop, clock.now().replace(year=clock.now().year + 1))
    assert {one.kind for one in late} >= {"late", "returned"}
    found = catalogue(workshop)
    forms = [render(found, form).decode() for form in ("csv", "json", "dcat")]
    text = "\n".join((*forms, *map(line, late)))
    assert [one for one in people if one in text] == []
