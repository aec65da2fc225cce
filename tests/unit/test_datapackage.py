"""``datapackage.json`` is a Data Package of version 2, by the rules of its published profile."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dagster_project.contracts.model import Column, Table
from dagster_project.protocol import table as values
from dagster_project.protocol.canonical import canonical_json
from dagster_project.protocol.manifest import Header
from dagster_project.reporting.datapackage import datapackage, table_schema

# The profiles of datapackage.org/profiles/2.0, as far as a package of ours uses them.
NAME = re.compile(r"^[-a-z0-9._/]+$")
URL_FREE_PATH = re.compile(r"^((?=[^./~])(?!file:)((?!/\.\./)(?!\\)(?!:\/\/).)*)$")
HASH = re.compile(r"^([^:]+:[a-fA-F0-9]+|[a-fA-F0-9]{32}|)$")
MEDIA_TYPE = re.compile(r"^(.+)/(.+)$")
TYPES = {
    *("string", "number", "integer", "date", "time", "datetime", "year", "yearmonth", "boolean"),
    *("object", "geopoint", "geojson", "array", "list", "duration", "any"),
}
TABLE = values.normalise(
    pa.table(
        {
            "month": ["202305", "202305"],
            "town_code": ["140321100000", None],
            "order_cnt": pa.array([3, None], pa.int64()),
            "solve_pct": pa.array([Decimal("95.66"), None], pa.decimal128(7, 2)),
            "until_date": pa.array([datetime(2023, 5, 31, tzinfo=UTC).date(), None], pa.date32()),
            "closed_at": pa.array([datetime(2023, 5, 31, 4, tzinfo=UTC), None]),
            "suppressed": [True, False],
        }
    )
)
COLUMNS = (
    Column("month", "受理月份", "string", "YYYYMM，北京时间", level="L1"),
    Column("order_cnt", "工单数", "integer", unit="件"),
)
CONTRACT = Table(
    "hotline_by_month",
    "report",
    "热线分月统计表",
    "2.0.0",
    columns=COLUMNS,
    key=("month", "town_code"),
    period="monthly",
)
HEADER = Header(
    package_id="140321-hotline_by_month-202305-r1",
    package_no=1,
    sender="140321",
    sender_name="平定县",
    recipient="140300",
    report="hotline_by_month",
    period="202305",
    revision=1,
    replaces="",
    reason="",
    previous_hash="",
    cut_off_at="2023-05-31T12:00:00Z",
    sealed_at="2023-05-31T12:30:00.5Z",
    contract_version="2.0.0",
    contract_hash="c" * 64,
    sql_hash="d" * 64,
    snapshot=7,
    rows=2,
    content_hash="e" * 64,
    receipt_hash="",
    writer=values.WRITER,
)


def faults(told: Any, folder: Path) -> Iterator[str]:
    """What the profiles ``datapackage``, ``dataresource`` and ``tableschema`` would refuse."""
    if not isinstance(told.get("resources"), list) or not told["resources"]:
        yield "a package has at least one resource"
    if not NAME.match(told.get("name", "")):
        yield "the package's name"
    for word in ("id", "title", "description", "version"):
        if word in told and not (isinstance(told[word], str) and told[word]):
            yield f"{word} is no text"
    datetime.fromisoformat(told["created"])
    if len({one["name"] for one in told["resources"]}) < len(told["resources"]):
        yield "two resources of one name"
    for one in told["resources"]:
        yield from _resource_faults(one, folder)


def _resource_faults(one: Any, folder: Path) -> Iterator[str]:
    if not NAME.match(one["name"]) or not URL_FREE_PATH.match(one["path"]):
        yield "a resource's name or path"
    body = (folder / one["path"]).read_bytes()
    if one["bytes"] != len(body) or not HASH.match(one["hash"]):
        yield "a resource's bytes or hash"
    if one["hash"] != f"sha256:{hashlib.sha256(body).hexdigest()}":
        yield "a resource's hash is another's"
    if not MEDIA_TYPE.match(one["mediatype"]) or not one["format"].islower():
        yield "a resource's media type or format"
    yield from _schema_faults(one["schema"])


def _schema_faults(schema: Any) -> Iterator[str]:
    names = [field["name"] for field in schema["fields"]]
    if not names or len(set(names)) < len(names):
        yield "a schema has fields, each with a name of its own"
    if any(field["type"] not in TYPES for field in schema["fields"]):
        yield "a field's type"
    for field in schema["fields"]:
        for word in ("title", "description"):
            if word in field and not (isinstance(field[word], str) and field[word]):
                yield f"a field's {word}"
    key = schema.get("primaryKey")
    if key is not None and (not key or not set(key) <= set(names)):
        yield "the primary key names fields"


@pytest.mark.parametrize("key", [("month", "town_code"), ()])
def test_it_is_valid_by_the_published_profile(tmp_path: Path, key: tuple[str, ...]) -> None:
    """Names, resources, paths, sizes, hashes, fields with their types, and the key."""
    (tmp_path / "data").mkdir()
    data = tmp_path / "data" / "hotline_by_month.parquet"
    values.write_parquet(TABLE, data)
    contract = Table(**{**CONTRACT.__dict__, "key": key})
    told = json.loads(canonical_json(datapackage(HEADER, contract, COLUMNS, data, TABLE)))
    assert list(faults(told, tmp_path)) == []
    assert told["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    (resource,) = told["resources"]
    assert resource["schema"]["$schema"] == "https://datapackage.org/profiles/2.0/tableschema.json"
    assert {one["name"]: one["type"] for one in resource["schema"]["fields"]} == {
        "month": "string",
        "town_code": "string",
        "order_cnt": "integer",
        "solve_pct": "number",
        "until_date": "date",
        "closed_at": "datetime",
        "suppressed": "boolean",
    }
    assert resource["schema"]["fields"][2] == {
        "name": "order_cnt",
        "type": "integer",
        "physicalType": "BIGINT",
        "title": "工单数",
        "unit": "件",
        "level": "L2",
    }


def test_the_schema_follows_from_contract_and_table_alone() -> None:
    """Where the contract lies, and which rows the table holds, changes no byte of it."""
    first = table_schema(CONTRACT, COLUMNS, TABLE)
    moved = Table(**{**CONTRACT.__dict__, "path": "/elsewhere", "hash": "0" * 64})
    assert canonical_json(table_schema(moved, COLUMNS, TABLE.slice(0, 0))) == canonical_json(first)
