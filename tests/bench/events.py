"""What telling others costs: the CPU of events, as a share of a whole day of the sample county.

A fresh process takes every feed, builds every table and seals every report. What telling takes is
measured where it is done, everything else included: the files that are looked for, the events that
are written, the markers of runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOAL = 3.0


def measure(rounds: int = 3) -> None:
    """Print the share that telling has of a day's CPU."""
    told = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as root:
            command = [sys.executable, "-m", "tests.bench.events", root]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            told.append([float(word) for word in said.split()])
    events, size, spent, whole = min(told, key=lambda one: one[2])
    sys.stdout.write(
        f"lineage events of a day of the sample county, best of {rounds}\n"
        f"  {events:.0f} events, {size / 1e6:.1f} MB   {spent:.2f} s of {whole:.1f} s of CPU"
        f"   {100 * spent / whole:.1f} %   goal {GOAL:.0f} %\n"
    )


def child(root: Path) -> None:
    """A day in this process; prints events, bytes, seconds of telling and of all."""
    os.environ["COUNTYLAKE_KEYS"] = str(root / "keys")
    from dagster_project import clock  # noqa: PLC0415 - the parent needs none of these
    from dagster_project.components.steps.model import build_model  # noqa: PLC0415
    from dagster_project.components.steps.occasion import Occasion  # noqa: PLC0415
    from dagster_project.components.steps.rebuild import look_again  # noqa: PLC0415
    from dagster_project.components.steps.replica import publish  # noqa: PLC0415
    from dagster_project.components.steps.report import reports, seal_report  # noqa: PLC0415
    from dagster_project.components.steps.telling import Telling  # noqa: PLC0415
    from dagster_project.lake.written_files import NewFiles  # noqa: PLC0415
    from dagster_project.paths import SAMPLES  # noqa: PLC0415
    from tests.conftest import founded_county, take_all  # noqa: PLC0415

    spent = Spent()
    for owner, names in ((Telling, ("begin", "add", "end")), (NewFiles, ("__init__", "of"))):
        for name in names:
            setattr(owner, name, spent.around(getattr(owner, name)))
    began = time.process_time()
    workshop = founded_county(root / "county", SAMPLES / "inbox" / "140321")
    take_all(workshop)
    occasion = Occasion("bench", clock.local_day(clock.now()))
    look_again(workshop, occasion)
    for model in workshop.graph.models.values():
        build_model(workshop, model, occasion)
    for table in reports(workshop):
        seal_report(workshop, table.name, occasion)
    publish(workshop)
    whole = time.process_time() - began
    data = (workshop.home.lineage / "events.ndjson").read_bytes()
    lines = data.count(b"\n")
    sys.stdout.write(f"{lines} {len(data)} {spent.seconds} {whole}\n")


class Spent:
    """CPU seconds within some functions; one within another counts once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, measured."""

        def measured(*given: Any, **named: Any) -> Any:
            self._depth += 1
            began = time.process_time()
            try:
                return act(*given, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.process_time() - began

        return measured


if __name__ == "__main__":
    child(Path(sys.argv[1]))
