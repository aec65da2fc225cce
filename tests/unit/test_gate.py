"""The gate of a feed: its rejection budget at the edges, and rules that hold by one failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pytest

from dagster_project.components.steps.arriving.gate import FEWEST, exceeded, judge
from dagster_project.components.steps.arriving.holds import Held
from dagster_project.contracts.model import Column, Feed, Rule
from dagster_project.contracts.table_rule import Gate, TableRule
from tests.conform_kit import Bench, Row, feed_of, open_bench, plan_of

DAY = date(2023, 6, 1)


@dataclass(frozen=True)
class Stated:
    """A total that a file states of itself."""

    sheet: str
    row: int
    column: str
    stated: str


FEED = feed_of(
    Column("no", "编号", "string"),
    Column("of", "分组", "string"),
    Column("qty", "数量", "integer"),
    rules=(
        Rule("qty_small", "qty < 1000", "数量过大", "accuracy", "warn", columns=("qty",)),
        Rule("qty_positive", "qty > 0", "数量应大于零", "accuracy", columns=("qty",)),
    ),
    name="parts",
)
ALIKE = TableRule(
    "alike",
    "同组数量应相等",
    "group",
    columns=("of",),
    holds="min(qty) = max(qty)",
    inputs=("parts",),
)


@pytest.mark.parametrize(
    ("gate", "rejected", "rows", "over"),
    [
        (Gate(), FEWEST, 100, ()),
        (Gate(), FEWEST, 99, ("share",)),
        (Gate(), FEWEST - 1, FEWEST - 1, ()),
        (Gate(share=0.3), 30, 100, ()),
        (Gate(share=0.3), 31, 100, ("share",)),
        (Gate(share=0.0), FEWEST, 1_000_000, ("share",)),
        (Gate(share=1.0), 50, 50, ()),
        (Gate(rows=5, share=1.0), 5, 5, ()),
        (Gate(rows=5, share=1.0), 6, 1_000, ("rows",)),
        (Gate(rows=0, share=1.0), 1, 1_000, ("rows",)),
        (Gate(rows=15), 16, 20, ("rows", "share")),
        (Gate(), 0, 0, ()),
    ],
)
def test_the_budget_is_exceeded_by_one_row_more(
    gate: Gate, rejected: int, rows: int, over: tuple[str, ...]
) -> None:
    """Exactly at a limit a delivery is within; few rejected rows are no share of anything."""
    assert exceeded(gate, rejected, rows) == over


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lake for all tests of this module."""
    with open_bench(tmp_path_factory.mktemp("gate")) as bench:
        yield bench


def judged(bench: Bench, feed: Feed, rows: Sequence[Row], **extra: object) -> Held | None:
    """Deliver rows of a feed and ask its gate."""
    plan = plan_of(feed)
    counts = bench.deliver(plan, rows, **extra)  # type: ignore[arg-type]
    try:
        judge(bench.con, plan, "零件_1.csv", counts, DAY)
    except Held as held:
        return held
    return None


def parts(*quantities: str, of: str = "A") -> list[Row]:
    """One row per quantity."""
    return [{"no": f"{of}{n}", "of": of, "qty": q} for n, q in enumerate(quantities)]


def gated(gate: Gate, name: str) -> Feed:
    """The feed with a gate, in tables of its own."""
    rule = replace(ALIKE, inputs=(name,))
    return replace(FEED, name=name, gate=gate, table_rules=(rule,))


def test_a_delivery_within_its_budget_passes(lake: Bench) -> None:
    """Nine rejected rows of ten are few; nothing is hard."""
    assert judged(lake, gated(Gate(), "parts_a"), parts("1", *["-1"] * 9)) is None


def test_what_exceeds_the_budget_is_told_by_rule(lake: Bench) -> None:
    """The most frequent rule first, with counts and places, and never a cell."""
    rows = parts(*["1"] * 20, *["-7654"] * 8, *["viele"] * 4)
    held = judged(lake, gated(Gate(), "parts_b"), rows)
    assert held is not None
    budget, *broken = held.findings
    assert budget == {
        "rejected": 12,
        "rows": 32,
        "share": 0.375,
        "most_rows": None,
        "most_share": 0.1,
        "exceeded": ("share",),
    }
    assert [(one["rule"], one["checked"], one["failed"], one["is_hard"]) for one in broken] == [
        ("qty_positive", 32, 8, False),
        ("qty.type", 32, 4, False),
    ]
    assert broken[1]["places"] == (("", 30), ("", 31), ("", 32), ("", 33))
    assert "12 of 32 rows are rejected (37.5%), and the contract allows 10.0%" in held.sentence
    assert "7654" not in f"{held.findings}{held.sentence}"
    assert "viele" not in f"{held.findings}{held.sentence}"


@pytest.mark.parametrize(
    ("rule", "cell", "place"),
    [("qty.type", "viele", 22), ("qty_positive", "0", 22), ("qty_small", "1000", 22)],
)
def test_one_failure_of_a_hard_rule_holds(lake: Bench, rule: str, cell: str, place: int) -> None:
    """Of a cell, of a row, and of one that only warns elsewhere."""
    feed = gated(Gate(hard=(rule,)), f"parts_{rule.replace('.', '_')}")
    held = judged(lake, feed, parts(*["1"] * 20, cell))
    assert held is not None
    assert held.findings[0]["exceeded"] == ()
    (broken,) = held.findings[1:]
    assert (broken["rule"], broken["failed"], broken["is_hard"]) == (rule, 1, True)
    assert broken["places"] == (("", place),)
    assert f"1 of 21 break {rule}" in held.sentence
    soft = replace(feed, name=f"{feed.name}_soft", gate=Gate())
    assert judged(lake, soft, parts(*["1"] * 20, cell)) is None


def test_a_hard_table_rule_asks_the_records_of_this_delivery(lake: Bench) -> None:
    """An old group that is broken holds nobody; one that this delivery breaks does."""
    feed = gated(Gate(hard=("alike",)), "parts_c")
    soft = replace(feed, gate=Gate())
    assert judged(lake, soft, parts("1", "2", of="A")) is None
    assert judged(lake, feed, parts("3", "3", of="B")) is None
    held = judged(lake, feed, [{"no": "B9", "of": "B", "qty": "4"}])
    assert held is not None
    (broken,) = held.findings[1:]
    assert (broken["rule"], broken["failed"], broken["places"]) == ("alike", 1, (("", 2),))


def test_a_wrong_control_total_may_be_hard(lake: Bench) -> None:
    """A total that agrees passes; one that does not is named by its place, not by its figures."""
    feed = gated(Gate(hard=("control_totals_agree",)), "parts_d")
    stated = {"control_totals": [Stated("", 5, "qty", "6")]}
    assert judged(lake, feed, parts("1", "2", "3"), **stated) is None
    stated = {"control_totals": [Stated("", 5, "qty", "6789")]}
    held = judged(lake, feed, parts("1", "2", "3"), **stated)
    assert held is not None
    (broken,) = held.findings[1:]
    assert (broken["rule"], broken["checked"], broken["failed"]) == ("control_totals_agree", 1, 1)
    assert broken["places"] == (("", 5),)
    assert "6789" not in f"{held.findings}{held.sentence}"


def test_a_warning_that_is_hard_is_asked_as_when_the_rows_came(lake: Bench) -> None:
    """It may name the time of the delivery, and a cell that its cast cannot read is left open."""
    late = Rule(
        "late",
        "CAST(of AS INTEGER) < 5 OR :delivered_at < TIMESTAMP '2020-01-01' -- 迟",
        "数字过大",
        "accuracy",
        "warn",
        columns=("of",),
    )
    feed = gated(Gate(hard=("late",)), "parts_late")
    feed = replace(feed, rules=(late,))
    rows = [{"no": str(n), "of": of, "qty": "1"} for n, of in enumerate(["1", "viele", "7"])]
    held = judged(lake, feed, rows)
    assert held is not None
    assert [(one["rule"], one["places"]) for one in held.findings[1:]] == [("late", (("", 4),))]


@pytest.mark.parametrize(
    ("where", "most_s", "kind"),
    [
        ("CAST(of AS INTEGER) > 0", 60.0, "Conversion"),
        ("len(md5(repeat(of, 6000000))) > 0", 0.002, "Interrupt"),
    ],
)
def test_a_hard_rule_that_cannot_be_asked_holds_as_well(
    lake: Bench, where: str, most_s: float, kind: str
) -> None:
    """A cast that fails or SQL that takes too long: a person decides, and no cell is told."""
    feed = gated(Gate(hard=("alike",)), f"parts_{kind}")
    feed = replace(feed, table_rules=(replace(feed.table_rules[0], where=where),))
    plan = plan_of(feed)
    rows = [{"no": str(n), "of": "张三丰", "qty": "-1" if n < 15 else "1"} for n in range(30)]
    counts = lake.deliver(plan, rows)
    with (
        pytest.raises(Held) as held,
        lake.writer.transaction("a test"),
    ):
        judge(lake.con, plan, "零件_1.csv", counts, DAY, most_s=most_s)
    told = f"{held.value.findings}{held.value.sentence}"
    assert kind in told
    assert "qty_positive" in told
    assert "张三丰" not in told
