"""Sixty departments: how fast their definitions load, and a day on which all of them deliver.

Usage: ``python -m tests.bench.departments one FOLDER FEEDS ROWS`` is the day, a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.timing import timed
from tests.departments_kit import departments


def one(folder: Path, count: int, rows: int) -> None:
    """Found the county, load its definitions and run its day; print seconds of CPU as JSON."""
    made = departments(count, folder / "schemas")
    (folder / "sql").mkdir()
    home = folder / "home"
    names = {"HOME": home, "SCHEMAS": folder / "schemas", "SQL": folder / "sql"}
    for name, path in {**names, "KEYS": folder / "keys"}.items():
        os.environ[f"COUNTYLAKE_{name}"] = str(path)
    # The programme reads these variables when it is loaded.
    from dagster_project.components.steps.founding import found  # noqa: PLC0415
    from dagster_project.paths import Home  # noqa: PLC0415
    from dagster_project.settings import Site  # noqa: PLC0415

    found(Home(home), Site(code="140321", name="平定县", parent="140300", inbox="inbox"))
    for department in made:
        department.deliver(home / "inbox", rows)
    import dagster  # noqa: F401, PLC0415 - its own start is not ours

    began = time.process_time()
    from dagster_project.definitions import defs  # noqa: PLC0415

    defs().resolve_job_def("county_day")
    loaded = time.process_time() - began
    from dagster_project.cli.run import run_day  # noqa: PLC0415

    began = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr):
        done = run_day(Home(home), {})
    told = {"loaded": loaded, "day": time.monotonic() - began, "status": done["status"]}
    sys.stdout.write(json.dumps(told))


def measure(count: int, rows: int) -> None:
    """Print what a day of so many departments costs."""
    with tempfile.TemporaryDirectory(prefix="countylake-departments-") as folder:
        command = [sys.executable, "-m", "tests.bench.departments", "one"]
        ran = timed([*command, folder, str(count), str(rows)])
    told = json.loads(ran.printed)
    sys.stdout.write(
        f"{count} departments of 10 to 60 columns, {rows:,} rows each: {told['status']}\n"
        f"  definitions loaded   {told['loaded']:8.1f} s of CPU\n"
        f"  a day of deliveries  {told['day']:8.1f} s   peak {ran.peak:6.0f} MiB"
        f"   CPU {ran.cpu:6.1f} s, second opinion included\n"
    )


if __name__ == "__main__":
    one(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
