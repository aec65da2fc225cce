"""Whole processes, measured by the operating system. What is run in them is the callers' matter."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime

from dagster_project.clock import now


@dataclass(frozen=True)
class Timed:
    """One process: seconds on the clock, seconds of CPU, peak memory in MiB, what it printed."""

    wall: float
    cpu: float
    peak: float
    printed: str
    started: datetime


def timed(command: list[str], env: dict[str, str] | None = None) -> Timed:
    """Run a process to its end.

    Raises:
        SystemExit: It failed.
    """
    started, at = time.monotonic(), now()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    wall = time.monotonic() - started
    return Timed(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed, at)
