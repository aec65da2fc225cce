"""``ops.received``: every decision on every package, added to and never changed.

It remembers; deciding is ``chain``'s work, merging is ``merge``'s, and what is asked of it for a
decision is ``memory``'s matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.contracts.model import Column, LogicalType
from dagster_project.protocol.acknowledgement import Outcome
from dagster_project.protocol.manifest import PACKAGE_ID

TABLE = "lake.ops.received"
_COLUMNS = {
    "site_code": ("VARCHAR", "报送单位区划代码"),
    "package_id": ("VARCHAR", "报送包编号"),
    "outcome": ("VARCHAR", "结果：accepted已入库、rejected已拒收、held待前序"),
    "consumed": ("BOOLEAN", "是否占用报送序号"),
    "reasons": ("VARCHAR[]", "原因"),
    "remarks": ("VARCHAR[]", "附言：已入库而仍须留意之处"),
    "received_at": ("TIMESTAMPTZ", "接收时间（UTC）"),
    "received_hash": ("VARCHAR", "收到内容的散列值"),
    "signature_hash": ("VARCHAR", "签名文件的散列值"),
    "package_hash": ("VARCHAR", "报送包散列值，签名无效时为空"),
    "package_no": ("BIGINT", "报送序号"),
    "report": ("VARCHAR", "报表"),
    "period": ("VARCHAR", "报告期"),
    "revision": ("BIGINT", "修订次数"),
    "row_count": ("BIGINT", "行数"),
    "cut_off_at": ("TIMESTAMPTZ", "数据截止时间（UTC）"),
    "kind": ("VARCHAR", "种类：report报送、withdrawal撤回"),
    "head_no": ("BIGINT", "此后该单位报送链的最后序号"),
    "head_hash": ("VARCHAR", "此后该单位报送链最后一包的散列值"),
    "held": ("VARCHAR", "报送单位所报的搁置数据项（JSON），旧版本的报送包没有"),
    "via": ("VARCHAR", "经由哪个下级转报，直接报送的为空串"),
    "totals": ("VARCHAR", "各数值列的合计（JSON），供与以后各期比对"),
    "key_id": ("VARCHAR", "签名密钥编号，签名无效时为空串"),
}
_ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}
_SCHEMA = pa.schema([(name, _ARROW[kind]) for name, (kind, _) in _COLUMNS.items()])


@dataclass(frozen=True)
class Entry:
    """One decision. All after ``signature_hash`` are empty where the signature did not hold.

    ``held`` is what its ``status.json`` says of held deliveries, as JSON (``protocol.held``).
    ``via`` is the child that passed it on, empty where it came directly. ``totals`` is column ->
    sum, as JSON, of an accepted report. ``key_id`` is the key that signed it.
    """

    site_code: str
    package_id: str
    outcome: Outcome
    consumed: bool
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    received_at: datetime
    received_hash: str
    signature_hash: str
    package_hash: str = ""
    package_no: int | None = None
    report: str | None = None
    period: str | None = None
    revision: int | None = None
    row_count: int | None = None
    cut_off_at: datetime | None = None
    kind: str = ""
    head_no: int | None = None
    head_hash: str = ""
    held: str = ""
    via: str = ""
    totals: str = ""
    key_id: str = ""

    @property
    def door(self) -> str:
        """The child through whose exchange folder it came."""
        return self.via or self.site_code


def columns() -> tuple[Column, ...]:
    """The table's columns, for the models that read it."""
    kinds: dict[str, LogicalType] = {
        "BOOLEAN": "boolean",
        "BIGINT": "integer",
        "TIMESTAMPTZ": "timestamp",
    }
    return tuple(
        Column(name, title, kinds.get(kind, "string"), level="L1")
        for name, (kind, title) in _COLUMNS.items()
    )


def ensure(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table, or the columns that it lacks; call it inside a transaction."""
    present = present_columns(con)
    if present:
        for name in (name for name in _COLUMNS if name not in present):
            kind, comment = _COLUMNS[name]
            con.execute(f"ALTER TABLE {TABLE} ADD COLUMN {name} {kind}")
            con.execute(f"COMMENT ON COLUMN {TABLE}.{name} IS '{comment}'")
        return
    body = ", ".join(f"{name} {kind}" for name, (kind, _) in _COLUMNS.items())
    con.execute(f"CREATE TABLE {TABLE} ({body})")
    con.execute(f"COMMENT ON TABLE {TABLE} IS '报送包接收登记'")
    for name, (_, comment) in _COLUMNS.items():
        con.execute(f"COMMENT ON COLUMN {TABLE}.{name} IS '{comment}'")


def complete(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the table is there with every column."""
    return present_columns(con) >= _COLUMNS.keys()


def present_columns(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The table's columns; none where this lake never received anything."""
    found = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'ops' AND table_name = 'received'"
    ).fetchall()
    return {str(name) for (name,) in found}


def source(con: duckdb.DuckDBPyConnection) -> str:
    """The table for a FROM clause, with every column, though a lake of some time ago has fewer."""
    present = present_columns(con)
    names = ", ".join(
        name if name in present else f"NULL::{kind} AS {name}"
        for name, (kind, _) in _COLUMNS.items()
    )
    return f"(SELECT {names} FROM {TABLE})"


def add(con: duckdb.DuckDBPyConnection, entries: Sequence[Entry]) -> None:
    """Write decisions; call it inside a transaction."""
    told = [dict(zip(_COLUMNS, astuple(entry), strict=True)) for entry in entries]
    con.register("decided", pa.Table.from_pylist(told, schema=_SCHEMA))
    try:
        con.execute(f"INSERT INTO {TABLE} BY NAME SELECT * FROM decided")
    finally:
        con.unregister("decided")


def entries(
    con: duckdb.DuckDBPyConnection,
    where: str = "",
    bound: Sequence[Any] = (),
    limit: int | None = None,
) -> list[Entry]:
    """Decisions, oldest first; those of a table that lacks columns have them empty.

    Args:
        con: A connection with the lake attached.
        where: A condition in SQL on ``decided``, with marks for ``bound``; else every decision.
        bound: The condition's values.
        limit: The newest of them only.
    """
    if not present_columns(con):
        return []
    condition = f"WHERE {where}" if where else ""
    order = "received_at {0}, package_no {0} NULLS {1}, package_id {0}, outcome {0}"
    newest = f"ORDER BY {order.format('DESC', 'LAST')} LIMIT {int(limit)}" if limit else ""
    rows = con.execute(
        f"SELECT * FROM (SELECT * FROM {source(con)} AS decided {condition} {newest})"
        f" ORDER BY {order.format('ASC', 'FIRST')}",
        list(bound),
    ).fetchall()
    return [_entry(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def settled(con: duckdb.DuckDBPyConnection, package_ids: Iterable[str]) -> dict[str, Entry]:
    """The decisions that used up a number, of packages with these ids; other names have none."""
    wanted = [one for one in package_ids if PACKAGE_ID.match(one)]
    if not wanted:
        return {}
    con.register("wanted", pa.table({"id": pa.array(wanted, pa.string())}))
    try:
        found = entries(con, "consumed AND package_id IN (SELECT id FROM wanted)")
    finally:
        con.unregister("wanted")
    return {entry.package_id: entry for entry in found}


def _entry(row: dict[str, Any]) -> Entry:
    """A row as it was decided; columns that are younger than it are empty."""
    lists = {name: tuple(row[name] or ()) for name in ("reasons", "remarks")}
    names = ("package_hash", "kind", "head_hash", "held", "via", "totals", "key_id")
    texts = {name: row[name] or "" for name in names}
    return Entry(**{**row, **lists, **texts})
