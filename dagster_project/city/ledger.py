"""``ops.received``: every decision on every package, added to and never changed.

It remembers; deciding is ``chain``'s work, merging is ``merge``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

import duckdb

from dagster_project.city.chain import Chain
from dagster_project.contracts.model import Column, LogicalType
from dagster_project.protocol.acknowledgement import Outcome

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
}


@dataclass(frozen=True)
class Entry:
    """One decision. All after ``signature_hash`` are empty where the signature did not hold.

    ``held`` is what its ``status.json`` says of held deliveries, as JSON (``protocol.held``).
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
    present = _present(con)
    if present:
        for name in (name for name in _COLUMNS if name not in present):
            kind, comment = _COLUMNS[name]
            con.execute(f"ALTER TABLE lake.ops.received ADD COLUMN {name} {kind}")
            con.execute(f"COMMENT ON COLUMN lake.ops.received.{name} IS '{comment}'")
        return
    body = ", ".join(f"{name} {kind}" for name, (kind, _) in _COLUMNS.items())
    con.execute(f"CREATE TABLE lake.ops.received ({body})")
    con.execute("COMMENT ON TABLE lake.ops.received IS '报送包接收登记'")
    for name, (_, comment) in _COLUMNS.items():
        con.execute(f"COMMENT ON COLUMN lake.ops.received.{name} IS '{comment}'")


def complete(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the table is there with every column."""
    return _present(con) >= _COLUMNS.keys()


def _present(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The table's columns; none where this lake never received anything."""
    found = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'ops' AND table_name = 'received'"
    ).fetchall()
    return {str(name) for (name,) in found}


def add(con: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    """Write one decision; call it inside a transaction."""
    marks = ", ".join("?" for _ in _COLUMNS)
    row = [list(value) if isinstance(value, tuple) else value for value in astuple(entry)]
    names = ", ".join(_COLUMNS)
    con.execute(f"INSERT INTO lake.ops.received ({names}) VALUES ({marks})", row)


def entries(con: duckdb.DuckDBPyConnection, county: str | None = None) -> list[Entry]:
    """Every decision, or one county's, oldest first; an older lake has fewer columns."""
    present = _present(con)
    if not present:
        return []
    names = ", ".join(name if name in present else f"NULL AS {name}" for name in _COLUMNS)
    where, bound = ("WHERE site_code = ?", [county]) if county else ("", [])
    rows = con.execute(
        f"SELECT {names} FROM lake.ops.received {where}"
        " ORDER BY received_at, package_no NULLS FIRST, package_id, outcome",
        bound,
    ).fetchall()
    return [_entry(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _entry(row: dict[str, Any]) -> Entry:
    """A row as it was decided; columns that are younger than it are empty."""
    lists = {name: tuple(row[name] or ()) for name in ("reasons", "remarks")}
    texts = {name: row[name] or "" for name in ("kind", "head_hash", "held")}
    return Entry(**{**row, **lists, **texts})


def chain_of(decisions: Iterable[Entry]) -> Chain:
    """A county's chain, as its decisions left it."""
    chain = Chain()
    for entry in decisions:
        if not entry.consumed or entry.package_no is None:
            continue
        chain.used[entry.package_no] = entry.package_hash
        if entry.outcome == "accepted" and entry.report and entry.period and entry.revision:
            spot = (entry.report, entry.period)
            chain.revisions[spot] = max(chain.revisions.get(spot, 0), entry.revision)
    return chain
