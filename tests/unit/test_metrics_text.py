"""Figures as text: a home without a lake, the file for the node exporter, a kill while writing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families as parse_older

from dagster_project.components.steps.founding import found
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import Site
from dagster_project.web.metrics.exposition import openmetrics, write_textfile
from dagster_project.web.site import ShownSite
from tests.metrics_kit import parsed, values

WRITING = """
import sys
from pathlib import Path
from prometheus_client.core import GaugeMetricFamily
from dagster_project.web.metrics.exposition import registry, write_textfile

def figures():
    made = GaugeMetricFamily("countylake_numbers", "Many.", labels=["number"])
    for number in range(3000):
        made.add_metric([str(number)], number)
    yield made

source = registry(figures)
while True:
    write_textfile(source, Path(sys.argv[1]))
"""


@pytest.fixture
def bare(tmp_path: Path) -> ShownSite:
    """A county that was founded and never ran."""
    found(Home(tmp_path / "home"), Site(code="140321", name="平定县", parent="140300"))
    return ShownSite(Workshop.at(tmp_path / "home"), scrape_s=30)


def test_a_home_without_a_lake_is_told_and_is_no_error(bare: ShownSite) -> None:
    """Nothing was run yet: the figures of the machine are there, and `countylake_up` is 0."""
    told = parsed(openmetrics(bare.registry).decode())
    assert values(told["countylake_up"])[()] == 0
    size, free = (values(told[f"countylake_disk_{one}_bytes"])[()] for one in ("size", "free"))
    assert size > free > 0
    assert _state(told) == "empty"
    assert not bare.workshop.home.catalog.exists()


def test_a_broken_lake_is_told_and_fails_no_scrape(bare: ShownSite) -> None:
    """A catalog that is none: whoever watches must see it, and the rest of the figures."""
    bare.workshop.home.catalog.write_text("no catalog", encoding="utf-8")
    told = parsed(openmetrics(bare.registry).decode())
    assert values(told["countylake_up"])[()] == 0
    assert _state(told) == "broken"


def _state(told: dict[str, Metric]) -> str:
    states = values(told["countylake_lake_state"], "countylake_lake_state")
    (state,) = (state for (state,), is_so in states.items() if is_so)
    return state


def test_only_this_sites_figures_are_told(bare: ShownSite) -> None:
    """Neither process nor interpreter is described: every name is ours."""
    assert all(
        name.startswith("countylake_") for name in parsed(openmetrics(bare.registry).decode())
    )


def test_the_textfile_must_have_a_name_that_is_read(bare: ShownSite, tmp_path: Path) -> None:
    """The node exporter skips other files without a word, so that they are refused."""
    with pytest.raises(UsageError, match=r"county\.prom"):
        write_textfile(bare.registry, tmp_path / "county.txt")


@pytest.mark.thorough
def test_a_kill_leaves_a_whole_textfile(tmp_path: Path) -> None:
    """Whoever reads the folder sees the file of before or the new one, all of it."""
    path = tmp_path / "county.prom"
    for number in range(8):
        path.unlink(missing_ok=True)
        with subprocess.Popen([sys.executable, "-c", WRITING, str(path)]) as child:
            deadline = time.monotonic() + 60
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.011 * number)
            child.send_signal(signal.SIGKILL)
        (family,) = parse_older(path.read_text(encoding="utf-8"))
        assert len(family.samples) == 3000
        assert {found.name for found in tmp_path.glob("*.prom")} == {"county.prom"}
