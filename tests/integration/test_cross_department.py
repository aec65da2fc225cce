"""What departments say of the same thing is compared: each contradiction found, no other told.

Every rule has a world in which it is broken and one that only looks like it; all worlds lie in one
lake, delivered in the departments' own files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cross_kit import ABOVE, SOUND, Case, Departments, World, cases, departments

pytestmark = pytest.mark.xdist_group("cross_department")

FEEDS = (
    *("population", "house", "building", "std_address", "unit", "market_entity", "death"),
    *("component", "grid", "division", "built_up_area"),
)
CASES = cases()
RULES = list(dict.fromkeys(case.rule for case in CASES))


@dataclass(frozen=True)
class Compared:
    """The lake of all worlds: the sound one, then the cases' in their order."""

    lake: Departments
    worlds: tuple[World, ...]

    def broken(self, rule: str) -> set[str]:
        """The keys of the records that break a rule."""
        feed, _, name = rule.partition(".")
        rules = {rule.id: rule for rule in self.lake.contracts.feeds[feed].table_rules}
        return self.lake.broken(feed, rules[name])

    def keys(self, feed: str, world: World) -> set[str]:
        """The keys of a world's records of a feed."""
        (key,) = self.lake.contracts.feeds[feed].key
        return {str(row[key]) for row in world.rows.get(feed, ())}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """Found the lake and deliver every world."""
    worlds = (World(SOUND), *(World(number, case) for number, case in enumerate(CASES, start=1)))
    with departments(tmp_path_factory.mktemp("cross"), worlds) as lake:
        yield Compared(lake, worlds)


@pytest.mark.parametrize("rule", RULES)
def test_a_contradiction_is_found_and_its_near_miss_is_not(compared: Compared, rule: str) -> None:
    """In each world of a rule exactly its records are found; in the sound one none are."""
    broken, feed = compared.broken(rule), rule.partition(".")[0]
    for world, case in zip(compared.worlds, (Case(rule, {}), *CASES), strict=True):
        if case.rule == rule:
            told = {world.say(key) for key in case.keys}
            assert broken & compared.keys(feed, world) == told, case.title


def test_every_rule_between_registers_has_both_sides(compared: Compared) -> None:
    """A rule over the records of these feeds without a case would go untested."""
    feeds = compared.lake.contracts.feeds
    every = {f"{name}.{rule.id}" for name in FEEDS for rule in feeds[name].table_rules}
    sides = {(case.rule, bool(case.keys)) for case in CASES}
    alone = "built_up_area.boundary_is_readable"  # it changes the judgement of all components
    assert sides == {(rule, found) for rule in every - {alone} for found in (True, False)}


def test_a_built_up_area_that_cannot_be_read_judges_nobody(compared: Compared) -> None:
    """It is told itself; until it is corrected no component is said to lie outside."""
    rule, outside = "built_up_area.boundary_is_readable", "component.point_in_built_up_area"
    assert compared.broken(rule) == set()
    assert compared.broken(outside)
    feed = compared.lake.contracts.feeds["built_up_area"]
    (area,) = ABOVE["built_up_area"]
    compared.lake.deliver(feed, [area | {"boundary_wkt": "POLYGON ((112.9 37.7, 114 37.7"}])
    assert compared.broken(rule) == {"B1"}
    assert compared.broken(outside) == set()
