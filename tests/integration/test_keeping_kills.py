"""A keeper killed at any moment: the lake opens, and every state that is held reads as before."""

from __future__ import annotations

from pathlib import Path

import pytest
from keeping_kit import PastLake, keeper, past_lake

from dagster_project.lake.inventory import inventory

pytestmark = [pytest.mark.thorough, pytest.mark.slow]
KILLS = 30


def test_a_kill_anywhere_loses_nothing(tmp_path: Path) -> None:
    """Thirty kills of one lake: at every kind of step, and by the clock within the engine.

    After each the states that are held read as before, by the catalog and the files that lie there;
    whenever a keeper came through, the lake lives on, so that there is work for the next.
    """
    past = past_lake(tmp_path / "home")
    before = {at: past.rows(at) for at in past.sealed}
    killed, number, commits = 0, 0, 12
    while killed < KILLS:
        number += 1
        assert number < 3 * KILLS, "keepers come through too often"
        steps = (
            keeper(past.root, at=number // 2 % 24 + 1 if number % 6 else -(number // 6 % 2 + 1))
            if number % 2
            else keeper(past.root, seconds=0.04 + 0.09 * (number // 2 % 14))
        )
        killed += not steps
        check(past, before)
        if steps:
            past.live(4, first=commits)
            commits += 4
            before |= {at: past.rows(at) for at in past.sealed if at not in before}
    past.keep()
    check(past, before)
    assert set(past.sealed) <= set(past.snapshots())


def check(past: PastLake, before: dict[int, object]) -> None:
    """Every sealed state reads as it did, and no file that the catalog names is missing."""
    assert {at: past.rows(at) for at in past.sealed} == before
    with past.lake.writer("looking") as writer:
        assert inventory(writer.con, past.lake.home).lacking == []
