"""The Dagster resource that stands for one site, and the run's own parameters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Self

import dagster as dg

from dagster_project.components.steps.journal import open_journal
from dagster_project.components.steps.occasion import Occasion, told
from dagster_project.components.steps.tasks.running import alive
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import DEFAULT_CITY_HOME, DEFAULT_HOME, Home


class SiteResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One site's home, and what a run may be told: its day, its cut-off, and what started it."""

    home: str
    duty: str = "collect"
    day: str = ""
    cut_off_at: str = ""
    trigger: str = ""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """Let others see that the run's process lives."""
        with alive(Home(Path(self.home)), context.run_id) if context.run_id else nullcontext():
            yield self

    @property
    def workshop(self) -> Workshop:
        """The site's workshop, one per process."""
        found = Workshop.at(self.home, "receive" if self.duty == "receive" else "collect")
        open_journal(found.home)
        return found

    def occasion(self, run_id: str) -> Occasion:
        """The run as the steps know it.

        Raises:
            UsageError: ``day`` or ``cut_off_at`` is not a date or an instant with its zone.
        """
        return told(run_id, self.day, self.cut_off_at, self.trigger)


def county_home() -> str:
    """The home that this process's county code location works for."""
    return os.environ.get("COUNTYLAKE_HOME") or str(DEFAULT_HOME)


def city_home() -> str:
    """The home that this process's city code location works for."""
    return os.environ.get("COUNTYLAKE_CITY_HOME") or str(DEFAULT_CITY_HOME)
