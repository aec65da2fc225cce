"""The Dagster resource that stands for one site, and the run's own parameters."""

from __future__ import annotations

import os
from datetime import date, datetime

import dagster as dg

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.paths import DEFAULT_CITY_HOME, DEFAULT_HOME


class SiteResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One site's home, and what a run may be told: its day and its cut-off."""

    home: str
    role: str = "county"
    day: str = ""
    cut_off_at: str = ""

    @property
    def workshop(self) -> Workshop:
        """The site's workshop, one per process."""
        return Workshop.at(self.home, "city" if self.role == "city" else "county")

    def occasion(self, run_id: str) -> Occasion:
        """The run as the steps know it.

        Raises:
            UsageError: ``day`` or ``cut_off_at`` is not a date or an instant with its zone.
        """
        try:
            day = date.fromisoformat(self.day) if self.day else clock.local_day(clock.now())
            cut_off = datetime.fromisoformat(self.cut_off_at) if self.cut_off_at else None
        except ValueError as error:
            raise UsageError(
                f"the run's day or cut-off cannot be read ({error})",
                todo="Write the day as 2026-11-22 and the cut-off as 2026-11-22T20:30:00+08:00",
            ) from error
        if cut_off is not None and cut_off.tzinfo is None:
            cut_off = cut_off.replace(tzinfo=clock.SHANGHAI)
        return Occasion(run_id=run_id, day=day, cut_off_at=cut_off)


def county_home() -> str:
    """The home that this process's county code location works for."""
    return os.environ.get("COUNTYLAKE_HOME") or str(DEFAULT_HOME)


def city_home() -> str:
    """The home that this process's city code location works for."""
    return os.environ.get("COUNTYLAKE_CITY_HOME") or str(DEFAULT_CITY_HOME)
