"""An item catalogued before anybody supplies it: listed, counted, and otherwise left alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project import clock
from dagster_project.components.steps.catalogue.entries import catalogue, entry_of, indicators
from dagster_project.components.steps.model import build_model
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.tasks.look import tasks
from dagster_project.paths import schemas_dir
from tests.delivery_kit import County, rows
from tests.unit.test_catalogue_words import DRAFT

MODELS = ("feed_period", "quality_span", "feed_batch", "catalogue_item", "catalogue_indicator")


@pytest.fixture
def county(tmp_path: Path) -> County:
    """A county with one feed that flows, one draft, and the gold tables of the catalogue."""
    made = County(tmp_path)
    schemas = made.workshop.schemas
    (schemas / "gold").mkdir()
    for name in MODELS:
        shutil.copy(schemas_dir() / "gold" / f"{name}.yaml", schemas / "gold")
    (schemas / "feeds" / "subsistence.yaml").write_text(DRAFT, "utf-8")
    made.workshop = replace(made.workshop).renewed()
    assert not made.workshop.contracts.problems
    return made


def test_a_draft_is_counted_and_never_run(county: County) -> None:
    """It has an entry, lowers the rates, and has neither task nor table."""
    county.put("许可_202305.csv", rows(range(20)))
    county.run()
    site = county.workshop
    for name in MODELS:
        # Each run has a cut-off of its own.
        occasion = Occasion(run_id=f"test-{name}", day=clock.now().date())
        build_model(site, site.graph.models[f"gold.{name}"], occasion)
    found = catalogue(site)
    assert (entry_of(found, "permit").is_mounted, entry_of(found, "permit").rows) == (True, 20)
    draft = entry_of(found, "subsistence")
    assert (draft.status, draft.is_mounted, draft.channels) == ("draft", False, "")
    figures = indicators(site)
    assert (figures["item_cnt"], str(figures["mounted_pct"])) == (2, "50.00")
    assert (figures["promised_cnt"], str(figures["on_time_pct"])) == (1, "100.00")
    assert not [line for line in tasks(site) if "subsistence" in line.task]
    assert not county.ask("SELECT 1 FROM duckdb_tables() WHERE table_name = 'subsistence'")
