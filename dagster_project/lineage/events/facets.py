"""The facets of an OpenLineage event: columns and where they come from, checks, counts, receipt.

Names, kinds, versions, counts and hashes; never a cell. They are the OpenLineage library's own
types; the one facet that is ours is described by ``schemas/openlineage``. Which events there are is
``events``' matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import attr
from openlineage.client.event_v2 import set_producer
from openlineage.client.facet_v2 import (
    RunFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from dagster_project import __version__
from dagster_project.contracts.model import Column
from dagster_project.lineage.columns import Edge

PRODUCER = f"urn:countylake:{__version__}"
RECEIPT = "countylake_receipt"
"""Under which name events carry the one facet that is ours."""
RECEIPT_SCHEMA = (
    "https://countylake.example/spec/facets/1-0-0/CountylakeReceiptRunFacet.json"
    "#/$defs/CountylakeReceiptRunFacet"
)
MOST_SOURCES = 10_000
"""How many landed files one event names: more are known by the receipt's own hash of them."""
_VALUES = {"identity": "IDENTITY", "transformation": "TRANSFORMATION", "aggregation": "AGGREGATION"}
_CONDITIONS = {"filter": "FILTER", "join": "JOIN", "group": "GROUP_BY", "window": "WINDOW"}
_PERSONAL = frozenset({"L3", "L4"})

Levels = Mapping[tuple[str, str], str]
"""(``silver.house``, ``owner_id_no``) -> the column's privacy level."""

set_producer(PRODUCER)


@dataclass(frozen=True)
class Assertion:
    """One check of a table: the rule's id, whether nothing broke it, and counts of what did."""

    rule: str
    success: bool
    column: str = ""
    severity: str = "fail"
    checked: int | None = None
    failed: int | None = None


@dataclass(frozen=True)
class Written:
    """What one commit wrote of a table."""

    rows: int
    size: int | None = None
    files: int | None = None


@dataclass(frozen=True)
class Evidence:
    """What proves a materialization: see the published schema of the facet.

    ``snapshot`` is the one at which everything was read; ``sources`` are SHA-256 of landed files,
    ``other_batches`` how many batches behind a report are known by their receipt's hash only.
    """

    snapshot: int | None = None
    content_hash: str = ""
    batch_id: str = ""
    package_id: str = ""
    package_hash: str = ""
    receipt_no: int | None = None
    receipt_hash: str = ""
    sources: Sequence[str] = ()
    other_batches: int = 0


@dataclass(frozen=True)
class Dataset:
    """A table (``silver.house``), a delivery or a package as one run met it.

    ``version`` names exactly what was read or written: a snapshot, a package's or a file's hash.
    ``site`` is another site's code, where the dataset is not of the site that tells. ``levels``
    are the privacy levels of the columns that the edges come from, ``masked`` the columns that
    hide what they come from, ``sites`` the other sites that a table of the edges is of.
    ``assertions`` hold of an input that was checked, and of an output that was made; the rest is
    told of outputs only.
    """

    name: str
    version: str = ""
    columns: Sequence[Column] = ()
    edges: Sequence[Edge] = ()
    levels: Levels = field(default_factory=lambda: MappingProxyType({}))
    written: Written | None = None
    assertions: Sequence[Assertion] = ()
    masked: Collection[str] = ()
    site: str = ""
    sites: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))


def namespace_of(site: str) -> str:
    """The namespace of a site's datasets and jobs: it names the site, and no machine."""
    return f"countylake://{site}"


@attr.define
class CountylakeReceiptRunFacet(RunFacet):
    """Our one facet; its fields are those of the published schema."""

    snapshot: int | None = attr.field(default=None)
    contentHash: str | None = attr.field(default=None)  # noqa: N815 - OpenLineage's spelling
    batchId: str | None = attr.field(default=None)  # noqa: N815
    packageId: str | None = attr.field(default=None)  # noqa: N815
    packageHash: str | None = attr.field(default=None)  # noqa: N815
    receiptNo: int | None = attr.field(default=None)  # noqa: N815
    receiptHash: str | None = attr.field(default=None)  # noqa: N815
    sources: list[str] | None = attr.field(default=None)
    otherBatches: int | None = attr.field(default=None)  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return RECEIPT_SCHEMA


def receipt_facet(evidence: Evidence) -> CountylakeReceiptRunFacet:
    """The facet of what proves a materialization; what is not known is left out."""
    return CountylakeReceiptRunFacet(
        snapshot=evidence.snapshot,
        contentHash=evidence.content_hash or None,
        batchId=evidence.batch_id or None,
        packageId=evidence.package_id or None,
        packageHash=evidence.package_hash or None,
        receiptNo=evidence.receipt_no,
        receiptHash=evidence.receipt_hash or None,
        sources=sorted(set(evidence.sources))[:MOST_SOURCES] or None,
        otherBatches=evidence.other_batches or None,
    )


def schema_facet(columns: Sequence[Column]) -> schema_dataset.SchemaDatasetFacet:
    """Names, types and titles, in the table's order."""
    return schema_dataset.SchemaDatasetFacet(
        [
            schema_dataset.SchemaDatasetFacetFields(
                column.name, column.duck_type, column.title, ordinal_position=place, fields=None
            )
            for place, column in enumerate(columns, 1)
        ]
    )


def assertions_facet(
    assertions: Sequence[Assertion],
) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    """The rules of a table and whether they hold."""
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        [
            data_quality_assertions_dataset.Assertion(
                assertion=one.rule,
                success=one.success,
                column=one.column or None,
                severity="error" if one.severity == "fail" else "warn",
                params=_counts(one),
            )
            for one in assertions
        ]
    )


def statistics_facet(
    written: Written,
) -> output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet:
    """Rows, bytes and files that were written."""
    return output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        written.rows, written.size, written.files
    )


def column_lineage(site: str, one: Dataset) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """Values per column; what only decides which rows count is told once for the whole table.

    A step hides what it reads when a personal column flows into one that is not: then no value of
    a person can be read from the result.
    """
    by_column: dict[str, list[column_lineage_dataset.InputField]] = {}
    whole: dict[tuple[str, str, str], list[column_lineage_dataset.InputField]] = {}
    harmless = {column.name for column in one.columns if column.level not in _PERSONAL}
    harmless |= set(one.masked)
    for edge in one.edges:
        sites = one.sites.get(edge.source_table, (site,))
        by = ", ".join(edge.by) or None
        if edge.kind in _VALUES:
            personal = one.levels.get((edge.source_table, edge.source_column)) in _PERSONAL
            masking = True if personal and edge.column in harmless else None
            step = _Step("DIRECT", _VALUES[edge.kind], by, masking)
            by_column.setdefault(edge.column, []).extend(_sources(sites, edge, step))
        else:
            key = (edge.source_table, edge.source_column, edge.kind)
            if key not in whole:
                step = _Step("INDIRECT", _CONDITIONS[edge.kind], by)
                whole[key] = _sources(sites, edge, step)
    return column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            name: column_lineage_dataset.Fields(inputFields=sources)
            for name, sources in by_column.items()
        },
        dataset=[source for sources in whole.values() for source in sources],
    )


_Step = column_lineage_dataset.Transformation


def _sources(
    sites: Sequence[str], edge: Edge, step: column_lineage_dataset.Transformation
) -> list[column_lineage_dataset.InputField]:
    return [
        column_lineage_dataset.InputField(
            namespace_of(site), edge.source_table, edge.source_column, [step]
        )
        for site in sites
    ]


def _counts(one: Assertion) -> dict[str, Any] | None:
    counts = {"checked": one.checked, "failed": one.failed}
    return {name: count for name, count in counts.items() if count is not None} or None


def personal_levels(tables: Mapping[str, Sequence[Column]]) -> Levels:
    """The levels of columns that are about a person, by table and column."""
    return {
        (table, column.name): column.level
        for table, columns in tables.items()
        for column in columns
        if column.level in _PERSONAL
    }
