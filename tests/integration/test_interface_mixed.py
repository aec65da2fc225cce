"""Interfaces that misbehave in any mixture, and pulls that are killed: everything, or an error."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.errors import ChannelError
from dagster_project.paths import PROJECT
from tests.interface_kit import (
    PAGING,
    Interface,
    pulled,
    records,
    serving,
)

FAULTS = ["429", "500", "cut", "truncated", "drop", "gzip", "badgzip", "gbk", "busy", "html", "401"]


@settings(max_examples=30, deadline=None)
@given(
    kept=st.builds(
        Interface,
        rows=st.integers(0, 40).map(records),
        style=st.sampled_from(list(PAGING)),
        faults=st.dictionaries(st.integers(0, 20), st.sampled_from(FAULTS), max_size=5),
        caps=st.dictionaries(st.integers(0, 12), st.sampled_from([1, 2, 5, 109, 130]), max_size=2),
        repeats=st.frozensets(st.integers(0, 12), max_size=2),
    ),
    grows=st.sets(st.integers(1, 12), max_size=2),
    moves=st.dictionaries(st.integers(1, 12), st.integers(0, 39), max_size=2),
)
def test_any_misbehaviour_gives_everything_or_an_error(
    kept: Interface, grows: set[int], moves: dict[int, int]
) -> None:
    """Whatever mix happens: the rows equal the source exactly, or a ChannelError is raised."""

    def grow(interface: Interface, number: int) -> None:
        if number in grows:
            interface.rows = records(1, 100 + number) + interface.rows
        at = moves.get(number, len(interface.rows))
        if at < len(interface.rows):
            moved = {**interface.rows[at], "amount": f"-{number}"}
            interface.rows = [*interface.rows[:at], *interface.rows[at + 1 :], moved]

    kept.change = grow
    with tempfile.TemporaryDirectory() as folder, serving(kept) as interface:
        try:
            found = pulled(interface, Path(folder))
        except ChannelError:
            return
        assert sorted(found, key=str) == sorted(interface.rows, key=str)


CHILD = """
import sys
from pathlib import Path
from dagster_project.ingest.channels.pull import Memory
from tests.interface_kit import Interface, pull_of
url, style, total, spool = sys.argv[1:]
interface = Interface([], style, total == "True", url=url)
list(pull_of(interface, Path(spool)).pull(Memory()))
"""


def child(interface: Interface, spool: Path) -> subprocess.Popen[bytes]:
    """A process that pulls."""
    said = interface.url, interface.style, str(interface.total), str(spool)
    return subprocess.Popen([sys.executable, "-c", CHILD, *said], cwd=PROJECT)


def pages_left(spool: Path) -> int:
    """How many whole pages a killed pull left."""
    note = spool / "progress.json"
    return int(json.loads(note.read_text(encoding="utf-8"))["pages"]) if note.exists() else 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("style", "total"),
    [("page", True), ("page", False), ("offset", True), ("cursor", False), ("next", True)],
)
def test_a_killed_pull_goes_on_or_begins_again(tmp_path: Path, style: str, *, total: bool) -> None:
    """Killed at ten moments of its walk, the next pull's rows equal the source exactly."""
    seed = random.Random(style)  # noqa: S311 - only moments
    with serving(Interface(records(300), style, total, delay=0.01)) as interface:
        for _ in range(10):
            asked = len(interface.asked)
            process = child(interface, tmp_path)
            wanted = asked + seed.randint(1, 40)
            while len(interface.asked) < wanted and process.poll() is None:
                time.sleep(seed.random() / 100)
            process.kill()
            process.wait()
        left = pages_left(tmp_path)
        interface.asked.clear()
        assert pulled(interface, tmp_path) == interface.rows
        if style in {"cursor", "next"} or total:
            assert len(interface.asked) <= 43 - left
