"""An accepted package's rows into ``city.<report>``: whose, for when, which revision, current.

All revisions stay; ``is_current`` marks the newest of a county and period. Only packages that
were verified and are next in their chain come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from dagster_project.city.verify import ENVELOPE, Shapes, Verdict
from dagster_project.contracts.model import Column
from dagster_project.lake.engine import literal, quoted

_OWN = (
    Column("site_code", "报送单位区划代码", "string", level="L1"),
    Column("site_name", "报送单位名称", "string", level="L1"),
    Column("period", "报告期", "string", level="L1"),
    Column("revision", "修订次数", "integer", level="L1"),
    Column("package_id", "报送包编号", "string", level="L1"),
    Column("is_current", "是否当前修订", "boolean", level="L1"),
)
_OWN_TITLES = {column.name: column.title for column in _OWN}
_OWN_TYPES = {column.name: column.duck_type for column in _OWN}


def received_columns(report: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of ``city.<report>``: whose, for when, which revision; then the report's own."""
    return (*_OWN, *(column for column in report if column.name not in _OWN_TITLES))


def missing(con: duckdb.DuckDBPyConnection, shapes: Shapes) -> list[str]:
    """The reports that have no table yet, or one that lacks a column of the receiver's contract."""
    return [
        report
        for report, columns in shapes.items()
        if not {one.name for one in received_columns(columns)} <= _present(con, report).keys()
    ]


def prepare(con: duckdb.DuckDBPyConnection, shapes: Shapes) -> None:
    """Make the tables of reports that no county has sent yet, for the SQL above them.

    A table of an older contract gets the columns that it lacks. Call it inside a transaction.
    Instants travel with their zone, so that is how timestamps are made here.
    """
    for report in missing(con, shapes):
        kinds = {
            column.name: "TIMESTAMP WITH TIME ZONE"
            if column.type == "timestamp"
            else column.duck_type
            for column in received_columns(shapes[report])
        }
        titles = {column.name: column.title for column in shapes[report]}
        if present := _kept(con, report):
            _widen(con, report, {n: k for n, k in kinds.items() if n not in present}, titles)
        else:
            _create(con, report, kinds, titles)


def shape_conflicts(con: duckdb.DuckDBPyConnection, verdict: Verdict) -> list[str]:
    """Why a package's columns cannot enter the table that earlier packages made."""
    present = _kept(con, verdict.header.report)
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
    target = _target(header.report)
    if header.revision > 1:
        con.execute(
            f"UPDATE {target} SET is_current = false WHERE site_code = ? AND period = ?"
            " AND is_current",
            [header.sender, header.period],
        )
    assert verdict.table is not None  # noqa: S101 - only verified packages are merged
    rows: pa.Table = verdict.table.drop_columns(
        [name for name in ENVELOPE if name in verdict.table.column_names]
    )
    own = (
        "? AS site_code, ? AS site_name, ? AS period, ? AS revision, ? AS package_id,"
        " true AS is_current"
    )
    con.register("incoming", rows)
    try:
        con.execute(
            f"INSERT INTO {target} BY NAME SELECT {own}, * FROM incoming",
            [
                header.sender,
                verdict.sender_name,
                header.period,
                header.revision,
                header.package_id,
            ],
        )
    finally:
        con.unregister("incoming")
    return int(rows.num_rows)


def _ensure_table(con: duckdb.DuckDBPyConnection, verdict: Verdict) -> None:
    report, present = verdict.header.report, _kept(con, verdict.header.report)
    incoming = _incoming(verdict)
    titles = {one["name"]: str(one.get("title", ""))[:200] for one in verdict.fields}
    if not present:
        _create(con, report, incoming, titles, verdict.title)
        return
    new = {name: kind for name, kind in incoming.items() if name not in present}
    _widen(con, report, new, titles)


def _widen(
    con: duckdb.DuckDBPyConnection,
    report: str,
    kinds: Mapping[str, str],
    titles: Mapping[str, str],
) -> None:
    for name, kind in kinds.items():
        con.execute(f"ALTER TABLE {_target(report)} ADD COLUMN {quoted(name)} {kind}")
        _comment(con, report, name, titles.get(name, ""))


def _create(
    con: duckdb.DuckDBPyConnection,
    report: str,
    kinds: Mapping[str, str],
    titles: Mapping[str, str],
    title: str = "",
) -> None:
    body = ", ".join(f"{quoted(name)} {kind}" for name, kind in kinds.items())
    con.execute(f"CREATE OR REPLACE TABLE {_target(report)} ({body})")
    con.execute(f"COMMENT ON TABLE {_target(report)} IS {literal(title)}")
    for name in kinds:
        _comment(con, report, name, _OWN_TITLES.get(name) or titles.get(name, ""))


def _comment(con: duckdb.DuckDBPyConnection, report: str, name: str, title: str) -> None:
    con.execute(f"COMMENT ON COLUMN {_target(report)}.{quoted(name)} IS {literal(title)}")


def _incoming(verdict: Verdict) -> dict[str, str]:
    return _OWN_TYPES | {
        one["name"]: one["physicalType"] for one in verdict.fields if one["name"] not in _OWN_TYPES
    }


def _kept(con: duckdb.DuckDBPyConnection, report: str) -> dict[str, str]:
    """The table's columns, if it holds rows; an empty table's columns bind nobody."""
    present = _present(con, report)
    if not present:
        return {}
    row = con.execute(f"SELECT 1 FROM {_target(report)} LIMIT 1").fetchone()
    return present if row else {}


def _present(con: duckdb.DuckDBPyConnection, report: str) -> dict[str, str]:
    rows: list[tuple[Any, ...]] = con.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake'"
        " AND schema_name = 'city' AND table_name = ? ORDER BY column_index",
        [report],
    ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def _target(report: str) -> str:
    return f"lake.city.{quoted(report)}"
