"""A contract of right form -> its typed object. Nothing is judged here (see ``checks``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from open_data_contract_standard.model import (
    CustomProperty,
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

from dagster_project.contracts.document import Document
from dagster_project.contracts.model import (
    DELIMITERS,
    WORKBOOKS,
    Column,
    Coordinates,
    Feed,
    FilePeriod,
    Layer,
    LogicalType,
    Reference,
    Rule,
    Sla,
    SmallCells,
    Table,
)
from dagster_project.contracts.rowsql import columns_of
from dagster_project.contracts.servers import build_servers
from dagster_project.contracts.words import DIMENSIONS

_FILES = ("local", "sftp", "s3")
"""Channels that bring files of departments; what the others bring is said by their kind."""


def build_feed(document: Document) -> Feed:
    """The feed that a contract describes; references do not know yet whether they reject."""
    odcs = OpenDataContractStandard.model_validate(document.data)
    custom = _custom(odcs.customProperties)
    table = _table(odcs)
    servers = build_servers(document)
    accepts = custom.get("accepts") or {}
    sheets = custom.get("sheets", "first")
    return Feed(
        name=document.stem,
        title=odcs.name or "",
        version=odcs.version or "",
        department_code=custom["department"]["code"],
        department_name=custom["department"]["name"],
        columns=_columns(document, table),
        rules=_rules(document, table),
        delivery=custom["delivery"],
        servers=servers,
        sla=_sla(odcs),
        order_by=custom.get("orderBy", ""),
        is_reference=custom.get("reference", False),
        sheets="named" if isinstance(sheets, list) else sheets,
        sheet_names=tuple(sheets) if isinstance(sheets, list) else (),
        headerless=custom.get("header", "present") == "absent",
        encodings=tuple(accepts.get("encodings", ("utf-8", "gb18030"))),
        formats=_formats(
            [*accepts.get("formats", ()), *(s.format for s in servers if s.type not in _FILES)]
            if "formats" in accepts
            else [s.format for s in servers]
        ),
        delimiters=tuple(accepts.get("delimiters", DELIMITERS)),
        manifest=custom.get("manifest", False),
        parts=custom.get("parts", False),
        vanishing=float(custom.get("vanishing", Feed.vanishing)),
        volume=float(custom.get("volume", Feed.volume)),
        period=FilePeriod(**period) if (period := custom.get("period")) else None,
        drift=custom.get("drift", {}),
        coordinates=_coordinates(custom.get("coordinates")),
        description=_purpose(odcs),
        domain=odcs.domain or "",
        owner=_owner(odcs) or custom["department"]["name"],
        catalogue=custom.get("catalogue", {}),
        status=cast("Any", odcs.status),
        path=document.path,
        hash=document.hash,
    )


def _coordinates(said: dict[str, Any] | None) -> Coordinates | None:
    if said is None:
        return None
    west, south, east, north = (str(bound) for bound in said["within"])
    system = said.get("system", "cgcs2000")
    return Coordinates(said["longitude"], said["latitude"], (west, south, east, north), system)


def build_table(document: Document, layer: Layer) -> Table:
    """The gold, report or city table that a contract describes."""
    odcs = OpenDataContractStandard.model_validate(document.data)
    custom = _custom(odcs.customProperties)
    table = _table(odcs)
    columns = _columns(document, table)
    keyed = sorted((c for c in columns if c.is_key), key=lambda c: c.key_position)
    small = custom.get("smallCells")
    return Table(
        name=document.stem,
        layer=layer,
        title=odcs.name or "",
        version=odcs.version or "",
        description=_purpose(odcs),
        columns=columns,
        key=tuple(column.name for column in keyed),
        rules=_rules(document, table),
        period=custom.get("period", ""),
        due_time=custom.get("dueTime", "20:30"),
        small_cells=small
        and SmallCells(
            tuple(small["columns"]),
            tuple(tuple(group) for group in small.get("totals", ())),
            small.get("minimum", 5),
        ),
        owner=_owner(odcs),
        catalogue=custom.get("catalogue", {}),
        path=document.path,
        hash=document.hash,
    )


def _formats(said: Sequence[str]) -> tuple[str, ...]:
    """The kinds of files; ``workbook`` stands for every kind that holds sheets."""
    expanded = (WORKBOOKS if kind == "workbook" else (kind,) for kind in said)
    return tuple(dict.fromkeys(kind for kinds in expanded for kind in kinds))


def _custom(properties: Sequence[CustomProperty] | None) -> dict[str, Any]:
    return {entry.property or "": entry.value for entry in properties or ()}


def _table(odcs: OpenDataContractStandard) -> SchemaObject:
    return (odcs.schema_ or [SchemaObject()])[0]


def _purpose(odcs: OpenDataContractStandard) -> str:
    return (odcs.description.purpose if odcs.description else "") or ""


def _owner(odcs: OpenDataContractStandard) -> str:
    return getattr(odcs.team, "name", "") or ""


def _sla(odcs: OpenDataContractStandard) -> Sla:
    said = {entry.property: entry for entry in odcs.slaProperties or ()}
    due = said.get("timeOfAvailability")
    due_time = str(due.value) if due else Sla.due_time
    if "frequency" not in said:
        return Sla(due_time=due_time)
    often = said["frequency"]
    every, unit = int(cast("int", often.value)), cast("Any", often.unit)
    return Sla(every, unit, due_time, often.schedule or "")


def _columns(document: Document, table: SchemaObject) -> tuple[Column, ...]:
    return tuple(
        _column(entry, document.line("schema", 0, "properties", number))
        for number, entry in enumerate(table.properties or ())
    )


def _column(entry: SchemaProperty, line: int) -> Column:
    custom = _custom(entry.customProperties)
    options = entry.logicalTypeOptions or {}
    digits = re.findall(r"\d+", entry.physicalType or "")
    precision, scale = (int(digits[0]), int(digits[1])) if digits else (18, 2)
    return Column(
        name=entry.name or "",
        title=entry.businessName or "",
        type=cast(
            "LogicalType", {"number": "decimal"}.get(entry.logicalType or "", entry.logicalType)
        ),
        description=entry.description or "",
        aliases=tuple(custom.get("aliases", ())),
        required=bool(entry.required),
        key_position=(entry.primaryKeyPosition or 1) if entry.primaryKey else 0,
        level=cast("Any", entry.classification),
        mask=custom.get("mask", "none"),
        codes=custom.get("codes", ""),
        format=custom.get("format", ""),
        textual=custom.get("textual", False),
        pad=custom.get("pad", 0),
        nulls=tuple(custom.get("nulls", ())),
        max_length=options.get("maxLength", 0),
        pattern=options.get("pattern", ""),
        minimum=str(options.get("minimum", "")),
        maximum=str(options.get("maximum", "")),
        precision=precision,
        scale=scale,
        unit=custom.get("unit", ""),
        share=custom.get("share", ""),
        partial=custom.get("partial", ""),
        open_end=custom.get("openEnd", False),
        reference=_reference(entry),
        line=line,
    )


def _reference(entry: SchemaProperty) -> Reference | None:
    for relationship in entry.relationships or ():
        feed, _, column = str(relationship.to).partition(".")
        return Reference(feed, column, rejects=False)
    return None


def _rules(document: Document, table: SchemaObject) -> tuple[Rule, ...]:
    return tuple(
        _rule(entry, document.line("schema", 0, "quality", number))
        for number, entry in enumerate(table.quality or ())
    )


def _rule(entry: DataQuality, line: int) -> Rule:
    expression = str(entry.implementation).strip()
    dimension = entry.dimension or ""
    return Rule(
        id=entry.id or "",
        expression=expression,
        message=entry.description or "",
        dimension=DIMENSIONS.get(dimension, dimension),
        severity=cast("Any", entry.severity),
        columns=columns_of(expression),
        line=line,
    )
