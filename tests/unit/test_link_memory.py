"""A dead link is tried less and less often, and at once when it is told to be."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.reporting.links import link_of
from dagster_project.reporting.links.memory import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LinkMemory,
    recall,
    remember,
)
from dagster_project.settings import described_site

START = datetime(2026, 11, 1, tzinfo=UTC)


class _Always(random.Random):
    """Chance that always falls on the same spot."""

    def random(self) -> float:
        return 1.0


def failed(memory: LinkMemory, at: datetime, **words: float) -> LinkMemory:
    """One more failure, with the longest pause that chance allows."""
    after = words.get("after", 0)
    return memory.failed(at, "the line is dead.", backs_off=True, after=after, chance=_Always())


def test_the_pause_doubles_up_to_a_bound() -> None:
    """Five minutes, ten, twenty … and never more than two hours."""
    memory, at, pauses = LinkMemory(), START, []
    for _ in range(9):
        memory = failed(memory, at)
        assert memory.next_attempt_at is not None
        pauses.append(memory.next_attempt_at - at)
        at = memory.next_attempt_at
    assert pauses[:4] == [FIRST_PAUSE * 2**n for n in range(4)]
    assert pauses[-1] == LONGEST_PAUSE
    assert memory.failures == 9


def test_chance_spreads_the_attempts() -> None:
    """Sites that lost one parent together do not come back together."""
    chance = random.Random(4)  # noqa: S311
    at = {
        LinkMemory(failures=5).failed(START, "x", backs_off=True, after=0, chance=chance)
        for _ in range(40)
    }
    pauses = sorted(one.next_attempt_at - START for one in at if one.next_attempt_at)
    assert len(set(pauses)) == 40
    assert pauses[0] < LONGEST_PAUSE / 4 < LONGEST_PAUSE * 3 / 4 < pauses[-1] <= LONGEST_PAUSE


def test_a_parent_that_asks_for_time_gets_it() -> None:
    """The pause is as long as the parent asks for, within the bound."""
    chance = random.Random(1)  # noqa: S311
    memory = LinkMemory().failed(START, "x", backs_off=True, after=900, chance=chance)
    assert memory.next_attempt_at is not None
    assert memory.next_attempt_at >= START + timedelta(seconds=900)
    assert failed(LinkMemory(), START, after=10**9).next_attempt_at == START + LONGEST_PAUSE


def test_a_link_is_due_when_its_pause_is_over() -> None:
    """Not before; and a clock that is set back does not lock it for long."""
    memory = failed(LinkMemory(), START)
    assert not memory.is_due(START + FIRST_PAUSE - timedelta(seconds=1))
    assert memory.is_due(START + FIRST_PAUSE)
    assert memory.is_due(START - timedelta(days=300))
    assert memory.succeeded(START, 3, "a" * 64).is_due(START)


def test_what_is_remembered_survives_and_may_be_lost(tmp_path: Path) -> None:
    """It is read as it was written; a damaged file is as none."""
    home, memory = Home(tmp_path), failed(LinkMemory(), START)
    assert recall(home) == LinkMemory()
    remember(home, memory)
    assert recall(home) == memory
    (home.outbox / ".link.json").write_text("[", encoding="utf-8")
    assert recall(home) == LinkMemory()


@pytest.mark.parametrize(
    ("exchange", "sentence"),
    [
        ("http://city.example:8000", "only https leaves this machine"),
        ("https://me.example@city.example", "without user"),
        ("https://city.example/?token=x", "without user"),
        ("https://", "without user"),
    ],
)
def test_an_address_that_would_show_the_token_is_refused(exchange: str, sentence: str) -> None:
    """Plain http goes no further than this machine, and an address holds no secret."""
    words = {"code": "140321", "name": "平定县", "exchange": exchange}
    with pytest.raises(UsageError, match=sentence):
        described_site(words, where="site.yaml", todo="")


def test_a_link_over_http_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is found by its reference, and is told by nobody."""
    words = {"code": "140321", "name": "平定县", "exchange": "https://city.example/"}
    with pytest.raises(UsageError, match="no token"):
        link_of(Home(tmp_path), described_site(words, where="", todo=""))
    monkeypatch.setenv("CITY_TOKEN", "secret-word")
    site = described_site(words | {"exchange_token": "env:CITY"}, where="", todo="")
    link = link_of(Home(tmp_path), site)
    assert link.where == "https://city.example"
    assert "secret-word" not in repr(link)
