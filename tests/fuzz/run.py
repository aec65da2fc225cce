"""``make fuzz``: a campaign of damaged files against the readers.

Each is read in a child process with bounded memory and time. Anything but a verdict is a finding,
and is kept below ``var/fuzz`` to be read again by ``countylake read``. ``FUZZ_SECONDS`` bounds the
campaign (60), ``FUZZ_SEED`` sets its first number; numbers mean other files when samples are added.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dagster_project.paths import PROJECT
from tests.fuzz.mutants import mutant

FINDINGS = PROJECT / "var" / "fuzz"
WORK = 10.0
"""Seconds of work that one file may take."""
PATIENCE = 60.0
"""Seconds on the clock after which a file is taken to hang: other work may hold the machine."""
MEMORY = 1536
"""MiB that the whole child may use."""


@dataclass(frozen=True)
class Finding:
    """A damaged file that gave something else than a verdict."""

    seed: int
    fault: str

    @property
    def kind(self) -> str:
        """Its last line: what tells one fault from another."""
        return self.fault.strip().rpartition("\n")[2]


class Victim:
    """The reading child; it is started again after it died."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def read(self, seed: int) -> str:
        """What is wrong with the reading of a mutant; empty when nothing is."""
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(f"{seed}\n")
            child.stdin.flush()
            ready, _, _ = select.select([child.stdout], [], [], PATIENCE)
            line = child.stdout.readline() if ready else ""
        except BrokenPipeError:
            ready, line = [child.stdout], ""
        if line:
            told = json.loads(line)
            if told["mib"] > MEMORY:
                self.stop()
                return str(told["fault"] or f"it used {told['mib']} MiB")
            slow = f"it took {told['seconds']:.0f} s" if told["seconds"] > WORK else ""
            return str(told["fault"] or slow)
        self.stop()
        return f"the process died ({child.returncode})" if ready else f"no answer in {PATIENCE} s"

    def stop(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.victim"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=PROJECT,
            )
        return self._child


def campaign(first: int, *, seconds: float = 0, count: int = 0) -> Iterator[Finding | None]:
    """Read mutant after mutant until the time is over or so many are read."""
    victim, end = Victim(), time.monotonic() + seconds
    try:
        seed = first
        while (time.monotonic() < end) if seconds else (seed < first + count):
            fault = victim.read(seed)
            yield Finding(seed, fault) if fault else None
            seed += 1
    finally:
        victim.stop()


def keep(finding: Finding, folder: Path) -> Path:
    """Keep a finding's file and what it did."""
    folder.mkdir(parents=True, exist_ok=True)
    name, data = mutant(finding.seed)
    path = folder / f"{finding.seed}-{name}"
    path.write_bytes(data)
    path.with_name(path.name + ".txt").write_text(finding.fault + "\n", encoding="utf-8")
    return path


def main() -> int:
    """Run a campaign; 1 when it found anything."""
    first = int(os.environ.get("FUZZ_SEED") or time.time_ns() >> 20)
    seconds = float(os.environ.get("FUZZ_SECONDS") or 60)
    read, kinds = 0, dict[str, int]()
    for finding in campaign(first, seconds=seconds):
        read += 1
        if finding is not None:
            kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
            path = keep(finding, FINDINGS)
            sys.stdout.write(f"{path}: {finding.kind}\n")
    sys.stdout.write(f"{read} damaged files from number {first}: {sum(kinds.values())} findings\n")
    for kind, number in sorted(kinds.items(), key=lambda one: -one[1]):
        sys.stdout.write(f"{number:6} {kind}\n")
    return 1 if kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
