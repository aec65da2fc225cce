"""What is planted into the three assets for red flags to find, and which records they must name.

Nothing here is a fault of a file: every row is accepted as it stands. Payments are added as not
yet paid, so that the county's figures stay what they are; what only shows in paid ones is planted
into their approvals. How suspicious rows look is told per feed in ``suspects``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from dagster_project.simulate.county import County
from dagster_project.simulate.suspects import SUSPECTS, Scene

GRACE = 4
"""Days after the files' day from which every planted suspicion is one."""


class Suspicions:
    """Plants them feed by feed, parents first, and keeps the books."""

    def __init__(self, county: County) -> None:
        self._scene = Scene(county, {})
        self._named: dict[str, dict[str, list[str]]] = {}

    def plant(self, feed: str, truth: pl.DataFrame) -> pl.DataFrame:
        """The feed's true rows with what is suspicious among them."""
        for plant in SUSPECTS.get(feed, ()):
            truth, named = plant(self._scene, truth)
            for place, keys in named.items():
                of, rule = place.split(".")
                self._named.setdefault(of, {}).setdefault(rule, []).extend(keys)
        self._scene.made[feed] = truth
        return truth

    def as_json(self, asked: Callable[[str, str], bool]) -> dict[str, Any]:
        """The keys that must be named, by feed and rule, parts divided by ``|``; and on which day.

        Some rules leave a few days' grace after the files' day.

        Args:
            asked: Tells by feed and rule whether the county's feeds let the rule be asked.
        """
        told = {
            feed: {rule: sorted(keys) for rule, keys in sorted(rules.items()) if asked(feed, rule)}
            for feed, rules in sorted(self._named.items())
        }
        records = {feed: rules for feed, rules in told.items() if rules}
        return {"on": self._scene.ahead(GRACE), "records": records}
