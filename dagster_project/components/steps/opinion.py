"""Great Expectations' second opinion, in a process of its own: it takes seconds to load.

What it validates is decided here; how, in ``quality``. It runs after publishing and stops nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import LakeError

MODULE = "dagster_project.quality"


def is_built() -> bool:
    """Whether the programme of the second opinion is there."""
    return find_spec(f"{MODULE}.__main__") is not None


def second_opinion(workshop: Workshop, occasion: Occasion) -> dict[str, Any]:
    """Validate the run's new batches and changed report tables.

    Returns:
        What the process says of itself: counts only.
    """
    with workshop.lake.reader() as con:
        batches = con.execute(
            "SELECT batch_id FROM lake.ops.batch WHERE run_id = ? ORDER BY batch_id",
            [occasion.run_id],
        ).fetchall()
        tables = con.execute(
            "SELECT DISTINCT table_name FROM lake.ops.model_build"
            " WHERE run_id = ? AND layer = 'report' ORDER BY table_name",
            [occasion.run_id],
        ).fetchall()
    if not batches and not tables:
        return {"batches": 0, "tables": 0}
    return validate(
        workshop, occasion.run_id, [row[0] for row in batches], [row[0] for row in tables]
    )


def validate(
    workshop: Workshop, run_id: str, batch_ids: list[str], report_tables: list[str]
) -> dict[str, Any]:
    """Run ``python -m dagster_project.quality`` and read its answer from standard output.

    It gets one JSON object on standard input: home, run_id, batches, tables.

    Raises:
        LakeError: The process failed.
    """
    asked = {
        "home": str(workshop.home.root),
        "run_id": run_id,
        "batches": batch_ids,
        "tables": report_tables,
    }
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", MODULE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GX_ANALYTICS_ENABLED": "false"},
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no sentence was left"]
        kind = last[0].split(":")[0][:80]
        raise LakeError(
            f"Great Expectations did not finish ({kind})",
            where=str(workshop.home.docs),
            todo="The lake is untouched; run it again with `countylake run`",
        )
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
