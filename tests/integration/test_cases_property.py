"""Cases are a function of the landed batches: a rebuild of any history gives the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project.transform.conform import rebuild
from tests.conform_kit import NOON, Bench, open_bench
from tests.integration.test_rebuild_property import DELIVERIES, FEEDS, PLANS, _forget

pytestmark = pytest.mark.thorough
CASES = "SELECT * FROM lake.ops.rectification WHERE feed = '{}' ORDER BY case_id"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lake; every example makes its feed's tables anew."""
    with open_bench(tmp_path_factory.mktemp("cases")) as made:
        yield made


@pytest.mark.parametrize("delivery", ["incremental", "full"])
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_rebuild_of_any_history_gives_the_same_cases(
    bench: Bench, delivery: str, data: st.DataObject
) -> None:
    """And at any time a key has one open case at most, and every rejected key has had one."""
    feed = FEEDS[delivery]
    _forget(bench, feed)
    for index, rows in enumerate(data.draw(DELIVERIES)):
        at = NOON + timedelta(hours=index // 2)
        bench.deliver(PLANS[feed.name], rows, at=at, batch_id=f"{feed.name}-{index}")
    before = bench.all(CASES.format(feed.name))
    of_feed = f"FROM lake.ops.rectification WHERE feed = '{feed.name}'"
    twice = f"SELECT 1 {of_feed} AND state = 'open' GROUP BY record_key HAVING count(*) > 1"
    assert bench.all(f"{twice} AND record_key IS NOT NULL") == []
    assert bench.all(f"SELECT 1 {of_feed} GROUP BY case_id HAVING count(*) > 1") == []
    without = (
        f"SELECT 1 FROM lake.ops.quarantine WHERE feed = '{feed.name}'"
        f" AND record_key IS NOT NULL AND record_key NOT IN (SELECT record_key {of_feed}"
        " AND record_key IS NOT NULL)"
    )
    assert bench.all(without) == []
    with bench.writer.transaction("rebuild") as tx:
        rebuild(tx.con, PLANS[feed.name], run_id="r", committed_at=NOON + timedelta(days=1))
    assert bench.all(CASES.format(feed.name)) == before
