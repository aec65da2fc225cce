"""Departments that disagree: cases of the loser, an entity that follows the priority."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.contracts.entities import Source
from dagster_project.transform.conform import rebuild
from dagster_project.transform.models import withdraw_others
from tests.conform_kit import NOON, open_bench
from tests.items_kit import DIED, NAME, SEX, County, item_of, person, row, rows

BY_NAME = person(item_of(NAME, "police", "civil"))
IDS = [f"{number:04}" for number in range(300)]


@pytest.fixture
def county(tmp_path: Path) -> Iterator[County]:
    """A fresh lake in which names come from the police, then from civil affairs."""
    with open_bench(tmp_path) as bench:
        yield County(bench, BY_NAME)


def test_a_hundred_disagreements_make_a_hundred_cases(county: County) -> None:
    """The entity follows the priority; the other value is kept; agreement closes just those."""
    county.deliver("police", *rows(IDS, "甲"))
    county.deliver("civil", *rows(IDS[:100], "乙"), *rows(IDS[100:200], "甲"))
    county.integrate()
    assert county.cases() == [(one, "name", "civil", "open", None) for one in IDS[:100]]
    assert county.persons() == [(one, "甲", "police") for one in IDS]
    assert county.bench.all("SELECT count(*) FROM lake.silver.civil WHERE name = '乙'") == [(100,)]
    before = county.cases("*")
    assert not county.integrate()
    county.deliver("civil", *rows(IDS[:40], "甲"), *rows(IDS[40:100], "乙"), *rows(IDS[100:], "甲"))
    county.integrate()
    closed = county.cases("record_key, state, how, attempts, closed_batch_id LIKE 'civil-%3'")
    assert closed == [
        *((one, "closed", "agreed", 1, True) for one in IDS[:40]),
        *((one, "open", None, 2, None) for one in IDS[40:100]),
    ]
    assert [case[0] for case in before] == [number for (number,) in county.cases("case_id")]


def test_the_source_department_that_gives_in_closes_the_case_too(county: County) -> None:
    """Who corrected is told by the batch that closed it."""
    county.deliver("police", row("a", "甲"))
    county.deliver("civil", row("a", "乙"))
    county.integrate()
    county.deliver("police", row("a", "乙"))
    county.integrate()
    assert county.cases("how, closed_batch_id LIKE 'police-%'") == [("agreed", True)]
    county.deliver("civil", row("a", "丙"))
    county.integrate()
    assert county.cases("state, attempts") == [("closed", 1), ("open", 1)]
    assert len({number for (number,) in county.cases("case_id")}) == 2


def test_another_priority_turns_the_entity_and_the_owners_round(county: County) -> None:
    """The former loser's case is withdrawn, and the former winner gets one."""
    county.deliver("police", row("a", "甲"))
    county.deliver("civil", row("a", "乙"))
    county.integrate()
    county.entity = person(item_of(NAME, "civil", "police"))
    assert county.integrate()
    assert county.persons() == [("a", "乙", "civil")]
    assert sorted(county.cases("feed, state, how"), key=str) == [
        ("civil", "withdrawn", "withdrawn"),
        ("police", "open", None),
    ]
    county.entity = BY_NAME
    county.integrate()
    assert county.persons() == [("a", "甲", "police")]
    states = county.cases("feed, state")
    assert sorted(states) == [("civil", "open"), ("civil", "withdrawn"), ("police", "withdrawn")]
    assert len({number for (number,) in county.cases("case_id")}) == 3


def test_a_third_source_answers_for_itself(county: County) -> None:
    """Each losing department has its own case; the second speaks where the first is silent."""
    county.entity = person(item_of(NAME, "police", "civil", "health"))
    county.deliver("police", row("a", "甲"), row("b", None))
    county.deliver("civil", row("a", "乙"), row("b", "乙"))
    county.deliver("health", row("a", "甲"), row("b", "丙"), row("c", "丙"))
    county.integrate()
    assert county.persons() == [
        ("a", "甲", "police"),
        ("b", "乙", "civil"),
        ("c", "丙", "health"),
    ]
    assert county.cases("record_key, feed, source_feed") == [
        ("a", "civil", "police"),
        ("b", "health", "civil"),
    ]


def test_an_empty_cell_says_nothing_unless_it_is_declared_to(county: County) -> None:
    """With `blank` the living of one register contradict the deaths of another."""
    county.entity = person(item_of(DIED, "civil", "police"))
    county.deliver("police", row("a"), row("b", died="2023-01-02"))
    county.deliver("civil", row("a", died="2023-01-01"), row("b"))
    county.integrate()
    assert county.cases() == []
    assert county.persons("died::VARCHAR, died_source") == [
        ("2023-01-01", "civil"),
        ("2023-01-02", "police"),
    ]
    county.entity = person(
        item_of(DIED, Source("civil", "died", blank=True), Source("police", "died", blank=True))
    )
    county.integrate()
    assert county.persons("died::VARCHAR, died_source") == [
        ("2023-01-01", "civil"),
        (None, "civil"),
    ]
    assert county.cases("record_key, feed") == [("a", "police"), ("b", "police")]


def test_values_are_compared_in_the_items_own_codes(county: County) -> None:
    """A map turns another list's values into the item's; what it lacks says nothing."""
    mapped = Source("civil", "name", {"先生": "1", "女士": "2"})
    county.entity = person(item_of(SEX, "police", mapped))
    county.deliver("police", *(row(one, sex="1") for one in "abc"))
    county.deliver("civil", row("a", "先生"), row("b", "女士"), row("c", "同志"), row("d", "女士"))
    county.integrate()
    assert county.cases("record_key") == [("b",)]
    assert county.persons("sex, sex_source")[3] == ("2", "civil")
    every = Source("civil", "name", {"先生": "1", "*": "2"})
    county.entity = person(item_of(SEX, "police", every))
    county.integrate()
    assert county.cases("record_key") == [("b",), ("c",)]


def test_blanks_and_width_of_typed_texts_make_no_case(county: County) -> None:
    """买买提·艾力 is 买买提•艾力, and full-width letters are letters."""
    county.deliver("police", row("a", "买买提·艾力"), row("b", "张 三"), row("c", "AB"))
    county.deliver("civil", row("a", "买买提•艾力"), row("b", "张三"), row("c", "ＡＢ"))
    county.integrate()
    assert county.cases() == []


def test_a_row_that_goes_withdraws_its_case(county: County) -> None:
    """A snapshot without the loser, and one without the winner."""
    county.deliver("police", *rows("ab", "甲"))
    county.deliver("civil", *rows("ab", "乙"), *rows("c", "丙"))
    county.integrate()
    county.deliver("civil", *rows("b", "乙"), *rows("c", "丙"))
    county.deliver("police", *rows("a", "甲"))
    county.integrate()
    assert county.cases("record_key, state") == [("a", "withdrawn"), ("b", "withdrawn")]
    assert county.persons() == [("a", "甲", "police"), ("b", "乙", "civil"), ("c", "丙", "civil")]


def test_a_rebuild_gives_the_same_cases(county: County) -> None:
    """Everything follows from the rows, and they are the same after a rebuild."""
    county.deliver("police", *rows("abc", "甲"))
    county.deliver("civil", *rows("abc", "乙"))
    county.integrate()
    before = county.cases("*")
    with county.bench.writer.transaction("a rebuild") as tx:
        rebuild(tx.con, county.plan("civil"), run_id="again", committed_at=NOON)
    county.integrate()
    assert county.cases("*") == before


def test_an_item_or_entity_that_is_gone_withdraws_its_cases(county: County) -> None:
    """Cases of an item that is no longer declared do not stay open for ever."""
    county.entity = person(item_of(NAME, "police", "civil"), item_of(SEX, "police", "civil"))
    county.deliver("police", row("a", "甲", sex="1"))
    county.deliver("civil", row("a", "乙", sex="2"))
    county.integrate()
    county.entity = BY_NAME
    county.integrate()
    assert county.cases("item, state") == [("name", "open"), ("sex", "withdrawn")]
    with county.bench.writer.transaction("the entity is gone") as tx:
        assert withdraw_others(tx.con, (), NOON) == 1
        assert withdraw_others(tx.con, (), NOON) == 0
    assert county.cases("state") == [("withdrawn",), ("withdrawn",)]


def test_a_key_without_its_format_meets_the_other_departments(county: County) -> None:
    """Where a contract does not make an x an X, the entity does."""
    formatted = replace(county.entity.key, format="resident_id")
    county.entity = replace(county.entity, key=formatted)
    county.deliver("police", row("1x", "甲"))
    county.deliver("civil", row("1X", "乙"))
    county.integrate()
    assert county.persons() == [("1X", "甲", "police")]
    assert county.cases("record_key") == [("1X",)]
