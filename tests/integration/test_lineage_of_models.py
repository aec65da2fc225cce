"""The lineage of the checkout's own models by experiment: change a column, build again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest
from sqlglot import exp

from dagster_project.components.steps.workshop import Workshop
from dagster_project.lineage.describe import Reader
from dagster_project.settings import Duty
from dagster_project.transform.models import Model, Parameters
from tests.lineage_kit import Lab, unexplained

PARAMETERS = Parameters(datetime(2026, 1, 3, 12, tzinfo=UTC), date(2026, 1, 3), "140321")
TRIES = 2
DAYS = ("20260101", "20260102", "20260103")
SPECIAL = {"period": DAYS, "first_period": DAYS, "last_period": DAYS}
"""Texts that models cast to dates."""


def _words(model: Model) -> list[str]:
    """The texts that the model compares with, so that its conditions cut both ways."""
    said = {one.name for one in model.query.find_all(exp.Literal) if one.is_string}
    return ["140321001000", "140321002000", "1", "2", *sorted(said)]


def _inputs(workshop: Workshop, model: Model) -> Mapping[str, Mapping[str, str]]:
    schema = Reader(workshop.contracts, workshop.given).schema
    made = {
        table: {column.name: column.duck_type for column in workshop.described(table)}
        for table in model.inputs
        if table in workshop.graph.models
    }
    return {table: made.get(table) or schema[table] for table in model.inputs}


@pytest.mark.thorough
@pytest.mark.parametrize("duty", ["collect", "receive"])
def test_whatever_moves_a_model_has_an_edge(
    duty: Duty, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every column of every table that a model makes; edges that never moved anything are told."""
    workshop = Workshop.at(tmp_path_factory.mktemp(duty), duty)
    still: list[str] = []
    for table, model in workshop.graph.models.items():
        chance = random.Random(table)  # noqa: S311 - not a secret
        lab = Lab(_inputs(workshop, model), chance, rows=8, words=_words(model), special=SPECIAL)
        sql = model.sql(PARAMETERS)
        moved = set(lab.changes(sql, model.inputs, TRIES))
        lineage = workshop.lineages[table]
        assert unexplained(lineage, iter(moved)) == set(), table
        kept = {(e.column, e.source_table, e.source_column) for e in lineage.edges} - moved
        still += [f"{table}.{column} <- {source}.{name}" for column, source, name in sorted(kept)]
    edges = sum(len(one.edges) for one in workshop.lineages.values())
    print(f"{duty}: {len(still)} of {edges} edges moved nothing", *still, sep="\n")  # noqa: T201
