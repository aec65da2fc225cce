"""A feed against its own past: each kind of shift is found, what chance brings is not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from dagster_project.components.steps.arriving.shifts import Profile, Shift, compare, noise
from dagster_project.contracts.model import Column, Feed
from dagster_project.contracts.shift_words import Shifts
from tests.conform_kit import contracts_of, feed_of

FEED = feed_of(
    Column("no", "编号", "string"),
    Column("tel", "电话", "string"),
    Column("sex", "性别", "string", codes="sex"),
)
CONTRACTS = contracts_of(FEED)


def _profile(rows: int, empty: float = 0.1, men: float = 0.5) -> Profile:
    """A delivery of so many rows, of which a share lacks the phone and a share are men."""
    filled = {"no": rows, "tel": rows - round(rows * empty), "sex": rows}
    sexes = {"1": round(rows * men), "2": rows - round(rows * men)}
    return Profile(rows, filled, {"sex": sexes})


def _unusual(now: Profile, past: list[Profile], feed: Feed = FEED) -> list[Shift]:
    return [one for one in compare(feed, now, past, CONTRACTS) if not one.is_usual]


PAST = [_profile(10_000)] * 5


@pytest.mark.parametrize(
    ("now", "rule"),
    [
        (_profile(13_001), "volume_is_usual"),
        (_profile(6_999), "volume_is_usual"),
        (_profile(10_000, empty=0.26), "tel.null_rate"),
        (_profile(10_000, men=0.76), "sex.shares"),
        (_profile(10_000, men=0.24), "sex.shares"),
    ],
)
def test_each_kind_of_shift_is_found(now: Profile, rule: str) -> None:
    """More rows, fewer rows, emptier cells, other codes: each by its own check."""
    assert [one.rule_id for one in _unusual(now, PAST)] == [rule]


@pytest.mark.parametrize(
    "now",
    [
        _profile(13_000),
        _profile(7_000),
        _profile(10_000, empty=0.19),
        _profile(10_000, men=0.69),
        _profile(10_000, empty=0.0),
    ],
)
def test_a_near_miss_is_not_told(now: Profile) -> None:
    """At the contract's limit a delivery is usual still."""
    assert _unusual(now, PAST) == []


def test_few_rows_may_differ_more() -> None:
    """Eight of twenty rows say little: what chance brings is added to the limit."""
    few = [_profile(20)] * 5
    assert _unusual(_profile(20, empty=0.4, men=0.7), few) == []
    assert [one.rule_id for one in _unusual(_profile(20_000, empty=0.4), [_profile(20_000)] * 5)]


def test_two_deliveries_say_nothing_yet() -> None:
    """From the third earlier delivery on there is something usual."""
    odd = _profile(90_000, empty=0.9, men=0.9)
    assert _unusual(odd, PAST[:2]) == []
    assert len(_unusual(odd, PAST[:3])) == len(("volume", "nulls", "shares"))


def test_the_contract_says_how_far_is_far() -> None:
    """Wider limits tell less."""
    wide = replace(FEED, volume=1.0, shifts=Shifts(nulls=0.5, shares=0.5))
    assert _unusual(_profile(19_000, empty=0.5, men=0.9), PAST, wide) == []


def test_a_column_that_came_later_is_not_compared() -> None:
    """What earlier deliveries were not counted for has no usual."""
    old = replace(_profile(10_000), filled={"no": 10_000}, codes={})
    assert _unusual(_profile(10_000, empty=0.9, men=0.9), [old] * 5) == []


def test_the_sentence_names_column_code_and_both_shares() -> None:
    """The department reads what to look at."""
    (one,) = _unusual(_profile(10_000, men=0.9), PAST)
    assert "性别 (sex)" in one.told
    assert "2 女: 10.0%, usually 50.0%" in one.told


def test_chance_alone_is_never_told() -> None:
    """A thousand deliveries drawn from one whole differ by less than the noise."""
    dice = random.Random(1)  # noqa: S311 - no secret
    for _ in range(1_000):
        here, before = dice.choice((10, 100, 1_000)), 500
        men = [sum(dice.random() < 0.5 for _ in range(n)) / n for n in (here, before)]
        assert abs(men[0] - men[1]) <= noise({"1": 0.5, "2": 0.5}, here, before)
