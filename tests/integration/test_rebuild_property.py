"""Silver is a function of the set of batches: any order of arrival, and any rebuild, gives it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.contracts.model import Column, Feed
from dagster_project.transform.conform import rebuild
from tests.conform_kit import NOON, Bench, Row, feed_of, open_bench, plan_of

KEY = Column("no", "编号", "string", key_position=1, required=True)
NAME = Column("name", "名称", "string", max_length=1)
CHANGED = Column("changed", "更新日", "date")
FEEDS = {
    "full": feed_of(KEY, NAME, CHANGED, name="full_feed", delivery="full", order_by="changed"),
    "incremental": feed_of(KEY, NAME, CHANGED, name="incremental_feed", order_by="changed"),
}
PLANS = {feed.name: plan_of(feed) for feed in FEEDS.values()}
# Few values, so that keys meet: equal, changed, older, invalid ("xx" is too long), keyless.
ROWS = st.fixed_dictionaries(
    {
        "no": st.sampled_from(["a", "b", "c", "1", None]),
        "name": st.sampled_from(["x", "y", None, "xx"]),
        "changed": st.sampled_from(["2023-01-01", "2023年2月1日", None, "?"]),
        "_defect": st.sampled_from([None, None, None, "ragged"]),
    }
)
DELIVERIES = st.lists(st.lists(ROWS, max_size=5), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lake; every example makes its feed's tables anew."""
    with open_bench(tmp_path_factory.mktemp("property")) as made:
        yield made


def _forget(bench: Bench, feed: Feed) -> None:
    with bench.writer.transaction("forget") as tx:
        for schema in ("bronze", "silver"):
            tx.con.execute(f"DROP TABLE IF EXISTS lake.{schema}.{feed.name}")
        for (table,) in tx.con.execute(
            "SELECT table_name FROM duckdb_columns() WHERE database_name = 'lake'"
            " AND schema_name = 'ops' AND column_name = 'feed'"
        ).fetchall():
            tx.con.execute(f"DELETE FROM lake.ops.{table} WHERE feed = ?", [feed.name])


def _deliver(
    bench: Bench, feed: Feed, deliveries: Sequence[Sequence[Row]], order: Sequence[int]
) -> list[tuple[Any, ...]]:
    _forget(bench, feed)
    for index in order:
        bench.deliver(
            PLANS[feed.name],
            deliveries[index],
            at=NOON + timedelta(hours=index // 2),  # two deliveries may share an instant
            batch_id=f"{feed.name}-{index}",
        )
    return bench.silver(feed)


def _expected(feed: Feed, deliveries: Sequence[Sequence[Row]]) -> dict[str, list[Any]]:
    """Batch and deletion of each key, from the definition and without SQL."""
    best: dict[str, tuple[Any, ...]] = {}
    for index, rows in enumerate(deliveries):
        for place, row in enumerate(rows, 2):
            if row["_defect"] or not row["no"] or row["name"] == "xx" or row["changed"] == "?":
                continue
            day = {None: "", "2023年2月1日": "2023-02-01"}.get(row["changed"], row["changed"])
            order = (index, day, place) if feed.delivery == "full" else (day, index, place)
            held = best.get(row["no"])
            best[row["no"]] = (order, index) if held is None else max(held, (order, index))
    newest = {row["no"] for row in deliveries[-1] if not row["_defect"]}
    return {
        key: [f"{feed.name}-{index}", feed.delivery == "full" and key not in newest]
        for key, (_, index) in best.items()
    }


@pytest.mark.thorough
@pytest.mark.parametrize("delivery", ["incremental", "full"])
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_order_of_arrival_and_any_rebuild_gives_the_same_silver(
    bench: Bench, delivery: str, data: st.DataObject
) -> None:
    """All columns agree, provenance included, with the definition and with one another."""
    feed = FEEDS[delivery]
    deliveries = data.draw(DELIVERIES)
    arrivals = range(len(deliveries))
    in_order = _deliver(bench, feed, deliveries, arrivals)
    found = bench.silver(feed, "no, _batch_id, _is_deleted")
    assert {no: rest for no, *rest in found} == _expected(feed, deliveries)
    shuffled = _deliver(bench, feed, deliveries, data.draw(st.permutations(arrivals)))
    assert shuffled == in_order
    with bench.writer.transaction("rebuild") as tx:
        made = rebuild(tx.con, PLANS[feed.name], run_id="r", committed_at=NOON)
    assert bench.silver(feed) == in_order
    assert [counts.batch_id for counts in made] == [f"{feed.name}-{i}-r1" for i in arrivals]
