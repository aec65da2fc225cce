"""OpenLineage run events of every materialization, kept as one growing NDJSON file per site.

Events tell names, columns, versions, counts and SQL; never a cell and never an error's own text,
which might quote one. They are written with the OpenLineage library's types and serializer. Which
columns a table is made from comes from ``columns``; when to tell is the caller's business.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
    sql_job,
)
from openlineage.client.serde import Serde

from dagster_project import __version__
from dagster_project.contracts.model import Column
from dagster_project.errors import CountyLakeError
from dagster_project.lineage.columns import Edge
from dagster_project.paths import Home

PRODUCER = f"urn:countylake:{__version__}"
FILE = "events.ndjson"
_JOB = "county_day"
_SPACE = uuid.UUID("5b4f6f0e-6f0a-5c8e-9d0e-3f6f1d1f4a11")
_BLOCK = 1 << 16
# How far back a search goes: what lies further up is years old.
_MOST = 128 << 20
_VALUES = {"identity": "IDENTITY", "transformation": "TRANSFORMATION", "aggregation": "AGGREGATION"}
_CONDITIONS = {"filter": "FILTER", "join": "JOIN"}

_UNMADE = ("landing/", "ops.")
_SNAPSHOT = "snapshot "

set_producer(PRODUCER)


@dataclass(frozen=True)
class Dataset:
    """A table (``silver.house``) or a landed file (``landing/<sha256>``) as one run met it.

    ``version`` names exactly what was read or written: a snapshot, a content hash, a file's hash.
    ``columns``, ``edges`` and ``rows`` are told of outputs only.
    """

    name: str
    version: str = ""
    columns: Sequence[Column] = ()
    edges: Sequence[Edge] = ()
    rows: int | None = None


@dataclass(frozen=True)
class Work:
    """One materialization: who made what from what, within which run.

    ``run_id`` is the run that all of a day's materializations belong to; ``nominal_at`` is the
    instant the work was due or, for a report, its cut-off.
    """

    site: str
    job: str
    run_id: str
    nominal_at: datetime
    inputs: Sequence[Dataset] = ()
    outputs: Sequence[Dataset] = field(default=())
    sql: str = ""

    @property
    def namespace(self) -> str:
        """Names the site, and no machine."""
        return f"countylake://{self.site}"

    @property
    def event_run_id(self) -> str:
        """The materialization's own run id: the same for its START and its end."""
        return str(uuid.uuid5(_SPACE, f"{self.run_id}/{self.job}"))


def started(work: Work, at: datetime) -> str:
    """The START event, as one JSON line."""
    return _event(work, RunState.START, at, full=False)


def completed(work: Work, at: datetime) -> str:
    """The COMPLETE event, as one JSON line; it says all there is to say by itself."""
    return _event(work, RunState.COMPLETE, at, full=True)


def failed(work: Work, at: datetime, error: BaseException) -> str:
    """The FAIL event, as one JSON line; only our own errors' sentences are quoted."""
    return _event(work, RunState.FAIL, at, full=False, error=error)


def append(home: Home, events: Iterable[str]) -> None:
    """Add events to the site's file with one write, so that parallel runs do not mix lines."""
    text = "".join(event + "\n" for event in events).encode("utf-8")
    if not text:
        return
    home.lineage.mkdir(parents=True, exist_ok=True)
    handle = os.open(home.lineage / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(handle).st_size
        torn = size and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, b"\n" + text if torn else text)
    finally:
        os.close(handle)


def upstream(home: Home, table: str, version: str = "") -> Iterator[str]:
    """The COMPLETE events that made a table and, step by step, everything below it.

    The file is read backwards and only as far as needed. An input that names its version is
    matched by version, so a table that was built again meanwhile does not stand in for the one
    that was read; a feed's table is what its newest merge until then left, which is told of that
    merge alone: all batches stand in the receipt. Ledgers (``ops``) are the programme's own and
    made by no event.

    Args:
        home: The site's home.
        table: The table, with its layer.
        version: Which of its versions; the newest if empty.

    Yields:
        JSON lines, newest first; nothing if no event of the table is there.
    """
    wanted = {(table, version)}
    for line in _backwards(home.lineage / FILE):
        if not wanted:
            return
        named = (f'"name":"{name}"'.encode() for name, _ in wanted)
        if b'"COMPLETE"' not in line or not any(name in line for name in named):
            continue
        try:
            event = json.loads(line)
            made = {one["name"]: _version(one) for one in event["outputs"]}
            read = {(one["name"], _version(one)) for one in event["inputs"]}
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        hits = {pair for pair in wanted if pair[0] in made and _is_of(made[pair[0]], pair[1])}
        if hits:
            wanted -= hits
            wanted |= {pair for pair in read if not pair[0].startswith(_UNMADE)}
            yield line.decode("utf-8")


def _is_of(made: str, wanted: str) -> bool:
    """Whether a version is the wanted one, or the newest before it of a table that grows."""
    if wanted in {"", made}:
        return True
    if made.startswith(_SNAPSHOT) and wanted.startswith(_SNAPSHOT):
        return int(made[len(_SNAPSHOT) :]) <= int(wanted[len(_SNAPSHOT) :])
    return False


def _event(
    work: Work,
    state: RunState,
    at: datetime,
    *,
    full: bool,
    error: BaseException | None = None,
) -> str:
    run_facets: dict[str, Any] = {
        "nominalTime": nominal_time_run.NominalTimeRunFacet(_instant(work.nominal_at)),
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=_uuid(work.run_id)),
            job=parent_run.Job(namespace=work.namespace, name=_JOB),
        ),
    }
    if error is not None:
        text = str(error) if isinstance(error, CountyLakeError) else type(error).__name__
        run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(text, "Python")
    job_facets: dict[str, Any] = {
        "jobType": job_type_job.JobTypeJobFacet("BATCH", "COUNTYLAKE", "MODEL")
    }
    if work.sql and full:
        job_facets["sql"] = sql_job.SQLJobFacet(work.sql, "duckdb")
    event = RunEvent(
        eventType=state,
        eventTime=_instant(at),
        run=Run(work.event_run_id, run_facets),
        job=Job(work.namespace, work.job, job_facets),
        inputs=[_input(work, one) for one in work.inputs],
        outputs=[_output(work, one, full=full) for one in work.outputs],
    )
    return Serde.to_json(event, ensure_ascii=False, separators=(",", ":"))


def _input(work: Work, one: Dataset) -> InputDataset:
    return InputDataset(work.namespace, one.name, facets=_versioned(one))


def _output(work: Work, one: Dataset, *, full: bool) -> OutputDataset:
    if not full:
        return OutputDataset(work.namespace, one.name)
    facets = _versioned(one)
    if one.columns:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            [
                schema_dataset.SchemaDatasetFacetFields(c.name, c.duck_type, c.title)
                for c in one.columns
            ]
        )
    if one.edges:
        facets["columnLineage"] = _column_lineage(work.namespace, one.edges)
    statistics: dict[str, Any] = {}
    if one.rows is not None:
        facet = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(one.rows)
        statistics["outputStatistics"] = facet
    return OutputDataset(work.namespace, one.name, facets=facets, outputFacets=statistics)


def _versioned(one: Dataset) -> dict[str, Any]:
    if not one.version:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(one.version)}


def _column_lineage(
    namespace: str, edges: Sequence[Edge]
) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """Values per column; what only decides which rows count is told once for the whole table."""
    by_column: dict[str, list[column_lineage_dataset.InputField]] = {}
    whole: dict[tuple[str, str, str], column_lineage_dataset.InputField] = {}
    for edge in edges:
        if edge.kind in _VALUES:
            by_column.setdefault(edge.column, []).append(
                _source(namespace, edge, "DIRECT", _VALUES[edge.kind])
            )
        elif edge.kind in _CONDITIONS:
            key = (edge.source_table, edge.source_column, edge.kind)
            if key not in whole:
                whole[key] = _source(namespace, edge, "INDIRECT", _CONDITIONS[edge.kind])
    return column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            name: column_lineage_dataset.Fields(inputFields=sources)
            for name, sources in by_column.items()
        },
        dataset=list(whole.values()),
    )


def _source(
    namespace: str, edge: Edge, kind: str, subtype: str
) -> column_lineage_dataset.InputField:
    step = column_lineage_dataset.Transformation(kind, subtype)
    return column_lineage_dataset.InputField(
        namespace, edge.source_table, edge.source_column, [step]
    )


def _version(dataset: dict[str, Any]) -> str:
    facets = dataset.get("facets") or {}
    return str((facets.get("version") or {}).get("datasetVersion", ""))


def _backwards(path: Path) -> Iterator[bytes]:
    """The lines of a file from its end; a last line without an end was torn and is left out."""
    if not path.exists():
        return
    with path.open("rb") as stream:
        place = stream.seek(0, os.SEEK_END)
        start = max(0, place - _MOST)
        rest = b""
        whole = False
        while place > start:
            size = min(_BLOCK, place)
            place -= size
            stream.seek(place)
            lines = (stream.read(size) + rest).split(b"\n")
            rest = lines[0]
            for line in reversed(lines[1:]):
                if whole and line:
                    yield line
                whole = True
        if rest and whole and not start:
            yield rest


def _uuid(run_id: str) -> str:
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(_SPACE, run_id))


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
