"""Does a report keep to the receiver's own contract: version, columns, key, values?

Versions are major.minor.patch. Of the same major version a report may have another patch (words)
or another minor version: a newer one may bring columns that the receiver does not know, which are
left out and told; an older one may lack columns that need not be filled. Another major version is
refused. Nothing is read from the disk, and no sentence holds a cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.city.agreed import PERSONAL, Agreed, Agreement
from dagster_project.contracts.model import Column
from dagster_project.contracts.report_period import SPELLED, period_called, period_of_value
from dagster_project.contracts.report_words import PeriodKind
from dagster_project.protocol import manifest as fmt
from dagster_project.protocol.manifest import Header

_VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", re.ASCII)
_FAMILY = {
    "string": "string",
    "integer": "integer",
    "decimal": "number",
    "date": "date",
    "timestamp": "datetime",
    "boolean": "boolean",
}
_MOST_TOTAL = Decimal(10**12)
"""So large may the whole numbers of one column be together, whatever their signs: sums and shares
over many sites are still whole numbers of 64 bits."""
_NO_SUCH = "that there is no such column"
_OTHER_TITLE = "it is not the one of the receiver's contract."
_AGREE = "Agree on one version of the report's contract"


@dataclass
class Fit:
    """What does not fit, what is odd, and the columns that are left out."""

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    surplus: tuple[str, ...] = ()


def check_fit(
    header: Header,
    title: str,
    fields: Sequence[Mapping[str, Any]],
    table: pa.Table,
    agreement: Agreement,
) -> Fit:
    """Compare a report with the receiver's contract of it.

    Args:
        header: The signed header.
        title: What the sender calls the report.
        fields: The columns as the sender describes them; they are those of the table.
        table: The rows.
        agreement: The receiver's contracts.
    """
    fit, mine = Fit(), agreement.get(header.report)
    if mine is None:
        fit.faults.append(
            f"header report: the receiver has no contract for report {header.report}. {_AGREE}."
        )
        return fit
    if mine.period and period_called(cast("PeriodKind", mine.period), header.period) is None:
        fit.faults.append(
            f"header period: {header.period} is not {SPELLED[mine.period]}, as the contract of a "
            f"{mine.period} report asks."
        )
    newer = _newer(fit, header, mine)
    if newer is None:
        return fit
    _compare_columns(fit, fields, mine, newer)
    _compare_words(fit, title, fields, mine)
    if not fit.faults:
        fit.faults += [*_value_faults(header, table, mine), *_out_of_reach(header, table)]
    return fit


def _newer(fit: Fit, header: Header, mine: Agreed) -> int | None:
    """1 if the sender's minor version is newer, -1 if older, 0 if the same; None if no good."""
    if not mine.version:
        return 0
    theirs, own = _VERSION.fullmatch(header.contract_version), _VERSION.fullmatch(mine.version)
    if theirs is None:
        fit.faults.append("header contract_version: it is not a version like 1.0.2.")
        return None
    if own is None:
        return 0
    (their_major, their_minor, _), (major, minor, _) = (
        tuple(map(int, one.groups())) for one in (theirs, own)
    )
    if their_major != major:
        fit.faults.append(
            f"header contract_version: it is {header.contract_version}, the receiver's is "
            f"{mine.version}: another major version. {_AGREE}."
        )
        return None
    if header.contract_version == mine.version and mine.hash not in {"", header.contract_hash}:
        fit.remarks.append(
            f"header contract_hash: the sender's contract {mine.version} has another text than "
            "the receiver's."
        )
    return (their_minor > minor) - (their_minor < minor)


def _compare_columns(
    fit: Fit, fields: Sequence[Mapping[str, Any]], mine: Agreed, newer: int
) -> None:
    known = {column.name: column for column in mine.columns}
    found = {str(one["name"]): str(one["type"]) for one in fields}
    kinds = {str(one["name"]): str(one["physicalType"]) for one in fields}
    surplus = []
    for name in sorted(known.keys() | found.keys()):
        column = known.get(name)
        expected = _FAMILY[column.type] if column else None
        if found.get(name) == expected:
            # Who comes first would otherwise decide what all others' figures must fit into.
            if column is not None and kinds[name] != travelling_type(column):
                fit.faults.append(
                    f"{fmt.DATAPACKAGE} column {name}: it is {kinds[name]}, the receiver's "
                    f"contract says {travelling_type(column)}. {_AGREE}."
                )
            continue
        if column is None and newer > 0:
            surplus.append(name)
            fit.remarks.append(
                f"column {name}: the receiver's contract {mine.version} does not have it; it was "
                "left out and stays in the package."
            )
        elif name not in found and newer < 0 and not _needed(name, column, mine):
            fit.remarks.append(f"column {name}: the sender's older contract does not have it.")
        else:
            fit.faults.append(
                f"{fmt.DATAPACKAGE} column {name}: it is {found.get(name, 'missing')}, the "
                f"receiver's contract says {expected or _NO_SUCH}. {_AGREE}."
            )
    fit.surplus = tuple(surplus)
    key = list(fields[0]["primaryKey"]) if fields else list(mine.key)
    if mine.key and key != list(mine.key):
        fit.faults.append(
            f"{fmt.DATAPACKAGE} primaryKey: the receiver's contract says {', '.join(mine.key)}. "
            f"{_AGREE}."
        )


def travelling_type(column: Column) -> str:
    """The exact type of a column on its way; instants travel with their zone."""
    return "TIMESTAMP WITH TIME ZONE" if column.type == "timestamp" else column.duck_type


def _needed(name: str, column: Column | None, mine: Agreed) -> bool:
    return name in mine.key or bool(column and column.required)


def _compare_words(fit: Fit, title: str, fields: Sequence[Mapping[str, Any]], mine: Agreed) -> None:
    """Another unit or level is another figure; another title is only told."""
    if mine.title and title != mine.title:
        fit.remarks.append(
            f"{fmt.DATAPACKAGE} title: it is not the one of the receiver's contract."
        )
    known = {column.name: column for column in mine.columns}
    for one in fields:
        column = known.get(one["name"])
        if column is None or one["name"] in fit.surplus:
            continue
        where = f"{fmt.DATAPACKAGE} column {column.name}"
        if column.level in PERSONAL:
            fit.faults.append(
                f"{where}: it is personal ({column.level}) by the receiver's contract."
            )
        elif one.get("level") != column.level:
            fit.faults.append(
                f"{where} level: it is not {column.level}, as the receiver's contract says. "
                f"{_AGREE}."
            )
        if str(one.get("unit") or "") != column.unit:
            fit.faults.append(
                f"{where} unit: it is not {column.unit or 'empty'}, as the receiver's contract "
                f"says. {_AGREE}."
            )
        if one["title"] != column.title[:200]:
            fit.remarks.append(f"{where} title: {_OTHER_TITLE}")


def _value_faults(header: Header, table: pa.Table, mine: Agreed) -> Iterator[str]:
    path = fmt.data_path(header.report)
    for column in mine.columns:
        if column.name in table.column_names and _needed(column.name, column, mine):
            empty = table.column(column.name).null_count
            if empty:
                yield f"{path} column {column.name}: {empty} rows lack the value that it must have."
    key = [name for name in mine.key if name in table.column_names]
    if key and table.group_by(key).aggregate([]).num_rows != table.num_rows:
        yield f"{path} columns {', '.join(key)}: the key of a row stands twice."
    for column in mine.own:
        if column.name in table.column_names:
            for what in _limit_faults(table.column(column.name), column, mine):
                yield f"{path} column {column.name}: {what}."
    if mine.period_column in table.column_names:
        kind = cast("PeriodKind", mine.period)
        named = table.column(mine.period_column).unique().to_pylist()
        spelled = [period_of_value(kind, value) for value in named]
        if not all(one is not None and one.name == header.period for one in spelled):
            yield (
                f"{path} column {mine.period_column}: rows belong to another period than "
                f"{header.period}."
            )


def _out_of_reach(header: Header, table: pa.Table) -> Iterator[str]:
    """Values with which others cannot count: sums of 64 bits turn over, far years have no zone."""
    for name, cells in zip(table.column_names, table.columns, strict=True):
        where = f"{fmt.data_path(header.report)} column {name}"
        if pa.types.is_integer(cells.type):
            total = pc.sum(pc.abs(cells.cast(pa.decimal128(38)))).as_py()
            if total is not None and total > _MOST_TOTAL:
                yield f"{where}: its numbers are larger together than {_MOST_TOTAL:,}."
        elif pa.types.is_temporal(cells.type):
            days = pa.scalar(date(1000, 1, 1)), pa.scalar(date(3000, 1, 1))
            first, end = (one.cast(cells.type).value for one in days)
            ends = pc.min_max(
                cells.cast(pa.int32() if pa.types.is_date32(cells.type) else pa.int64())
            )
            low, high = ends["min"].as_py(), ends["max"].as_py()
            if low is not None and not first <= low <= high < end:
                yield f"{where}: a value lies before the year 1000 or after 2999."


def _limit_faults(cells: pa.ChunkedArray, column: Column, mine: Agreed) -> Iterator[str]:
    """What the contract says of single values, counted over the different ones."""
    allowed = mine.codes.get(column.name)
    if allowed is not None or column.pattern:
        texts = [one for one in cells.unique().cast(pa.string()).to_pylist() if one is not None]
        if allowed is not None and (strange := sum(one not in allowed for one in texts)):
            yield f"{strange} different values are not in its code list {column.codes}"
        if column.pattern:
            form = re.compile(column.pattern)
            if strange := sum(form.search(one) is None for one in texts):
                yield f"{strange} different values are not of the form that the contract asks for"
    if column.max_length and column.type == "string":
        longest = pc.max(pc.utf8_length(cells)).as_py() or 0
        if longest > column.max_length:
            yield f"a value has {longest} characters, {column.max_length} are allowed"
    if column.type in {"integer", "decimal"} and (column.minimum or column.maximum):
        ends = pc.min_max(cells).as_py()
        if column.minimum and ends["min"] is not None and ends["min"] < Decimal(column.minimum):
            yield f"a value is below {column.minimum}"
        if column.maximum and ends["max"] is not None and ends["max"] > Decimal(column.maximum):
            yield f"a value is above {column.maximum}"
