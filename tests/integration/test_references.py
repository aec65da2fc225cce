"""Rows that refer to other feeds: rejected, warned of, and looked at again when parents come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dagster_project.contracts.model import Column, Feed, Reference
from dagster_project.contracts.table_checks import settle_rules
from dagster_project.quality.table_rules import evaluate
from dagster_project.transform.conform import BatchCounts, recheck
from tests.conform_kit import NOON, Bench, feed_of, open_bench, plan_of

DAY = timedelta(days=1)
CODE = Column("code", "代码", "string", key_position=1, required=True)
NO = Column("no", "编号", "string", key_position=1, required=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lake for all tests here; each uses feeds of its own."""
    with open_bench(tmp_path_factory.mktemp("references")) as made:
        yield made


def _family(name: str, *, rejects: bool, delivery: str = "incremental") -> tuple[Feed, Feed]:
    parent = feed_of(CODE, name=f"{name}_parent", delivery="full")
    up = Column("up", "上级", "string", reference=Reference(parent.name, "code", rejects))
    size = Column("size", "数", "integer")
    return parent, feed_of(NO, up, size, name=f"{name}_child", delivery=delivery)


def _recheck(bench: Bench, child: Feed, parent: Feed) -> list[BatchCounts]:
    with bench.writer.transaction("recheck") as tx:
        return recheck(tx.con, plan_of(child), [parent.name], run_id="r", committed_at=NOON)


def _children(*pairs: tuple[str, str | None]) -> list[dict[str, Any]]:
    return [{"no": no, "up": up} for no, up in pairs]


def _codes(*codes: str) -> list[dict[str, Any]]:
    return [{"code": code} for code in codes]


def test_a_missing_parent_rejects_and_its_arrival_replays(bench: Bench) -> None:
    """Rows that wait for parents only are replayed once one has come, as a batch of their own."""
    parent, child = _family("wait", rejects=True)
    bench.deliver(plan_of(parent), _codes("p"))
    rows = _children(("a", "p"), ("b", " ｑ"), ("c", None), ("d", "z"))
    rows.append({"no": "e", "up": "q", "size": "x"})
    first = bench.deliver(plan_of(child), rows, batch_id="wait-1")
    assert (first.accepted, first.rejected) == (2, 3)
    assert _recheck(bench, child, parent) == []
    bench.deliver(plan_of(parent), _codes("p", "q"), at=NOON + DAY)
    (replay,) = _recheck(bench, child, parent)
    assert (replay.batch_id, replay.read, replay.accepted) == ("wait-1-r1", 2, 1)
    assert [row[0] for row in bench.silver(child, "no")] == ["a", "b", "c"]
    assert bench.silver(child, "_batch_id") == [("wait-1",)] * 3
    assert _recheck(bench, child, parent) == []
    bench.deliver(plan_of(parent), _codes("p", "q", "z"), at=NOON + 2 * DAY)
    (replay,) = _recheck(bench, child, parent)
    assert (replay.batch_id, replay.read, replay.accepted) == ("wait-1-r2", 1, 1)
    source = "SELECT DISTINCT source_batch_id FROM lake.ops.batch WHERE batch_id LIKE 'wait-1-r%'"
    assert bench.all(source) == [("wait-1",)]
    counts = "SELECT accepted, rejected FROM lake.ops.batch WHERE batch_id = 'wait-1'"
    assert bench.all(counts) == [(2, 3)]


@pytest.mark.parametrize("delivery", ["incremental", "full"])
def test_who_delivers_first_makes_no_difference(bench: Bench, delivery: str) -> None:
    """A child before its parent is let in with a warning and judged when the parent comes."""
    results = []
    for order in ("parent first", "child first"):
        name = f"{order.split()[0]}_{delivery}"
        parent, child = _family(name, rejects=True, delivery=delivery)
        rows = _children(("a", "p"), ("b", "q"))
        if order == "parent first":
            bench.deliver(plan_of(parent), _codes("p"))
            bench.deliver(plan_of(child), rows, batch_id=f"{name}-1")
        else:
            counts = bench.deliver(plan_of(child), rows, batch_id=f"{name}-1")
            assert counts.accepted == 2
            warned = [(r.rule_id, r.checked) for r in counts.rules if r.kind == "warn"]
            # That no key stands twice is asked of every batch.
            assert warned == [("up.reference", 0), ("key.repeated", 2)]
            bench.deliver(plan_of(parent), _codes("p"))
            (replay,) = _recheck(bench, child, parent)
            assert (replay.read, replay.accepted, replay.rejected) == (2, 1, 1)
        assert _recheck(bench, child, parent) == []
        results.append(bench.silver(child, "no, up, _source_row, _is_deleted"))
    assert results[0] == results[1] == [("a", "p", 2, False)]


def test_a_parent_may_stand_in_the_same_file(bench: Bench) -> None:
    """A tree that refers to itself finds parents of the same delivery, dirty or clean."""
    up = Column("up", "上级", "string", reference=Reference("tree", "code", rejects=True))
    feed = feed_of(CODE, up, name="tree", delivery="full")
    rows = [
        {"code": "1", "up": None},
        {"code": " ２", "up": "1"},
        {"code": "3", "up": "2"},
        {"code": "4", "up": "9"},
    ]
    counts = bench.deliver(plan_of(feed), rows)
    assert (counts.accepted, counts.rejected) == (3, 1)


def test_between_departments_a_missing_parent_only_warns(bench: Bench) -> None:
    """The row is let in, and the reference is counted over silver whenever either side changes."""
    parent, child = _family("apart", rejects=False)
    counts = bench.deliver(plan_of(child), _children(("a", "p"), ("b", "q"), ("c", None)))
    assert counts.accepted == 3
    settled, _ = settle_rules({feed.name: feed for feed in (parent, child)}, {}, {})
    (rule,) = settled[child.name].table_rules
    assert (rule.id, rule.severity, rule.message) == (
        "up.reference",
        "warn",
        "上级在 apart_parent 中不存在",
    )
    answers = []
    for code, later in (("p", 0), ("q", 1)):
        bench.deliver(plan_of(parent), _codes(code), at=NOON + later * DAY)
        (found,) = evaluate(bench.con, settled[child.name], [rule], NOON.date())
        rows = bench.con.execute("SELECT record_key FROM temp.breaking").fetchall()
        answers.append((found.checked, found.failed, rows))
    # A parent that vanished counts as missing.
    assert answers == [(2, 1, [("b",)]), (2, 1, [("a",)])]
    assert not settled[parent.name].table_rules
