"""OpenLineage run events of every materialization: what one run made, from what, and how it ended.

Events tell names, columns, versions, counts and SQL; never a cell and never an error's own text,
which might quote one. They are written with the OpenLineage library's types and serializer. Facets
are made in ``facets``, events are kept by ``log``; when to tell is the caller's business.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Literal

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    nominal_time_run,
    parent_run,
    processing_engine_run,
    sql_job,
)

from dagster_project import __version__
from dagster_project.errors import CountyLakeError
from dagster_project.lineage.events import facets
from dagster_project.lineage.events.facets import Dataset, Evidence

_SPACE = uuid.UUID("5b4f6f0e-6f0a-5c8e-9d0e-3f6f1d1f4a11")
KILLED = "The process of this run was ended before the run did; what it had committed stays."
LONGEST = 2_000
_FIELDS: dict[type[Any], tuple[str, ...]] = {}
Kind = Literal["FEED", "MODEL", "PACKAGE", "RECEPTION", "REPLICA", "RULES", "EXTRACT"]


@dataclass(frozen=True)
class Work:
    """One materialization: who made what from what, within which run.

    ``run_id`` is the run that all of a day's materializations belong to, ``within`` its job;
    ``part`` tells materializations of one job and run apart (a delivery, a period, a second try).
    ``nominal_at`` is the instant the work was due or, for a report, its cut-off.
    """

    site: str
    job: str
    run_id: str
    nominal_at: datetime
    inputs: Sequence[Dataset] = ()
    outputs: Sequence[Dataset] = ()
    sql: str = ""
    kind: Kind = "MODEL"
    part: str = ""
    within: str = "county_day"
    evidence: Evidence | None = None

    @property
    def namespace(self) -> str:
        """That of the site."""
        return facets.namespace_of(self.site)

    @property
    def event_run_id(self) -> str:
        """The materialization's own run id: the same for its START and its end."""
        return str(uuid.uuid5(_SPACE, f"{self.run_id}/{self.job}/{self.part}"))


def started(work: Work, at: datetime) -> str:
    """The START event, as one JSON line."""
    return _event(work, RunState.START, at)


def completed(work: Work, at: datetime) -> str:
    """The COMPLETE event, as one JSON line; it says all there is to say by itself."""
    return _event(work, RunState.COMPLETE, at)


def failed(work: Work, at: datetime, error: BaseException, hidden: Sequence[str] = ()) -> str:
    """The FAIL event, as one JSON line; only our own errors' sentences are quoted.

    ``hidden`` are names that stand in no event: those of delivered files, the longest first.
    """
    told = sentence_of(error)
    for name in hidden:
        told = told.replace(name, "the file") if name else told
    return _event(work, RunState.FAIL, at, told)


def stopped(work: Work, at: datetime, why: str) -> str:
    """The ABORT event, as one JSON line: a person must decide before the work can be done."""
    return _event(work, RunState.ABORT, at, why)


def aborted(start: str, at: datetime) -> str:
    """The ABORT event of a run of which nothing but its START event is known."""
    event = json.loads(start)
    event["eventType"], event["eventTime"] = RunState.ABORT.value, _instant(at)
    told = error_message_run.ErrorMessageRunFacet(KILLED, "Python")
    event["run"]["facets"]["errorMessage"] = plain(told)
    return _json(event)


def sentence_of(error: BaseException) -> str:
    """What may be told of an error: our own sentence, without the place, which may be a file."""
    if isinstance(error, CountyLakeError):
        todo = f" {error.todo}." if error.todo else ""
        return f"{error.what}.{todo}"[:LONGEST]
    return type(error).__name__


def plain(value: Any) -> Any:
    """What the library's serializer makes of its own types, without its copies: no nulls."""
    if isinstance(value, str | int):
        return value
    if isinstance(value, list):
        return [plain(one) for one in value if one is not None]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, Enum):
        return value.value
    found = {}
    for name in _fields(type(value)):
        one = getattr(value, name)
        if one is not None:
            found[name] = plain(one)
    return found


def _fields(kind: type[Any]) -> tuple[str, ...]:
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(one.name for one in attr.fields(kind))
    return _FIELDS[kind]


def _json(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _event(work: Work, state: RunState, at: datetime, why: str = "") -> str:
    full = state == RunState.COMPLETE
    event = RunEvent(
        eventType=state,
        eventTime=_instant(at),
        run=Run(work.event_run_id, _run_facets(work, why)),
        job=Job(work.namespace, work.job, _job_facets(work, state)),
        inputs=[_input(work, one) for one in work.inputs],
        outputs=[_output(work, one, full=full) for one in work.outputs],
    )
    return _json(plain(event))


def _run_facets(work: Work, why: str) -> dict[str, Any]:
    parent = parent_run.Job(namespace=work.namespace, name=work.within)
    told: dict[str, Any] = {
        "nominalTime": nominal_time_run.NominalTimeRunFacet(_instant(work.nominal_at)),
        "parent": parent_run.ParentRunFacet(parent_run.Run(runId=_uuid(work.run_id)), parent),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            _engine(), "duckdb", __version__
        ),
    }
    if why:
        told["errorMessage"] = error_message_run.ErrorMessageRunFacet(why, "Python")
    if work.evidence is not None:
        told[facets.RECEIPT] = facets.receipt_facet(work.evidence)
    return told


def _job_facets(work: Work, state: RunState) -> dict[str, Any]:
    kind = job_type_job.JobTypeJobFacet("BATCH", "COUNTYLAKE", work.kind)
    told: dict[str, Any] = {"jobType": kind}
    if work.sql and state != RunState.START:
        told["sql"] = sql_job.SQLJobFacet(work.sql, "duckdb")
    return told


def _input(work: Work, one: Dataset) -> InputDataset:
    told: dict[str, Any] = {}
    if one.assertions:
        told["dataQualityAssertions"] = facets.assertions_facet(one.assertions)
    return InputDataset(_space(work, one), one.name, facets=_versioned(one), inputFacets=told)


def _output(work: Work, one: Dataset, *, full: bool) -> OutputDataset:
    if not full:
        return OutputDataset(_space(work, one), one.name)
    told = _versioned(one)
    if one.columns:
        told["schema"] = facets.schema_facet(one.columns)
    if one.edges:
        told["columnLineage"] = facets.column_lineage(work.site, one)
    if one.assertions:
        told["dataQualityAssertions"] = facets.assertions_facet(one.assertions)
    statistics: dict[str, Any] = {}
    if one.written is not None:
        statistics["outputStatistics"] = facets.statistics_facet(one.written)
    return OutputDataset(_space(work, one), one.name, facets=told, outputFacets=statistics)


def _space(work: Work, one: Dataset) -> str:
    return facets.namespace_of(one.site) if one.site else work.namespace


def _versioned(one: Dataset) -> dict[str, Any]:
    if not one.version:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(one.version)}


@lru_cache(maxsize=1)
def _engine() -> str:
    return version("duckdb")


def _uuid(run_id: str) -> str:
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(_SPACE, run_id))


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
