"""An accepted package's rows into ``city.<report>``: whose, for when, which revision, current.

All revisions stay; ``is_current`` marks the newest of a county and period. Only packages that
were verified and are next in their chain come here.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.city.verify import ENVELOPE, Verdict
from dagster_project.lake.engine import literal, quoted
from dagster_project.protocol.manifest import Header

_OWN = {
    "county_code": ("VARCHAR", "报送单位区划代码"),
    "period": ("VARCHAR", "报告期"),
    "revision": ("BIGINT", "修订次数"),
    "package_id": ("VARCHAR", "报送包编号"),
    "is_current": ("BOOLEAN", "是否当前修订"),
}


def shape_conflicts(con: duckdb.DuckDBPyConnection, verdict: Verdict) -> list[str]:
    """Why a package's columns cannot enter the table that earlier packages made."""
    present = _present(con, verdict.header.report)
    return [
        f"column {name}: it is {kind} here, but {present[name]} in the city's table."
        for name, kind in _incoming(verdict).items()
        if name in present and present[name] != kind
    ]


def merge(con: duckdb.DuckDBPyConnection, verdict: Verdict) -> int:
    """Add a package's rows; call it inside a transaction.

    Returns:
        How many rows were added.
    """
    header = verdict.header
    _ensure_table(con, verdict)
    target = _target(header)
    con.execute(
        f"UPDATE {target} SET is_current = false WHERE county_code = ? AND period = ?"
        " AND is_current",
        [header.county, header.period],
    )
    assert verdict.table is not None  # noqa: S101 - only verified packages are merged
    rows: pa.Table = verdict.table.drop_columns(
        [name for name in ENVELOPE if name in verdict.table.column_names]
    )
    own = "? AS county_code, ? AS period, ? AS revision, ? AS package_id, true AS is_current"
    con.register("incoming", rows)
    try:
        con.execute(
            f"INSERT INTO {target} BY NAME SELECT {own}, * FROM incoming",
            [header.county, header.period, header.revision, header.package_id],
        )
    finally:
        con.unregister("incoming")
    return int(rows.num_rows)


def _ensure_table(con: duckdb.DuckDBPyConnection, verdict: Verdict) -> None:
    target, present = _target(verdict.header), _present(con, verdict.header.report)
    incoming = _incoming(verdict)
    titles = {one["name"]: str(one.get("title", ""))[:200] for one in verdict.fields}
    if not present:
        body = ", ".join(f"{quoted(name)} {kind}" for name, kind in incoming.items())
        con.execute(f"CREATE TABLE {target} ({body})")
        con.execute(f"COMMENT ON TABLE {target} IS {literal(verdict.title)}")
    for name, kind in incoming.items():
        if present and name not in present:
            con.execute(f"ALTER TABLE {target} ADD COLUMN {quoted(name)} {kind}")
        if name not in present:
            comment = _OWN[name][1] if name in _OWN else titles.get(name, "")
            con.execute(f"COMMENT ON COLUMN {target}.{quoted(name)} IS {literal(comment)}")


def _incoming(verdict: Verdict) -> dict[str, str]:
    own = {name: kind for name, (kind, _) in _OWN.items()}
    return own | {
        one["name"]: one["physicalType"] for one in verdict.fields if one["name"] not in own
    }


def _present(con: duckdb.DuckDBPyConnection, report: str) -> dict[str, str]:
    rows: list[tuple[Any, ...]] = con.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'city' AND table_name = ? ORDER BY column_index",
        [report],
    ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def _target(header: Header) -> str:
    return f"lake.city.{quoted(header.report)}"
