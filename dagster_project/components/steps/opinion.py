"""Great Expectations' second opinion, in a process of its own: it takes seconds to load.

What it validates is decided here; how, in ``quality``. It runs after publishing and stops nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from importlib.util import find_spec
from typing import Any

from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.errors import LakeError
from dagster_project.lake.engine import literal, quoted
from dagster_project.transform.conform import Plan
from dagster_project.transform.conform.batch import bound
from dagster_project.transform.conform.select import statement

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
            "SELECT feed, batch_id, delivered_at, read FROM lake.ops.batch"
            " WHERE run_id = ? AND source_batch_id IS NULL ORDER BY batch_id",
            [occasion.run_id],
        ).fetchall()
        tables = con.execute(
            "SELECT DISTINCT table_name FROM lake.ops.model_build"
            " WHERE run_id = ? AND layer = 'report' ORDER BY table_name",
            [occasion.run_id],
        ).fetchall()
    relations = [
        {
            "kind": "feed",
            "table": feed,
            "batch_id": batch_id,
            "rows": rows,
            "sql": conformed_rows(workshop.plan(feed), batch_id, delivered_at),
        }
        for feed, batch_id, delivered_at, rows in batches
        if feed in workshop.contracts.feeds
    ]
    relations += [
        {
            "kind": "report",
            "table": table.partition(".")[2],
            "sql": f"SELECT * FROM lake.{table}",
        }
        for (table,) in tables
    ]
    return validate(workshop, occasion.run_id, relations) if relations else {"relations": 0}


def conformed_rows(plan: Plan, batch_id: str, delivered_at: datetime) -> str:
    """The SELECT of a batch after its repairs, with every row that arrived.

    It is the statement that conformed the batch, if this process did, over bronze instead of the
    delivered file; its parameters become literals.
    """
    references, _ = next(iter(plan.statements), (frozenset[str](), "all"))
    text, names = statement(plan, references)
    values = bound(delivered_at)
    for name in sorted(names, key=len, reverse=True):
        value = values[name]
        spelled = f"TIMESTAMP {literal(str(value))}" if isinstance(value, datetime) else str(value)
        text = text.replace(f"${name}", spelled)
    source = f"lake.bronze.{quoted(plan.feed.name)} WHERE _batch_id = {literal(batch_id)}"
    return f"WITH conform_source AS (SELECT * FROM {source}) {text}"


def validate(workshop: Workshop, run_id: str, relations: list[dict[str, str]]) -> dict[str, Any]:
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
        last = done.stderr.strip().splitlines()[-1:] or ["no sentence was left"]
        kind = last[0].split(":")[0][:80]
        raise LakeError(
            f"Great Expectations did not finish ({kind})",
            where=str(workshop.home.docs),
            todo="The lake is untouched; run it again with `countylake run`",
        )
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
