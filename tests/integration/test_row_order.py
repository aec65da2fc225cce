"""The order in which a lake happens to give its rows decides nothing, not even between equals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import duckdb
import pytest

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.lake.engine import quoted
from dagster_project.lake.snapshots import current_snapshot
from dagster_project.privacy.suppress import suppress
from dagster_project.transform.models import Parameters, stage
from dagster_project.transform.models.replay import Inputs, Scene, at
from tests.conftest import Demo

pytestmark = pytest.mark.slow
SEEDS = range(4)


def read_of(workshop: Workshop) -> set[str]:
    """The tables that no model makes."""
    models = workshop.graph.models
    return {name for one in models.values() for name in one.inputs} - {*models}


def shuffled(
    con: duckdb.DuckDBPyConnection, tables: Iterable[str], snapshot: int, seed: int
) -> dict[str, str]:
    """A copy of each table, its rows in another order; the SELECTs of the copies."""
    selects = {}
    for table in sorted(tables):
        copy = f"temp.main.{quoted(f'{table}_{seed}')}"
        con.execute(
            f"CREATE TEMP TABLE {quoted(f'{table}_{seed}')} AS SELECT s.* FROM"
            f" ({at(table, snapshot)}) AS s ORDER BY hash({seed}, s)"
        )
        selects[table] = f"SELECT * FROM {copy}"
    return selects


def test_rows_in_another_order_give_the_same_tables(demo: Demo) -> None:
    """Every model of a county that was collected twice, its inputs dealt anew several times."""
    workshop = Workshop.at(demo.root / "county")
    moment = clock.now() + timedelta(minutes=1)
    parameters = Parameters(moment, moment.date(), workshop.site.code)
    with workshop.lake.reader() as con, stage(con, suppress) as on:
        snapshot = current_snapshot(con)
        made = {}
        for seed in SEEDS:
            selects = shuffled(con, read_of(workshop), snapshot, seed)
            scene = Scene(workshop.graph, parameters, Inputs(snapshot, selects=selects))
            made[seed] = {table: on.yields(scene, table) for table in workshop.graph.models}
    first, *others = made.values()
    assert sum(table.num_rows for table in first.values()) > len(first)
    for other in others:
        assert [name for name in first if not first[name].equals(other[name])] == []
