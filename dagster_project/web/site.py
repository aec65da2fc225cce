"""One site as the web shows it: its figures with the newest look behind them."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from prometheus_client.core import Metric

from dagster_project import clock
from dagster_project.components.steps.workshop import Workshop
from dagster_project.web.keeper import PATIENCE_S, Keeper, Kept
from dagster_project.web.metrics.exposition import registry
from dagster_project.web.metrics.ledgers import read
from dagster_project.web.metrics.series import figures

_log = structlog.get_logger(__name__)
SCRAPE_S = 0.2
"""How long a scrape waits for a new look before it shows the one before."""


class ShownSite:
    """A site and the keeper of its looks.

    Args:
        workshop: The site.
        scrape_s: Seconds that a scrape waits for a new look.
        patience_s: Seconds that a look waits for the lake's lock.
    """

    def __init__(
        self, workshop: Workshop, *, scrape_s: float = SCRAPE_S, patience_s: float = PATIENCE_S
    ) -> None:
        self.workshop = workshop
        self.keeper = Keeper(workshop, lambda con: read(workshop, con, clock.now()), patience_s)
        self.registry = registry(self._figures)
        self._scrape_s = scrape_s

    def _figures(self) -> Iterator[Metric]:
        now = clock.now()
        try:
            made = list(figures(self.workshop, self.keeper.newest(self._scrape_s), now))
        except Exception as error:  # noqa: BLE001 - a scrape tells of a fault and does not fail
            _log.warning("metrics_broken", kind=type(error).__name__)
            made = list(figures(self.workshop, Kept("broken"), now))
        yield from made
