"""Runs that have no end: closed by the next run, exactly where it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dagster_project.lineage.events.events import KILLED, Work, aborted, completed, started
from dagster_project.lineage.events.facets import Dataset
from dagster_project.lineage.events.log import append, close_killed, marked
from dagster_project.paths import Home
from tests.openlineage_kit import faults

AT = datetime(2023, 5, 31, 12, 30, tzinfo=UTC)
WORK = Work("140321", "gold.house", "r", AT, outputs=[Dataset("gold.house")])
DIES = """
import os, signal, sys
from pathlib import Path
from dagster_project.lineage.events.log import append, marked
from dagster_project.paths import Home
home, run_id, start, end = Home(Path(sys.argv[1])), *sys.argv[2:]
with marked(home, run_id, start):
    if end:
        append(home, [end])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill(home: Home, end: str = "") -> None:
    """Tell the START of a run in a process that is killed before, or just after, its end."""
    given = [str(home.root), WORK.event_run_id, started(WORK, AT), end]
    done = subprocess.run([sys.executable, "-c", DIES, *given], check=False)
    assert done.returncode < 0


def told(home: Home) -> list[tuple[str, str]]:
    """Every event's run and type."""
    lines = (home.lineage / "events.ndjson").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return [(one["run"]["runId"], one["eventType"]) for one in events]


def close(home: Home) -> list[str]:
    """Close what was killed."""
    return close_killed(home, lambda start: aborted(start, AT))


def test_a_killed_run_is_closed_once_by_the_next(tmp_path: Path) -> None:
    """Its ABORT is valid, says that it was ended, and is told once."""
    home, run = Home(tmp_path), WORK.event_run_id
    kill(home)
    (event,) = map(json.loads, close(home))
    assert event["run"]["facets"]["errorMessage"]["message"] == KILLED
    assert faults(event) == []
    assert close(home) == []
    assert told(home) == [(run, "START"), (run, "ABORT")]


def test_a_run_that_told_its_end_before_the_kill_is_left_alone(tmp_path: Path) -> None:
    """Between the end's line and the marker's removal there is a moment."""
    home, run = Home(tmp_path), WORK.event_run_id
    kill(home, completed(WORK, AT))
    assert close(home) == []
    assert told(home) == [(run, "START"), (run, "COMPLETE")]
    assert not list((home.lineage / "running").iterdir())


def test_a_run_that_goes_on_is_nobodys_to_close(tmp_path: Path) -> None:
    """Its marker is locked as long as its process lives; it leaves none behind."""
    home = Home(tmp_path)
    with marked(home, WORK.event_run_id, started(WORK, AT)):
        assert close(home) == []
        append(home, [completed(WORK, AT)])
    assert not list((home.lineage / "running").iterdir())


@pytest.mark.parametrize("text", ["", "{", '{"place": 0, "start": 1}', "[]"])
def test_a_damaged_marker_is_removed(tmp_path: Path, text: str) -> None:
    """Nothing can be told of its run."""
    home = Home(tmp_path)
    (home.lineage / "running").mkdir(parents=True)
    (home.lineage / "running" / "x.json").write_text(text, encoding="utf-8")
    assert close(home) == []
    assert not list((home.lineage / "running").iterdir())
