"""The lineage of 200 models or some more from cold, against bare parsing of the same texts.

The checkout's models are multiplied under other names, each copy reading its own copies. A fresh
process measures: what it imports and reads from contracts is not counted, everything else is.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace

MODELS = 200
GOAL = 2.0
_OWN = re.compile(r"\b(gold|report)\.([a-z_]+)\b")


def measure(rounds: int = 3, models: int = MODELS) -> None:
    """Print the seconds of cold processes, and their ratio to parsing."""
    told = []
    for _ in range(rounds):
        command = [sys.executable, "-m", "tests.bench.lineage", str(models)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        told.append([float(word) for word in said.split()])
    count, parsed, loaded, wall = min(told, key=lambda one: one[2])
    sys.stdout.write(
        f"lineage of {count:.0f} models from cold, best of {rounds}\n"
        f"  bare parsing         {parsed:8.2f} s\n"
        f"  parsed, judged, followed {loaded:4.2f} s   ratio {loaded / parsed:.1f}"
        f"   wall {wall:.2f} s   goal {GOAL:.1f} s\n"
    )


def child(wanted: int) -> None:
    """Measure in this process, in seconds of its own CPU."""
    import sqlglot  # noqa: PLC0415 - the parent needs none of these

    from dagster_project.components.steps.lawful import lawful, uncollected  # noqa: PLC0415
    from dagster_project.contracts import load  # noqa: PLC0415
    from dagster_project.contracts.model import Layer  # noqa: PLC0415 - as above
    from dagster_project.paths import schemas_dir, sql_dir  # noqa: PLC0415
    from dagster_project.transform.models.load import DUTY_LAYERS, _graph  # noqa: PLC0415

    contracts = load(schemas_dir())
    tables = dict(contracts.tables)
    texts: list[tuple[Layer, str, str]] = []
    files = [(one, path) for one in DUTY_LAYERS["collect"] for path in (sql_dir() / one).glob("*")]
    entities = len(contracts.items.entities)
    copies = -(-(wanted - entities) // len(files))
    for layer, path in sorted(files) * copies:  # whole copies: each reads its own
        number = len(texts) // len(files)
        name = f"{path.stem}_{number}"
        text = _OWN.sub(rf"\1.\2_{number}", path.read_text(encoding="utf-8"))
        texts.append((layer, name, text))
        tables[layer, name] = replace(tables[layer, path.stem], name=name)
    contracts = replace(contracts, tables=tables)
    began, cpu = time.perf_counter(), time.process_time()
    with uncollected():
        graph = _graph(tuple(texts), contracts, "collect")
    found = lawful(graph, contracts)
    loaded, wall = time.process_time() - cpu, time.perf_counter() - began
    assert not found.graph.problems, found.graph.problems
    cpu = time.process_time()
    for _, _, text in texts:
        sqlglot.parse_one(text, read="duckdb")
    parsed = time.process_time() - cpu
    sys.stdout.write(f"{len(found.lineages)} {parsed} {loaded} {wall}\n")


if __name__ == "__main__":
    child(int(sys.argv[1]))
