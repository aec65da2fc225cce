"""The writer lock between real processes and threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dagster_project.errors import LakeBusyError
from dagster_project.lake.lock import HomeLock, lock_for, read_holder

HOLDER = """
import sys, time
from pathlib import Path
from dagster_project.lake.lock import lock_for
with lock_for(Path(sys.argv[1])).hold("ingest population", 5):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def another_process(path: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock for some seconds."""
    command = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A lock file that does not exist yet."""
    return tmp_path / "lake" / "writer.lock"


def test_a_second_process_waits_and_knows_for_whom(path: Path) -> None:
    """A waiting process is told who holds the lock, then gets it."""
    told: list[str] = []
    with another_process(path, 0.5) as holder, lock_for(path).hold("publish", 10, told.append):
        assert told[0].startswith("waiting for the lake: held by ingest population")
        assert f"process {holder.pid}" in told[0]
        assert len(told) == 1


def test_patience_ends_with_a_sentence(path: Path) -> None:
    """After the timeout the error names the holder and says what to do."""
    with (
        another_process(path, 30),
        pytest.raises(LakeBusyError, match=r"ingest population .*COUNTYLAKE_LOCK_TIMEOUT_S"),
        lock_for(path).hold("publish", 0.2),
    ):
        pass


def test_a_killed_holder_leaves_nothing_locked(path: Path) -> None:
    """The lock is free as soon as its holder is gone, however it went."""
    with another_process(path, 30) as holder:
        holder.kill()
        holder.wait()
        told: list[str] = []
        with lock_for(path).hold("publish", 5, told.append):
            assert told == []
            present = read_holder(path)
            assert present is not None
            assert (present.pid, present.why) == (os.getpid(), "publish")


def test_the_holder_may_ask_again(path: Path) -> None:
    """Within a thread the lock is reentrant and stays held until the outermost block ends."""
    with lock_for(path).hold("outer", 1):
        with lock_for(path).hold("inner", 1):
            pass
        assert (read_holder(path) or pytest.fail("nobody holds it")).why == "outer"
        with pytest.raises(LakeBusyError), HomeLock(path).hold("a stranger", 0.1):
            pass
    assert read_holder(path) is None


def test_threads_of_one_process_exclude_each_other(path: Path) -> None:
    """Two threads never hold the lock at the same time."""
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with lock_for(path).hold("thread", 10):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_waiting_thread_is_told_the_holder(path: Path) -> None:
    """A thread of the same process waits by name too."""
    told: list[str] = []
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock_for(path).hold("rebuild house", 5):
            held.set()
            release.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    with (
        pytest.raises(LakeBusyError, match="rebuild house"),
        lock_for(path).hold("publish", 0.1, told.append),
    ):
        pass
    release.set()
    thread.join()
    assert "rebuild house" in told[0]


def test_a_home_made_anew_while_waiting_is_locked_anew(path: Path) -> None:
    """A lock on a removed file is no lock: the waiter takes the file that is there now."""
    with another_process(path, 30):
        path.unlink()
        with lock_for(path).hold("publish", 5):
            assert (read_holder(path) or pytest.fail("nobody holds it")).why == "publish"


def test_a_forked_child_holds_nothing(path: Path) -> None:
    """A holder that forks and dies leaves no lock behind in its child."""
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from dagster_project.lake.lock import lock_for\n"
        "with lock_for(Path(sys.argv[1])).hold('fork', 5):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        time.sleep(3)\n"
        "        os._exit(0)\n"
        "    print(child, flush=True)\n"
        "    os._exit(0)\n"
    )
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.wait()
        with lock_for(path).hold("after", 2):
            assert time.monotonic() - started < 3
        os.kill(child, 9)
