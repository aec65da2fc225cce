"""``make bench``: the pipeline against the bare script, in the same run, as ratios.

Each is a whole process, started in turn; wall time and peak memory are the operating system's own
account of it. The lake's time is taken twice: to the last sealed package, which is what the bare
script is compared with, and to the end of the run, second opinion included.

Usage: ``python -m tests.bench.run [--scale 1] [--scale 10] [--rounds 2] [--mib 800]
[--rows 200000] [--departments 60] [--models 200] [--judged 5000000] [--sites 90]``. Scale 1 is the
real county's size; inboxes are simulated once and kept below ``var/bench``. ``--rows`` is the size
of the tables of the extraction's database (0 for none), ``--departments`` how many deliver on one
day, ``--models`` how many models are followed, ``--judged`` how many rows meet fifteen rules,
``--sites`` how many have reported for a month, and how many send twenty packages on one day.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from statistics import median

from dagster_project.paths import PROJECT
from dagster_project.simulate import simulate
from tests.bench import (
    city_view,
    departments,
    events,
    extraction,
    lineage,
    opening,
    quality,
    reading,
    reception,
)
from tests.bench.timing import Timed, timed

BENCH = PROJECT / "var" / "bench"
COUNTY, DAY, SEED = "140321", "2023-05-31", 20230531
PARTS = Path(__file__).resolve().parent
ENV = {"COUNTYLAKE_KEYS": str(Path(tempfile.gettempdir()) / "countylake-bench-keys")}
ROWS_EACH = 2000
"""Rows that each of many departments delivers."""


def inbox(scale: float) -> Path:
    """The simulated county's inbox, made once."""
    folder = BENCH / f"scale-{scale:g}" / "inbox"
    if not (folder.parent / "expected").exists():
        sys.stdout.write(f"simulating scale {scale:g} …\n")
        simulate(COUNTY, scale, folder, SEED)
    return folder


def bare(source: Path) -> Timed:
    """The bare script on an inbox."""
    out = BENCH / "bare.duckdb"
    out.unlink(missing_ok=True)
    script = str(PARTS / "baseline.py")
    return timed([sys.executable, script, str(source), str(out), COUNTY, DAY])


def lake(source: Path) -> tuple[Timed, float]:
    """The lake on the same inbox from an empty home, and its seconds to the last seal."""
    home, env = BENCH / "home", ENV
    shutil.rmtree(home, ignore_errors=True)
    command = [sys.executable, "-m", "dagster_project.cli"]
    timed([*command, "init", "--home", str(home), "--code", COUNTY, "--inbox", str(source)], env)
    run = timed([*command, "run", "--home", str(home), "--json"], env)
    sealed = [datetime.fromisoformat(r["sealed_at"]) for r in json.loads(run.printed)["reports"]]
    return run, (max(sealed) - run.started).total_seconds()


def measure(scale: float, rounds: int) -> None:
    """Print the ratios at one scale."""
    source = inbox(scale)
    pairs = [(bare(source), *lake(source)) for _ in range(rounds)]
    script = median(one.wall for one, _, _ in pairs)
    to_seal = median(seal for _, _, seal in pairs)
    whole = median(run.wall for _, run, _ in pairs)
    sys.stdout.write(
        f"scale {scale:g}, {rounds} rounds, medians\n"
        f"  bare script          {script:8.1f} s   peak {max(o.peak for o, _, _ in pairs):6.0f} MiB"
        f"   CPU {median(o.cpu for o, _, _ in pairs):6.1f} s\n"
        f"  lake, to last seal   {to_seal:8.1f} s   ratio {to_seal / script:.2f}"
        f"   (each: {', '.join(f'{seal / o.wall:.2f}' for o, _, seal in pairs)})\n"
        f"  lake, whole run      {whole:8.1f} s   peak {max(r.peak for _, r, _ in pairs):6.0f} MiB"
        f"   CPU {median(r.cpu for _, r, _ in pairs):6.1f} s\n"
    )
    opening.measure(BENCH / "home", ENV, rounds)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, action="append", help="1 is the county's real size")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--mib", type=int, default=800, help="size of the text table; 0 for none")
    parser.add_argument("--rows", type=int, default=200_000, help="of a database; 0 for none")
    parser.add_argument("--departments", type=int, default=60, help="how many; 0 for none")
    parser.add_argument("--models", type=int, default=200, help="followed; 0 for none")
    parser.add_argument("--judged", type=int, default=5_000_000, help="rows; 0 for none")
    parser.add_argument("--sites", type=int, default=90, help="of one receiver; 0 for none")
    asked = parser.parse_args()
    BENCH.mkdir(parents=True, exist_ok=True)
    for scale in asked.scale or [1.0]:
        measure(scale, asked.rounds)
    if asked.mib:
        reading.measure(asked.mib, asked.rounds)
    if asked.rows:
        extraction.measure(asked.rows, asked.rounds)
    if asked.departments:
        departments.measure(asked.departments, ROWS_EACH)
    if asked.models:
        lineage.measure(asked.rounds, asked.models)
        events.measure(asked.rounds)
    if asked.judged:
        quality.measure(asked.judged, asked.rounds)
    if asked.sites:
        city_view.measure(city_view.Size(sites=asked.sites))
        reception.measure(asked.sites)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
