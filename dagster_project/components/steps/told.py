"""What others hear of each kind of step: names, versions, columns, checks and counts.

When it is told is ``telling``'s work; how it is written is ``lineage.events``'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath

from dagster_project.components.steps.arriving.deliveries import Arrival
from dagster_project.components.steps.arriving.holds import Held
from dagster_project.components.steps.occasion import Occasion
from dagster_project.components.steps.telling import Telling, telling
from dagster_project.components.steps.workshop import Workshop
from dagster_project.contracts.model import Column, Contracts, Feed
from dagster_project.lake.written_files import NewFiles
from dagster_project.lineage.columns import ModelLineage
from dagster_project.lineage.events.events import Work
from dagster_project.lineage.events.facets import (
    Assertion,
    Dataset,
    Evidence,
    Written,
    personal_levels,
)
from dagster_project.lineage.feeds import bronze_lineage, silver_lineage
from dagster_project.transform.conform import BatchCounts
from dagster_project.transform.models import BuildResult, Model, Parameters

SEVERITY = {"rule": "fail", "warn": "warn"}
LEDGERS = ("ops.batch", "ops.delivery", "ops.feed", "ops.task_run")
_KEPT = ("rows_are_conserved", "keys_are_unique")
"""What every commit of a feed obeys, or it would not be one."""
_MADE = ("contract_holds", "keys_are_unique")
"""What every build of a model obeys, or it would not have been written."""


def at(snapshot: int) -> str:
    """The version of a table: a snapshot at which it stood so."""
    return f"snapshot {snapshot}"


@contextmanager
def merging(
    workshop: Workshop, feed: Feed, occasion: Occasion, arrival: Arrival
) -> Iterator[Callable[[BatchCounts, int], None]]:
    """A delivery becomes rows of bronze and silver; the block tells counts and snapshot."""
    delivered = Dataset(f"landing.{feed.name}", arrival.sha256)
    files = [one.sha256 for one in arrival.landed]
    tables = (f"bronze.{feed.name}", f"silver.{feed.name}")
    work = Work(
        site=workshop.site.code,
        job=f"feed.{feed.name}",
        run_id=occasion.run_id,
        nominal_at=arrival.received_at,
        inputs=(delivered,),
        outputs=tuple(Dataset(name) for name in (*tables, *LEDGERS)),
        kind="FEED",
        part=arrival.batch_id,
        evidence=Evidence(batch_id=arrival.batch_id, sources=files),
    )
    paths = [arrival.candidate.path, *(one.path for one in arrival.candidate.files)]
    hidden = sorted({part for one in paths for part in (one, PurePosixPath(one).name)}, key=len)
    new = NewFiles(workshop.home, tables)
    with telling(workshop, work, undecided=(Held,), hidden=hidden[::-1]) as run:

        def merged(counts: BatchCounts, snapshot: int) -> None:
            run.add(
                lambda: {
                    "inputs": (delivered, *_registers(workshop, feed, snapshot - 1)),
                    "outputs": (
                        _bronze(workshop, feed, counts, snapshot, new),
                        _silver(workshop, feed, [counts], snapshot, new),
                        *_ledgers(snapshot),
                    ),
                    "evidence": Evidence(snapshot, batch_id=arrival.batch_id, sources=files),
                }
            )

        yield merged


@contextmanager
def judging_again(
    workshop: Workshop, feed: Feed, occasion: Occasion, moment: datetime
) -> Iterator[tuple[Telling, Callable[[Sequence[BatchCounts], int], None]]]:
    """Rows that had landed before are judged again, if the block begins to; nothing new came."""
    table = f"silver.{feed.name}"
    work = Work(
        site=workshop.site.code,
        job=f"feed.{feed.name}",
        run_id=occasion.run_id,
        nominal_at=moment,
        inputs=(Dataset(f"bronze.{feed.name}"),),
        outputs=tuple(Dataset(name) for name in (table, *LEDGERS)),
        kind="FEED",
        part="again",
    )
    new = NewFiles(workshop.home, [table])
    with telling(workshop, work, at_once=False) as run:

        def judged(made: Sequence[BatchCounts], snapshot: int) -> None:
            run.add(
                lambda: {
                    "inputs": (
                        Dataset(f"bronze.{feed.name}", at(snapshot - 1)),
                        *_registers(workshop, feed, snapshot - 1),
                    ),
                    "outputs": (_silver(workshop, feed, made, snapshot, new), *_ledgers(snapshot)),
                    "evidence": Evidence(snapshot),
                }
            )

        yield run, judged


def model_work(
    workshop: Workshop, model: Model, occasion: Occasion, parameters: Parameters
) -> Work:
    """A model's table is evaluated."""
    return Work(
        site=workshop.site.code,
        job=model.table,
        run_id=occasion.run_id,
        nominal_at=parameters.cut_off_at,
        inputs=tuple(Dataset(name) for name in model.inputs),
        outputs=(Dataset(model.table),),
        sql=model.sql(parameters),
    )


def built(
    run: Telling,
    model: Model,
    result: BuildResult,
    snapshot: int,
    *,
    rules: Sequence[Assertion],
    new: NewFiles,
    beside: Sequence[str] = (),
) -> None:
    """The table stands in a snapshot.

    Args:
        run: Is told of it.
        model: What was built.
        result: What came of it.
        snapshot: The commit's.
        rules: The answers of the contract's rules.
        new: The files that have come since the commit began.
        beside: Tables that the same commit made.
    """
    workshop = run.workshop
    run.add(
        lambda: {
            "inputs": tuple(
                Dataset(name, at(snapshot if name in beside else result.snapshot))
                for name in result.inputs
            ),
            "outputs": (
                Dataset(
                    model.table,
                    at(snapshot),
                    workshop.described(model.table),
                    workshop.lineage(model.table).edges,
                    personal_levels({one: _columns(workshop, one) for one in model.inputs}),
                    Written(result.rows if result.changed else 0, *new.of(model.table)),
                    (*(Assertion(one, success=True) for one in _MADE), *rules),
                ),
            ),
            "evidence": Evidence(result.snapshot, result.content_hash),
        }
    )


def feed_lineages(workshop: Workshop, name: str) -> tuple[ModelLineage, ModelLineage]:
    """Where the columns of a feed's bronze and silver table come from."""
    repairs = tuple((one.column, one.id) for one in workshop.plan(name).repairs)
    return _lineages(workshop.contracts, name, repairs)


@lru_cache(maxsize=64)
def _lineages(
    contracts: Contracts, name: str, repairs: tuple[tuple[str, str], ...]
) -> tuple[ModelLineage, ModelLineage]:
    feed, by_column = contracts.feeds[name], dict[str, list[str]]()
    for column, repair in repairs:
        by_column.setdefault(column, []).append(repair)
    return bronze_lineage(feed), silver_lineage(feed, contracts, by_column)


def _bronze(
    workshop: Workshop, feed: Feed, counts: BatchCounts, snapshot: int, new: NewFiles
) -> Dataset:
    """The cells as they were sent, all of them text."""
    lineage, _ = feed_lineages(workshop, feed.name)
    raw = tuple(Column(one.name, one.title, "string", level=one.level) for one in feed.columns)
    rows = Written(counts.read - counts.dropped, *new.of(lineage.table))
    return Dataset(lineage.table, at(snapshot), raw, lineage.edges, written=rows)


def _silver(
    workshop: Workshop,
    feed: Feed,
    made: Sequence[BatchCounts],
    snapshot: int,
    new: NewFiles,
) -> Dataset:
    """The rows that were accepted, and what every rule found among those that came."""
    _, lineage = feed_lineages(workshop, feed.name)
    return Dataset(
        lineage.table,
        at(snapshot),
        feed.columns,
        lineage.edges,
        personal_levels({f"bronze.{feed.name}": feed.columns}),
        Written(sum(one.inserted + one.updated for one in made), *new.of(lineage.table)),
        _answers(made),
    )


def _ledgers(snapshot: int) -> Iterator[Dataset]:
    yield from (Dataset(name, at(snapshot)) for name in LEDGERS)


def _answers(made: Sequence[BatchCounts]) -> tuple[Assertion, ...]:
    """What the rules of the contract found in these batches, by rule and column."""
    checked, failed = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for one in (rule for batch in made for rule in batch.rules):
        if one.kind in SEVERITY:
            checked[one.rule_id, one.column, one.kind] += one.checked
            failed[one.rule_id, one.column, one.kind] += one.failed
    kept = tuple(Assertion(name, success=True) for name in _KEPT)
    return kept + tuple(
        Assertion(rule, not failed[key], column, SEVERITY[kind], checked[key], failed[key])
        for key in sorted(checked)
        for rule, column, kind in [key]
    )


def _registers(workshop: Workshop, feed: Feed, snapshot: int) -> tuple[Dataset, ...]:
    """The registers that the feed's references were held against."""
    _, silver = feed_lineages(workshop, feed.name)
    own = {f"silver.{feed.name}", f"bronze.{feed.name}"}
    read = {edge.source_table for edge in silver.edges} - own
    return tuple(Dataset(name, at(snapshot)) for name in sorted(read) if name.startswith("silver."))


def _columns(workshop: Workshop, table: str) -> Sequence[Column]:
    """The columns of a table that a model reads, with their levels; ledgers hold no person."""
    layer, _, name = table.partition(".")
    if layer == "silver" and name in workshop.contracts.feeds:
        return workshop.contracts.feeds[name].columns
    if table in workshop.graph.models:
        return workshop.described(table)
    return ()
