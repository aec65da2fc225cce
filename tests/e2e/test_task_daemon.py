"""A real Dagster daemon: the sensors start runs, and a killed run is found and tried again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagster_project.paths import PROJECT, SAMPLES

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("daemon")]
PATIENCE_S = 240.0
FEEDS = ("division", "grid")
MODULE = "dagster_project.definitions"


@dataclass(frozen=True)
class Site:
    """A county of two feeds with contracts of its own, and a daemon that works for it."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the site is told."""
        return {
            **os.environ,
            "COUNTYLAKE_HOME": str(self.root / "county"),
            "COUNTYLAKE_SCHEMAS": str(self.root / "schemas"),
            "COUNTYLAKE_SQL": str(self.root / "sql"),
            "COUNTYLAKE_THREADS": "1",
            "DAGSTER_HOME": str(self.root / "county" / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }

    def call(self, *arguments: str) -> dict[str, Any]:
        """Ask ``countylake`` for JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "dagster_project.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def line(self, task: str) -> dict[str, Any]:
        """How a task stands."""
        lines = self.call("tasks", "--json")["tasks"]
        found: dict[str, Any] = next(line for line in lines if line["task"] == task)
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The site, its daemon running; the daemon's whole group ends with the test."""
    made = Site(tmp_path)
    shutil.copytree(PROJECT / "schemas", tmp_path / "schemas")
    for contract in (tmp_path / "schemas" / "feeds").iterdir():
        if contract.stem not in FEEDS:
            contract.unlink()
    (tmp_path / "schemas" / "items.yaml").unlink(missing_ok=True)
    (tmp_path / "sql" / "gold").mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "dagster_project.cli", "init"], check=True, env=made.environment
    )
    daemon = subprocess.Popen(
        [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-m", MODULE],
        env=made.environment,
        cwd=PROJECT,
        stdout=(tmp_path / "daemon.log").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield made
    os.killpg(daemon.pid, signal.SIGKILL)
    daemon.wait()


def until(site: Site, is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        log = (site.root / "daemon.log").read_text(encoding="utf-8")[-3000:]
        assert time.monotonic() < deadline, f"{what}\n{log}"
        time.sleep(2)


def test_a_file_starts_a_run_by_itself(site: Site) -> None:
    """What a department puts into the inbox is in silver without a command."""
    for source in (SAMPLES / "inbox" / "140321").glob("*/行政区划_*"):
        target = site.root / "county" / "inbox" / source.parent.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    until(site, lambda: site.line("division")["state"] == "ok", "the file was not taken")
    found = site.call("tasks", "show", "division", "--json")
    assert found["executions"][-1]["trigger"] == "arrival"
    assert found["executions"][-1]["accepted"] > 0
