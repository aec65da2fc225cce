"""The rules of the table of dirt that take two rows, two deliveries or two departments to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dagster_project.contracts.model import Column, Reference
from tests.conform_kit import NOON, feed_of, open_bench, plan_of
from tests.delivery_kit import County, rows
from tests.dirt_kit import Example, examples
from tests.items_kit import NAME, item_of, person, row
from tests.items_kit import County as Departments

HISTORIES = [example for example in examples() if example.is_history]
DAY = timedelta(days=1)
VOLUME = "SELECT success FROM ops.check_result WHERE rule_id = 'volume_is_usual'"


@pytest.mark.thorough
@pytest.mark.parametrize("example", HISTORIES, ids=[example.title for example in HISTORIES])
def test_a_history(example: Example, tmp_path: Path) -> None:
    """A doubtful delivery is held or told by its kind; one that only looks like it is merged."""
    county = County(
        tmp_path, example.words.get("words", ()), delivery=example.words.get("delivery", "full")
    )
    for step in example.words["history"]:
        _deliver(county, step)
        county.run()
    for name, expected in example.words["ends"].items():
        assert _ended(county, name) == expected, name


def _deliver(county: County, step: Mapping[str, Any]) -> None:
    path = county.put(step["file"], rows(range(step["rows"]), holder=step.get("holder", "一厂")))
    if "stated" in step:
        county.state(path.stem, path, rows=step["stated"])


def _ended(county: County, name: str) -> Any:
    """What a history ended in."""
    if name == "hold":
        (hold,) = county.holds()
        return hold.kind
    if name == "outcomes":
        return county.outcomes_of()
    if name == "told":
        (passed,) = county.ask(VOLUME)[-1]
        return "usual" if passed else "unusual"
    if name == "kept":
        return county.ask("SELECT count(*) FROM silver.permit")[0][0]
    return len(county.live()) if county.outcomes_of().count("merged") else 0


@pytest.fixture
def departments(tmp_path: Path) -> Iterator[Departments]:
    """A fresh lake in which names come from the police, then from civil affairs."""
    with open_bench(tmp_path) as bench:
        yield Departments(bench, person(item_of(NAME, "police", "civil")))


def test_one_key_twice(departments: Departments) -> None:
    """D24: a copy is a duplicate, an older version is superseded; the newer row stays."""
    bench, plan = departments.bench, departments.plan("police")
    older, newer = "2023-05-01 10:00:00", "2023-05-02 10:00:00"
    same = row("a", "甲", changed_at=newer)
    counts = bench.deliver(plan, [same, same, row("a", "乙", changed_at=older)])
    assert (counts.accepted, counts.duplicate, counts.superseded) == (1, 1, 1)
    assert bench.silver(plan.feed, "name") == [("甲",)]
    two = [row("b", "甲", changed_at=newer), row("c", "甲", changed_at=newer)]
    near = bench.deliver(plan, two, at=NOON.replace(hour=5))
    assert (near.duplicate, near.superseded, near.rejected) == (0, 0, 0)


def test_names_of_towns(tmp_path: Path) -> None:
    """D26: the name of one living town is its code, logged; of two, or of none, it is rejected."""
    code = Column("code", "代码", "string", key_position=1, required=True)
    name = Column("name", "名称", "string", textual=True)
    register = replace(feed_of(code, name, name="division", delivery="full"), name_column="name")
    no = Column("no", "编号", "string", key_position=1, required=True)
    town = Column(
        "town", "乡镇代码", "string", reference=Reference("division", "code", rejects=True)
    )
    feed = feed_of(no, town, name="house")
    plan = plan_of(feed, register)
    cells = [" 冠山镇", "140321100", "城关村", "下社乡", "140322202", "冠山", None]
    rows = [{"no": str(number), "town": cell} for number, cell in enumerate(cells)]
    with open_bench(tmp_path) as bench:
        early = bench.deliver(plan, rows[:1])
        divisions = {"140321100": "冠山镇", "140321200": "城关村", "140321201": "城关村"}
        towns = [{"code": code, "name": name} for code, name in divisions.items()]
        abolished = {"code": "140322202", "name": "下社乡"}
        bench.deliver(plan_of(register), [*towns, abolished])
        bench.deliver(plan_of(register), towns, at=NOON + DAY)
        counts = bench.deliver(plan, rows, at=NOON + 2 * DAY)
        repairs = bench.all(
            "SELECT raw_value, fixed_value, rule_id FROM lake.ops.repair WHERE feed = 'house'"
            " ORDER BY ALL"
        )
        assert early.rejected == 0
        assert (counts.accepted, counts.rejected) == (3, 4)
        assert bench.silver(feed, "no, town") == [
            ("0", "140321100"),
            ("1", "140321100"),
            ("6", None),
        ]
        assert repairs == [(" 冠山镇", "140321100", "code_synonym")]
        assert {rule.rule_id: rule.failed for rule in counts.rules}["town.reference"] == 4


def test_two_departments(departments: Departments) -> None:
    """D25: what differs is a case of the department that is not the source; dirt is no conflict."""
    departments.deliver("police", row("a", "甲甲"), row("b", "阿样·乙提"))
    departments.deliver("civil", row("a", "乙乙"), row("b", "　阿样·乙提 "), row("c", "丙丙"))
    departments.integrate()
    assert departments.cases() == [("a", "name", "civil", "open", None)]
    assert departments.persons() == [
        ("a", "甲甲", "police"),
        ("b", "阿样·乙提", "police"),
        ("c", "丙丙", "civil"),
    ]
