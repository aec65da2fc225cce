"""A contract of right form -> its typed object. Nothing is judged here (see ``checks``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

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
    Table,
)
from dagster_project.contracts.policy import Policy
from dagster_project.contracts.report_words import SmallCells
from dagster_project.contracts.rounding import Rounding
from dagster_project.contracts.rowsql import columns_of, with_parameters
from dagster_project.contracts.servers import build_servers
from dagster_project.contracts.shift_words import Shifts
from dagster_project.contracts.table_rule import Gate, TableRule
from dagster_project.contracts.tablesql import feeds_of
from dagster_project.contracts.words import DIMENSIONS

_FILES = ("local", "sftp", "s3")
"""Channels that bring files of departments; what the others bring is said by their kind."""


def build_feed(document: Document, policy: Policy) -> Feed:
    """The feed that a contract describes; references do not know yet whether they reject."""
    odcs = OpenDataContractStandard.model_validate(document.data)
    custom = _custom(odcs.customProperties)
    table = _table(odcs)
    rules = _rules(document, table, policy)
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
        rules=tuple(rule for rule in rules if isinstance(rule, Rule)),
        table_rules=tuple(rule for rule in rules if isinstance(rule, TableRule)),
        gate=_gate(custom.get("gate") or {}, policy),
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
        shifts=Shifts(**custom.get("shifts", {})),
        period=FilePeriod(**period) if (period := custom.get("period")) else None,
        drift=custom.get("drift", {}),
        coordinates=_coordinates(custom.get("coordinates")),
        name_column=custom.get("nameColumn", ""),
        description=_purpose(odcs),
        domain=odcs.domain or "",
        owner=_owner(odcs) or custom["department"]["name"],
        catalogue=custom.get("catalogue", {}),
        status=cast("Any", odcs.status),
        path=document.path,
        hash=policy.hash_of(document.stem, document.hash),
    )


def _gate(said: Mapping[str, Any], policy: Policy) -> Gate:
    return Gate(
        rows=said.get("rows"),
        share=float(said.get("share", policy.share)),
        hard=tuple(said.get("hard", ())),
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
        rules=tuple(r for r in _rules(document, table, Policy()) if isinstance(r, Rule)),
        period=custom.get("period", ""),
        period_column=custom.get("periodColumn", ""),
        due_time=custom.get("dueTime", "20:30"),
        small_cells=small
        and SmallCells(
            tuple(small["columns"]),
            tuple(tuple(group) for group in small.get("totals", ())),
            small.get("minimum", 5),
        ),
        may_be_empty=custom.get("mayBeEmpty", False),
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
    calendar = said["calendar"].value if "calendar" in said else ""
    return Sla(every, unit, due_time, often.schedule or "", cast("Any", calendar))


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
        rounding=Rounding.of(custom.get("rounding")),
        line=line,
    )


def _reference(entry: SchemaProperty) -> Reference | None:
    for relationship in entry.relationships or ():
        feed, _, column = str(relationship.to).partition(".")
        return Reference(feed, column, rejects=False)
    return None


def _rules(document: Document, table: SchemaObject, policy: Policy) -> tuple[Rule | TableRule, ...]:
    return tuple(
        _rule(entry, document, policy, document.line("schema", 0, "quality", number))
        for number, entry in enumerate(table.quality or ())
    )


def _rule(entry: DataQuality, document: Document, policy: Policy, line: int) -> Rule | TableRule:
    said = entry.implementation
    form: dict[str, Any] = said if isinstance(said, dict) else {"row": str(said)}
    changed = policy.thresholds.get(f"{document.stem}.{entry.id}", {})
    given = {name: sql_value(value) for name, value in form.get("parameters", {}).items()}
    parameters = {name: changed.get(name, value) for name, value in given.items()}
    dimension = entry.dimension or ""
    common: dict[str, Any] = {
        "id": entry.id or "",
        "message": entry.description or "",
        "dimension": DIMENSIONS.get(dimension, dimension),
        "severity": entry.severity,
        "parameters": parameters,
        "line": line,
    }
    if "row" in form:
        expression = with_parameters(form["row"].strip(), parameters)
        return Rule(expression=expression, columns=columns_of(expression), **common)
    query = with_parameters(form.get("records", "").strip(), parameters)
    return TableRule(
        form=_form(form),
        columns=tuple(form.get("unique") or form.get("group") or ()),
        where=with_parameters(form.get("where", "").strip(), parameters),
        holds=with_parameters(form.get("holds", "").strip(), parameters),
        sequence=form.get("sequence", ""),
        query=query,
        inputs=tuple(dict.fromkeys((document.stem, *feeds_of(query)))),
        **common,
    )


def _form(said: Mapping[str, Any]) -> Literal["unique", "group", "sequence", "records"]:
    """Which form a mapping has; whether its words fit together is asked in ``checks``."""
    if "records" in said:
        return "records"
    if "sequence" in said:
        return "sequence"
    return "unique" if "unique" in said else "group"


def sql_value(value: float | str) -> str:
    """A threshold as SQL writes it."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
