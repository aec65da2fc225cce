"""Random histories of three departments against an oracle of ten lines of Python."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_project.contracts.entities import Entity
from dagster_project.transform.conform import rebuild
from tests.conform_kit import NOON, Row, open_bench
from tests.items_kit import FEEDS, NAME, SEX, County, item_of, person, row

pytestmark = pytest.mark.thorough
ORDERS = [
    person(item_of(NAME, *order), item_of(SEX, *reversed(order)))
    for order in (("police", "civil", "health"), ("civil", "health", "police"), ("police", "civil"))
]
Held = dict[str, dict[str, Row]]


def delivered(chance: random.Random) -> list[Row]:
    """A delivery of some of six persons, with gaps."""
    return [
        row(one, chance.choice(["甲", "乙", None]), sex=chance.choice(["1", "2", None]))
        for one in "abcdef"
        if chance.random() < 0.6
    ]


def expected(
    entity: Entity, held: Held
) -> tuple[dict[str, tuple[object, ...]], set[tuple[str, str, str]]]:
    """The entity's rows, and who must correct what of whom."""
    keys = {key for feed in entity.feeds for key in held[feed]}
    table: dict[str, tuple[object, ...]] = dict.fromkeys(keys, ())
    wrong = set()
    for item in entity.items:
        for key in keys:
            said = {
                source.feed: value
                for source in item.sources
                if (value := held[source.feed].get(key, {}).get(item.name)) is not None
            }
            first = next(iter(said), None)
            table[key] += (said.get(first or ""), first)
            wrong |= {(key, item.name, feed) for feed, v in said.items() if v != said[first or ""]}
    return table, wrong


def history(county: County, chance: random.Random) -> Iterator[Held]:
    """A dozen deliveries, changes of order and rebuilds; after each what the feeds hold."""
    held: Held = {feed: {"z": row("z")} for feed in FEEDS}
    for _ in range(12):
        feed = chance.choice(list(FEEDS))
        if rows := delivered(chance):
            county.deliver(feed, *rows)
            fresh = {str(one["id_no"]): one for one in rows}
            held[feed] = held[feed] | fresh if FEEDS[feed].delivery == "incremental" else fresh
        if chance.random() < 0.3:
            county.entity = chance.choice(ORDERS)
        if chance.random() < 0.2:
            with county.bench.writer.transaction("a rebuild") as tx:
                rebuild(tx.con, county.plan(feed), run_id="again", committed_at=NOON)
        county.integrate()
        yield held


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_history_ends_as_the_oracle_says(tmp_path: Path, seed: int) -> None:
    """Whatever was delivered in which order: entity, open cases, nothing on asking again."""
    with open_bench(tmp_path) as bench:
        county = County(bench, ORDERS[0])
        for feed in FEEDS:
            county.deliver(feed, row("z"))
        for held in history(county, random.Random(seed)):  # noqa: S311 - no secret
            table, wrong = expected(county.entity, held)
            names = "id_no, name, name_source, sex, sex_source"
            assert {key: tuple(rest) for key, *rest in county.persons(names)} == table
            found = county.cases("record_key, item, feed, state")
            assert {case[:3] for case in found if case[3] == "open"} == wrong
            assert sum(case[3] == "open" for case in found) == len(wrong)
            before = county.cases("*")
            county.integrate()
            assert county.cases("*") == before
        assert len({number for (number,) in county.cases("case_id")}) == len(county.cases())
