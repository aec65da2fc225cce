"""Who runs a task: true also after a kill, and never two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.components.steps.tasks.running import (
    TaskRunningError,
    abandoned,
    alive,
    is_alive,
    now_running,
    running,
)
from dagster_project.paths import Home

OTHER = """\
import sys, time
from pathlib import Path
from dagster_project.components.steps.tasks.running import alive, running
from dagster_project.paths import Home
home = Home(Path(sys.argv[1]))
with alive(home, "run-1"), running(home, "people", "run-1"):
    print("running", flush=True)
    time.sleep(60)
"""


def test_a_killed_execution_is_not_running(tmp_path: Path) -> None:
    """While it lives a second process is told so; after SIGKILL it is known as abandoned."""
    home = Home(tmp_path)
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "running\n"
    assert now_running(home)["people"].pid == other.pid
    assert is_alive(home, "run-1")
    with pytest.raises(TaskRunningError, match="run-1"), running(home, "people", "run-2"):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert now_running(home) == {}
    assert is_alive(home, "run-1") is False
    assert abandoned(home)["people"].run_id == "run-1"
    with running(home, "people", "run-2") as before:
        assert before is not None
        assert before.run_id == "run-1"
        assert now_running(home)["people"].pid == os.getpid()
    assert abandoned(home) == {}


def test_a_task_that_ended_leaves_nothing(tmp_path: Path) -> None:
    """Neither a running nor an abandoned execution, and no lock of the run."""
    home = Home(tmp_path)
    with alive(home, "run-1"), running(home, "people", "run-1") as before:
        assert before is None
    assert now_running(home) == abandoned(home) == {}
    assert is_alive(home, "run-1") is None
