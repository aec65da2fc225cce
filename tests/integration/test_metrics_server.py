"""A real server on loopback: scraped while a run writes, while the lake is held, by strangers."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from dagster_project.clock import now
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.paths import SAMPLES
from tests.conftest import founded_county
from tests.metrics_kit import parsed, values

# One county for the whole module, wherever it runs.
pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("metrics_server")]
FEEDS = ("division", "grid")
PATIENT_S = 3.0
"""What a scrape may take on a machine that does much else; alone it takes a tenth."""


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Workshop:
    """A county that has one feed so far."""
    assert keys.exists()
    made = founded_county(tmp_path_factory.mktemp("served"), SAMPLES / "inbox" / "140321")
    run_feed(made, FEEDS[0], Occasion(run_id=f"test-{uuid4()}", day=now().date()))
    return made


@pytest.fixture(scope="module")
def server(county: Workshop) -> Iterator[httpx.Client]:
    """`countylake serve` in a process of its own, after its first look."""
    command = [sys.executable, "-m", "dagster_project.cli", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--home", str(county.home.root)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            address = process.stderr.readline().split("/metrics")[0]
            with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
                deadline = time.monotonic() + 60
                while _up(client) < 1 and time.monotonic() < deadline:
                    time.sleep(0.2)
                yield client
        finally:
            process.terminate()
            assert process.wait(20) in (0, -15)
            assert process.stderr.read() == ""


def _up(client: httpx.Client) -> float:
    return values(parsed(client.get("/metrics").text)["countylake_up"])[()]


def _rows(client: httpx.Client) -> dict[tuple[str, ...], float]:
    return values(parsed(client.get("/metrics").text)["countylake_rows_read"], "feed")


def test_health_is_answered_and_nothing_tells_what_serves(server: httpx.Client) -> None:
    """No name of the server, no pages about the interface; strange host names are refused."""
    answer = server.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "server" not in answer.headers
    for page in ("/docs", "/redoc", "/openapi.json", "/"):
        assert server.get(page).status_code == 404
    assert server.get("/health", headers={"Host": "county.example"}).status_code == 400


def test_only_this_machine_is_answered(server: httpx.Client) -> None:
    """The port is bound to the loopback address and to no other one of the machine."""
    port = server.base_url.port
    assert port is not None
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # would be refused if every address were taken


def test_a_scrape_is_openmetrics(server: httpx.Client) -> None:
    """The type says so, and so does the text."""
    answer = server.get("/metrics")
    kind = answer.headers["content-type"]
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    parsed(answer.text)


def test_scrapes_go_on_while_a_run_writes(server: httpx.Client, county: Workshop) -> None:
    """Every scrape is whole and quick, counters never fall, and in the end they have it all."""
    occasion = Occasion(run_id=f"test-{uuid4()}", day=now().date())
    run = threading.Thread(target=run_feed, args=(county, FEEDS[1], occasion))
    run.start()
    seen, took = [], []
    while run.is_alive():
        began = time.monotonic()
        seen.append(_rows(server))
        took.append(time.monotonic() - began)
        time.sleep(0.05)
    run.join()
    assert took
    assert sorted(took)[len(took) // 2] < PATIENT_S
    assert all(a.items() <= b.items() for a, b in pairwise(seen))
    deadline = time.monotonic() + 60
    while len(_rows(server)) < len(FEEDS) and time.monotonic() < deadline:
        time.sleep(0.1)
    with county.lake.reader() as con:
        found = con.execute("SELECT feed, sum(read) FROM ops.batch GROUP BY feed").fetchall()
    assert _rows(server) == {(feed,): rows for feed, rows in found}


def test_a_held_lake_is_told_and_waited_for_by_nobody(
    server: httpx.Client, county: Workshop
) -> None:
    """A writer that keeps the lake: the figures of before, their age, and the word busy."""
    before = _rows(server)
    with county.lake.locked("a test"):
        county.home.catalog.touch()
        server.get("/metrics")
        time.sleep(0.5)
        began = time.monotonic()
        told = parsed(server.get("/metrics").text)
        assert time.monotonic() - began < PATIENT_S
    assert values(told["countylake_rows_read"], "feed") == before
    states = values(told["countylake_lake_state"], "countylake_lake_state")
    assert [state for (state,), is_so in states.items() if is_so] == ["busy"]
    assert values(told["countylake_up"])[()] == 1
