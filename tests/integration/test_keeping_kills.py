"""A keeper killed at any moment: the lake opens, and every state that is held reads as before."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from keeping_kit import PastLake, past_lake

from dagster_project.lake.inventory import inventory

KEEPER = """
import os, signal, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from keeping_kit import PastLake
from dagster_project.lake import maintenance
from datetime import UTC, datetime, timedelta

at, seconds, seen = int(sys.argv[3]), float(sys.argv[4]), []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def count(event, words):
    # What touches the disk; the engine's own hand is not seen here, so a clock kills, too.
    if event in {"open", "os.rename", "os.remove", "shutil.copyfile", "sqlite3.connect"}:
        if str(sys.argv[1]) in str(words) or event == "os.rename":
            seen.append(event)
            if len(seen) == at:
                die()

past = PastLake(Path(sys.argv[1]))
with past.lake.reader():
    pass
sys.addaudithook(count)
if seconds:
    threading.Timer(seconds, die).start()
past.keep()
maintenance.gc(past.lake, at=datetime.now(UTC) + timedelta(days=2))
print(" ".join(seen), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> PastLake:
    """A lake of twelve commits, three of which a package was made of; nobody changes it."""
    return past_lake(tmp_path_factory.mktemp("kills") / "home")


def keeper(root: Path, *, at: int = 0, seconds: float = 0.0) -> list[str]:
    """Keep a lake in a process that dies at some step, or after some time.

    Returns:
        Its steps; none if it died.
    """
    command = [sys.executable, "-c", KEEPER, str(root), str(Path(__file__).parent)]
    done = subprocess.run(
        [*command, str(at), str(seconds)], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.stdout.split()


def whole(lived: PastLake, folder: Path) -> list[str]:
    """The steps of a keeper that nobody kills."""
    shutil.copytree(lived.root, folder, ignore=shutil.ignore_patterns("tmp"))
    return keeper(folder)


def survives(lived: PastLake, folder: Path, *, at: int = 0, seconds: float = 0.0) -> bool:
    """Kill a keeper of a copy; whether it was in time to be killed.

    The states that are held must read as before, by the catalog and the files that lie there; then
    another keeper must do the rest.
    """
    shutil.copytree(lived.root, folder, ignore=shutil.ignore_patterns("tmp"))
    past = PastLake(folder, lived.sealed)
    before = {one: lived.rows(one) for one in lived.sealed}
    newest = lived.rows(lived.snapshots()[-1])
    steps = keeper(folder, at=at, seconds=seconds)
    for _ in range(2):
        assert {one: past.rows(one) for one in past.sealed} == before
        assert past.rows(past.snapshots()[-1]) == newest
        with past.lake.writer("looking") as writer:
            assert inventory(writer.con, past.lake.home).lacking == []
        past.keep()
    shutil.rmtree(folder)
    return not steps


def test_a_kill_at_the_turn_loses_nothing(lived: PastLake, tmp_path: Path) -> None:
    """Right before the new catalog takes its place, and right after."""
    steps = whole(lived, tmp_path / "whole")
    turn = steps.index("os.rename") + 1
    for number in (turn, turn + 1):
        assert survives(lived, tmp_path / str(number), at=number)


@pytest.mark.thorough
@pytest.mark.slow
def test_a_kill_anywhere_loses_nothing(lived: PastLake, tmp_path: Path) -> None:
    """Thirty kills: at steps spread over the whole of it, and by the clock within the engine."""
    steps = len(whole(lived, tmp_path / "whole"))
    spread = sorted({1 + number * (steps - 1) // 17 for number in range(18)})
    killed = [survives(lived, tmp_path / f"at-{number}", at=number) for number in spread]
    assert all(killed)
    clocks = [survives(lived, tmp_path / f"by-{n}", seconds=0.05 + 0.08 * n) for n in range(14)]
    assert sum(clocks) >= 6
    assert len(killed) + sum(clocks) >= 24
