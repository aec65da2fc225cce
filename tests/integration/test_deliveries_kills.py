"""Killed at any line between landing and commit, a delivery is merged once, and so is a release.

A process of its own takes the delivery under a line tracer that kills it (SIGKILL) at the n-th line
of our own code; the next one goes on from what it left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.delivery_kit import County, rows

pytestmark = pytest.mark.thorough
GROWTH = 2.6
FIRST = 200
STEP = """\
import os, signal, sys
from datetime import date
from pathlib import Path
from dagster_project.components.steps.feed import run_feed
from dagster_project.components.steps.occasion import Occasion, manual
from dagster_project.components.steps.arriving.release import replay
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import UsageError
from dagster_project.paths import PACKAGE, Home, sql_dir
from dagster_project.settings import Settings

home, schemas, kill_at, hold = sys.argv[1:]
rooms = tuple(str(PACKAGE / room) for room in ("components", "ingest/landing", "lake"))
workshop = Workshop(Home(Path(home)), Settings(threads=1), "collect", Path(schemas), sql_dir())
left = int(kill_at)

def trace(frame, event, _):
    global left
    if not frame.f_code.co_filename.startswith(rooms):
        return None
    if event == "line":
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace

sys.settrace(trace)
if hold:
    try:
        replay(workshop, hold, manual(), by="li", why="asked")
    except UsageError as error:
        assert "accepted already" in str(error), error
else:
    done = run_feed(workshop, "permit", Occasion("killed", date(2023, 6, 1)))
    assert not done.error, done.error
"""


def killed_until_done(county: County, hold: str = "") -> int:
    """Kill the step later and later; returns how often it was killed."""
    kills, kill_at = 0, float(FIRST)
    while True:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                STEP,
                str(county.workshop.home.root),
                str(county.workshop.schemas),
                str(int(kill_at)),
                hold,
            ],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        if done.returncode != -signal.SIGKILL:
            assert done.returncode == 0, done.stderr
            return kills
        kills, kill_at = kills + 1, kill_at * GROWTH


def test_a_killed_delivery_is_merged_once(tmp_path: Path) -> None:
    """Two files of one manifest: one batch, its two files, every row once; so a released one."""
    county = County(tmp_path)
    county.put("许可_0.csv", rows(range(50)))
    county.run()
    county.state("五月", *(county.put(f"许可_{n}.csv", rows(range(n, 60, 2))) for n in (0, 1)))
    assert killed_until_done(county) > 2
    assert county.outcomes_of() == ["merged", "merged"]
    assert county.ask("SELECT count(*), sum(read) FROM ops.batch") == [(2, 110)]
    assert county.ask("SELECT count(*) FROM ops.batch_file") == [(2,)]
    assert len(county.live()) == 60
    county.put("许可_9.csv", rows(range(40)))
    assert county.run().status == "failed"
    assert killed_until_done(county, "permit-1") > 2
    assert county.outcomes_of() == ["merged", "merged", "merged"]
    assert county.ask("SELECT count(*) FROM ops.batch") == [(3,)]
    assert [hold.state for hold in county.holds("")] == ["accepted"]
    assert len(county.live()) == 40
    assert county.run().status == "skipped"


def test_a_killed_release_of_a_broken_batch_merges_it_once(tmp_path: Path) -> None:
    """Its rows, its cases and its decision are there once, whenever the release was killed."""
    county = County(tmp_path, ["drift, value: {narrowed: note}"])
    county.put("许可_0.csv", rows(range(50)))
    county.run()
    county.put("许可_1.csv", [*rows(range(30)), *rows(range(30, 60), "2023-02-31")])
    assert county.run().status == "failed"
    assert killed_until_done(county, "permit-1") > 2
    assert county.outcomes_of() == ["merged", "merged"]
    assert county.ask("SELECT count(*), sum(read), sum(rejected) FROM ops.batch") == [(2, 110, 30)]
    for table in ("quarantine", "rectification"):
        assert county.ask(f"SELECT count(*) FROM ops.{table}") == [(30,)]
    (hold,) = [one for one in county.holds("") if one.kind == "quality"]
    assert (hold.state, hold.decided_by, hold.rejected) == ("accepted", "li", 30)
    assert [one.state for one in county.holds("") if one.kind == "schema"] == ["noted"]
    assert len(county.live()) == 50
    assert county.run().status == "skipped"
