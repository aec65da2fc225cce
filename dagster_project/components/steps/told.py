"""Telling ``lineage.events`` what a step made from what; called after the commit.

Names, versions and counts only. An event that cannot be written stops no step: the lake's own
commits are the record, events are for others to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from dagster_project import clock
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Feed
from dagster_project.lineage import events
from dagster_project.lineage.columns import Edge
from dagster_project.lineage.events import Dataset, Work
from dagster_project.transform.models import BuildResult, Model, Parameters

LEDGERS = ("ops.batch", "ops.delivery", "ops.feed", "ops.task_run")
_log = structlog.get_logger(__name__)


def feed_edges(feed: Feed) -> tuple[Edge, ...]:
    """Silver's columns come from the bronze columns of the same name."""
    names = (column.name for column in feed.columns)
    return tuple(Edge(name, f"bronze.{feed.name}", name, "transformation") for name in names)


def batch_merged(
    workshop: Workshop,
    feed: Feed,
    occasion: Occasion,
    *,
    sha256: str,
    files: Sequence[str],
    snapshot: int,
    rows: int,
    at: datetime,
) -> None:
    """Delivered files, by their SHA-256, became bronze and silver rows."""
    version = f"snapshot {snapshot}"
    work = Work(
        site=workshop.site.code,
        job=f"feed.{feed.name}.{sha256[:8]}",
        run_id=occasion.run_id,
        nominal_at=at,
        inputs=tuple(Dataset(f"landing/{one}", one) for one in files),
        outputs=(
            Dataset(f"bronze.{feed.name}", version, rows=rows),
            Dataset(f"silver.{feed.name}", version, feed.columns, feed_edges(feed)),
            *(Dataset(name) for name in LEDGERS),
        ),
    )
    _tell(workshop, work)


def feed_judged_again(workshop: Workshop, feed: Feed, occasion: Occasion, snapshot: int) -> None:
    """Rows that had landed before were judged again; nothing new was delivered."""
    version = f"snapshot {snapshot}"
    work = Work(
        site=workshop.site.code,
        job=f"feed.{feed.name}.again",
        run_id=occasion.run_id,
        nominal_at=clock.now(),
        inputs=(Dataset(f"bronze.{feed.name}"),),
        outputs=(
            Dataset(f"silver.{feed.name}", version, feed.columns, feed_edges(feed)),
            *(Dataset(name) for name in LEDGERS),
        ),
    )
    _tell(workshop, work)


def package_sealed(
    workshop: Workshop,
    model: Model,
    occasion: Occasion,
    *,
    package_id: str,
    package_hash: str,
    rows: int,
    cut_off_at: datetime,
) -> None:
    """A report's rows became a package, whose version is the hash that was signed."""
    work = Work(
        site=workshop.site.code,
        job=f"package.{package_id}",
        run_id=occasion.run_id,
        nominal_at=cut_off_at,
        inputs=(Dataset(model.table),),
        outputs=(Dataset(f"package/{package_id}", package_hash, rows=rows),),
    )
    _tell(workshop, work)


def model_built(
    workshop: Workshop,
    model: Model,
    occasion: Occasion,
    parameters: Parameters,
    result: BuildResult,
) -> None:
    """A model's table was evaluated."""
    work = Work(
        site=workshop.site.code,
        job=model.table,
        run_id=occasion.run_id,
        nominal_at=parameters.cut_off_at,
        inputs=tuple(
            Dataset(name, "" if name.startswith("ops.") else version)
            for name, version in result.inputs.items()
        ),
        outputs=(
            Dataset(
                model.table,
                result.content_hash,
                workshop.described(model.table),
                workshop.lineage(model.table).edges,
                result.rows,
            ),
        ),
        sql=model.sql(parameters),
    )
    _tell(workshop, work)


def _tell(workshop: Workshop, work: Work) -> None:
    try:
        events.append(workshop.home, [events.completed(work, clock.now())])
    except OSError as error:
        _log.warning("events not written", run_id=work.run_id, job=work.job, why=error.strerror)
