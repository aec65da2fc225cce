"""Great Expectations' second opinion, in a process of its own: it takes seconds to load.

What it validates is decided here; how, in ``quality``. It runs after publishing and stops nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import duckdb

from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.opinion_frame import Arrived, batch_frame, table_frame
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import LakeError
from dagster_project.lake.engine import quoted
from dagster_project.quality.expectations import for_feed, for_table
from dagster_project.quality.suite import to_json
from dagster_project.transform.conform.batch import SHANGHAI

MODULE = "dagster_project.quality"
RAISED = re.compile(r"^([\w.]{1,80}(?:Error|Exception)):", re.MULTILINE)


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
            "SELECT feed, batch_id, delivered_at, units FROM lake.ops.batch"
            " WHERE run_id = ? AND source_batch_id IS NULL ORDER BY batch_id",
            [occasion.run_id],
        ).fetchall()
        tables = con.execute(
            "SELECT DISTINCT table_name FROM lake.ops.model_build"
            " WHERE run_id = ? AND layer = 'report' ORDER BY table_name",
            [occasion.run_id],
        ).fetchall()
        relations = [
            _batch(con, workshop, *batch)
            for batch in batches
            if batch[0] in workshop.contracts.feeds
        ]
        relations += [_table(con, workshop, name.partition(".")[2]) for (name,) in tables]
    return validate(workshop, occasion.run_id, relations) if relations else {"relations": 0}


def _batch(
    con: duckdb.DuckDBPyConnection,
    workshop: Workshop,
    *batch: *tuple[str, str, datetime, str | None],
) -> dict[str, Any]:
    name, batch_id, delivered_at, units = batch
    plan = workshop.plan(name).with_units(json.loads(units or "{}"))
    row = con.execute(
        f"SELECT count(*) FROM lake.bronze.{quoted(name)} WHERE _batch_id = ?", [batch_id]
    ).fetchone()
    arrived = Arrived(batch_id, delivered_at, int(row[0]) if row else 0)
    at = delivered_at.astimezone(SHANGHAI).replace(tzinfo=None)
    suite = for_feed(plan.feed, workshop.contracts, at)
    return {
        "suite": to_json(suite),
        "provider": plan.feed.department_name,
        "batch_id": batch_id,
        "rows": arrived.rows,
        "sampled": arrived.is_sampled,
        "sql": batch_frame(con, plan, suite, arrived),
    }


def _table(con: duckdb.DuckDBPyConnection, workshop: Workshop, name: str) -> dict[str, Any]:
    table = workshop.contracts.tables["report", name]
    columns = tuple(con.sql(f"SELECT * FROM lake.report.{quoted(name)} LIMIT 0").columns)
    suite = for_table(table, workshop.contracts, columns)
    return {"suite": to_json(suite), "sql": table_frame(f"report.{quoted(name)}", suite, columns)}


def validate(workshop: Workshop, run_id: str, relations: list[dict[str, Any]]) -> dict[str, Any]:
    """Run ``python -m dagster_project.quality``; its docstring says what it reads and answers.

    Raises:
        LakeError: The process failed.
    """
    asked = {"home": str(workshop.home.root), "run_id": run_id, "relations": relations}
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", MODULE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GX_ANALYTICS_ENABLED": "false"},
    )
    if done.returncode:
        # Only its kind: the rest of an exception may hold cells.
        kinds = RAISED.findall(done.stderr) or [f"exit code {done.returncode}"]
        raise LakeError(
            f"Great Expectations did not finish ({kinds[-1]})",
            where=str(workshop.home.docs),
            todo="The lake is untouched; run it again with `countylake run`",
        )
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
