"""Reads files in a process that may die: ``python -m tests.fuzz.victim``.

It is told numbers of mutants on standard input, one a line, and answers each with one line of JSON:
``fault`` (empty when all is well), seconds of work, and peak memory in MiB.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

from dagster_project.components.steps.examination import chosen
from dagster_project.ingest.readers.verdict import verdict
from dagster_project.paths import SAMPLES
from tests.fuzz.mutants import mutant

MEMORY = 1536 << 20
"""Address space beyond what the loaded libraries take; no damaged file may need more."""


def main() -> None:
    """Answer until there are no more numbers."""
    _, feed = chosen(str(SAMPLES / "faulty" / "contracts" / "subsidy.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        _read(Path(folder), 0, None)  # loads what is loaded late
        limit = _address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for line in sys.stdin:
            seed = int(line)
            begin = time.process_time()
            fault = _read(Path(folder), seed, feed if seed % 2 else None)
            told = {"fault": fault, "seconds": time.process_time() - begin, "mib": peak_mib()}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


def _read(folder: Path, seed: int, feed: object) -> str:
    name, data = mutant(seed)
    path = folder / "delivered"
    path.write_bytes(data)
    try:
        told = verdict(path, feed, name=name)  # type: ignore[arg-type]
    except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
        return traceback.format_exc()
    for sheet in told["sheets"]:
        parts = sheet["data_rows"] + sheet["set_aside"] + sum(sheet["dropped"].values())
        if parts + sheet["header_rows"] != sheet["records"]:
            return f"{parts} records and {sheet['header_rows']} headers of {sheet['records']}"
    if told["refused"] and told["refused"]["reason"] == "refused":
        return f"refused without a reason: {told['refused']['what']}"
    return ""


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def peak_mib() -> int:
    """Peak of this process alone: ``ru_maxrss`` begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


if __name__ == "__main__":
    main()
