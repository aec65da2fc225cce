"""Is what a site signed true of the files beside it?

Each file is read within limits and must agree with the signed header and with the others. Whether
that keeps to the receiver's contract is ``fit``'s question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.city.agreed import PERSONAL, Agreement
from dagster_project.city.fit import check_fit
from dagster_project.errors import PackageError
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import file_hashes, parse_canonical, parse_json
from dagster_project.protocol.held import Holds, holds_of
from dagster_project.protocol.manifest import Header
from dagster_project.protocol.receipt import receipt_of
from dagster_project.protocol.standing import standings_of

OWN_COLUMNS = ("site_code", "site_name", "period", "revision", "package_id", "is_current")
"""The columns that the receiver puts before a report's own."""
_AGREEING = ("site_code", "period")
_JSON_BYTES = 16 << 20
_MOST_EVENTS = 10_000
_MOST_TASKS = 10_000
_LEVELS = ("L1", "L2")


@dataclass
class Content:
    """What a genuine package holds, and what is wrong or odd about it, as sentences.

    ``fields`` describe the columns of ``table``, of which those that the receiver's contract does
    not have were left out. A withdrawal has no table.
    """

    table: pa.Table | None = None
    fields: list[dict[str, Any]] = field(default_factory=list)
    title: str = ""
    holds: Holds = field(default_factory=Holds)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def check_content(folder: Path, header: Header, agreement: Agreement | None) -> Content:
    """Read a package whose signature and hashes hold; nothing is raised, all faults are told."""
    content = Content()

    def check(what: str, step: Callable[[], object]) -> None:
        try:
            step()
        except PackageError as error:
            content.faults.append(str(error))
        except Exception as error:  # noqa: BLE001 - foreign bytes: whatever they break is their fault
            content.faults.append(f"{what}: it could not be examined ({type(error).__name__}).")

    def status() -> None:
        content.holds = _read_status(folder)

    def data() -> None:
        content.fields, content.title = _described(folder, header)
        content.table = _read_table(folder, header, content.fields)
        if agreement is not None:
            fit = check_fit(header, content.title, content.fields, content.table, agreement)
            content.faults += fit.faults
            content.remarks += fit.remarks
            if fit.surplus:
                content.table = content.table.drop_columns(list(fit.surplus))
                content.fields = [f for f in content.fields if f["name"] not in fit.surplus]

    check(fmt.STATUS, status)
    if header.kind == "report":
        check(fmt.RECEIPTS, lambda: receipt_of(_bytes(folder, fmt.RECEIPTS), header))
        check(fmt.LINEAGE, lambda: _check_lineage(folder))
        check(fmt.data_path(header.report), data)
        check(fmt.DATAPACKAGE, lambda: _check_levels(content.fields))
    elif agreement is not None and header.report not in agreement:
        content.faults.append(
            f"header report: the receiver has no contract for report {header.report}."
        )
    return content


def _read_status(folder: Path) -> Holds:
    told = parse_json(_bytes(folder, fmt.STATUS), fmt.STATUS)
    if not isinstance(told, dict):
        raise _fault("it is not a mapping", fmt.STATUS)
    tasks = told.get("tasks", [])
    if not isinstance(tasks, list) or len(tasks) > _MOST_TASKS:
        raise _fault("it does not hold a list of tasks", f"{fmt.STATUS} tasks")
    for number, one in enumerate(tasks):
        if not isinstance(one, dict) or not all(isinstance(v, _SCALARS) for v in one.values()):
            raise _fault("it is not a task with plain values", f"{fmt.STATUS} tasks.{number}")
    standings_of(told)
    return holds_of(told)


_SCALARS = (str, int, float, bool, type(None))


def _check_lineage(folder: Path) -> None:
    lines = _bytes(folder, fmt.LINEAGE).split(b"\n")
    if len(lines) > _MOST_EVENTS:
        raise _fault(f"it holds more than {_MOST_EVENTS:,} events", fmt.LINEAGE)
    if lines.pop() != b"":
        raise _fault("its last line has no end", fmt.LINEAGE)
    for number, line in enumerate(lines, 1):
        event = parse_canonical(line, f"{fmt.LINEAGE} line {number}")
        if not isinstance(event, dict) or not isinstance(event.get("eventType"), str):
            raise _fault("it is not an OpenLineage event", f"{fmt.LINEAGE} line {number}")


def _described(folder: Path, header: Header) -> tuple[list[dict[str, Any]], str]:
    """The columns and the title that ``datapackage.json`` states of the one data file."""
    described = parse_json(_bytes(folder, fmt.DATAPACKAGE), fmt.DATAPACKAGE)
    try:
        (resource,) = described["resources"]
        fields, schema = resource["schema"]["fields"], resource["schema"]
        title = described.get("title")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _fault("it does not describe exactly one resource", fmt.DATAPACKAGE) from error
    path = fmt.data_path(header.report)
    sha256, sm3 = file_hashes(folder / path)
    claims: list[tuple[str, object, object]] = [
        ("id", described.get("id"), header.package_id),
        ("name", described.get("name"), header.package_id.lower()),
        ("version", described.get("version"), header.contract_version),
        ("created", described.get("created"), header.sealed_at),
        ("resources.0.name", resource.get("name"), header.report),
        ("resources.0.path", resource.get("path"), path),
        ("resources.0.format", resource.get("format"), "parquet"),
        ("resources.0.bytes", resource.get("bytes"), (folder / path).stat().st_size),
        ("resources.0.hash", resource.get("hash"), f"sha256:{sha256}"),
        ("resources.0.sm3", resource.get("sm3"), sm3),
    ]
    for place, said, is_so in claims:
        if type(said) is not type(is_so) or said != is_so:
            raise _fault(
                "it describes another file than the one that was signed",
                f"{fmt.DATAPACKAGE} {place}",
            )
    if not isinstance(fields, list) or not all(isinstance(one, dict) for one in fields):
        raise _fault("it is not a list of columns", f"{fmt.DATAPACKAGE} fields")
    key = schema.get("primaryKey", [])
    if not isinstance(key, list) or not all(isinstance(one, str) for one in key):
        raise _fault("it is not a list of columns", f"{fmt.DATAPACKAGE} primaryKey")
    if type(resource.get("rowCount")) is not int or resource["rowCount"] != header.rows:
        raise _fault(
            "it is not the number of rows that the signed header states",
            f"{fmt.DATAPACKAGE} resources.0.rowCount, header rows",
        )
    cleaned = [{**one, "title": words(one.get("title")), "primaryKey": key} for one in fields]
    return cleaned, words(title)


def _check_levels(fields: Sequence[Mapping[str, Any]]) -> None:
    for one in fields:
        level, where = one.get("level"), f"{fmt.DATAPACKAGE} column {words(one.get('name'))} level"
        if level in PERSONAL:
            raise _fault(
                f"it is personal ({level}) and may not leave its site",
                where,
                "Drop it or aggregate it",
            )
        if level not in _LEVELS:
            raise _fault("it is neither L1 nor L2", where)


def _read_table(folder: Path, header: Header, fields: list[dict[str, Any]]) -> pa.Table:
    path = fmt.data_path(header.report)
    table = values.read_parquet(folder / path)
    for sentence in values.schema_differences(table, fields):
        raise _fault(sentence, fmt.DATAPACKAGE)
    if header.rows != table.num_rows:
        raise _fault(
            f"the file has {table.num_rows} rows, which is not the number declared", "header rows"
        )
    if values.content_hash(table) != header.content_hash:
        raise _fault("the values are not those of the signed content hash", "header content_hash")
    for name, allowed in (("site_code", header.sender), ("period", header.period)):
        if name in table.column_names:
            found = set(table.column(name).cast(pa.string()).unique().to_pylist())
            if not found <= {allowed}:
                raise _fault(f"rows name another {name} than {allowed}", f"{path} column {name}")
    for name in OWN_COLUMNS:
        if name not in _AGREEING and name in table.column_names:
            raise _fault("the name is the receiver's own", f"{path} column {name}")
    return table


def words(value: object, most: int = 200) -> str:
    """Foreign words as a comment may hold them: short, no control or half character."""
    return "".join(one for one in str(value or "")[:most] if one.isprintable())


def _bytes(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.stat().st_size > _JSON_BYTES:
        raise _fault("the file is larger than it may be", name)
    return path.read_bytes()


def _fault(what: str, where: str, todo: str = "Seal and send it again") -> PackageError:
    return PackageError(what, where=where, todo=todo)
