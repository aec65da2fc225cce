"""Figures as text: OpenMetrics for a scrape, and a file for the node exporter's text collector.

The collector of text files reads the older form of Prometheus and not OpenMetrics; names and
values are the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector

from dagster_project.errors import UsageError
from dagster_project.lake.failures import sentences
from dagster_project.protocol.folders import write_file

CONTENT_TYPE = openmetrics_exposition.CONTENT_TYPE_LATEST
SUFFIX = ".prom"


class _Site(Collector):
    """One site's figures; the registry asks for them at each scrape."""

    def __init__(self, figures: Callable[[], Iterator[Metric]]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Every family of figures."""
        return self._figures()


def registry(figures: Callable[[], Iterator[Metric]]) -> CollectorRegistry:
    """A registry of its own: nothing of the process or the interpreter is told beside."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Site(figures))
    return made


def openmetrics(source: CollectorRegistry) -> bytes:
    """The text of a scrape."""
    text: bytes = openmetrics_exposition.generate_latest(source)  # type: ignore[no-untyped-call]
    return text


def write_textfile(source: CollectorRegistry, path: Path) -> None:
    """Write the figures where a node exporter looks for them; it sees the old ones or the new.

    Raises:
        UsageError: The exporter would not read a file of that name.
        LakeError: Disk or permissions.
    """
    if path.suffix != SUFFIX:
        raise UsageError(
            f"the node exporter reads files that end in {SUFFIX}",
            where=str(path),
            todo=f"Name it {path.stem}{SUFFIX}",
        )
    with sentences(path):
        write_file(path, exposition.generate_latest(source))
