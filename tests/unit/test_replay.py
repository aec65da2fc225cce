"""Evaluating models again: from a snapshot alone, whatever the lake's own tables say by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dagster_project.contracts.model import Column, Table
from dagster_project.contracts.report_words import SmallCells
from dagster_project.errors import ModelError
from dagster_project.lake import Lake, Writer
from dagster_project.lake.snapshots import current_snapshot
from dagster_project.paths import Home
from dagster_project.privacy.suppress import suppress
from dagster_project.protocol.table import content_hash, normalise
from dagster_project.settings import Settings
from dagster_project.transform.models import (
    Graph,
    Inputs,
    Parameters,
    Scene,
    at,
    build,
    parameters_of,
    past_model,
    replay,
    stage,
)

NOON = datetime(2023, 5, 31, 12, tzinfo=UTC)
GIVEN = Parameters(NOON, date(2023, 5, 31), "140321")
KEY = Column("town", "乡镇", "string", key_position=1)
COUNT = Column("person_cnt", "人数", "integer", unit="人")
GOLD = past_model(
    "SELECT town, COUNT(*) AS person_cnt FROM silver.person AS p"
    " INNER JOIN ops.feed AS f ON f.feed = p.feed GROUP BY town ORDER BY town",
    Table("by_town", "gold", "分乡镇", "1.0.0", columns=(KEY, COUNT), key=("town",)),
)
REPORT = past_model(
    "SELECT town, person_cnt, FALSE AS suppressed, CAST(:day AS DATE) AS day"
    " FROM gold.by_town ORDER BY town",
    Table(
        "people",
        "report",
        "人口",
        "1.0.0",
        columns=(KEY, COUNT),
        key=("town",),
        small_cells=SmallCells(("person_cnt",), (), 5),
    ),
)
GRAPH = Graph({GOLD.table: GOLD, REPORT.table: REPORT})


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A lake with persons of two towns, and both models built."""
    with Lake(Home(tmp_path), Settings(threads=1)).writer("testing") as writer:
        with writer.transaction("persons"):
            writer.con.execute("CREATE TABLE silver.person (town VARCHAR, feed VARCHAR)")
            writer.con.execute("INSERT INTO ops.feed (feed) VALUES ('person')")
            add(writer, "甲", 9)
            add(writer, "乙", 6)
        make(writer)
        yield writer


def add(writer: Writer, town: str, count: int) -> None:
    """Some persons more."""
    writer.con.execute(f"INSERT INTO silver.person SELECT '{town}', 'person' FROM range({count})")


def make(writer: Writer) -> int:
    """Build both models; gives the snapshot that the report's build read."""
    snapshot = -1
    for model in GRAPH.models.values():
        with writer.transaction(f"build {model.table}"):
            done = build(
                writer.con, model, GIVEN, run_id="r", built_at=NOON, suppress=suppress, force=True
            )
            snapshot = done.snapshot
    return snapshot


def sealed(writer: Writer) -> str:
    """The content hash that a package of the report would have now."""
    found = writer.con.execute("SELECT * FROM report.people ORDER BY town").to_arrow_table()
    return content_hash(normalise(found))


def again(writer: Writer, inputs: Inputs) -> str:
    """The content hash of what the models make of some inputs."""
    return content_hash(replay(writer.con, Scene(GRAPH, GIVEN, inputs), REPORT.table, suppress))


def test_a_past_report_is_given_again(writer: Writer) -> None:
    """After further data, and with the lake's own tables spoilt or gone, nothing differs."""
    snapshot, first = make(writer), sealed(writer)
    with writer.transaction("more persons, and a lie"):
        add(writer, "丙", 7)
        writer.con.execute("UPDATE gold.by_town SET person_cnt = 99")
        writer.con.execute("DROP TABLE report.people")
    assert again(writer, Inputs(snapshot)) == first
    assert again(writer, Inputs(current_snapshot(writer.con))) != first
    assert parameters_of(writer.con, GRAPH, REPORT.table, GIVEN, snapshot) == GIVEN


def test_a_table_may_be_of_a_snapshot_of_its_own(writer: Writer) -> None:
    """What would the figures be, had only one table changed, or held something else."""
    old, first = make(writer), sealed(writer)
    with writer.transaction("more persons, no feed"):
        add(writer, "丙", 7)
        writer.con.execute("DELETE FROM ops.feed")
    new = current_snapshot(writer.con)
    assert again(writer, Inputs(new, {"ops.feed": old})) != first
    assert again(writer, Inputs(new, {"ops.feed": old, "silver.person": old})) == first
    fewer = f"{at('silver.person', new)} WHERE town <> '丙'"
    assert again(writer, Inputs(old).having("silver.person", fewer)) == first


def test_small_cells_are_blanked_again(writer: Writer) -> None:
    """A count below the contract's minimum is as blank as when it was built."""
    with writer.transaction("a few persons"):
        add(writer, "丁", 3)
    snapshot = make(writer)
    scene = Scene(GRAPH, GIVEN, Inputs(snapshot))
    with stage(writer.con, suppress) as on:
        rows = on.yields(scene, REPORT.table).to_pylist()
        assert [(row["town"], row["person_cnt"], row["suppressed"]) for row in rows] == [
            ("丁", None, True),
            ("乙", 6, False),
            ("甲", 9, False),
        ]
        made = len(on.made)
        assert on.yields(scene, REPORT.table).to_pylist() == rows
        assert len(on.made) == made
    assert content_hash(replay(writer.con, scene, REPORT.table, suppress)) == sealed(writer)


def test_what_the_lake_does_not_hold_is_said(writer: Writer) -> None:
    """A snapshot that is gone, or from before a table was made, is named in a sentence."""
    for snapshot in (0, 10_000):
        with pytest.raises(ModelError, match="cannot be evaluated again"):
            again(writer, Inputs(snapshot))
    databases = writer.con.execute("SELECT database_name FROM duckdb_databases()").fetchall()
    assert not [name for (name,) in databases if name.startswith("replay")]
    assert writer.con.execute("SELECT CURRENT_DATABASE()").fetchone() == ("lake",)


def test_a_former_select_must_be_one_that_a_model_may_be() -> None:
    """SQL from a receipt is held to the rules of models: it cannot read what no model reads."""
    with pytest.raises(ModelError, match=r"may not read bronze\.person"):
        past_model("SELECT town FROM bronze.person", GOLD.contract)
    with pytest.raises(ModelError, match="exactly one SELECT"):
        past_model("DROP TABLE silver.person", GOLD.contract)


def test_decimals_and_instants_are_the_same_again(tmp_path: Path) -> None:
    """Exact types come back as they were sealed, whatever the session's clock."""
    model = past_model(
        "SELECT town, CAST(SUM(yuan) AS DECIMAL(18, 2)) AS yuan, MAX(seen_at) AS seen_at"
        " FROM silver.paid GROUP BY town ORDER BY town",
        Table("paid", "gold", "支付", "1.0.0", columns=(KEY,), key=("town",)),
    )
    with Lake(Home(tmp_path), Settings(threads=1)).writer("testing") as writer:
        with writer.transaction("paid"):
            writer.con.execute(
                "CREATE TABLE silver.paid AS SELECT '甲' AS town, 1.25::DECIMAL(18,2) AS yuan,"
                " TIMESTAMPTZ '2023-05-31 12:00:00.000001+08' AS seen_at"
            )
        scene = Scene(Graph({model.table: model}), GIVEN, Inputs(current_snapshot(writer.con)))
        (row,) = replay(writer.con, scene, model.table, suppress).to_pylist()
    assert row["yuan"] == Decimal("1.25")
    assert row["seen_at"].isoformat() == "2023-05-31T04:00:00.000001+00:00"


def test_a_stage_leaves_nothing_behind(writer: Writer) -> None:
    """An error in the midst of it leaves the connection as it was."""

    def fail() -> None:
        with stage(writer.con, suppress):
            raise duckdb.Error("in the midst")

    with pytest.raises(duckdb.Error):
        fail()
    assert writer.con.execute("SELECT CURRENT_DATABASE()").fetchone() == ("lake",)
