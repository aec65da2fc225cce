"""Runs whose process was killed: Dagster would show them as started for ever.

A run holds a lock of its own while its process works for it (``steps.running``); the kernel drops
it with the process. What such a run had committed stays, and nothing else of it.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
from dagster._core.storage.dagster_run import RunRecord

from dagster_project import clock
from dagster_project.components.steps.tasks.running import bury, is_alive
from dagster_project.paths import Home

SENTENCE = (
    "The process of this run ended before the run did. What it had committed stays; the next run"
    " takes the rest."
)
GRACE = timedelta(minutes=5)
"""A run that never held its lock is still being started for so long."""
BEGUN = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)


def mend(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """Mark the runs of this site as failed whose process is gone.

    Returns:
        Their ids.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=list(BEGUN)))
    dead = [record for record in records if _is_dead(home, record)]
    for record in dead:
        instance.report_run_failed(record.dagster_run, SENTENCE)
        bury(home, record.dagster_run.run_id)
    return [record.dagster_run.run_id for record in dead]


def _is_dead(home: Home, record: RunRecord) -> bool:
    lives = is_alive(home, record.dagster_run.run_id)
    if lives is None:
        return clock.now().timestamp() - record.update_timestamp.timestamp() > GRACE.seconds
    return not lives
