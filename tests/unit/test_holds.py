"""The ledger of held deliveries: opened once, decided once, and superseded by later snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dagster_project.clock import now
from dagster_project.components.steps.arriving.holds import (
    Held,
    Hold,
    Kind,
    decide,
    hold_of,
    holds,
    open_hold,
    pausing,
    supersede,
)
from dagster_project.contracts.model import Column
from dagster_project.errors import UsageError
from tests.conform_kit import Bench, feed_of, open_bench

FEED = feed_of(Column("no", "编号", "string"), delivery="full")
INCREMENTAL = feed_of(Column("no", "编号", "string"))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lake for all tests of this module."""
    with open_bench(tmp_path_factory.mktemp("holds")) as bench:
        yield bench


@pytest.fixture
def bench(lake: Bench, tmp_path: Path) -> Bench:
    """The lake with an empty ledger of holds."""
    assert tmp_path.exists()
    with lake.writer.transaction("begin anew") as tx:
        tx.con.execute("DELETE FROM lake.ops.hold")
    return lake


def held(bench: Bench, kind: Kind = "vanished", delivery: str = "people-1") -> Hold:
    """Hold one delivery."""
    with bench.writer.transaction("hold") as tx:
        return open_hold(
            tx.con,
            FEED,
            Held(kind, [{"vanished": 6, "live": 20}], "six of twenty are gone."),
            delivery_id=delivery,
            batch_id="people-b1",
            path="人员_1.csv",
            sha256="ab",
            run_id="run",
        )


def test_a_held_delivery_is_on_record_until_it_is_decided(bench: Bench) -> None:
    """Facts, sentence and contract version are kept; deciding takes it off the open list."""
    made = held(bench)
    assert made.hold_id == "people-1"
    assert holds(bench.con, "people") == [made]
    assert holds(bench.con, "house") == []
    assert (made.findings, made.contract_version) == ([{"vanished": 6, "live": 20}], "1.0.0")
    with bench.writer.transaction("decide") as tx:
        done = decide(tx.con, made.hold_id, "accepted", by="li", why="the village was split")
    assert (done.state, done.decided_by, done.why) == ("accepted", "li", "the village was split")
    assert done.decided_at is not None
    assert holds(bench.con) == []
    assert [one.hold_id for one in holds(bench.con, state="")] == ["people-1"]


def test_a_decision_is_made_once_and_with_a_reason(bench: Bench) -> None:
    """A second decision, one without a reason, and one on an unknown hold are refused."""
    made = held(bench)
    with pytest.raises(UsageError, match="without a reason"):
        decide(bench.con, made.hold_id, "refused", by="li", why=" ")
    with bench.writer.transaction("decide") as tx:
        decide(tx.con, made.hold_id, "refused", by="li", why="a wrong file")
    with pytest.raises(UsageError, match="is refused already by li"):
        decide(bench.con, made.hold_id, "accepted", by="wang", why="no")
    with pytest.raises(UsageError, match="there is no hold people-9"):
        hold_of(bench.con, "people-9")


def test_only_a_changed_structure_pauses_the_feed(bench: Bench) -> None:
    """The other kinds set aside one delivery and let later ones in."""
    held(bench, "vanished")
    held(bench, "rows", "people-2")
    assert pausing(bench.con, "people") is None
    schema = held(bench, "schema", "people-3")
    assert pausing(bench.con, "people") == schema


def test_a_later_snapshot_answers_doubts_about_older_ones(bench: Bench) -> None:
    """Vanished records and row counts are superseded; a wrong period waits on, as do increments."""
    kinds: tuple[Kind, ...] = ("vanished", "rows", "period")
    made = [held(bench, kind, f"people-{n}") for n, kind in enumerate(kinds)]
    later = now() + timedelta(seconds=1)
    with bench.writer.transaction("merge") as tx:
        assert supersede(tx.con, INCREMENTAL, "人员_2.csv", later) == []
        assert supersede(tx.con, FEED, "人员_2.csv", made[0].opened_at) == []
        assert supersede(tx.con, FEED, "人员_2.csv", later) == made[:2]
    assert [one.kind for one in holds(bench.con)] == ["period"]
    assert "人员_2.csv" in hold_of(bench.con, made[0].hold_id).why
