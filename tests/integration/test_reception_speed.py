"""Reception keeps its pace: ninety sites with twenty reports each in under five minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.paths import PROJECT

SITES, REPORTS = 6, 15
EACH_S = 5 * 60 / (90 * 20)
"""What one package may take of a processor that nobody else wants."""
BEGINNING_S = 10
"""What the process and its lake may take before the first package."""


def run(what: str, root: Path, day: int) -> float:
    """One part of the bench in a process of its own; its seconds of the processor."""
    size = ["--sites", str(SITES), "--reports", str(REPORTS), "--day", str(day)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.reception", what, str(root), *size],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.split()[1])


@pytest.mark.thorough
def test_a_days_packages_are_taken_in_time(tmp_path: Path) -> None:
    """Two days of ninety packages of 300 rows each; every one is accepted, without a remark."""
    for day in (1, 2):
        run("make", tmp_path, day)
        assert run("receive", tmp_path, day) < BEGINNING_S + EACH_S * SITES * REPORTS
