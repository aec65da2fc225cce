"""``ops.received``: every decision on every package, added to and never changed.

It remembers; deciding is ``chain``'s work, merging is ``merge``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime

import duckdb

from dagster_project.city.chain import Chain
from dagster_project.protocol.acknowledgement import Outcome

_COLUMNS = {
    "county_code": ("VARCHAR", "报送单位区划代码"),
    "package_id": ("VARCHAR", "报送包编号"),
    "outcome": ("VARCHAR", "结果：accepted已入库、rejected已拒收、held待前序"),
    "consumed": ("BOOLEAN", "是否占用报送序号"),
    "reasons": ("VARCHAR[]", "原因"),
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
}


@dataclass(frozen=True)
class Entry:
    """One decision. The last seven are empty where the package's signature did not hold."""

    county_code: str
    package_id: str
    outcome: Outcome
    consumed: bool
    reasons: tuple[str, ...]
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


def ensure(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table if it is missing; call it inside a transaction."""
    if exists(con):
        return
    body = ", ".join(f"{name} {kind}" for name, (kind, _) in _COLUMNS.items())
    con.execute(f"CREATE TABLE lake.ops.received ({body})")
    con.execute("COMMENT ON TABLE lake.ops.received IS '报送包接收登记'")
    for name, (_, comment) in _COLUMNS.items():
        con.execute(f"COMMENT ON COLUMN lake.ops.received.{name} IS '{comment}'")


def exists(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether this lake ever received anything."""
    found = con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'lake'"
        " AND schema_name = 'ops' AND table_name = 'received'"
    ).fetchone()
    return bool(found and found[0])


def add(con: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    """Write one decision; call it inside a transaction."""
    marks = ", ".join("?" for _ in _COLUMNS)
    row = [list(entry.reasons) if value is entry.reasons else value for value in astuple(entry)]
    con.execute(f"INSERT INTO lake.ops.received VALUES ({marks})", row)


def entries(con: duckdb.DuckDBPyConnection, county: str | None = None) -> list[Entry]:
    """Every decision, or one county's, oldest first."""
    if not exists(con):
        return []
    names = ", ".join(_COLUMNS)
    where, bound = ("WHERE county_code = ?", [county]) if county else ("", [])
    rows = con.execute(
        f"SELECT {names} FROM lake.ops.received {where}"
        " ORDER BY received_at, package_no NULLS FIRST, package_id, outcome",
        bound,
    ).fetchall()
    named = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
    return [Entry(**{**row, "reasons": tuple(row["reasons"])}) for row in named]


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
